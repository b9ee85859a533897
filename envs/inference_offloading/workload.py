"""Episodes of inference tasks: when they come, what they are like, and how links and helpers fare meanwhile."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import LinkCard, load_card
from edgegym.envs.inference_offloading.params import (
    AccessTraceSettings,
    InferenceOffloadingParams,
    PeerSettings,
    ReuseSettings,
)
from edgegym.envs.inference_offloading.state import HISTORY_S, TASK
from edgegym.errors import SettingsError
from edgegym.network.measured import read_throughput
from edgegym.network.throughput import throughput_trace
from edgegym.workload.arrivals import draw_arrivals
from edgegym.workload.sources import resolve_path

Array = NDArray[np.float64]
SEED_MASK = 0x7FFFFFFFFFFFFFFF
DATA_FOLDER = "EDGEGYM_DATA"
"""Environment variable that names the folder of measured data."""
TAIL_S = 30
"""Seconds of throughput after the last arrival; the last value holds on from there."""


@dataclass(frozen=True)
class Episode:
    """What happens to the users, whatever they decide.

    Attributes:
        tasks: (tasks,) TASK in the order of arrival, at least one.
        rate: (users, HISTORY_S + seconds) uplink in bit/s from HISTORY_S seconds before the first on.
        helper: (users, helpers, HISTORY_S + seconds) speeds in (0, 1]; (users, 0, ...) without helpers.
    """

    tasks: NDArray[Any]
    rate: Array
    helper: Array


class Source:
    """Turns workload seeds into episodes.

    Args:
        params: the settings.

    Raises:
        EdgeGymError: for a trace that is missing, damaged or too short, or a link card without dynamics.
    """

    def __init__(self, params: InferenceOffloadingParams) -> None:
        self.params = params
        self.seconds = HISTORY_S + int(np.ceil(params.seconds)) + TAIL_S
        self.users = sum(group.count for group in params.users)
        self.card: LinkCard = load_card(params.access.card, "link")
        access = params.access
        measured = isinstance(access, AccessTraceSettings) and not (access.optional and DATA_FOLDER not in os.environ)
        self._runs = _runs(access, self.seconds) if measured else None  # type: ignore[arg-type]
        self.helpers = 0 if params.plans.peers is None else params.plans.peers.helpers
        self.scenes = 1 if params.plans.reuse is None else params.plans.reuse.scenes
        if self._runs is None and self.card.dynamics is None:
            raise SettingsError(
                f"access.card: link card {self.card.name!r} has a constant throughput only; take one with dynamics, "
                "such as 5g_driving, or kind: trace."
            )

    def episode(self, workload_seed: int) -> Episode:
        """The episode of a workload seed; users draw from generators of their own."""
        params, root = self.params, np.random.default_rng(workload_seed & SEED_MASK)
        tasks, rate, helper, user = [], [], [], 0
        for group in params.users:
            for rng in root.spawn(group.count):
                coming, link, marks, peers = rng.spawn(4)
                arrivals = draw_arrivals(group.application.arrivals, seconds=params.seconds, rng=coming).time_s
                tasks.append(self._tasks(arrivals, user, group.application.private_share, marks))
                rate.append(self._rate(link))
                helper.append(_helper_speeds(params.plans.peers, self.seconds, peers))
                user += 1
        together = np.concatenate(tasks)
        if len(together) == 0:
            together = self._tasks(np.zeros(1), 0, 0.0, root)
        return Episode(together[np.argsort(together["time"], kind="stable")], np.array(rate), np.array(helper))

    def provenance(self) -> str:
        """Where tasks and links come from, in a line."""
        kinds = sorted({group.application.arrivals.kind for group in self.params.users})
        access = self.params.access
        link = "drawn from the link card"
        if isinstance(access, AccessTraceSettings) and self._runs is not None:
            link = f"{access.path}, {len(self._runs)} traces"
        return f"arrivals: {', '.join(kinds)}; throughput: {link}, uplink {access.up_share:g} of it"

    def fastest(self) -> float:
        """The highest uplink rate that can occur, bit/s."""
        if self._runs is not None:
            return max(float(run.max()) for run in self._runs)
        assert self.card.rate_table is not None
        return self.params.access.up_share * float(self.card.rate_table.values[-1])

    def _tasks(self, time_s: Array, user: int, private_share: float, rng: np.random.Generator) -> NDArray[Any]:
        count = len(time_s)
        tasks = np.zeros(count, TASK)
        tasks["time"], tasks["user"] = time_s, user
        tasks["private"] = rng.random(count) < private_share
        tasks["device_noise"], tasks["server_noise"] = rng.standard_normal((2, count))
        tasks["ease"], tasks["alike"] = rng.random((2, count))
        table = self.card.rtt_table
        tasks["rtt_s"] = self.card.rtt_s if table is None else table.quantile(rng.random(count))
        if self.params.plans.reuse is not None:
            tasks["scene"] = _scenes(self.params.plans.reuse, time_s, rng)
        return tasks

    def _rate(self, rng: np.random.Generator) -> Array:
        if self._runs is None:
            drawn = throughput_trace(self.card, self.seconds, int(rng.integers(2**62)))
            return self.params.access.up_share * drawn
        # A window begins anywhere in the traces, each as likely as its length allows.
        room = np.array([len(run) - self.seconds + 1 for run in self._runs])
        start = int(rng.integers(room.sum()))
        run = int(np.searchsorted(np.cumsum(room), start, side="right"))
        offset = start - int(room[:run].sum())
        return self._runs[run][offset : offset + self.seconds]


def _runs(access: AccessTraceSettings, seconds: int) -> list[Array]:
    """The uplink traces of the part that are long enough, (steps,) bit/s each."""
    path = resolve_path(access.path, "access.path")
    traces = read_throughput(path, access.column)
    names = shuffled([name for name in traces if name.startswith(access.prefix)])
    start, stop = (round(share * len(names)) for share in access.part)
    runs = [access.up_share * traces[name] for name in names[start:stop] if len(traces[name]) >= seconds]
    if not runs:
        longest = max((len(traces[name]) for name in names[start:stop]), default=0)
        raise SettingsError(
            f"access: {path} has {stop - start} traces named {access.prefix!r}... in this part, the longest of "
            f"{longest} s; {seconds} s are needed (episode, {HISTORY_S} s before and {TAIL_S} s after it). Lower "
            "'seconds', or widen 'part' or 'prefix'."
        )
    return runs


def shuffled(names: Sequence[str]) -> list[str]:
    """Names in an order that depends on nothing but themselves, so that parts of the list are no neighbours in time."""
    return sorted(names, key=lambda name: (zlib.crc32(name.encode()), name))


def _scenes(reuse: ReuseSettings, time_s: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """What a user watches at some times: scenes follow each other after exponential times."""
    changes = np.cumsum(rng.exponential(reuse.stay_s, 2 + int(4 * (time_s.max(initial=0.0) / reuse.stay_s + 4))))
    scenes = rng.integers(reuse.scenes, size=len(changes) + 1)
    return np.asarray(scenes[np.searchsorted(changes, time_s)])


def _helper_speeds(peers: PeerSettings | None, seconds: int, rng: np.random.Generator) -> Array:
    """Speeds of a user's helpers second by second: two states with exponential sojourns, in equilibrium from the start.

    Returns:
        (helpers, seconds).
    """
    if peers is None:
        return np.ones((0, seconds))
    if peers.slow_share in (0.0, 1.0):
        return np.full((peers.helpers, seconds), peers.slow_speed if peers.slow_share else 1.0)
    leave_slow = -np.expm1(-1.0 / peers.slow_s)
    enter_slow = min(1.0, leave_slow * peers.slow_share / (1.0 - peers.slow_share))
    draws = rng.random((seconds, peers.helpers))
    slow = np.empty((seconds, peers.helpers), np.bool_)
    slow[0] = draws[0] < peers.slow_share
    for second in range(1, seconds):
        slow[second] = np.where(slow[second - 1], draws[second] >= leave_slow, draws[second] < enter_slow)
    return np.asarray(np.where(slow, peers.slow_speed, 1.0).T)
