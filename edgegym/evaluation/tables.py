"""A comparison as tables: for the terminal (rich), for Markdown pages, and as plain cells for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

from edgegym.decision.metrics import Metric
from edgegym.evaluation.scores import Kind
from edgegym.evaluation.standings import Comparison, Outcome, Standing
from edgegym.evaluation.statistics import Estimate

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "\N{EN DASH}"
_KIND_STYLES = {"heuristic": "", "learned": "bold bright_blue", "bound": "dim italic"}
_OUTCOME_STYLES = {"better": "bold green", "better on average": "green", "worse": "bold red"}


@dataclass(frozen=True)
class Row:
    """One policy: the cells under the columns of its sheet, the last one the verdict where a sheet has one."""

    kind: Kind
    outcome: Outcome | None
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """A table before it is drawn."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def judgement_sheet(comparison: Comparison, brief: bool = False) -> Sheet:
    """The primary metric and what follows from it: heuristics best first, learned policies, bounds.

    Args:
        comparison: what to show.
        brief: leave out the intervals of the probabilities.
    """
    best = comparison.best_heuristic
    heading = _heading(comparison, comparison.primary)
    columns = (
        "policy",
        "runs",
        heading,
        f"minus {best}",
        f"P beats {best}",
        "P beats all",
        "gap closed [%]",
        "verdict",
    )
    title = f"Interquartile means over {comparison.episodes} episodes with 95 % intervals, decided by {heading}"
    return Sheet(title, columns, tuple(_judged(one, comparison, brief) for one in comparison.standings))


def _judged(standing: Standing, comparison: Comparison, brief: bool) -> Row:
    """One row of the judgement sheet."""
    factor, _ = comparison.unit(comparison.primary)
    versus = standing.against.get(comparison.best_heuristic)
    gap = standing.gap_closed
    verdict = standing.verdict.outcome if standing.verdict else None
    role = "best heuristic" if standing.policy == comparison.best_heuristic else NOTHING
    role = "bound" if standing.kind == "bound" else role
    cells = (
        standing.policy,
        str(standing.runs),
        _estimate(standing, comparison, comparison.primary),
        versus.difference.text(factor, signed=True) if versus else NOTHING,
        _probability(versus.probability if versus else None, brief),
        _probability(standing.over_every, brief),
        gap.text(100.0) if gap else NOTHING,
        verdict or role,
    )
    return Row(standing.kind, verdict, cells)


def _probability(estimate: Estimate | None, brief: bool) -> str:
    """Two decimals, with the interval unless brief."""
    if estimate is None:
        return NOTHING
    return f"{estimate.value:.2f}" if brief else estimate.text(decimals=2)


def metrics_sheet(comparison: Comparison) -> Sheet | None:
    """All other metrics, or None where there is only the primary one."""
    others = comparison.metrics[1:]
    if not others:
        return None
    columns = ("policy", *(_heading(comparison, metric) for metric in others))
    rows = (
        Row(one.kind, None, (one.policy, *(_estimate(one, comparison, metric) for metric in others)))
        for one in comparison.standings
    )
    return Sheet("The other metrics: interquartile means with 95 % intervals", columns, tuple(rows))


def title_of(metric: Metric) -> str:
    """The metric's name as words."""
    return metric.name.replace("_", " ")


def _heading(comparison: Comparison, metric: Metric) -> str:
    """Name, unit and an arrow for the better direction."""
    unit = comparison.unit(metric)[1]
    arrow = {"higher": " \N{UPWARDS ARROW}", "lower": " \N{DOWNWARDS ARROW}"}.get(metric.better, "")
    return title_of(metric) + (f" [{unit}]" if unit else "") + arrow


def _estimate(standing: Standing, comparison: Comparison, metric: Metric) -> str:
    """Value with interval."""
    estimate = standing.metrics[metric.name]
    return estimate.text(comparison.unit(metric)[0]) if estimate else NOTHING


def sheets(comparison: Comparison, brief: bool = False) -> list[Sheet]:
    """The judgement sheet, then the sheet of the other metrics where there are some."""
    return [sheet for sheet in (judgement_sheet(comparison, brief), metrics_sheet(comparison)) if sheet]


def terminal_tables(comparison: Comparison, width: int = 120) -> list[Table]:
    """Rich tables for the terminal: one for the judgement, one for the other metrics; learned policies stand out.

    Args:
        comparison: what to show.
        width: columns of the terminal; intervals go below their numbers where a line would be longer.
    """
    return [_terminal(sheet, width) for sheet in sheets(comparison, brief=True)]


def _terminal(sheet: Sheet, width: int) -> Table:
    """Draw one sheet; cells are Text, so that names with brackets are not taken for markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(sheet.title)
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0), show_edge=False)
    headings, rows = _fitted(sheet, width)
    for heading, right in zip(headings, _numeric(sheet), strict=True):
        table.add_column(Text(heading), justify="right" if right else "left", overflow="fold")
    previous = None
    for row, texts in zip(sheet.rows, rows, strict=True):
        if previous not in (None, row.kind):
            table.add_section()
        previous = row.kind
        cells = [Text(text, style=_KIND_STYLES[row.kind]) for text in texts]
        if row.outcome:
            cells[-1] = Text(texts[-1], style=_OUTCOME_STYLES.get(row.outcome, "yellow"))
        table.add_row(*cells)
    return table


def _fitted(sheet: Sheet, width: int) -> tuple[list[str], list[list[str]]]:
    """Headings and cells, broken into lines to fit the width.

    Whole cells on a line if all fit, else intervals below their numbers, else a line a word.
    """
    for broken in (lambda cell: cell, lambda cell: cell.replace(" [", "\n["), lambda cell: cell.replace(" ", "\n")):
        rows = [[row.cells[0], *map(broken, row.cells[1:])] for row in sheet.rows]
        widths = [
            max(len(part) for text in (heading.replace(" ", "\n"), *column) for part in text.split("\n"))
            for heading, *column in zip(sheet.columns, *rows, strict=True)
        ]
        if sum(widths) + 2 * len(widths) <= width:
            break
    return [fill(heading, least) for heading, least in zip(sheet.columns, widths, strict=True)], rows


def _numeric(sheet: Sheet) -> list[bool]:
    """Which columns hold numbers."""
    return [name not in ("policy", "verdict") for name in sheet.columns]


def markdown(comparison: Comparison) -> str:
    """Markdown tables: the judgement, then the other metrics; learned policies in bold."""
    return "\n\n".join(_markdown(sheet) for sheet in sheets(comparison)) + "\n"


def _markdown(sheet: Sheet) -> str:
    """One table with its title above."""
    rule = ["---:" if right else "---" for right in _numeric(sheet)]
    lines = [f"{sheet.title}:", "", _line(sheet.columns), _line(rule)]
    for row in sheet.rows:
        cells = [_escaped(cell) for cell in row.cells]
        if row.kind == "learned":
            cells = [f"**{cell}**" for cell in cells]
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    """A table line."""
    return f"| {' | '.join(cells)} |"


def _escaped(cell: str) -> str:
    """Keep a policy's name from breaking the table."""
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
