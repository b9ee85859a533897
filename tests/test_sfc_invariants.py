"""Network functions: thousands of random episodes against a naive account, and masks against brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgegym.decision.system import Decisions
from edgegym.envs.network_functions.state import ACTIVE, DONE, FAILED, PLACE, REJECTED
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.network.substrates import SubstrateSettings, substrates_from_settings
from edgegym.settings import merged

from .sfc_account import INVARIANTS, violated
from .sfc_brute_force import BruteForce
from .sfc_systems import system_of

ROWS = 128
EVERYTHING: dict[str, Any] = {
    "failures": {"link_mtbf_s": 60.0, "node_mtbf_s": 60.0, "repair_s": 5.0},
    "congestion": {"above": 0.6, "until": 0.4},
    "idle_s": 2.0,
}


def choice(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def substrates() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "builder": choice("waxman", "gabriel", "nsfnet"),
            "nodes": st.integers(3, 8),
            "beta": choice(0.2, 0.8),
            "paths": choice(1, 4, 64),
            "networks": choice(1, 2),
            "memory": choice(None, (550, 900)),
            "seed": st.integers(0, 3),
        }
    )


def rules() -> st.SearchStrategy[dict[str, Any]]:
    mtbf = choice(None, 60.0)
    return st.fixed_dictionaries(
        {
            "distinct": st.booleans(),
            "overload": choice("refuse", "refuse", "break"),
            "idle_s": choice(0.0, 2.0),
            "candidates": choice(None, None, 3),
            "failures": st.fixed_dictionaries(
                {
                    "link_mtbf_s": mtbf,
                    "node_mtbf_s": mtbf,
                    "repair_s": choice(2.0, 10.0),
                    "reroute": choice(True, True, False),
                }
            ),
            "congestion": choice({}, {"above": 0.5, "until": 0.3}, {"above": 0.3, "until": 0.3}),
            "update_s": choice(0.0, 0.1),
        }
    )


def workloads() -> st.SearchStrategy[dict[str, Any]]:
    """Abstract or of services, with capacities for either."""
    common = {
        "requests": choice(20),
        "arrivals": choice({"kind": "poisson", "rate": 2.0}),
        "life_s": choice(3.0, 6.0),
    }
    abstract = {
        "kind": choice("abstract"),
        "delay_budget_s": choice(None, (0.005, 0.05)),
        "functions": choice((1, 4)),
        "cpu": choice((0, 8)),
        "bandwidth": choice((0, 8)),
    }
    services = {
        "kind": choice("services"),
        "delay_budget_s": choice(None, (0.05, 0.6)),
        "startup_budget_s": choice(None, 3.0),
        "chains": choice((("firewall", "intrusion_detection"), ("nat", "video_analytics"), ("firewall",))),
        "rate": choice((0.5, 5.0)),
    }
    with_capacities = {
        "abstract": {"cpu": (4, 16), "bandwidth": (8, 30)},
        "services": {"cpu": (1, 2), "bandwidth": (8, 30)},
    }
    return st.one_of(st.fixed_dictionaries(common | abstract), st.fixed_dictionaries(common | services)).map(
        lambda workload: {"workload": workload, "substrate": with_capacities[workload["kind"]]}
    )


def random_actions(out: Decisions, rng: np.random.Generator) -> np.ndarray:
    """Some allowed candidate of every row; at times the fallback, which exercises partial placements."""
    draw = np.where(out.mask > 0, rng.random(out.mask.shape), -1.0)
    draw[:, 0] -= 0.95
    return draw.argmax(axis=1)


def check_end(system: NetworkFunctionsSystem) -> None:
    """Everything is back to the last micro-unit."""
    state, t = system.state, system.state.rows["network"]
    assert (state.nodes["cpu"] == state.cpu[t]).all()
    assert (state.nodes["memory"] == state.node_memory[t]).all()
    assert (state.nodes["moment"] == 0.0).all()
    assert (state.links["free"] == state.bandwidth[t]).all()
    assert not state.instances["running"].any()
    assert not state.links["congested"].any()
    assert (state.rows["cpu_used"] == 0).all()
    assert (state.rows["bandwidth_used"] == 0).all()
    assert np.isin(state.requests["status"], (DONE, REJECTED, FAILED)).all()
    assert (state.rows["invalid"] == 0).all()


# 20 settings of 128 rows each.
@settings(max_examples=20, deadline=None)
@given(substrate=substrates(), rule=rules(), workload=workloads(), seed=st.integers(0, 2**31))
@example(
    substrate={"builder": "gabriel", "nodes": 8, "paths": 4},
    rule=EVERYTHING,
    workload={
        "substrate": {"cpu": (4, 16), "bandwidth": (8, 20)},
        "workload": {
            "kind": "abstract",
            "requests": 20,
            "arrivals": {"kind": "poisson", "rate": 2.0},
            "life_s": 5.0,
            "functions": (1, 4),
            "cpu": (0, 4),
            "bandwidth": (0, 6),
        },
    },
    seed=0,
)
def test_nothing_is_over_capacity_and_all_returns_at_departure_in_thousands_of_random_episodes(
    substrate: dict[str, Any], rule: dict[str, Any], workload: dict[str, Any], seed: int
) -> None:
    system = system_of(merged(merged(rule, workload), {"substrate": substrate}), rows=ROWS)
    for row in range(ROWS):
        system.begin(row, seed + row, {})
    rng, out = np.random.default_rng(seed), Decisions.empty(system)
    system.observe(out)
    relieves, breaks = system.params.congestion.above is not None, system.params.overload == "break"
    while not out.done.all():
        found = violated(system.state, relieves, breaks)
        assert not found.any(), [name for name, count in zip(INVARIANTS, found, strict=True) if count]
        assert out.candidates.min() >= 0.0
        assert out.candidates.max() <= 1.0
        assert (out.context >= 0.0).all()
        assert (out.context <= 1.0).all()
        system.step(random_actions(out, rng), ~out.done, out)
    check_end(system)


def test_the_account_notices_what_it_is_there_for() -> None:
    """Each resource that is off by one micro-unit, and each flow that stays too long, is found."""

    def spoilt(change: Any) -> int:
        system = system_of({"substrate": {"nodes": 6}, "workload": {"kind": "abstract", "requests": 16}, **EVERYTHING})
        system.begin(0, 3, {})
        out, rng = Decisions.empty(system), np.random.default_rng(0)
        system.observe(out)
        for _ in range(30):
            system.step(random_actions(out, rng), ~out.done, out)
        assert (system.state.requests["status"] == ACTIVE).any()
        assert not violated(system.state, True, False).any()
        change(system.state)
        return int(violated(system.state, True, False).sum())

    def bump(array: str, name: str, amount: int = 1) -> Any:
        def change(state: Any) -> None:
            getattr(state, array)[name][0, 0] += amount

        return change

    for change in (
        bump("links", "free"),
        bump("links", "faults"),
        bump("nodes", "cpu"),
        bump("nodes", "memory"),
        bump("nodes", "flows"),
        bump("nodes", "around"),
        lambda state: state.rows["cpu_used"].__iadd__(1),
        lambda state: state.rows["running"].__iadd__(1),
        lambda state: state.requests["end_s"].__imul__(0.0),
        lambda state: state.requests["path_s"].__iadd__(1e-3),
        lambda state: state.links["congested"].__ior__(True),
    ):
        assert spoilt(change) > 0


@settings(max_examples=60, deadline=None)
@given(
    graph=choice({"builder": "waxman", "nodes": 6, "beta": 0.7}, {"builder": "gabriel", "nodes": 8}),
    rule=st.one_of(rules(), rules().map(lambda rule: merged(rule, EVERYTHING))),
    workload=workloads(),
    seed=st.integers(0, 2**31),
)
def test_masks_forbid_exactly_what_brute_force_finds_infeasible(
    graph: dict[str, Any], rule: dict[str, Any], workload: dict[str, Any], seed: int
) -> None:
    values = {**merged(rule, workload), "candidates": None}
    memory = {"memory": (550, 900)}
    substrate = substrates_from_settings(
        SubstrateSettings.parse({**graph, **workload["substrate"], **memory, "paths": 64, "seed": seed % 4})
    )[0]
    system = system_of(values, substrate)
    system.begin(0, seed, {})
    judge, out, rng = BruteForce(system, substrate), Decisions.empty(system), np.random.default_rng(seed)
    system.observe(out)
    while not out.done[0]:
        expected = judge.nodes() if system.state.rows["decision"][0] == PLACE else judge.paths()
        allowed = out.mask[0, 1:].astype(bool)
        assert (allowed[: len(expected)] == expected[: len(allowed)]).all()
        assert not allowed[len(expected) :].any()
        assert system.state.rows["choices"][0] == expected.sum()
        system.step(random_actions(out, rng), np.ones(1, bool), out)
