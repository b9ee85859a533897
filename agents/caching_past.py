"""The past of content caching: caches as they were at a mark, and the requests since."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.past import Mark, Past
from edgegym.decision.system import System
from edgegym.envs.caching.state import ROW_ARRAYS, State
from edgegym.envs.caching.system import CachingSystem
from edgegym.workload.trace import RequestTrace

OF_REQUESTS = ("content", "node", "next_use", "outcome", "latency_s")
"""Arrays of the state that say what was requested and what came of it: a mark needs none of them."""
OF_CONTENTS = ("records", "holders")
"""Arrays whose last axis is the contents."""


class CachingPast(Past):
    """Marks are copies of the caches with all that they know of their contents, so shadow caches start as live ones.

    Shadow caches that started empty would not do: they never hold what an earlier phase has left behind, and a policy
    that cannot get rid of that would look better in them than it is.
    """

    live: CachingSystem

    @property
    def seen(self) -> int:
        """Requests served so far, the pending one included."""
        return int(self.live.state.rows["position"][0])

    def settings(self) -> dict[str, Any]:
        """The live settings with the capacity as a number, and no warm-up: metrics count from the mark."""
        live = self.live.params.model_dump(mode="json", exclude={"workload", "reward"})
        return live | {"capacity": int(self.live.state.rows["capacity"][0]), "warmup": 0, "warmup_by": "policy"}

    def mark(self) -> Mark:
        """Copy the caches, and what they know of the contents seen so far."""
        state, contents = self.live.state, self._contents(self.seen)
        kept = {name: getattr(state, name)[:1] for name in State._fields[1:ROW_ARRAYS] if name not in OF_REQUESTS}
        kept |= {name: kept[name][..., :contents] for name in OF_CONTENTS}
        return Mark(self.seen, {name: array.copy() for name, array in kept.items()})

    def resume(self, system: System, row: int, mark: Mark, stop: int, seed: int) -> None:
        """Load the requests up to ``stop``, lay the caches of the mark over the empty ones and count from there."""
        assert isinstance(system, CachingSystem)
        system.begin(row, seed, {"trace": self._trace(stop)})
        state = system.state
        for name, kept in mark.state.items():
            _lay_over(getattr(state, name)[row : row + 1], kept)
        for name, value in {"seed": seed, "requests": stop, "decide_from": 0, "count_from": mark.seen}.items():
            state.rows[name][row] = value
        for name in ("evictions", "invalid", "reward"):
            state.rows[name][row] = 0
        if state.next_use.shape[1]:
            # The live system keeps no next uses. Of equal indices the last one counts: the latest request.
            before = slice(0, mark.seen)
            latest = row, state.node[row, before], state.content[row, before]
            state.records["next_use"][latest] = state.next_use[row, before]

    def _trace(self, stop: int) -> RequestTrace:
        """The requests before ``stop``, with the live episode's numbers of contents."""
        state, contents = self.live.state, self._contents(stop)
        return RequestTrace(
            time=np.arange(stop, dtype=np.float64),
            content=state.content[0, :stop],
            size=state.records["bytes"][0, 0, :contents],
            node=state.node[0, :stop].astype(np.int32),
            source="the recent past",
        )

    def _contents(self, stop: int) -> int:
        return int(self.live.state.content[0, :stop].max()) + 1


def _lay_over(array: NDArray[Any], kept: NDArray[Any]) -> None:
    """Write ``kept`` into the corner of ``array``; what does not fit was not in use."""
    corner = tuple(slice(0, min(extents)) for extents in zip(array.shape, kept.shape, strict=True))
    array[corner] = kept[corner]
