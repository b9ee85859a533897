"""The user migration system: settings and episodes in, decisions and metrics out, the kernel in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.decision.metrics import Metric
from edgegym.decision.system import Decisions, System, check_options
from edgegym.envs.user_migration import columns, kernel
from edgegym.envs.user_migration.accounting import METRICS, episode_metrics
from edgegym.envs.user_migration.backhaul import Backhaul, backhaul_of
from edgegym.envs.user_migration.cost_settings import EdgeCost
from edgegym.envs.user_migration.costs import Tables, edge_tables, exponential_tables
from edgegym.envs.user_migration.params import PRESETS, UserMigrationParams
from edgegym.envs.user_migration.prediction import MARKOV, Prediction
from edgegym.envs.user_migration.rollout import rollout_costs
from edgegym.envs.user_migration.state import CELL, MOTION, NOWHERE, PREDICTION, ROW_ARRAYS, RULES, State, row_arrays
from edgegym.envs.user_migration.viewer import draw_map
from edgegym.envs.user_migration.viterbi import cost_to_go
from edgegym.envs.user_migration.workload import GIVEN, Episode, Source, check_episode
from edgegym.errors import SettingsError
from edgegym.mobility.hex_plane import PACKED_CELLS
from edgegym.mobility.markov import MarkovChain, fit_chain
from edgegym.settings import Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESET_OPTIONS = {"episode": "an Episode of cells and services to serve instead of the workload"}
KNOWN = {"cell": CELL, "motion": MOTION, "prediction": PREDICTION}


class UserMigrationSystem(System):
    """Rows of moving users; see :class:`~edgegym.envs.user_migration.env.UserMigrationEnv`.

    Args:
        params: the settings.
        rows: number of independent copies.

    Attributes:
        source: of the episodes.
        backhaul: paths between the sites.
        tables: costs by service, cell and site.
    """

    settings_class: ClassVar[type[Settings]] = UserMigrationParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    training_only: ClassVar[Mapping[str, Any]] = {"reward": {"signal": "cost"}}
    candidate_features: tuple[str, ...] = columns.CANDIDATE_FEATURES
    context_features = columns.CONTEXT_FEATURES
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def __init__(self, params: UserMigrationParams, rows: int = 1) -> None:
        self.params, self.rows = params, rows
        self.plane = params.workload.kind == "hex_walk"
        self.num_candidates = 1 + int(params.reach or 0) if self.plane else params.candidates
        self.source = Source(params)
        self.slot_s = self.source.slot_s
        self.backhaul = self._paths()
        self.tables = self._costs()
        self.contended = params.cost.kind == "edge"
        self.regret = params.reward.signal == "regret"
        self.learned = params.observe == "prediction" and params.predictor != MARKOV
        self._outside = np.zeros(rows)
        self._shared = self._shared_arrays()
        self._state = self._allocate(1, self.source.users)

    @property
    def state(self) -> State:
        """The kernel's arrays."""
        return self._state

    @cached_property
    def chain(self) -> MarkovChain:
        """How the training users move between cells."""
        return fit_chain(self.source.fitting_trace, len(self.source.xy))

    @cached_property
    def prediction(self) -> Prediction:
        """Of next cells and costs to go, by the setting ``predictor``."""
        costs = [self.single_costs(service) for service in range(len(self.params.services))]
        source, params = self.source, self.params
        return Prediction(self.chain, source.xy, source.slot_s, costs, params.lookahead, params.predictor)

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load and start an episode; see :data:`RESET_OPTIONS` for the options."""
        episode = self.episode(workload_seed, options)
        self._check_room(episode)
        slots, users = episode.place.shape
        beyond = 0 if episode.outside is None else int(episode.outside.sum())
        self._outside[row] = beyond / max(1, beyond + int((episode.place != NOWHERE).sum()))
        self._reserve(slots, users)
        state = self._state
        state.place[row, :slots, :users] = episode.place
        state.users["kind"][row, :users] = episode.service
        state.log[row] = 0
        self._foresee(row, episode)
        kernel.begin(state, row, slots, users, episode.start.astype(np.int64))

    def episode(self, workload_seed: int, options: Mapping[str, Any]) -> Episode:
        """The episode that :meth:`begin` would load.

        Raises:
            SettingsError: for an episode that does not fit, see
                :func:`~edgegym.envs.user_migration.workload.check_episode`.
        """
        check_options(options, RESET_OPTIONS)
        if "episode" not in options:
            return self.source.episode(workload_seed)
        episode = options["episode"]
        if not isinstance(episode, Episode):
            raise SettingsError(f"{GIVEN}: an Episode is needed (found {type(episode).__name__}).")
        check_episode(episode, PACKED_CELLS if self.plane else len(self.source.xy), len(self.params.services))
        return episode

    def single_costs(self, service: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Costs of a service alone: of a slot (cells, sites), service time included, of a migration, of a handover."""
        tables = self.tables
        return tables.near[service] + tables.work[service], tables.move[service], tables.handover

    @cached_property
    def far(self) -> NDArray[np.bool_] | None:
        """(cells, sites) whether a service cannot stay at a site; None where it can everywhere, and on the plane."""
        reach = self.params.reach
        return None if reach is None or self.plane else self.backhaul.hops >= reach

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Advance the active rows and write all pending decisions."""
        columns.step_rows(self._state, actions, active, out.candidates, out.context, out.mask, out.reward, out.done)

    def follow(self, row: int, plan: NDArray[np.integer[Any]]) -> float:
        """Play a row's episode, which has just begun, by a plan (slots, users) of places; gives the return."""
        kernel.follow(self._state, row, np.ascontiguousarray(plan, np.int64))
        return float(self._state.rows["reward"][row])

    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the slots closed so far; NaN while there are none."""
        r = self._state.rows[row]
        slots, users = int(r["slot"]), int(r["users"])
        log, delays = self._state.log[row, :slots], self._state.delays[row, :slots, :users]
        return episode_metrics(log, delays, self.slot_s, self.contended, bool(self.tables.metered)) | {
            "outside": float(self._outside[row]),
            "discounted_cost": float(r["discounted"]),
            "invalid_actions": float(r["invalid"]),
        }

    def draw(self, row: int, axes: Axes) -> bool:
        """Draw the row, see :mod:`~edgegym.envs.user_migration.viewer`."""
        draw_map(self, row, axes)
        return True

    def provenance(self) -> dict[str, str]:
        """Where the users and the costs come from."""
        cost = self.params.cost.model_dump(exclude_defaults=True)
        found = {"workload": self.source.provenance(), "cost": f"{self.params.cost.kind}: {cost}"}
        if self.contended:
            found["energy"] = f"stated by cards for: {', '.join(self.tables.metered) or 'nothing'}"
        return found

    def progress(self) -> float:
        """Fraction of the slots that are closed."""
        rows = self._state.rows
        return float(rows["slot"].sum() / max(1, rows["slots"].sum()))

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return sum(array.nbytes for array in self._state)

    def _foresee(self, row: int, episode: Episode) -> None:
        """Write what a learned predictor says of an episode, and what a regret knows of its later slots."""
        state, (slots, users) = self._state, episode.place.shape
        if self.learned:
            cell, cost = self.prediction.of(episode)
            state.predicted_cell[row, :slots, :users], state.predicted_cost[row, :slots, :users] = cell, cost
        if self.regret:
            state.future[row, :slots, :users] = self._later(episode)

    def _later(self, episode: Episode) -> NDArray[np.float64]:
        """(slots, users, sites) cost of each user's later slots on empty sites, by the site chosen in a slot."""
        reward, found = self.params.reward, []
        rolled = reward.continuation == "lookahead"
        outlook = self.prediction.outlook(episode) if rolled else None
        for u, kind in enumerate(episode.service):
            path, costs = episode.place[:, u], self.single_costs(kind)
            if outlook is None:
                found.append(cost_to_go(path, *costs, self.far))
            else:
                found.append(rollout_costs(path, *costs, outlook[:, u], self.params.lookahead, reward.migration))
        return np.stack(found, axis=1)

    def _check_room(self, episode: Episode) -> None:
        """Make sure that a service finds a site with room whatever was decided before.

        Where every site had less room than the largest service needs, more would be busy than the episode asks for.
        """
        if not self.contended:
            return
        load = self.tables.load[episode.service]
        room = np.maximum(self.tables.capacity * self.tables.full - load.max(), 0.0).sum()
        most = float(((episode.place != NOWHERE) @ load).max())
        if most - load.min() > room:
            raise SettingsError(
                f"cost.servers: {len(load)} services keep up to {most:.3g} servers busy, but the sites can be sure to "
                f"take {room:.3g} only (full at {self.tables.full:g}); give more servers or fewer users."
            )

    def _paths(self) -> Backhaul:
        source, cost = self.source, self.params.cost
        if not isinstance(cost, EdgeCost):
            return backhaul_of(self.params.backhaul, source.sites, source.xy, source.unit, "", lambda _: 0.0)
        return backhaul_of(
            self.params.backhaul,
            source.sites,
            source.xy,
            source.unit,
            cost.backhaul_link,
            lambda name: load_card(name, "link").rtt_s + cost.hop_s,
        )

    def _costs(self) -> Tables:
        cost, services = self.params.cost, self.params.services
        if isinstance(cost, EdgeCost):
            return edge_tables(cost, services, self.backhaul, self.slot_s)
        hops = self.backhaul.hops
        distance = np.arange(2 * (self.params.reach or 0) + 2)[None] if self.plane else hops
        return exponential_tables(cost, len(services), distance, len(hops))

    def _shared_arrays(self) -> dict[str, Any]:
        params, tables, hops = self.params, self.tables, self.backhaul.hops
        rules = np.zeros(1, RULES)
        rules["plane"], rules["full"], rules["observe"] = self.plane, tables.full, KNOWN[params.observe]
        rules["learned"] = self.learned
        rules["reach"] = 1 << 40 if params.reach is None else params.reach
        rules["handover"], rules["handover_s"] = tables.handover, tables.handover_s
        rules["tightest"] = tables.deadline.min()
        rules["discount"], rules["budget"], rules["regret"] = params.discount, params.migration_budget, self.regret
        rules["migration"] = params.reward.migration
        costs = {name: value for name, value in asdict(tables).items() if isinstance(value, np.ndarray)}
        nearest = np.argsort(hops, axis=1, kind="stable").astype(np.int32)
        return {"rules": rules, **costs, "hops": hops, "xy": self.source.xy, "nearest": nearest, **self._prediction()}

    def _prediction(self) -> dict[str, Any]:
        """What the chain says, or stand-ins where it is not observed."""
        if not self.plane and self.params.observe == "prediction":
            return self.prediction.tables()
        sites = len(self.source.xy)
        return {
            "chain": np.zeros((sites, sites), np.int32),
            "next_cell": np.zeros((1, sites), np.float32),
            "outlook": np.zeros((1, 1, 1), np.float32),
        }

    def _reserve(self, slots: int, users: int) -> None:
        """Grow the arrays so that an episode fits; what other rows hold is kept."""
        old = self._state
        _, most_slots, most_users = old.place.shape
        if slots <= most_slots and users <= most_users:
            return
        self._state = self._allocate(max(slots, most_slots), max(users, most_users))
        for name in ROW_ARRAYS:
            before, after = getattr(old, name), getattr(self._state, name)
            after[tuple(slice(0, extent) for extent in before.shape)] = before

    def _allocate(self, slots: int, users: int) -> State:
        sites = len(self.source.xy)
        arrays = row_arrays(self.rows, slots, users, sites, self.num_candidates, self.regret, self.learned)
        return State(**self._shared, **arrays)
