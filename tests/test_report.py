"""What a comparison is shown as: tables, files, figures and the page."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgegym.decision.metrics import Metric
from edgegym.decision.policy import Kind
from edgegym.evaluation import report
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.drawing import rendered, spread
from edgegym.evaluation.figures import metric_intervals, paired_differences
from edgegym.evaluation.lines import lines_figure
from edgegym.evaluation.pictures import LearningCurves, Line, Picture
from edgegym.evaluation.report import write_report
from edgegym.evaluation.results import write_results
from edgegym.evaluation.scores import PolicyScores
from edgegym.evaluation.tables import comparison_table, markdown, metrics_tables

HIT = Metric("hit_ratio", "1", "higher", "Requests served from the cache.")
LATENCY = Metric("mean_latency_s", "s", "lower", "Mean time to the last byte.")
NASTY = "<b>A|very*long</b> & [red]heuristic[/red] name {0}"


def policy(name: str, kind: Kind, level: float, runs: int, episodes: int) -> PolicyScores:
    rng = np.random.default_rng(int(1000 * level))
    hit = level + rng.normal(0, 0.01, (1, episodes)) + rng.normal(0, 0.002, (runs, episodes))
    return PolicyScores(name, kind, hit, {"hit_ratio": hit, "mean_latency_s": (1 - hit) / 10})


def make(episodes: int = 6, runs: int = 3, bound: bool = True, learned: bool = True) -> Comparison:
    scores = [policy("S3-FIFO", "heuristic", 0.52, 1, episodes), policy(NASTY, "heuristic", 0.4, 1, episodes)]
    scores += [policy("PPO", "learned", 0.6, runs, episodes)] * learned
    scores += [policy("DQN", "learned", 0.3, runs, episodes)] * learned
    scores += [policy("Belady", "bound", 0.7, 1, episodes)] * bound
    return Comparison.of(scores, (HIT, LATENCY), "hit_ratio")


def picture() -> Picture:
    sizes = [51, 205, 2048]
    lines = [
        Line("S3-FIFO", "heuristic", sizes, [0.3, 0.5, 0.7]),
        Line("PPO", "learned", sizes, [[0.4, 0.6, np.nan], [0.41, 0.58, np.nan]]),
        Line(NASTY, "heuristic", sizes, [np.nan] * 3),
    ]
    return Picture("Hit ratio against cache size", "By size.", lines, "cache size [objects]", "hit ratio", "log")


def curves(lines: list[Line] | None = None) -> LearningCurves:
    values = [[0.001, 0.003, 0.004], [0.002, 0.002, np.nan]]
    lines = [Line("PPO", "learned", [0, 10_000, 20_000], values)] if lines is None else lines
    return LearningCurves(LATENCY, lines, {"LRU": 0.0025, "Far": 4.0}, ("Belady", 0.0005))


class Page(HTMLParser):
    """Collects ids, and the cells of table rows by the row's class; checks that tags close."""

    VOID = ("meta", "br", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.rows: list[tuple[str, list[str]]] = []
        self.open: list[str] = []
        self.outside: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.ids += [given["id"]] if given.get("id") else []  # type: ignore[list-item]
        self.outside += [v for k, v in attributes if k in ("src", "href", "xlink:href") and v and not v.startswith("#")]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append((given.get("class") or "", []))
        if tag == "td":
            self.rows[-1][1].append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if "td" in self.open:
            self.rows[-1][1][-1] += text


def printed(comparison: Comparison, width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(comparison_table(comparison, width))
    for table in metrics_tables(comparison, width):
        console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 120, 240])
def test_terminal_shows_losses_plainly(width: int) -> None:
    shown = printed(make(), width)
    flat = " ".join(shown.split())
    assert "best heuristic in hindsight: S3-FIFO" in flat
    assert "DQN loses in hit ratio to S3-FIFO" in flat
    assert "DQN loses in mean latency to S3-FIFO" in flat
    assert "PPO loses" not in flat
    assert "worse" in flat
    assert "over 6 episodes of one run" in flat
    assert max(map(len, shown.splitlines())) <= width


def test_wide_terminal_keeps_a_policy_on_one_line() -> None:
    line = next(line for line in printed(make(), 240).splitlines() if line.startswith("DQN"))
    assert "worse than 2 of 2" in line
    assert "\N{MINUS SIGN}0.2" in line


def test_columns_without_content_are_left_out() -> None:
    alone = markdown(make(bound=False, learned=False))
    assert "gap closed" not in alone
    assert "lowest P" not in alone
    assert "gap closed" in markdown(make())


def test_markdown_tables_are_rectangular_whatever_the_names() -> None:
    rows = [line for line in markdown(make()).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows[:7]} == {10}
    assert any(row.startswith("| **DQN** |") and "worse than 2 of 2" in row for row in rows)


def test_results_json_holds_everything_and_is_strict(tmp_path: Path) -> None:
    path = write_results(tmp_path / "new", make(episodes=1), {"command": "x", "rate": float("nan")}, [picture()])

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(path.read_text(), parse_constant=refuse)
    assert found["primary"] == "hit_ratio"
    assert found["best_heuristic"] == "S3-FIFO"
    assert found["bound"] == "Belady"
    assert found["provenance"] == {"command": "x", "rate": None}
    assert found["bootstrap"]["resamples"] == 2000
    policies = {one["policy"]: one for one in found["policies"]}
    assert list(policies) == ["S3-FIFO", NASTY, "PPO", "DQN", "Belady"]
    alone, several = (policies[name]["metrics"]["hit_ratio"] for name in ("S3-FIFO", "PPO"))
    assert (alone["low"], alone["high"], alone["resampled"]) == (None, None, "nothing")
    assert several["resampled"] == "runs"
    assert several["low"] <= several["value"] <= several["high"]
    assert policies["DQN"]["outcome"] == "worse"
    assert policies["DQN"]["versus"]["S3-FIFO"]["sign"] == -1
    assert policies["DQN"]["gap_closed"]["value"] < 0 < policies["PPO"]["gap_closed"]["value"] < 1
    assert policies["PPO"]["lowest_probability"]["value"] == 1.0
    assert any("DQN loses in hit ratio" in line for line in found["losses"])
    assert np.array(found["scores"][2]["returns"]).shape == (3, 1)
    assert found["pictures"][0]["lines"][1]["values"][0] == [0.4, 0.6, None]
    assert [one.name for one in (tmp_path / "new").iterdir() if one.name.endswith(".part")] == []


def test_csv_holds_every_score(tmp_path: Path) -> None:
    comparison = make()
    write_results(tmp_path, comparison)
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert len(rows) == 3 * sum(one.returns.size for one in comparison.scores)
    dqn = [float(row["value"]) for row in rows if (row["policy"], row["metric"]) == ("DQN", "hit_ratio")]
    np.testing.assert_array_equal(dqn, comparison.scores_of("DQN").metrics["hit_ratio"].ravel())


def test_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    path = write_report(tmp_path, make(), "Caching & <more>", [curves()], [picture()], {"config": "a: {b: 1}"})
    text = path.read_text()
    page = Page(text)
    assert page.outside == []
    assert len(page.ids) == len(set(page.ids))
    assert text.count("<svg ") == 4
    assert "<title>Caching &amp; &lt;more&gt;</title>" in text
    assert "a: {b: 1}" in text
    assert "2000 resamples, seed 0" in text
    assert "chosen in hindsight" in text
    assert "NaN" not in text
    assert "<b>A|very" not in text


def test_page_shows_the_losing_rows(tmp_path: Path) -> None:
    text = write_report(tmp_path, make()).read_text()
    judged, other = (cells for kind, cells in Page(text).rows if "learned" in kind and cells[0] == "DQN")
    assert judged[-1] == "worse than 2 of 2"
    assert judged[4].startswith("\N{MINUS SIGN}0.2")
    assert other[1].startswith("worse ")
    assert '<li class="worse"><strong>DQN</strong>: worse than S3-FIFO' in text
    assert '<li class="better"><strong>PPO</strong>: better than S3-FIFO' in text
    assert "Where learned policies lose" in text


@pytest.mark.parametrize(
    "settings", [{"episodes": 1}, {"episodes": 1, "runs": 1}, {"bound": False}, {"learned": False}]
)
def test_every_shape_of_comparison_makes_a_page(tmp_path: Path, settings: dict[str, int]) -> None:
    text = write_report(tmp_path, make(**settings)).read_text()  # type: ignore[arg-type]
    Page(text)
    assert "No learned policy was judged" in text if settings.get("learned") is False else "DQN" in text


def test_a_failing_figure_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_report(tmp_path, make()).read_text()

    def fail(*_: object) -> bytes:
        raise OSError("disk full")

    monkeypatch.setattr(report, "rendered", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(tmp_path, make(episodes=2))
    assert (tmp_path / "report.html").read_text() == old
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_learning_curves_keep_the_axis_on_what_is_learned() -> None:
    shown = curves().picture()
    assert shown.y_label.startswith("mean latency [ms]")
    figure = lines_figure(shown)
    low, high = figure.axes[0].get_ylim()
    assert low < 0.5 < 4.0 < high < 100.0
    labels = [text.get_text() for text in figure.axes[0].texts]
    # The mean ends at the last point that a run has reached; the heuristic far off is at the edge with an arrow.
    assert "PPO 4" in labels
    assert "Far 4000 \N{UPWARDS ARROW}" in labels


@pytest.mark.parametrize("lines", [[], [Line("PPO", "learned", [0], [[np.nan]])]])
def test_learning_curves_without_a_single_number(lines: list[Line]) -> None:
    assert rendered(lines_figure(curves(lines).picture()), "png").startswith(b"\x89PNG")


def test_labels_at_line_ends_do_not_overlap() -> None:
    lines = [Line(f"Policy number {n}", "heuristic", [0, 1], [0, 0.5 + n / 1000]) for n in range(12)]
    figure = lines_figure(Picture("t", "c", lines, "x", "y"))
    figure.canvas.draw()
    # The text without its leader line, whose ends meet.
    boxes = sorted((super(type(t), t).get_window_extent() for t in figure.axes[0].texts), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 + 0.5 for lower, upper in pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_paired_figure_has_a_panel_for_each_learned_policy_and_marks_losses() -> None:
    figure = paired_differences(make())
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["PPO minus S3-FIFO", "DQN minus S3-FIFO"]
    shares = [text.get_text() for axes in figure.axes for text in axes.texts if "%" in text.get_text()]
    assert shares == ["better in 100 %", "better in 0 %"]
    assert paired_differences(make(learned=False)) is None


def test_metric_figure_draws_the_bound_on_the_primary_metric() -> None:
    comparison = make()
    primary, other = metric_intervals(comparison).axes
    dashed = [np.asarray(line.get_xdata()) for line in primary.lines if line.get_linestyle() == "--"]
    bound = comparison.standings[-1].metrics["hit_ratio"]
    assert bound is not None
    assert [x.tolist() for x in dashed] == [[bound.value, bound.value]]
    assert not [line for line in other.lines if line.get_linestyle() == "--"]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10))
def test_spread_positions_are_apart_inside_and_in_order(wanted: list[float]) -> None:
    placed = spread(wanted, 5.0, 0.0, 100.0)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= 5.0 - 1e-9).all()
    assert placed.min() >= -1e-9
    assert placed.max() <= 100.0 + 1e-9
    if (np.diff(np.sort(wanted)) >= 5.0).all():
        np.testing.assert_allclose(placed, wanted, atol=1e-9)


def test_reports_load_no_matplotlib_until_they_draw_and_never_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys, edgegym, edgegym.evaluation.report, edgegym.evaluation.tables, edgegym.evaluation.results\n"
        "assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules\n"
        "from edgegym.evaluation.lines import lines_figure; from edgegym.evaluation.pictures import Line, Picture\n"
        "lines_figure(Picture('t', 'c', [Line('a', 'learned', [0, 1], [0, 1])], 'x', 'y'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
