"""Settings of the user migration environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from edgegym.envs.user_migration.backhaul import BackhaulSettings, DistanceBackhaul
from edgegym.envs.user_migration.cost_settings import SERVICES, CostSettings, EdgeCost, ServiceSettings
from edgegym.envs.user_migration.workload_settings import CitySettings, WorkloadSettings
from edgegym.settings import Settings


class RewardSettings(Settings):
    """What a decision earns."""

    signal: Literal["cost", "regret"] = "cost"
    """``"cost"`` pays minus the cost of all users when a slot closes. ``"regret"`` pays, at each decision, minus what
    it costs beyond the best candidate: migration, this slot (with what it adds to the service times of others), and the
    cost of that user's remaining known path if sites stayed empty. It knows the future, so it is for training."""
    continuation: Literal["clairvoyant", "lookahead"] = "clairvoyant"
    """Who decides the remaining path in a regret: who knows it, or the look-ahead, which does not. Against the latter,
    with discount ``lookahead``, every decision stands by itself (gamma 0); the former makes waiting look too good."""
    migration: float = Field(1.0, ge=0)
    """Weight of migrations in a regret. Below 1 it allows for what one user's regret leaves out: a service that moves
    gives way to others for longer than a slot."""


class UserMigrationParams(Settings):
    """Everything that defines a user migration system; the environment's docstring is the manual."""

    workload: WorkloadSettings = CitySettings()
    """Who moves where."""
    cost: CostSettings = EdgeCost()
    """What it costs."""
    backhaul: BackhaulSettings = DistanceBackhaul()
    """The network between the sites; without meaning on the hexagonal plane."""
    services: tuple[ServiceSettings, ...] = Field(SERVICES, min_length=1)
    """Mix of services; without meaning for the exponential cost."""
    candidates: int = Field(8, ge=2, le=64)
    """Length of the list over sites; on the hexagonal plane it is 1 + ``reach``."""
    reach: int | None = Field(None, ge=2, le=200)
    """Hops from which on a service cannot stay: candidate 0 then moves to the user's cell. Needed on the plane."""
    observe: Literal["cell", "motion", "prediction"] = "prediction"
    """What is known of a user: its cell, also the cell before (so heading), also a prediction of where it goes."""
    predictor: str = "markov"
    """Who predicts: the Markov chain of cells, or the folder of a recurrent predictor of ``edgegym forecast``,
    fitted to the same map and slot length."""
    discount: float = Field(0.9, ge=0, lt=1)
    """Of the metric ``discounted_cost``."""
    lookahead: float = Field(0.97, ge=0, lt=1)
    """Discount of the outlook."""
    migration_budget: float = Field(0.05, ge=0)
    """Mean migration cost per slot beyond which a user's virtual queue grows (follow-me)."""
    reward: RewardSettings = RewardSettings()
    """What a decision earns."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        plane = self.workload.kind == "hex_walk"
        if plane and (self.cost.kind != "exponential" or self.reach is None or self.reward.signal == "regret"):
            raise ValueError("a hex walk needs the exponential cost, a 'reach' and the signal 'cost'")
        if self.reward.continuation == "lookahead" and self.observe != "prediction":
            raise ValueError("reward.continuation: the look-ahead needs observe: prediction")
        if plane and self.backhaul.kind != "distance":
            raise ValueError("a hex walk has no network between its sites; leave 'backhaul' out")
        if self.predictor != "markov" and (plane or self.observe != "prediction"):
            raise ValueError("a learned 'predictor' needs observe: prediction, and no hex walk; leave it out")
        if self.reach is not None and self.cost.kind != "exponential":
            raise ValueError("'reach' goes with the exponential cost alone; leave it out")
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "city": {},
    "hex_mdp": {"workload": {"kind": "hex_walk"}, "cost": {"kind": "exponential"}, "reach": 10},
    "sf_taxi": {"workload": {"kind": "taxi"}, "cost": {"kind": "exponential"}},
    "melbourne": {
        "workload": {
            "kind": "city",
            "sites": "$EDGEGYM_DATA/mobility/eua/site-optus-melbCBD.csv",
            "spacing_m": 200.0,
            "users": 300,
        },
        "cost": {"kind": "edge", "servers": 0.5},
    },
}
"""``city`` is the registered default."""
