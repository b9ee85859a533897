"""Whole-trace replay of caching policies as numba kernels, far faster than stepping an environment.

    result = replay(trace.content, trace.size, capacity=1000, policy="S3-FIFO")
    result.hit_ratio

Every policy of :data:`REPLAY_POLICIES` is one kernel of the signature :class:`ReplayKernel`; each starts with an empty
cache and sees one node. :func:`pfoo_l` bounds them all. What needs more than a trace has a module of its own beside
them: the weights of :mod:`~edgegym.envs.caching.replay.linear_rule`, the warm-up of
:mod:`~edgegym.envs.caching.replay.static`.
"""

from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED
from edgegym.envs.caching.replay.pfoo import HitBound, pfoo_l
from edgegym.envs.caching.replay.policies import REPLAY_POLICIES, ReplayKernel, ReplayPolicy
from edgegym.envs.caching.replay.run import Replay, replay

__all__ = [
    "ADMITTED",
    "HIT",
    "REFUSED",
    "REPLAY_POLICIES",
    "HitBound",
    "Replay",
    "ReplayKernel",
    "ReplayPolicy",
    "pfoo_l",
    "replay",
]
