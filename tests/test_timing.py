"""CPU time of policies: measured, shown, and kept apart from what must be the same at every run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.policies import heuristics
from edgegym.decision.policy import EpisodeResult, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.harness import Task, run_episodes, summary
from edgegym.evaluation.report import write_report
from edgegym.evaluation.results import write_results
from edgegym.evaluation.scores import PolicyScores
from edgegym.evaluation.timing import Timing, timing_sheet

TASK = Task("EdgeGym/NetworkFunctions-v0", {"preset": "abilene", "workload": {"requests": 20}})
BUSY_S = 0.002


def slow(columns: Columns) -> NDArray[np.float64]:
    """Keeps the processor busy for a while."""
    ends_s = time.process_time() + BUSY_S
    while time.process_time() < ends_s:
        pass
    return np.asarray(columns.place, np.float64)


def quick(columns: Columns) -> NDArray[np.float64]:
    """The same choices at once."""
    return np.asarray(columns.place, np.float64)


def test_time_of_a_decision_is_that_of_the_policy_shared_by_the_batch() -> None:
    policy, rows = ScorePolicy("Slow", slow), 4
    calls = 0

    def counting(columns: Columns) -> NDArray[np.float64]:
        nonlocal calls
        calls += 1
        return slow(columns)

    policy.score = counting
    results = run_episodes(TASK, policy, range(rows))
    timing = Timing.of([results])
    assert timing.decision_us is not None
    assert timing.episode_ms is not None
    # Every call serves up to four rows at once; towards the end fewer.
    assert 0.9e6 * BUSY_S / rows < timing.decision_us < 3e6 * BUSY_S
    assert timing.episode_ms > 0.9e3 * BUSY_S * calls / rows


def test_times_are_no_part_of_results() -> None:
    first, again = (run_episodes(TASK, ScorePolicy("Policy", score), [3]) for score in (quick, slow))
    assert first == again
    assert first[0].cpu_s < again[0].cpu_s


def test_policies_that_play_by_themselves_have_no_time_of_a_decision() -> None:
    player = next(one for one in heuristics(TASK.id) if one.name == "GRC rank")
    timing = Timing.of([run_episodes(TASK, player, [0])])
    assert timing.decision_us is None
    assert timing.episode_ms is not None
    assert timing.episode_ms > 0.0
    assert Timing.of([[EpisodeResult(1.0, {})]]) == Timing(None, None)


def test_files_show_times_and_csv_holds_none(tmp_path: Path) -> None:
    policies = [one for one in heuristics(TASK.id) if one.name in ("Nearest", "GRC rank")]
    played = {one.name: run_episodes(TASK, one, [0, 1]) for one in policies}
    assert json.loads(json.dumps(summary("Nearest", played["Nearest"])))["timing"]["decision_us"] > 0.0
    timings = {name: Timing.of([results]) for name, results in played.items()}
    scores = [PolicyScores.of(name, "heuristic", [results]) for name, results in played.items()]
    comparison = Comparison.of(scores, TASK.system().metrics, "acceptance_ratio")
    assert [row.cells[0].text for row in timing_sheet(comparison, timings).rows] == [
        one.policy for one in comparison.standings
    ]
    found = json.loads(write_results(tmp_path, comparison, timings=timings).read_text(encoding="utf-8"))
    assert found["timings"]["GRC rank"]["decision_us"] is None
    assert found["timings"]["Nearest"]["episode_ms"] > 0.0
    again = {name: Timing(1.0, 1.0) for name in timings}
    before = (tmp_path / "results.csv").read_bytes()
    write_results(tmp_path, comparison, timings=again)
    assert (tmp_path / "results.csv").read_bytes() == before
    page = write_report(tmp_path, comparison, timings=timings).read_text(encoding="utf-8")
    assert "decision [us]" in page
    assert "decision [us]" not in write_report(tmp_path, comparison).read_text(encoding="utf-8")
