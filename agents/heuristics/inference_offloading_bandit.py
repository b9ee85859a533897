"""Autodidactic Neurosurgeon: a linear bandit over plans that learns latencies from what it tried.

Zhang et al., "Autodidactic Neurosurgeon", WWW 2021. The cost of a plan is taken to be linear in a few of its columns,
and the plan with the lowest optimistic estimate is run (LinUCB, Li et al., WWW 2010). A plan that stays on the device
tells nothing about the network, so every few tasks a plan that sends something must be tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.policy import EpisodeResult, PlayingPolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions, System
from edgegym.envs.inference_offloading.system import InferenceOffloadingSystem

Array = NDArray[np.float64]
EXPLORATION = 0.02
RIDGE = 1.0
FORCED_EVERY = 20
"""A sending plan is forced when so many tasks have gone by without one."""


class LinUcb(PlayingPolicy):
    """Learns while it plays; every episode starts from nothing."""

    name = "LinUCB"
    description = "the lowest optimistic latency of a linear model learned on the way (Autodidactic Neurosurgeon)"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode; a result is learned from once it is there."""
        assert isinstance(system, InferenceOffloadingSystem)
        system.begin(0, workload_seed, options)
        decisions, active = Decisions.empty(system), np.ones(1, np.bool_)
        system.observe(decisions)
        model, waiting = LinearModel(FEATURES), dict[int, Array]()
        total, task, silent = 0.0, 0, 0
        while not decisions.done[0]:
            columns = Columns(
                decisions.candidates, decisions.context, system.candidate_features, system.context_features
            )
            self._learn(system, model, waiting, task)
            features = features_of(columns)[0]
            index = model.optimistic(features)
            allowed = decisions.mask[0].astype(np.bool_)
            sending = allowed & (columns.on_device[0] < 0.5)
            silent = silent + 1
            if silent >= FORCED_EVERY and sending.any():
                allowed = sending
            action = int(np.where(allowed, index, np.inf).argmin())
            silent = 0 if sending[action] else silent
            task = int(system.state.rows["task"][0])
            waiting[task] = features[action]
            system.step(np.array([action]), active, decisions)
            total += float(decisions.reward[0])
        return EpisodeResult(total, system.episode_metrics(0), system.episode_series(0))

    def _learn(
        self, system: InferenceOffloadingSystem, model: LinearModel, waiting: dict[int, Array], now: int
    ) -> None:
        """Add what has become known by the time of the pending task."""
        time_s = float(system.state.tasks["time"][0, int(system.state.rows["task"][0])])
        for task in list(waiting):
            finish = float(system.state.log["finish"][0, task])
            if finish <= time_s:
                model.add(waiting.pop(task), finish - float(system.state.tasks["time"][0, task]))


FEATURES = 6


def features_of(c: Columns) -> Array:
    """What a latency is taken to be linear in: constant, device time, server time, bytes over rate, waits; (.., 6)."""
    upload, device = _odds(c.upload_at_last), _odds(c.device_time)
    wait = _odds(c.device_wait) * (device > 0.0)
    columns = np.broadcast_arrays(
        np.ones_like(device), device, _odds(c.server_time), upload, _odds(c.server_wait), wait
    )
    return np.stack(columns, axis=-1).astype(np.float64)


def _odds(squashed: NDArray[Any]) -> NDArray[Any]:
    """Tenths of a second behind a column t / (t + .1 s), at most ten seconds of them."""
    return np.minimum(squashed / np.maximum(1.0 - squashed, 1e-6), 100.0)


class LinearModel:
    """Ridge regression with its confidence ellipsoid.

    Args:
        size: number of features.
    """

    def __init__(self, size: int) -> None:
        self._inverse = np.eye(size) / RIDGE
        self._moment = np.zeros(size)

    def optimistic(self, features: Array) -> Array:
        """Lower confidence bound of the latency of each row of features, (rows,)."""
        spread = np.sqrt(np.einsum("kf,fg,kg->k", features, self._inverse, features))
        return np.asarray(features @ (self._inverse @ self._moment) - EXPLORATION * spread)

    def add(self, features: Array, latency_s: float) -> None:
        """Learn from one result (Sherman and Morrison's update of the inverse)."""
        gain = self._inverse @ features
        self._inverse -= np.outer(gain, gain) / (1.0 + features @ gain)
        self._moment += latency_s * features
