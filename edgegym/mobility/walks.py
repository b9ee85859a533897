"""Generated mobility: hex walk, Manhattan grid, random waypoint and Gauss-Markov, for many users at once.

Models as surveyed by T. Camp, J. Boleng and V. Davies, "A survey of mobility models for ad hoc network research"
(Wireless Communications and Mobile Computing 2(5), 2002). All positions lie in a rectangle from the origin to
``extent_m`` (2,). Users begin anywhere in it, or at ``start`` (users, 2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.mobility.hex_plane import DIRECTIONS

Positions = NDArray[np.float64]
"""(slots, users, 2) metres at the start of each slot."""


def hex_walk(rng: np.random.Generator, users: int, slots: int, move: float) -> NDArray[np.int64]:
    """(slots, users, 2) axial coordinates from the origin on: each of the six neighbours with probability ``move``."""
    way = np.floor(rng.random((slots, users)) / max(move, 1e-300)).clip(max=6.0).astype(np.int64)
    steps = np.array([*DIRECTIONS, (0, 0)])[way]
    steps[0] = 0
    return np.asarray(steps.cumsum(axis=0))


def manhattan(
    rng: np.random.Generator,
    users: int,
    slots: int,
    slot_s: float,
    extent_m: NDArray[np.float64],
    speed_m_s: tuple[float, float],
    block_m: float,
    turn: float,
    start: NDArray[np.float64] | None = None,
) -> Positions:
    """Along the streets of a grid: at a crossing turn left or right with probability ``turn``, else go straight on.

    At the rim whoever would leave the rectangle turns round; users begin at crossings. A side shorter than a block
    counts as a block.
    """
    streets = np.maximum(1, extent_m // block_m).astype(np.int64)
    anywhere = rng.integers(0, streets + 1, (users, 2))
    at = (anywhere if start is None else np.round(start / block_m).clip(0, streets)).astype(np.float64)
    ways = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
    way = rng.integers(0, 4, users)
    pace = rng.uniform(*speed_m_s, users) * slot_s / block_m
    found = np.empty((slots, users, 2))
    for slot in range(slots):
        found[slot] = at * block_m
        left = pace.copy()
        while (left > 1e-9).any():
            at, way, left = _to_crossing(rng, at, ways, way, left, streets, turn)
    return found


def _to_crossing(rng, at, ways, way, left, streets, turn):  # type: ignore[no-untyped-def]
    """Move everyone to the next crossing, or as far as the slot goes; who is on a crossing picks its way first."""
    crossing = (np.abs(at - np.round(at)) < 1e-9).all(axis=1) & (left > 1e-9)
    draw = rng.random(len(at))
    side = np.where(draw < 0.5 * turn, 1, np.where(draw < turn, 3, 0))
    way = np.where(crossing, (way + side) % 4, way)
    ahead = np.round(at) + ways[way]
    out = crossing & ((ahead < 0) | (ahead > streets)).any(axis=1)
    way = np.where(out, (way + 2) % 4, way)
    step = ways[way]
    along = (at * step).sum(axis=1)
    room = np.where(crossing, 1.0, np.ceil(along - 1e-9) - along)
    moved = np.minimum(room, left)
    at = at + moved[:, None] * step
    at = np.where(np.abs(at - np.round(at)) < 1e-9, np.round(at), at).clip(0, streets)
    return at, way, left - np.maximum(moved, 1e-6 * (moved <= 0))


def random_waypoint(
    rng: np.random.Generator,
    users: int,
    slots: int,
    slot_s: float,
    extent_m: NDArray[np.float64],
    speed_m_s: tuple[float, float],
    start: NDArray[np.float64] | None = None,
) -> Positions:
    """Straight to a uniform destination at a uniform speed, then to the next one.

    Who arrives rests there until the slot ends: no user passes through its destination within a slot.
    """
    anywhere, goal = rng.uniform(0, extent_m, (2, users, 2))
    at = anywhere if start is None else start.clip(0, extent_m)
    speed = rng.uniform(*speed_m_s, users)
    found = np.empty((slots, users, 2))
    for slot in range(slots):
        found[slot] = at
        way = goal - at
        far = np.hypot(way[:, 0], way[:, 1])
        reach = speed * slot_s
        there = far <= reach
        at = np.where(there[:, None], goal, at + way * (reach / np.maximum(far, 1e-12))[:, None])
        goal = np.where(there[:, None], rng.uniform(0, extent_m, (users, 2)), goal)
        speed = np.where(there, rng.uniform(*speed_m_s, users), speed)
    return found


def gauss_markov(
    rng: np.random.Generator,
    users: int,
    slots: int,
    slot_s: float,
    extent_m: NDArray[np.float64],
    speed_m_s: tuple[float, float],
    memory: float,
    start: NDArray[np.float64] | None = None,
) -> Positions:
    """Velocity x' = a x + (1 - a) m + s sqrt(1 - a^2) n on each axis; at the rim it is reflected.

    The mean velocity m has a uniform direction and a speed from ``speed_m_s``; the spread s is half that speed.
    """
    angle, speed = rng.uniform(0, 2 * np.pi, users), rng.uniform(*speed_m_s, users)
    mean = speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    velocity, anywhere = mean.copy(), rng.uniform(0, extent_m, (users, 2))
    at = anywhere if start is None else start.clip(0, extent_m)
    spread = 0.5 * speed[:, None] * np.sqrt(1.0 - memory * memory)
    found = np.empty((slots, users, 2))
    for slot in range(slots):
        found[slot] = at
        velocity = memory * velocity + (1.0 - memory) * mean + spread * rng.standard_normal((users, 2))
        at = at + velocity * slot_s
        out = (at < 0) | (at > extent_m)
        velocity, mean = np.where(out, -velocity, velocity), np.where(out, -mean, mean)
        at = np.where(at < 0, -at, np.where(at > extent_m, 2 * extent_m - at, at)).clip(0, extent_m)
    return found
