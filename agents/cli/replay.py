"""``edgegym replay``: the miss ratios of a caching policy over a trace file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgegym.agents.cli.options import Json, print_json


def command(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="The trace file, plain or compressed with gz or xz.")],
    policy: Annotated[
        str, typer.Option(help="Caching policy, for example LRU, S3-FIFO, Belady; `edgegym list` shows all.")
    ],
    capacity: Annotated[str, typer.Option(help="Size of the cache: a number, or N% of the footprint.")],
    format: Annotated[str | None, typer.Option(help="Format of the file; guessed where that is certain.")] = None,
    unit: Annotated[str, typer.Option(help="What the capacity counts: objects or bytes.")] = "objects",
    from_fraction: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Count only requests after this share of them; the cache is warm then."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of policies that draw.")] = 0,
    json: Json = False,
) -> None:
    """Replay a caching policy over a request trace and print its miss ratios.

    Examples:
    - `edgegym replay web07.trace.xz --format cache2k --policy S3-FIFO --capacity 1% --from-fraction 0.5`
    - `edgegym replay cdn.csv --policy GDSF --capacity 100000000 --unit bytes --json`
    """
    result = replay_file(trace, policy, capacity, format, unit, from_fraction, seed)
    if json:
        print_json(result)
        return
    typer.echo(
        f"{result['policy']}: object miss ratio {result['object_miss_ratio']:.4f}, byte miss ratio "
        f"{result['byte_miss_ratio']:.4f} over {result['requests']:,} requests ({result['seconds']:.3f} s)"
    )


def replay_file(
    path: Path, policy: str, capacity: str, format: str | None, unit: str, from_fraction: float, seed: int
) -> dict[str, Any]:
    """Replay a file.

    Returns:
        ``policy``, ``capacity`` (resolved), ``unit``, ``requests`` counted, ``object_miss_ratio``,
        ``byte_miss_ratio`` and ``seconds`` of the replay alone.

    Raises:
        EdgeGymError: for a damaged trace, an unknown policy, format or unit, or a capacity below one object.
    """
    from edgegym.amounts import check_amount
    from edgegym.envs.caching.capacity import resolve_capacity
    from edgegym.errors import EdgeGymError, unknown
    from edgegym.workload.readers import read_trace

    if unit not in ("objects", "bytes"):
        raise unknown("unit", unit, ("objects", "bytes"))
    requests = read_trace(path, format)
    try:
        given = check_amount(int(capacity) if capacity.strip().lstrip("+-").isdigit() else capacity)
    except ValueError as error:
        raise EdgeGymError(f"--capacity {capacity}: {error}.") from None
    size = requests.size
    room = resolve_capacity(given, unit, requests.contents, int(size.sum()), int(size.min()))  # type: ignore[arg-type]
    first = round(from_fraction * len(requests))
    if first >= len(requests):
        raise EdgeGymError(f"--from-fraction {from_fraction}: leaves no request to count; lower it.")
    occupancy = np.ones_like(size) if unit == "objects" else size
    began = time.process_time()
    name, object_miss, byte_miss = _misses(policy, requests, occupancy, room, first, seed)
    return {
        "policy": name,
        "capacity": room,
        "unit": unit,
        "requests": len(requests) - first,
        "object_miss_ratio": object_miss,
        "byte_miss_ratio": byte_miss,
        "seconds": time.process_time() - began,
    }


def _misses(policy: str, requests: Any, occupancy: Any, room: int, first: int, seed: int) -> tuple[str, float, float]:
    """Name of the policy, object and byte miss ratio from request ``first`` on."""
    from edgegym.envs.caching.replay import REPLAY_POLICIES, pfoo_l, replay
    from edgegym.errors import find_name

    name = find_name("policy", policy, [*REPLAY_POLICIES, "PFOO-L"])
    if name == "PFOO-L":
        objectives: tuple[Any, Any] = ("objects", "objects") if (occupancy == 1).all() else ("objects", "bytes")
        found = [pfoo_l(requests.content, occupancy, room, objective=each, from_index=first) for each in objectives]
        return name, *(1.0 - bound.hits / bound.requested for bound in found)  # type: ignore[return-value]
    missed = ~replay(requests.content, occupancy, room, name, seed=seed).hit[first:]
    served = requests.size[requests.content[first:]]
    return name, float(missed.mean()), float(served[missed].sum() / served.sum())
