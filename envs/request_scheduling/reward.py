"""Settings of the reward: its terms, and the signal that training may see in their place."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgegym.settings import Settings

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AccuracyScaling(Settings):
    """A rule: each request takes what is worth most to itself, less a charge for those who come later.

    Whoever waits has others behind. So variants shrink, and low classes are turned away, as queues grow (in the manner
    of Proteus, ASPLOS 2024). A pair of server and variant is worth 2^(favour * rank) times the reward's terms per unit
    of class weight (all but ``tail``), where rank is 1 for the class high, .5 for normal and 0 for low, less
    charge * service * wait * (wait / 30 ms)^bend. With zeros it is the greedy rule; where latency alone counts that is
    the shortest expected delay.
    """

    charge: NotNegative = 0.0
    """Taken off per second of the request's service and second of its wait, in units of the reward."""
    bend: float = Field(0.0, gt=-1, le=8)
    """How much steeper than in proportion the charge grows with the wait."""
    favour: float = Field(0.0, ge=-8, le=8)
    """Octaves by which the class high counts more than the class low."""
    margin: float = Field(0.0, ge=-1, le=1)
    """Share of the deadline that must be left at the expected answer for it to count as in time."""


class RewardWeights(Settings):
    """Reward from named terms; and, for training only, the regret signal."""

    latency: NotNegative = 0.0
    """Taken off per second and request in the system, as time passes: an episode's total is the sum of the sojourn
    times (Little)."""
    slo: NotNegative = 0.0
    """Per answer in time."""
    goodput: NotNegative = 1.0
    """Per answer in time, times its accuracy and the weight of its class."""
    tail: NotNegative = 0.0
    """Taken off per second that an answer takes longer than ``tail_s``: what keeps high quantiles of the sojourn time
    down where some deadlines are long."""
    tail_s: Positive = 0.1
    """Sojourn time from which ``tail`` counts."""
    energy: NotNegative = 0.0
    """Taken off per joule."""
    reject: NotNegative = 0.0
    """Taken off per request that is rejected or dropped, times the weight of its class."""
    signal: Literal["terms", "regret"] = "terms"
    """``"terms"`` pays the terms above. ``"regret"`` pays, at each decision, what the choice is worth against that of
    the rule ``base`` if all later requests follow that rule (:mod:`edgegym.envs.request_scheduling.lookahead`). It
    knows the requests to come, so it is for training only. A request held back follows the rule when it is released."""
    base: AccuracyScaling = AccuracyScaling()
    """The rule behind the regret signal: the better it is, the better is what learns from it. ``edgegym train`` writes
    the one that suits the validation episodes to ``accuracy_scaling.json`` of its reference folder, for ``goodput`` of
    1 and no other term but ``tail``."""
    horizon: int = Field(200, ge=1)
    """Requests that the regret signal looks ahead."""
    clip: Positive = 8.0
    """Largest regret that the signal shows, either way."""
