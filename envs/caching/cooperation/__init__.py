"""Caches that work together, as numba kernels over whole traces.

Two settings. A :class:`CacheNetwork` has caches on some nodes of a graph, and requests and contents travel hop by hop
between users, caches and origins, which is how caching on the path is studied:

    network = cache_network(graph, share_evenly(500, inner_routers(graph)))
    result = replay_network(trace, network, "LCD", seed=0, warmup=30_000)
    result.hit_ratio, result.mean_latency_s, result.internal_load, result.external_load

:data:`STRATEGIES` lists what can be replayed. And :func:`replay_cluster` is for the nodes of
:class:`~edgegym.envs.caching.env.ContentCachingEnv`, each of which has a cache and knows what the others hold.
"""

from edgegym.envs.caching.cooperation.cluster import CLUSTER_RULES, ClusterReplay, replay_cluster
from edgegym.envs.caching.cooperation.network import (
    CacheNetwork,
    cache_network,
    inner_routers,
    separate_origins,
    share_evenly,
)
from edgegym.envs.caching.cooperation.run import NetworkReplay, replay_network
from edgegym.envs.caching.cooperation.strategies import STRATEGIES, Strategy

__all__ = [
    "CLUSTER_RULES",
    "STRATEGIES",
    "CacheNetwork",
    "ClusterReplay",
    "NetworkReplay",
    "Strategy",
    "cache_network",
    "inner_routers",
    "replay_cluster",
    "replay_network",
    "separate_origins",
    "share_evenly",
]
