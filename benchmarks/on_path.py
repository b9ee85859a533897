"""Caching on the path and cooperation on GEANT and in a tree: hit ratio, latency and link load of every strategy.

OMP_NUM_THREADS=1 python benchmarks/on_path.py [FIGURE]

10,000 contents of equal size, Zipf(.8), 30,000 requests of warm-up and 60,000 that count; LRU caches for 5 % of the
contents in total, shared evenly among the routers where three or more links meet. On GEANT users are behind the nodes
with one link, and an origin is behind each node with two; the contents are shared among these origins. In the tree of
three children and three levels users are at the leaves and the origin is at the root.
"""

from __future__ import annotations

import sys
import time

import networkx as nx
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import t as student

from edgegym.envs.caching.cooperation import (
    STRATEGIES,
    CacheNetwork,
    NetworkReplay,
    cache_network,
    inner_routers,
    replay_network,
    separate_origins,
    share_evenly,
)
from edgegym.network.topology import TopologySettings, graph_from_settings
from edgegym.workload.generators import zipf
from edgegym.workload.trace import RequestTrace

CONTENTS, ALPHA, SHARE, WARMUP, COUNTED, SEEDS = 10_000, 0.8, 0.05, 30_000, 60_000, 10
ROUNDS, TIMED_REQUESTS = 5, 1_000_000
INTERNAL_RTT_S, EXTERNAL_RTT_S = 0.004, 0.068
"""Round trips of the equal links: 2 and 34 ms one way, usual in studies of caching on the path."""
MARKERS = ("o", "s", "^")

Samples = dict[str, NDArray[np.float64]]
"""Strategy to (seeds, measures)."""


def networks() -> dict[str, CacheNetwork]:
    geant = separate_origins(graph_from_settings(TopologySettings(builder="geant")))
    equal = geant.copy()
    for a, b, link in equal.edges(data=True):
        external = "origin" in (equal.nodes[a]["role"], equal.nodes[b]["role"])
        link["rtt_s"] = EXTERNAL_RTT_S if external else INTERNAL_RTT_S
    tree = graph_from_settings(TopologySettings(builder="tree", branching=3, depth=3))
    tree.edges["router0", "origin"]["rtt_s"] = 0.0
    return {
        "GEANT": caching(geant, inner_routers(geant)),
        "GEANT with equal links": caching(equal, inner_routers(equal)),
        "Tree": caching(tree, [name for name in inner_routers(tree) if name != "router0"]),
    }


def caching(graph: nx.Graph, routers: list[str]) -> CacheNetwork:
    return cache_network(graph, share_evenly(round(SHARE * CONTENTS), routers))


def requests(network: CacheNetwork, seed: int, length: int) -> RequestTrace:
    return zipf(length, CONTENTS, ALPHA, seed, nodes=len(network.receivers))


def measured(run: NetworkReplay) -> list[float]:
    internal = run.link_load[~run.network.external]
    used = float(internal[internal > 0].mean())
    return [run.hit_ratio, run.local_hit_ratio, 1e3 * run.mean_latency_s, run.internal_load, used, run.external_load]


def samples(network: CacheNetwork) -> Samples:
    found: dict[str, list[list[float]]] = {name: [] for name in STRATEGIES}
    for seed in range(SEEDS):
        trace = requests(network, seed, WARMUP + COUNTED)
        for name in STRATEGIES:
            found[name].append(measured(replay_network(trace, network, name, seed, WARMUP)))
    return {name: np.array(rows) for name, rows in found.items()}


def interval(values: NDArray[np.float64], form: str) -> str:
    """Mean and half width of its 95 % confidence interval over the seeds."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{form}} ± {half:{form.lstrip('+')}}"


def print_table(found: Samples) -> None:
    print(
        "| strategy | hit ratio | local hit ratio | latency, ms | latency | internal load | per used link | external |"
    )
    print("|---|---|---|---|---|---|---|---|")
    plain = found["No cache"]
    for name, rows in found.items():
        hit, local, latency, _, _, external = rows.T
        above = 100 * (rows / np.where(plain > 0, plain, 1) - 1).T
        cells = [interval(hit, ".4f"), interval(local, ".4f"), interval(latency, ".2f")]
        cells += [interval(above[i], "+.1f") + " %" for i in (2, 3, 4)]
        print("|", " | ".join([name, *cells, interval(external, ".4f")]), "|", flush=True)


def print_speed(network: CacheNetwork) -> None:
    trace = requests(network, 0, TIMED_REQUESTS)
    print("\n| strategy | M requests/s |\n|---|---|")
    for name in STRATEGIES:
        best = float("inf")
        for _ in range(ROUNDS + 1):
            began = time.process_time()
            replay_network(trace, network, name)
            best = min(best, time.process_time() - began)
        print(f"| {name} | {TIMED_REQUESTS / 1e6 / best:.1f} |", flush=True)


def draw(found: dict[str, Samples], path: str) -> None:
    """One panel a network: internal load over hit ratio, means over the seeds."""
    figure = Figure(figsize=(4 * len(found) + 2, 4), layout="constrained")
    panels = figure.subplots(1, len(found))
    for axes, (title, of_network) in zip(panels, found.items(), strict=True):
        plain = of_network["No cache"].mean(axis=0)
        for number, (name, rows) in enumerate(of_network.items()):
            mean = rows.mean(axis=0)
            axes.plot(mean[0], 100 * (mean[3] / plain[3] - 1), MARKERS[number % 3], color=f"C{number % 10}", label=name)
        axes.set(title=title, xlabel="hit ratio", ylabel="internal load above no cache, %")
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize="small")
    figure.savefig(path)


def main() -> None:
    """Print the tables and draw the figure if a path is given."""
    found = {}
    for title, network in networks().items():
        print(f"\n## {title}\n")
        found[title] = samples(network)
        print_table(found[title])
    print("\n## Speed\n\nOn GEANT, CPU time, best of", ROUNDS, "rounds.")
    print_speed(networks()["GEANT"])
    if len(sys.argv) > 1:
        draw(found, sys.argv[1])


if __name__ == "__main__":
    main()
