"""One HTML file that says what was found, shows it, explains it and tells where it comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from edgegym.evaluation import statistics
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.drawing import GREYS, GRID, INK, LEARNED, LOSS, MUTED, PAPER, rendered
from edgegym.evaluation.figures import metric_intervals, paired_differences
from edgegym.evaluation.labels import words
from edgegym.evaluation.lines import lines_figure
from edgegym.evaluation.page import PAGE, READING, STYLE
from edgegym.evaluation.pictures import LearningCurves, Picture
from edgegym.evaluation.standings import Standing
from edgegym.evaluation.tables import WORDY, Cell, Row, Sheet, sheets
from edgegym.evaluation.timing import Timing, timing_sheet
from edgegym.evaluation.verdicts import intervals, losses, sentence
from edgegym.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = {"ink": INK, "muted": MUTED, "grid": GRID, "paper": PAPER, "learned": LEARNED, "loss": LOSS}
_NAMED |= {f"grey{number}": grey for number, grey in enumerate(GREYS, start=1)}
_THEMED = {colour: f"var(--{name}, {colour})" for name, colour in _NAMED.items()}
_SIGN_CLASSES = {1: "better", 0: "open", -1: "worse"}
_OUTCOME_CLASSES = {"better": "better", "better on average": "better", "worse": "worse"}


@dataclass(frozen=True, eq=False)
class FigureEntry:
    """A figure with its words: its heading, and what it shows and how to read it."""

    title: str
    caption: str
    figure: Figure


def write_report(
    folder: str | os.PathLike[str],
    comparison: Comparison,
    title: str = "",
    curves: Sequence[LearningCurves] = (),
    pictures: Sequence[Picture] = (),
    provenance: Mapping[str, str] | None = None,
    timings: Mapping[str, Timing] | None = None,
) -> Path:
    """Write ``report.html``, one file that needs nothing else; it is written whole or not at all.

    Args:
        folder: made where it does not exist.
        comparison: what was found.
        title: the heading; left out, it names the metric that decides.
        curves: learning curves, shown first.
        pictures: the family's own pictures, shown last.
        provenance: whatever a reader needs to repeat the numbers: command, config, seeds, data sources, machine,
            versions, date. What is known of episodes, runs and bootstrap is added.
        timings: CPU time of each policy, if it was measured.

    Returns:
        The path of the file.
    """
    target = Path(folder) / "report.html"
    figures = list(report_figures(comparison, curves, pictures))
    heading = title or f"Policies compared by {words(comparison.primary)}"
    write_text(target, report_html(heading, comparison, figures, provenance or {}, timings))
    return target


def report_figures(
    comparison: Comparison, curves: Sequence[LearningCurves] = (), pictures: Sequence[Picture] = ()
) -> Iterator[FigureEntry]:
    """Draw the figures of a report in their order, colours for light paper."""
    for learning in curves:
        picture = learning.picture()
        yield FigureEntry(picture.title, picture.caption, lines_figure(picture))
    yield FigureEntry(
        "Metrics",
        f"Interquartile means. {intervals(comparison)} Policies from best to worst by the mean "
        f"{words(comparison.primary)}; learned ones in bold. The dashed line is the bound on the metric that decides.",
        metric_intervals(comparison),
    )
    differences = paired_differences(comparison)
    if differences is not None:
        yield FigureEntry(
            "Paired differences to the best heuristic",
            "Each dot is one run on one episode that both played; open orange dots are losses. A dash is the mean of "
            "the runs. Ties count one half in the share.",
            differences,
        )
    for picture in pictures:
        yield FigureEntry(picture.title, picture.caption, lines_figure(picture))


def report_html(
    title: str,
    comparison: Comparison,
    figures: Sequence[FigureEntry],
    provenance: Mapping[str, str],
    timings: Mapping[str, Timing] | None = None,
) -> str:
    """Return the page of :func:`write_report`; its vector graphics follow the reader's light or dark theme."""
    facts = {**provenance, **_facts(comparison)}
    shown = [*sheets(comparison), *([timing_sheet(comparison, timings)] if timings else [])]
    return PAGE.format(
        title=escape(title),
        style=STYLE,
        verdicts=_verdicts(comparison),
        losses=_list("Where learned policies lose", losses(comparison)),
        tables="\n".join(_table(sheet) for sheet in shown),
        notes=_list("Notes", [intervals(comparison), *comparison.notes]),
        figures=_figures(figures),
        reading=READING.format(resamples=statistics.RESAMPLES, level=100 * statistics.LEVEL),
        provenance="\n".join(f"<dt>{escape(key)}</dt><dd>{escape(str(text))}</dd>" for key, text in facts.items()),
    )


def _facts(comparison: Comparison) -> dict[str, str]:
    """What the comparison itself knows of how it was made."""
    runs = ", ".join(f"{one.policy}: {' '.join(one.run_names)}" for one in comparison.scores if one.kind == "learned")
    return {
        "episodes": f"{comparison.episodes}, the same for every policy",
        **({"training runs": runs} if runs else {}),
        "bootstrap": f"{statistics.RESAMPLES} resamples, seed {comparison.seed}, percentile intervals of "
        f"{100 * statistics.LEVEL:g} %, scheme {comparison.scheme}",
    }


def _verdicts(comparison: Comparison) -> str:
    """The result in a sentence for each learned policy."""
    if not comparison.learned:
        return f"<p>No learned policy was judged. The best heuristic is {escape(comparison.best_heuristic)}.</p>"
    return f'<ul class="verdicts">\n{"".join(_verdict(one, comparison) for one in comparison.learned)}</ul>'


def _verdict(standing: Standing, comparison: Comparison) -> str:
    """One sentence, with how much of the gap to the bound is closed."""
    gap = standing.gap_closed
    closed = f" Gap to the bound {comparison.bound} closed: {gap.text(100.0)} %." if gap else ""
    kind = _OUTCOME_CLASSES.get(standing.outcome or "", "open")
    text = escape(sentence(standing, comparison) + closed)
    return f'<li class="{kind}"><strong>{escape(standing.policy)}</strong>: {text}</li>\n'


def _table(sheet: Sheet) -> str:
    """A table that scrolls by itself where the window is narrow."""
    wordy = [name in WORDY for name in sheet.columns]
    head = "".join(
        f"<th{_class('words' * w)}>{escape(name)}</th>" for name, w in zip(sheet.columns, wordy, strict=True)
    )
    kinds = [None, *(row.kind for row in sheet.rows)]
    body = "\n".join(_row(row, wordy, before != row.kind) for row, before in zip(sheet.rows, kinds, strict=False))
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(sheet.title)}"><table>\n'
        f"<caption>{escape(sheet.title)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _row(row: Row, wordy: Sequence[bool], first: bool) -> str:
    """A table row."""
    cells = "".join(_cell(cell, is_words) for cell, is_words in zip(row.cells, wordy, strict=True))
    return f'<tr class="{row.kind}{" first" * first}">{cells}</tr>'


def _cell(cell: Cell, is_words: bool) -> str:
    """A table cell, its interval in small print."""
    classes = " ".join(filter(None, ("words" * is_words, _SIGN_CLASSES[cell.sign] if cell.sign else "")))
    interval = f" <small>{escape(cell.interval)}</small>" if cell.interval else ""
    return f"<td{_class(classes)}>{escape(cell.text)}{interval}</td>"


def _class(names: str) -> str:
    """A class attribute, or nothing."""
    return f' class="{names}"' if names else ""


def _list(heading: str, lines: Sequence[str]) -> str:
    """Lines under a heading; nothing where there are none."""
    if not lines:
        return ""
    return f"<h3>{heading}</h3>\n<ul>\n" + "".join(f"<li>{escape(line)}</li>\n" for line in lines) + "</ul>"


def _figures(figures: Sequence[FigureEntry]) -> str:
    """All figures in a section of their own."""
    shown = "\n".join(_figure(number, entry) for number, entry in enumerate(figures, start=1))
    return f"<section>\n<h2>Figures</h2>\n{shown}\n</section>" if figures else ""


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
