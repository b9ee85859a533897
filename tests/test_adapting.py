"""Online adaptation: it never looks ahead, falls back when it harms, leaves the live caches alone, and repeats."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgegym.agents.adaptation_settings import AdaptationSettings
from edgegym.agents.adapting import AdaptingPolicy, Round, play_out
from edgegym.agents.caching_past import CachingPast
from edgegym.agents.campaign import train
from edgegym.agents.comparing import judge
from edgegym.agents.evaluating import evaluate
from edgegym.agents.experiment import Experiment, load_experiment
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.models import build_model, training_environment
from edgegym.agents.past import Mark, past_class
from edgegym.agents.store import PolicyMeta, StoredPolicy
from edgegym.decision.policy import ActingPolicy, EpisodeResult, ScorePolicy
from edgegym.envs.caching.params import CachingParams
from edgegym.envs.caching.state import NEVER
from edgegym.envs.caching.system import CachingSystem
from edgegym.errors import EdgeGymError, SettingsError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.workload.generators import zipf
from edgegym.workload.trace import RequestTrace

ENV = "EdgeGym/ContentCaching-v0"
REQUESTS, SEED = 1900, 7
SETTINGS: dict[str, Any] = {"capacity": 20, "unit": "objects", "warmup": 200}
CLAIRVOYANT = {"signal": "clairvoyant", "horizon": 0.5}
HARMFUL = {**CLAIRVOYANT, "hit": -1.0}
"""Pays for evicting what is needed next."""
QUICK = AdaptationSettings(every=500, window=800, holdout=0.25, steps=512, margin=0.0)
NEVER_BETTER = QUICK.model_copy(update={"margin": 1e9})


def experiment_of(reward: dict[str, Any]) -> Experiment:
    training = {
        "settings": {"reward": reward},
        "policy_kwargs": {"score_layers": [8], "activation": "tanh"},
        "hyperparameters": {"n_steps": 16, "batch_size": 64, "n_epochs": 4, "gamma": 0.0, "learning_rate": "lin_0.02"},
    }
    values = {"name": "tiny", "environment": ENV, "settings": SETTINGS, "metric": "hit_ratio", "training": training}
    return Experiment.parse(values)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return experiment_of(CLAIRVOYANT)


@pytest.fixture(scope="module")
def stored(experiment: Experiment) -> StoredPolicy:
    """A policy with its first, random weights."""
    env = training_environment(experiment, 0)
    features = {name: getattr(CachingSystem, name) for name in ("candidate_features", "context_features")}
    meta = PolicyMeta(algorithm="PPO", environment=ENV, **features)
    return StoredPolicy(build_model(experiment, 0, env).policy, meta)


def trace_of(future: int = 1, change: int = REQUESTS) -> RequestTrace:
    """The same requests up to ``change``, whatever the ``future``."""
    past, later = zipf(REQUESTS, 300, 0.8, 0).content, zipf(REQUESTS, 300, 0.8, future).content
    return RequestTrace.from_arrays(np.concatenate([past[:change], later[change:]]))


def play(policy: AdaptingPolicy, trace: RequestTrace) -> tuple[EpisodeResult, NDArray[np.uint8], list[Round]]:
    """Result, outcome of each request, and rounds but for their cost."""
    system = Task(ENV, SETTINGS).system()
    assert isinstance(system, CachingSystem)
    result = policy.play(system, SEED, {"trace": trace})
    return result, system.log(0).outcome, [replace(each, cpu_s=0.0) for each in policy.rounds]


def play_frozen(stored: StoredPolicy, trace: RequestTrace) -> EpisodeResult:
    return run_episodes(Task(ENV, SETTINGS), LearnedPolicy(stored), [SEED], {"trace": trace})[0]


def test_never_looks_ahead(experiment: Experiment, stored: StoredPolicy) -> None:
    change = 1510  # right after a round
    policy = AdaptingPolicy(stored, experiment, QUICK)
    _, one, rounds = play(policy, trace_of(1, change))
    _, other, other_rounds = play(policy, trace_of(2, change))
    assert np.array_equal(one[:change], other[:change])
    assert not np.array_equal(one[change:], other[change:])
    before = [each for each in rounds if each.seen <= change]
    assert before == [each for each in other_rounds if each.seen <= change]
    assert sum(each.adapted_acts for each in before) >= 2


def test_same_seed_gives_the_same_episode(experiment: Experiment, stored: StoredPolicy) -> None:
    first, outcome, rounds = play(AdaptingPolicy(stored, experiment, QUICK), trace_of())
    np.random.seed(99)  # noqa: NPY002  # what others draw must not matter
    again, same_outcome, same_rounds = play(AdaptingPolicy(stored, experiment, QUICK), trace_of())
    assert (first.total, first.metrics, rounds) == (again.total, again.metrics, same_rounds)
    assert np.array_equal(outcome, same_outcome)
    assert [each.seen // QUICK.every for each in rounds] == [1, 2, 3]


def test_adapting_improves_a_policy_without_training(experiment: Experiment, stored: StoredPolicy) -> None:
    adapting, _, rounds = play(AdaptingPolicy(stored, experiment, QUICK), trace_of())
    assert adapting.metrics["hit_ratio"] > play_frozen(stored, trace_of()).metrics["hit_ratio"] + 0.02
    assert all(each.cpu_s == 0.0 and each.adapted_acts == (each.adapted > each.frozen) for each in rounds)


def test_a_single_rollout_teaches_something(experiment: Experiment, stored: StoredPolicy) -> None:
    # Its learning rate falls to 0 by the end of a training, and the one update comes at the end.
    _, _, rounds = play(AdaptingPolicy(stored, experiment, QUICK.model_copy(update={"steps": 16 * 16})), trace_of())
    assert any(each.adapted != each.frozen for each in rounds)


def test_live_caches_are_left_alone(experiment: Experiment, stored: StoredPolicy) -> None:
    adapting, _, rounds = play(AdaptingPolicy(stored, experiment, NEVER_BETTER), trace_of())
    frozen = play_frozen(stored, trace_of())
    assert len(rounds) == 3
    assert not any(each.adapted_acts for each in rounds)
    assert (adapting.total, adapting.metrics) == (frozen.total, frozen.metrics)
    assert np.array_equal(adapting.series["hit_ratio"], frozen.series["hit_ratio"])


def test_frozen_policy_acts_when_adaptation_harms(stored: StoredPolicy) -> None:
    adapting, _, rounds = play(AdaptingPolicy(stored, experiment_of(HARMFUL), QUICK), trace_of())
    assert sum(each.adapted < each.frozen for each in rounds) >= 2
    assert all(each.adapted_acts == (each.adapted > each.frozen) for each in rounds)
    if not any(each.adapted_acts for each in rounds):
        assert adapting.metrics == play_frozen(stored, trace_of()).metrics


CASES: dict[str, dict[str, Any]] = {
    "objects": {"capacity": 100, "unit": "objects"},
    "bytes": {"capacity": "2%", "unit": "bytes"},
    "four nodes": {"topology": {"builder": "edge_cluster", "nodes": 4}, "capacity": 50_000_000},
}
SCORE = ScorePolicy("age", lambda c: c.age - 0.3 * c.count)
"""A rule that no order of the residents serves: its choice depends on who is sampled."""


def system_of(settings: dict[str, Any], rows: int = 1) -> CachingSystem:
    return CachingSystem(CachingParams.parse({"workload": {"kind": "shot_noise", "requests": 3000}} | settings), rows)


def marked(live: CachingSystem, at: int) -> Mark:
    """Play an episode to its end and keep a mark from before decision ``at``."""
    live.begin(0, SEED, {})
    past, number, found = CachingPast(live), count(), []

    def policy() -> ActingPolicy:
        if next(number) == at:
            found.append(past.mark())
        return SCORE

    play_out(live, policy)
    return found[0]


@pytest.mark.parametrize("case", CASES)
def test_shadow_that_does_the_same_goes_as_the_live_system_went(case: str) -> None:
    live = system_of(CASES[case])
    mark = marked(live, 500)
    past, stop = CachingPast(live), 2900
    shadow = system_of(CASES[case] | past.settings())
    past.resume(shadow, 0, mark, stop, SEED)
    play_out(shadow, lambda: SCORE)
    then = slice(mark.seen, stop)
    assert np.array_equal(shadow.log(0).outcome[then], live.log(0).outcome[then])
    hits = live.log(0).hits()[then]
    assert shadow.episode_metrics(0)["hit_ratio"] == pytest.approx(hits.mean())
    assert 0 < hits.mean() < 1


@pytest.mark.parametrize("case", CASES)
def test_hindsight_ends_with_the_window(case: str) -> None:
    live = system_of(CASES[case])
    mark = marked(live, 300)
    past, stop, row = CachingPast(live), mark.seen + 400, 1
    shadow = system_of(CASES[case] | past.settings() | {"reward": CLAIRVOYANT}, rows=2)
    past.resume(shadow, row, mark, stop, SEED)
    content, node = live.state.content[0], live.state.node[0]
    assert {NEVER} < set(shadow.state.records["next_use"][row].ravel().tolist())
    for n, c in set(zip(node[: mark.seen].tolist(), content[: mark.seen].tolist(), strict=True)):
        of_node = np.flatnonzero(node[:stop] == n)
        uses = np.flatnonzero(content[of_node] == c)
        later = uses[of_node[uses] >= mark.seen]
        assert shadow.state.records["next_use"][row, n, c] == (later[0] if len(later) else NEVER)


@pytest.mark.parametrize(
    ("adaptation", "message"),
    [
        ({"evry": 100}, r"adaptation.evry: unknown key. Did you mean 'every'"),
        ({"every": 0}, r"adaptation.every.*greater than or equal to 1"),
        ({"window": 7}, r"adaptation.window.*greater than or equal to 8"),
        ({"holdout": 0.0}, r"adaptation.holdout.*greater than 0"),
        ({"holdout": 0.8}, r"adaptation.holdout.*less than or equal to 0.75"),
        ({"margin": -0.1}, r"adaptation.margin.*greater than or equal to 0"),
    ],
)
def test_wrong_settings_are_named(adaptation: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_experiment("demo").parse({"name": "x", "environment": ENV, "adaptation": adaptation})


def test_what_cannot_adapt_is_named() -> None:
    with pytest.raises(EdgeGymError, match=r"online adaptation 'EdgeGym/Other-v0'.*Known: EdgeGym/ContentCaching-v0"):
        past_class("EdgeGym/Other-v0")
    with pytest.raises(EdgeGymError, match="'LRU': only a trained policy adapts"):
        evaluate(ENV, "LRU", 1, adapting=True)


def test_compare_and_evaluate_show_it(tmp_path: Path) -> None:
    requests = "{kind: shot_noise, requests: 1500}"
    overrides = [
        "name=tiny",
        f"settings.workload={requests}",
        "training.seeds=[0,1]",
        "training.steps=256",
        "training.validate_every=256",
        "training.hyperparameters.n_steps=16",
        "training.hyperparameters.batch_size=64",
        "validation.episodes=1",
        "evaluation.episodes=1",
        "sweep=null",
        "adaptation={every: 500, window: 600, steps: 256}",
    ]
    experiment = load_experiment("demo", overrides)
    runs, lines = train(experiment, tmp_path), []
    findings = judge(experiment, tmp_path, lambda text, done: lines.append((text, done)))
    scores = {one.policy: one for one in findings.scores}
    assert scores["PPO adapting"].kind == "learned"
    assert scores["PPO adapting"].run_names == scores["PPO"].run_names == ("PPO_0", "PPO_1")
    assert any(text.startswith("PPO adapting, request 1,0") and "frozen" in text for text, _ in lines)
    assert [done for _, done in lines] == sorted(done for _, done in lines)
    workload = {"workload": {"kind": "shot_noise", "requests": 1500}, "candidates": 32}
    seed, heard = experiment.evaluation.seed, []
    alone = evaluate(
        ENV, str(runs[0].folder), 1, seed, workload, adapting=True, report=lambda text, done: heard.append(done)
    )
    assert alone["metrics"]["hit_ratio"]["per_episode"] == list(scores["PPO adapting"].metrics["hit_ratio"][0])
    assert heard == sorted(heard)
    assert 0.0 < heard[0] < heard[-1] <= 1.0
