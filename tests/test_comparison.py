"""Comparisons with known winners and losers, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgegym.decision.metrics import Metric
from edgegym.decision.policy import EpisodeResult, Kind
from edgegym.errors import EdgeGymError
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.labels import shown_unit, with_unit
from edgegym.evaluation.scores import PolicyScores
from edgegym.evaluation.standings import Standing
from edgegym.evaluation.verdicts import intervals, losses, sentence, verdict

HIT = Metric("hit_ratio", "1", "higher", "Requests served from the cache.")
LATENCY = Metric("mean_latency_s", "s", "lower", "Mean time to the last byte.")
EVICTIONS = Metric("evictions", "1", "", "Contents evicted.")
METRICS = (HIT, LATENCY, EVICTIONS)
HARD = np.random.default_rng(0).normal(0, 0.05, 20)


def policy(
    name: str, kind: Kind, level: float, runs: int = 1, episodes: int = 20, latency: float | None = None
) -> PolicyScores:
    """Scores around a level; the runs of a policy differ by up to 0.004, episodes by how hard they are."""
    spread = np.linspace(-0.002, 0.002, runs)[:, None] if runs > 1 else np.zeros((1, 1))
    hit = level + spread + HARD[None, :episodes]
    seconds = np.full_like(hit, 1 - level if latency is None else latency)
    return PolicyScores(name, kind, 100 * hit, {"hit_ratio": hit, "mean_latency_s": seconds, "evictions": 9 * hit})


LRU, FIFO, BELADY = policy("LRU", "heuristic", 0.5), policy("FIFO", "heuristic", 0.4), policy("Belady", "bound", 0.7)


def compare(*scores: PolicyScores, primary: str = "hit_ratio", **settings: Any) -> Comparison:
    return Comparison.of(scores, METRICS, primary, **settings)


def standing(comparison: Comparison, name: str) -> Standing:
    return next(one for one in comparison.standings if one.policy == name)


def test_the_best_heuristic_is_the_best_on_the_primary_metric_in_hindsight() -> None:
    quick = policy("Quick", "heuristic", 0.45, latency=0.1)
    assert compare(FIFO, LRU, quick).best_heuristic == "LRU"
    assert compare(FIFO, LRU, quick, primary="mean_latency_s").best_heuristic == "Quick"
    assert "hindsight" in compare(FIFO, LRU).notes[0]
    assert [one.policy for one in compare(FIFO, LRU, quick).standings] == ["LRU", "Quick", "FIFO"]


@pytest.mark.parametrize(
    ("level", "outcome", "words"),
    [
        (0.55, "better", "better than all 2"),
        (0.45, "worse", "worse than 1 of 2"),
        (0.30, "worse", "worse than 2 of 2"),
        (0.50, "no difference", "no difference shown to 1 of 2"),
        (0.501, "no difference", "no difference shown to 1 of 2"),
    ],
)
def test_outcomes(level: float, outcome: str, words: str) -> None:
    found = compare(LRU, FIFO, BELADY, policy("PPO", "learned", level, runs=5))
    ppo = standing(found, "PPO")
    assert ppo.outcome == outcome
    assert verdict(ppo) == words
    assert ppo.versus["LRU"].difference.value == pytest.approx(level - 0.5, abs=1e-12)
    assert ppo.gap_closed is not None
    assert ppo.gap_closed.value == pytest.approx((level - 0.5) / 0.2, abs=1e-9)
    assert bool(losses(found)) == (outcome == "worse")


def test_better_on_average_needs_the_interval_only() -> None:
    """A policy that wins by much in most episodes and loses by little in a quarter of them."""
    lead = np.where(np.arange(20) % 4 == 0, -0.001, 0.05)
    hit = 0.5 + HARD + lead + np.zeros((5, 1))
    found = compare(LRU, PolicyScores("PPO", "learned", hit, {"hit_ratio": hit}))
    ppo = standing(found, "PPO")
    assert ppo.outcome == "better on average"
    assert ppo.lowest_probability is not None
    assert ppo.lowest_probability.value == pytest.approx(0.75)
    assert ppo.versus["LRU"].episodes_lost == 5
    assert "worse than it in 5 of 20 episodes" in sentence(ppo, found)


def test_lower_is_better() -> None:
    slow, fast = policy("Slow", "learned", 0.6, 5, latency=0.9), policy("Fast", "learned", 0.3, 5, latency=0.2)
    found = compare(LRU, FIFO, policy("Limit", "bound", 0.7, latency=0.1), slow, fast, primary="mean_latency_s")
    assert [one.policy for one in found.learned] == ["Fast", "Slow"]
    assert standing(found, "Fast").outcome == "better"
    assert standing(found, "Slow").outcome == "worse"
    assert standing(found, "Fast").versus["LRU"].difference.value == pytest.approx(-0.3)
    assert standing(found, "Fast").gap_closed.value == pytest.approx(0.75)  # type: ignore[union-attr]
    assert standing(found, "Slow").gap_closed.value == pytest.approx(-1.0)  # type: ignore[union-attr]


def test_losses_name_every_heuristic_and_every_other_metric() -> None:
    found = compare(
        LRU, FIFO, policy("PPO", "learned", 0.3, 5, latency=0.8), policy("DQN", "learned", 0.6, 5, latency=0.7)
    )
    lines = losses(found)
    assert any(line.startswith("PPO loses in hit ratio to LRU (") and "FIFO (" in line for line in lines)
    assert any(line.startswith("PPO loses in mean latency to LRU (+300") and "ms" in line for line in lines)
    assert [line for line in lines if line.startswith("DQN")] == [
        next(line for line in lines if line.startswith("DQN loses in mean latency to LRU"))
    ]


def test_a_metric_without_direction_is_neither_won_nor_lost() -> None:
    found = compare(LRU, policy("PPO", "learned", 0.3, runs=5))
    assert set(standing(found, "PPO").versus_best) == {"hit_ratio", "mean_latency_s"}
    assert standing(found, "PPO").metrics["evictions"] is not None


def test_one_episode_intervals_are_over_training_runs_alone() -> None:
    found = compare(policy("LRU", "heuristic", 0.5, episodes=1), policy("PPO", "learned", 0.6, runs=5, episodes=1))
    lru, ppo = standing(found, "LRU").metrics["hit_ratio"], standing(found, "PPO")
    assert lru is not None
    assert ppo.metrics["hit_ratio"] is not None
    assert (lru.resampled, lru.informative) == ("nothing", False)
    assert ppo.metrics["hit_ratio"].resampled == "runs"
    assert ppo.versus["LRU"].difference.resampled == "runs"
    assert ppo.outcome == "better"
    assert intervals(found) == (
        "95 % intervals of the scores: LRU: none, a single run of a single episode; PPO: over 5 runs."
    )


@pytest.mark.parametrize(("level", "words"), [(0.3, "behind 1 of 1, not judged"), (0.6, "ahead of all, not judged")])
def test_one_run_of_one_episode_is_not_judged(level: float, words: str) -> None:
    found = compare(policy("LRU", "heuristic", 0.5, episodes=1), policy("PPO", "learned", level, episodes=1))
    assert standing(found, "PPO").outcome == "not judged"
    assert verdict(standing(found, "PPO")) == words
    assert any("spread over training seeds is unknown" in note for note in found.notes)


def test_no_bound_and_no_learned_policy() -> None:
    found = compare(LRU, FIFO)
    assert found.bound is None
    assert found.learned == ()
    assert standing(found, "FIFO").versus_best["hit_ratio"].sign == -1
    assert standing(compare(LRU, policy("PPO", "learned", 0.6, 5)), "PPO").gap_closed is None


def test_the_bound_is_the_best_one_unless_named() -> None:
    """A restricted optimum beside the real one must not make the gap look smaller."""
    restricted, silent = policy("Restricted", "bound", 0.6), PolicyScores("Silent", "bound", np.full((1, 20), np.nan))
    ppo = policy("PPO", "learned", 0.55, runs=5)
    scores = (LRU, ppo, restricted, BELADY, silent)
    assert compare(*scores).bound == "Belady"
    assert compare(*scores, bound="Restricted").bound == "Restricted"
    assert standing(compare(*scores), "Silent").mean is None
    with pytest.raises(EdgeGymError, match="bound on hit_ratio 'Silent'"):
        compare(*scores, bound="Silent")


def test_a_policy_beyond_the_bound_is_reported() -> None:
    notes = compare(LRU, policy("Low", "bound", 0.45)).notes
    assert any("LRU is better than the bound Low in 20 of 20 episodes" in note for note in notes)


def test_missing_numbers_of_other_metrics_leave_the_episode_out() -> None:
    hit = LRU.values("hit_ratio").copy()
    latency = np.where(np.arange(20) < 3, np.nan, 0.5)[None, :]
    odd = PolicyScores("Odd", "heuristic", hit, {"hit_ratio": hit - 0.1, "mean_latency_s": latency})
    found = compare(LRU, odd)
    estimate = standing(found, "Odd").metrics["mean_latency_s"]
    assert estimate is not None
    assert estimate.value == 0.5
    assert standing(found, "Odd").metrics["evictions"] is None
    assert any("mean latency is missing in up to 3 of the 20 episodes of Odd" in note for note in found.notes)


def test_intervals_do_not_depend_on_who_else_is_compared() -> None:
    ppo = policy("PPO", "learned", 0.45, runs=5)
    assert standing(compare(LRU, ppo), "PPO").metrics == standing(compare(LRU, FIFO, BELADY, ppo), "PPO").metrics


@pytest.mark.parametrize(
    ("scores", "primary", "message"),
    [
        ([BELADY], "hit_ratio", "needs a heuristic"),
        ([LRU, LRU], "hit_ratio", "different names"),
        ([LRU, policy("FIFO", "heuristic", 0.4, episodes=3)], "hit_ratio", "same episodes"),
        ([LRU], "hit_ration", "Did you mean 'hit_ratio'"),
        ([LRU], "evictions", "neither direction is better"),
        ([LRU, PolicyScores("X", "learned", np.ones((1, 20)))], "hit_ratio", "X: hit_ratio is missing"),
    ],
)
def test_what_cannot_be_compared(scores: list[PolicyScores], primary: str, message: str) -> None:
    with pytest.raises(EdgeGymError, match=message):
        compare(*scores, primary=primary)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("X", "oracle", np.ones((1, 1))), "allowed: heuristic, bound, learned"),
        (("X", "bound", np.ones(3)), "runs, episodes"),
        (("X", "bound", np.ones((1, 2)), {"hit": np.ones((1, 3))}), r"hit has shape \(1, 3\)"),
        (("X", "bound", np.array([[np.inf]])), "infinite"),
        (("X", "bound", np.ones((1, 1)), {"return": np.ones((1, 1))}), "taken by the returns"),
        (("X", "bound", np.ones((2, 1)), {}, ("a", "a")), "2 runs need as many different names"),
    ],
)
def test_bad_scores_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(EdgeGymError, match=message):
        PolicyScores(*arguments)


def test_scores_of_episode_results() -> None:
    first, second = EpisodeResult(1.0, {"hit_ratio": 0.5}), EpisodeResult(2.0, {"hit_ratio": 0.6, "late": 3.0})
    found = PolicyScores.of("PPO", "learned", [[first, second], [second, first]], ["PPO_0", "PPO_1"])
    assert found.returns.tolist() == [[1.0, 2.0], [2.0, 1.0]]
    assert found.metrics["hit_ratio"].tolist() == [[0.5, 0.6], [0.6, 0.5]]
    np.testing.assert_array_equal(found.metrics["late"], [[np.nan, 3.0], [3.0, np.nan]])
    with pytest.raises(EdgeGymError, match="same episodes"):
        PolicyScores.of("PPO", "learned", [[first], [first, second]])


def test_units_and_words() -> None:
    assert shown_unit(LATENCY, [0.002, 0.004, np.nan]) == (1000.0, "ms")
    assert shown_unit(HIT, [0.001]) == (1.0, "")
    assert with_unit(LATENCY, "ms", arrow=True) == "mean latency [ms]\N{NO-BREAK SPACE}\N{DOWNWARDS ARROW}"
    assert with_unit(EVICTIONS, "", arrow=True) == "evictions"
