"""One HTML file that says what was found, shows it, explains it and tells where it comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from edgegym.evaluation.drawing import GREYS, GRID, INK, LEARNED, LOSS, MUTED, PAPER, rendered
from edgegym.evaluation.page import PAGE, READING, STYLE
from edgegym.evaluation.standings import Comparison, Standing
from edgegym.evaluation.tables import Row, Sheet, sheets
from edgegym.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_THEMED = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    LEARNED: "var(--learned)",
    LOSS: "var(--loss)",
    **{grey: f"var(--grey{number})" for number, grey in enumerate(GREYS, start=1)},
}
_CLASSES = {"better": "better", "better on average": "better", "worse": "worse"}


@dataclass(frozen=True)
class FigureEntry:
    """A figure with its words.

    Attributes:
        title: its heading.
        caption: what it shows and how to read it.
        figure: drawn by :mod:`edgegym.evaluation.figures`, or any matplotlib figure.
    """

    title: str
    caption: str
    figure: Figure


def write_report(
    path: str | os.PathLike[str],
    title: str,
    comparison: Comparison,
    figures: Sequence[FigureEntry] = (),
    provenance: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write a report as one HTML file that needs nothing else; it is written whole or not at all.

    Args:
        path: the file.
        title: its heading.
        comparison: what was found.
        figures: shown in this order, as vector graphics whose colours follow the reader's light or dark theme.
        provenance: whatever a reader needs to repeat the numbers: command, config, seeds, data sources, machine,
            versions, date.
        notes: what else a reader must know; added to the comparison's own notes.
    """
    write_text(path, report_html(title, comparison, figures, provenance or {}, notes))


def report_html(
    title: str,
    comparison: Comparison,
    figures: Sequence[FigureEntry],
    provenance: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """Return the page of :func:`write_report`."""
    facts = {"bootstrap": f"seed {comparison.seed}", **provenance}
    return PAGE.format(
        title=escape(title),
        style=STYLE,
        verdicts=_verdicts(comparison),
        tables="\n".join(_table(sheet) for sheet in sheets(comparison)),
        notes=_list([*comparison.notes, *notes]),
        figures=_figures(figures),
        reading=READING,
        provenance="\n".join(f"<dt>{escape(key)}</dt><dd>{escape(str(text))}</dd>" for key, text in facts.items()),
    )


def _verdicts(comparison: Comparison) -> str:
    """The result in a sentence for each learned policy."""
    if not comparison.learned:
        return f"<p>No learned policy was judged. The best heuristic is {escape(comparison.best_heuristic)}.</p>"
    return f'<ul class="verdicts">\n{"".join(map(_verdict, comparison.learned))}</ul>'


def _verdict(standing: Standing) -> str:
    """One sentence, with how much of the gap to the bound is closed."""
    if standing.verdict is None:
        return ""
    gap = standing.gap_closed
    sentence = f" Gap to the bound closed: {gap.text(100.0)} %." if gap else ""
    kind = _CLASSES.get(standing.verdict.outcome, "open")
    text = escape(standing.verdict.text + sentence)
    return f'<li class="{kind}"><strong>{escape(standing.policy)}</strong> is judged: {text}</li>\n'


def _table(sheet: Sheet) -> str:
    """A table that scrolls by itself where the window is narrow."""
    wordy = [name == "verdict" for name in sheet.columns]
    head = "".join(f"<th{_class('words', w)}>{escape(name)}</th>" for name, w in zip(sheet.columns, wordy, strict=True))
    kinds = [None, *(row.kind for row in sheet.rows)]
    body = "\n".join(_row(row, wordy, before != row.kind) for row, before in zip(sheet.rows, kinds, strict=False))
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(sheet.title)}"><table>\n'
        f"<caption>{escape(sheet.title)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _row(row: Row, wordy: Sequence[bool], first: bool) -> str:
    """A table row; intervals in smaller print."""
    cells = [
        f"<td{_class(_outcome_class(row) if is_words else '', is_words)}>{_cell(cell)}</td>"
        for cell, is_words in zip(row.cells, wordy, strict=True)
    ]
    return f'<tr class="{row.kind}{" first" if first else ""}">{"".join(cells)}</tr>'


def _outcome_class(row: Row) -> str:
    """Classes of a verdict cell."""
    return "words" if row.outcome is None else f"words {_CLASSES.get(row.outcome, 'open')}"


def _class(name: str, present: bool) -> str:
    """A class attribute, or nothing."""
    return f' class="{name}"' if present else ""


def _cell(cell: str) -> str:
    """Escape a cell and put its interval in small print."""
    value, bracket, interval = escape(cell).partition(" [")
    return f"{value} <small>[{interval}</small>" if bracket else value


def _list(notes: Sequence[str]) -> str:
    """Notes as a list."""
    return "<h3>Note</h3>\n<ul>\n" + "".join(f"<li>{escape(note)}</li>\n" for note in notes) + "</ul>" if notes else ""


def _figures(figures: Sequence[FigureEntry]) -> str:
    """All figures in a section of their own."""
    if not figures:
        return ""
    shown = "\n".join(_figure(number, entry) for number, entry in enumerate(figures, start=1))
    return f"<section>\n<h2>Figures</h2>\n{shown}\n</section>"


def _figure(number: int, entry: FigureEntry) -> str:
    """One figure with its words."""
    return (
        f'<figure>\n<h3>{escape(entry.title)}</h3>\n<div class="wide">\n{_inline_svg(entry, f"figure{number}-")}\n'
        f"</div>\n<figcaption>{escape(entry.caption)}</figcaption>\n</figure>"
    )


def _inline_svg(entry: FigureEntry, prefix: str) -> str:
    """A figure as an SVG element whose ids are unlike those of other figures and whose colours follow the theme."""
    svg = rendered(entry.figure).decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda found: _THEMED.get(found[0], found[0]), svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(entry.title)}" ', 1).rstrip()
