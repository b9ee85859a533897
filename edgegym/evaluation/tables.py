"""A comparison as tables: for the terminal (rich), for Markdown pages, and as plain cells for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING

from edgegym.decision.metrics import Metric
from edgegym.decision.policy import Kind
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.labels import shortened, with_unit, words
from edgegym.evaluation.standings import Standing
from edgegym.evaluation.statistics import Estimate
from edgegym.evaluation.verdicts import intervals, losses, verdict

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "\N{EN DASH}"
WORDY = ("policy", "verdict")
_KIND_STYLES = {"heuristic": "", "learned": "bold bright_blue", "bound": "dim italic"}
_SIGN_STYLES = {1: "bold green", -1: "bold red"}


@dataclass(frozen=True)
class Cell:
    """What stands in a table under one heading.

    Attributes:
        text: a number or words.
        interval: ``[low, high]``, or empty.
        sign: +1 where a gain of a learned policy is shown, -1 for a loss.
        minor: whether the interval may be left out where room is short.
    """

    text: str
    interval: str = ""
    sign: int = 0
    minor: bool = False

    @property
    def line(self) -> str:
        """Number and interval in one line."""
        return f"{self.text} {self.interval}".rstrip()


@dataclass(frozen=True)
class Row:
    """One policy, its name in the first cell."""

    kind: Kind
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sheet:
    """A table before it is drawn."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def judgement_sheet(comparison: Comparison) -> Sheet:
    """The primary metric and what follows from it: heuristics best first, learned policies, bounds.

    Columns that are empty for every policy (no bound, no learned policy) are left out.
    """
    primary = comparison.primary
    factor, unit = comparison.unit(primary)
    columns: dict[str, Callable[[Standing], Cell]] = {
        "policy": lambda one: Cell(one.policy),
        "runs": lambda one: Cell(str(one.runs)),
        f"mean {with_unit(primary, unit, arrow=True)}": lambda one: _mean(one, factor),
        "interquartile mean": lambda one: _cell(one.metrics[primary.name], factor),
        "minus best heuristic": lambda one: _difference(one, primary, factor),
        "P beats best": lambda one: _probability(
            versus.probability if (versus := one.versus_best.get(primary.name)) else None
        ),
        "lowest P": lambda one: _probability(one.lowest_probability),
        "gap closed [%]": lambda one: _cell(one.gap_closed, 100.0),
        "verdict": lambda one: _verdict(one, comparison),
    }
    cells = {name: [cell(one) for one in comparison.standings] for name, cell in columns.items()}
    shown = {name: column for name, column in cells.items() if any(cell.text != NOTHING for cell in column)}
    rows = (
        Row(one.kind, row) for one, row in zip(comparison.standings, zip(*shown.values(), strict=True), strict=True)
    )
    title = (
        f"{words(primary)} over {comparison.episodes} episode{'s' * (comparison.episodes > 1)}, "
        f"best heuristic in hindsight: {comparison.best_heuristic}"
    )
    return Sheet(title, tuple(shown), tuple(rows))


def metrics_sheet(comparison: Comparison) -> Sheet | None:
    """All other metrics in which the policies differ, or None where there are none.

    A learned policy's cell says where it is shown to be better or worse than the best heuristic.
    """
    others = [metric for metric in comparison.metrics[1:] if _differs(comparison, metric)]
    if not others:
        return None
    units = {metric.name: comparison.unit(metric) for metric in others}
    rows = (
        Row(one.kind, (Cell(one.policy), *(_marked(one, metric, units[metric.name][0]) for metric in others)))
        for one in comparison.standings
    )
    columns = ("policy", *(with_unit(metric, units[metric.name][1], arrow=True) for metric in others))
    title = f"The other metrics, interquartile means; better and worse: than {comparison.best_heuristic}"
    same = [words(metric) for metric in comparison.metrics[1:] if metric not in others]
    return Sheet(title + (f"; the same for all: {', '.join(same)}" if same else ""), columns, tuple(rows))


def _differs(comparison: Comparison, metric: Metric) -> bool:
    """Whether two policies differ in a metric."""
    found = (one.metrics[metric.name] for one in comparison.standings)
    return len({estimate.value for estimate in found if estimate}) > 1


def _cell(estimate: Estimate | None, factor: float = 1.0) -> Cell:
    """Value and interval, or a dash."""
    return Cell(*estimate.texts(factor)) if estimate else Cell(NOTHING)


def _mean(standing: Standing, factor: float) -> Cell:
    """The plain mean with four digits."""
    return Cell(NOTHING) if standing.mean is None else Cell(Estimate.point(standing.mean).text(factor))


def _difference(standing: Standing, metric: Metric, factor: float) -> Cell:
    """Paired difference to the best heuristic."""
    versus = standing.versus_best.get(metric.name)
    if versus is None:
        return Cell(NOTHING)
    return Cell(*versus.difference.texts(factor, signed=True), versus.sign if standing.kind == "learned" else 0)


def _probability(estimate: Estimate | None) -> Cell:
    """Two decimals."""
    return Cell(*estimate.texts(decimals=2), minor=True) if estimate else Cell(NOTHING)


def _verdict(standing: Standing, comparison: Comparison) -> Cell:
    """The judgement of a learned policy, the role of another one."""
    if standing.policy == comparison.best_heuristic:
        return Cell("best heuristic")
    if standing.kind == "bound":
        return Cell("bound" if standing.policy == comparison.bound else "not used as bound")
    sign = {"better": 1, "better on average": 1, "worse": -1}.get(standing.outcome or "", 0)
    return Cell(verdict(standing) or NOTHING, sign=sign)


def _marked(standing: Standing, metric: Metric, factor: float) -> Cell:
    """Interquartile mean, with a word where a learned policy differs from the best heuristic."""
    cell = _cell(standing.metrics[metric.name], factor)
    versus = standing.versus_best.get(metric.name)
    if standing.kind != "learned" or versus is None or versus.sign == 0:
        return cell
    return Cell(f"{'better' if versus.sign > 0 else 'worse'} {cell.text}", cell.interval, versus.sign)


def sheets(comparison: Comparison) -> list[Sheet]:
    """The judgement sheet, then the sheet of the other metrics where there are some."""
    return [sheet for sheet in (judgement_sheet(comparison), metrics_sheet(comparison)) if sheet]


def footnotes(comparison: Comparison) -> list[str]:
    """What stands below the tables: what the intervals are over, losses first spelt out, then the notes."""
    return [*losses(comparison), intervals(comparison), *comparison.notes]


def comparison_table(comparison: Comparison, width: int = 120) -> Table:
    """Rich table of the judgement, with losses and notes below; learned policies stand out.

    Args:
        comparison: what to show.
        width: columns of the terminal; intervals go below their numbers where a line would be longer.
    """
    return terminal_table(judgement_sheet(comparison), width, "\n".join(footnotes(comparison)))


def metrics_tables(comparison: Comparison, width: int = 120) -> list[Table]:
    """Rich tables of the other metrics: as many as it takes to keep within the width; arguments as above."""
    sheet = metrics_sheet(comparison)
    return [terminal_table(part, width) for part in _parts(sheet, width)] if sheet else []


def _parts(sheet: Sheet, width: int) -> list[Sheet]:
    """The sheet with its columns shared out over several, each with the policies' names, so that lines fit."""
    columns = range(1, len(sheet.columns))
    chosen: list[list[int]] = [[]]
    for column in columns:
        if chosen[-1] and not _fits(_with_columns(sheet, [0, *chosen[-1], column]), width):
            chosen.append([])
        chosen[-1].append(column)
    parts = [_with_columns(sheet, [0, *some]) for some in chosen]
    return [part if part is parts[0] else replace(part, title="") for part in parts]


def _with_columns(sheet: Sheet, chosen: Sequence[int]) -> Sheet:
    rows = (Row(row.kind, tuple(row.cells[k] for k in chosen)) for row in sheet.rows)
    return Sheet(sheet.title, tuple(sheet.columns[k] for k in chosen), tuple(rows))


def _fits(sheet: Sheet, width: int) -> bool:
    """Whether lines fit with intervals below their numbers."""
    return _line_width(sheet, _WAYS[1]) <= width


def terminal_table(sheet: Sheet, width: int, caption: str = "") -> Table:
    """Draw one sheet; cells are Text, so that names with brackets are not taken for markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(sheet.title),
        caption=Text(caption) if caption else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    headings, rows = _fitted(sheet, width)
    for place, (heading, name) in enumerate(zip(headings, sheet.columns, strict=True)):
        # Headings and verdicts may break within words where space is short; names and numbers may not.
        words = [word for texts in rows for word in texts[place].split()] if name != "verdict" else []
        table.add_column(
            Text(heading),
            justify="left" if name in WORDY else "right",
            overflow="fold",
            min_width=max(map(len, words), default=None),
        )
    kinds = [row.kind for row in sheet.rows]
    for row, texts, following in zip(sheet.rows, rows, [*kinds[1:], None], strict=True):
        styles = [_SIGN_STYLES.get(cell.sign, _KIND_STYLES[row.kind]) for cell in row.cells]
        drawn = [Text(text, style=style) for text, style in zip(texts, styles, strict=True)]
        table.add_row(*drawn, end_section=following != row.kind)
    return table


_WAYS: tuple[Callable[[Cell], str], ...] = (
    lambda cell: cell.line,
    lambda cell: f"{fill(cell.text, 12)}\n{cell.interval}".rstrip(),
    lambda cell: fill(cell.text, 12) + ("" if cell.minor else f"\n{cell.interval}".rstrip()),
    lambda cell: "\n".join([fill(cell.text, 12), *cell.interval.split()]),
)
"""How a cell is written: on a line, its interval below, only major intervals below, or those on two lines."""


def _fitted(sheet: Sheet, width: int) -> tuple[list[str], list[list[str]]]:
    """Headings and cells, written in the first way in which lines fit the width, else in the last."""
    way = next((way for way in _WAYS if _line_width(sheet, way) <= width), _WAYS[-1])
    rows = _written(sheet, way)
    headings = [fill(name, least) for name, least in zip(sheet.columns, _widths(sheet, rows), strict=True)]
    return headings, rows


def _written(sheet: Sheet, way: Callable[[Cell], str]) -> list[list[str]]:
    return [[shortened(row.cells[0].text, 24), *map(way, row.cells[1:])] for row in sheet.rows]


def _widths(sheet: Sheet, rows: list[list[str]]) -> list[int]:
    """Least width of each column: its longest word or line."""
    return [
        max(len(part) for text in (heading.replace(" ", "\n"), *column) for part in text.split("\n"))
        for heading, *column in zip(sheet.columns, *rows, strict=True)
    ]


def _line_width(sheet: Sheet, way: Callable[[Cell], str]) -> int:
    widths = _widths(sheet, _written(sheet, way))
    return sum(widths) + 2 * len(widths) - 1


def markdown(comparison: Comparison) -> str:
    """Markdown tables, the judgement and the other metrics, then losses and notes; learned policies in bold."""
    notes = "\n".join(f"- {_escaped(note)}" for note in footnotes(comparison))
    return "\n\n".join([*map(_markdown, sheets(comparison)), notes]) + "\n"


def _markdown(sheet: Sheet) -> str:
    """One table with its title above."""
    rule = ["---" if name in WORDY else "---:" for name in sheet.columns]
    lines = [f"{_escaped(sheet.title)}:", "", _line(sheet.columns), _line(rule)]
    for row in sheet.rows:
        cells = [_escaped(cell.line) for cell in row.cells]
        if row.kind == "learned":
            cells = [f"**{cell}**" for cell in cells]
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    """A table line."""
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Keep a policy's name from breaking the table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
