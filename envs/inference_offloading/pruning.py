"""Which plans a decision offers: those that nothing dominates, and of these the most useful ones.

A plan dominates another if it is at least as good in every count that enters latency, energy, bytes, accuracy or
privacy, and better in one: then it is at least as good whatever the network does. Of the rest those are kept, one after
another, that most lower the least cost over a grid of uplink rates and server waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.inference_offloading.params import RewardWeights
from edgegym.envs.inference_offloading.plans import BITS, Plan

Array = NDArray[np.float64]
RATES_BPS = np.logspace(5, 9.5, 19)
WAITS_S = np.array([0.0, 0.02, 0.1, 0.5, 2.0])
DEVICE_WAITS_S = np.array([0.0, 0.1, 1.0])
LEAST_GAIN = 1e-5
"""A plan that lowers the cost by less, in the mean over the scenarios and as a share, is not worth a candidate."""
MEGABYTE = 1e6


def counts(plans: Sequence[Plan], servers: int) -> Array:
    """What a plan asks for, the less the better; (plans, counts)."""
    rows = []
    for plan in plans:
        each = [0.0] * servers
        first = [0.0] * servers
        if plan.server >= 0:
            # The constant makes using a server a count of its own, since its queue may be long.
            each[plan.server], first[plan.server] = plan.each_s + 1e-9, plan.first_s + 1e-9
        rows.append(
            [
                plan.device_s,
                plan.device_j,
                -plan.leave_share,
                plan.leave_s,
                float(plan.workers),
                plan.exchange_s,
                plan.up_bytes + float(plan.server >= 0 or plan.cloud),
                plan.rounds if plan.up_bytes else 0.0,
                plan.protocol_s,
                plan.backbone_s,
                plan.cloud_s,
                -plan.accuracy,
                -float(plan.reuse),
                float(plan.sends_raw),
                float(plan.sends_features and not plan.noisy and not plan.secure),
                *each,
                *first,
            ]
        )
    return np.array(rows)


def undominated(table: Array) -> NDArray[np.intp]:
    """Indices of the rows that no other row dominates; of equal rows the first."""
    keep = []
    for i, row in enumerate(table):
        no_worse = (table <= row).all(axis=1)
        better = no_worse & (table < row).any(axis=1)
        equal_before = (table[:i] == row).all(axis=1).any()
        if not better.any() and not equal_before:
            keep.append(i)
    return np.array(keep, np.intp)


def scenario_costs(plans: Sequence[Plan], weights: RewardWeights, deadline_s: float, rtt_s: float) -> Array:
    """Cost of each plan over the grid of uplink rates and of waits at the server and the device; (scenarios, plans)."""
    grid = np.meshgrid(RATES_BPS, WAITS_S, DEVICE_WAITS_S, indexing="ij")
    rate, wait, device_wait = (axis.ravel() for axis in grid)
    columns = []
    for plan in plans:
        stay, device = 1.0 - plan.leave_share, plan.device_s / plan.workers + plan.exchange_s
        latency = plan.leave_share * plan.leave_s + stay * device + device_wait * (device > 0.0)
        if plan.server >= 0 or plan.cloud:
            remote = plan.first_s + plan.backbone_s + plan.cloud_s + wait * (plan.server >= 0)
            half = 0.5 if plan.reuse else 1.0
            latency = latency + stay * (
                BITS * plan.up_bytes / rate + plan.rounds * rtt_s + plan.protocol_s + half * remote
            )
        columns.append(
            weights.latency * latency
            + weights.miss * (latency > deadline_s)
            + weights.energy * (plan.leave_share * plan.leave_j + stay * plan.device_j)
            + weights.accuracy * (1.0 - plan.accuracy)
            + weights.megabyte * stay * plan.up_bytes / MEGABYTE
            + weights.server * stay * (plan.each_s + plan.cloud_s)
        )
    return np.stack(columns, axis=1)


def most_useful(costs: Array, open_to: Sequence[NDArray[np.bool_]], must: int, count: int) -> list[int]:
    """Pick plans one after another, each the one that most lowers the least cost, until none lowers it.

    Args:
        costs: (scenarios, plans).
        open_to: for each class of tasks (plans,) whether a plan may serve it; ``must`` may serve all.
        must: picked first.
        count: how many to pick at most.

    Returns:
        Indices in the order of picking.
    """
    excess = []
    for allowed in open_to:
        here = np.where(allowed, costs, np.inf)
        here[:, must] = costs[:, must]
        excess.append(here / np.maximum(here.min(axis=1, keepdims=True), 1e-12))
    table = np.concatenate(excess)
    chosen, reached = [must], table[:, must]
    while len(chosen) < count:
        score = np.log(np.minimum(table, reached[:, None])).sum(axis=0)
        pick = int(score.argmin())
        if score[pick] >= np.log(reached).sum() - LEAST_GAIN * len(table):
            break
        chosen.append(pick)
        reached = np.minimum(reached, table[:, pick])
    return chosen
