"""Where users go next, as the system shows it: the chain's tables, or a learned predictor's forecasts of an episode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import SettingsError
from edgegym.mobility.markov import MarkovChain, arrival, continuation
from edgegym.mobility.outlook import departure_outlook
from edgegym.mobility.recurrent import load_predictor, states_of

MARKOV = "markov"
"""The predictor that needs no file."""
Costs = tuple[NDArray[np.float64], NDArray[np.float64], float]
"""Of a service alone: of a slot (cells, sites), of a migration (sites, sites), of a handover."""
Floats = NDArray[np.float32]


class Prediction:
    """Next cells and costs to go.

    Args:
        chain: how the training users move.
        xy: (sites, 2) the map.
        slot_s: length of a slot.
        costs: of each service.
        discount: of the cost to go.
        predictor: ``"markov"``, or the folder of a learned predictor.

    Raises:
        SettingsError: for a predictor that is missing, damaged, or fitted to another map or slot length.
    """

    def __init__(
        self,
        chain: MarkovChain,
        xy: NDArray[np.float64],
        slot_s: float,
        costs: Sequence[Costs],
        discount: float,
        predictor: str,
    ) -> None:
        self.chain, self.xy, self.costs, self.discount = chain, xy, costs, discount
        self.learned = None if predictor == MARKOV else load_predictor(predictor, xy, slot_s)
        # Without contention services do not differ, and one cost to go serves all.
        self._which = [next(i for i, one in enumerate(costs) if _same(one, cost)) for cost in costs]
        self._after = {i: continuation(chain, *costs[i], discount) for i in set(self._which)}
        self._arrival = (
            {i: arrival(chain.cell, *costs[i], after) for i, after in self._after.items()} if self.learned else {}
        )

    def tables(self) -> dict[str, Any]:
        """What the chain says, by the names of the state."""
        after = np.stack([self._after[i] for i in self._which]).astype(np.float32)
        return {"chain": self.chain.state, "next_cell": self.chain.next_cell, "outlook": after}

    def of(self, episode: Episode) -> tuple[Floats, Floats]:
        """What a learned predictor says of an episode, in each slot from that slot and those before it.

        Returns:
            (slots, users, sites) probability of each cell in the next slot, and cost to go by the service's site.

        Raises:
            SettingsError: if the predictor reads motion and the episode has cells alone.
        """
        assert self.learned is not None
        if self.learned.record.inputs == "motion" and episode.position is None:
            raise SettingsError(
                "predictor: it reads position, speed and heading, but this workload knows cells alone. Give one that "
                "was fitted to cells."
            )
        cell, state = episode.place, states_of(self.chain, episode.place)
        forecast = self.learned.forecast(episode.walks, self.xy, self.chain)
        cost = np.empty_like(forecast.towards)
        for u, kind in enumerate(episode.service):
            i = self._which[kind]
            near, move, _ = self.costs[i]
            cost[:, u] = departure_outlook(
                cell[:, u],
                state[:, u],
                forecast.leave[:, u],
                forecast.towards[:, u],
                near,
                move,
                self._after[i],
                self._arrival[i],
                self.chain.state,
                self.discount,
            )
        return forecast.next_cell(cell), cost

    def outlook(self, episode: Episode) -> Floats:
        """(slots, users, sites) cost to go after each slot of an episode by the service's site."""
        if self.learned is not None:
            return self.of(episode)[1]
        states = states_of(self.chain, episode.place)
        found = [self._after[self._which[kind]][states[:, u]] for u, kind in enumerate(episode.service)]
        return np.stack(found, axis=1).astype(np.float32)


def _same(one: Costs, other: Costs) -> bool:
    return bool(np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])) and one[2] == other[2]
