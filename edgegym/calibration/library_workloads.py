"""Recipes of the workload cards that ship with EdgeGym."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.workload_fit import fit_independent_workload, fit_workload
from edgegym.cards import Provenance, WorkloadCard
from edgegym.errors import EdgeGymError

KILOBYTE = 1000.0


def read_popularity(file: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read the joint law of a TRAGEN ``popularity`` file.

    A line with one field opens a block and gives the requests per object; the lines below it give size (KB) and joint
    probability.

    Returns:
        Requests per object, size in bytes, probability: three (n,) float64 arrays.

    Raises:
        EdgeGymError: if the file is missing or damaged, naming file and line.
    """
    requests, rows = 0.0, []
    try:
        with lzma.open(file, "rt", encoding="ascii") as text:
            for line, fields in enumerate(map(str.split, text), start=1):
                try:
                    numbers = [float(field) for field in fields]
                except ValueError as error:
                    raise EdgeGymError(f"{file}: line {line}: {error}; restore the file.") from None
                if len(numbers) == 1:
                    requests = numbers[0]
                elif len(numbers) == 2 and requests >= 1:
                    rows.append((requests, numbers[0] * KILOBYTE, numbers[1]))
                elif numbers:
                    raise EdgeGymError(f"{file}: line {line}: {len(numbers)} fields; one or two are needed.")
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise EdgeGymError(f"{file}: cannot be read ({error}); give the data folder that holds it.") from None
    table = np.array(rows, np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def akamai(traffic_class: str, described: str, date: str | None) -> Callable[[Path, str], WorkloadCard]:
    """Recipe of an Akamai traffic class of TRAGEN.

    Args:
        traffic_class: name of the class in the source, which the file's name starts with.
        described: what the class is.
        date: when its trace was taken, where the source says so.
    """

    def recipe(data: Path, name: str) -> WorkloadCard:
        provenance = Provenance(
            source="Sabnis and Sitaraman, TRAGEN: A Synthetic Trace Generator for Realistic Cache Simulations, IMC "
            f"2021: traffic class {traffic_class} ({described}) of Akamai's production CDN",
            url=f"github.com/UMass-LIDS/Tragen @ 70cd5bb ({traffic_class} popularity)",
            licence="BSD-2-Clause",
            rule="Joint law of requests per object and size over objects. Counts from 8 on are binned and stand for "
            "the mean of their bin; sizes are condensed to quantiles; size given popularity to shares of the segments "
            "between them.",
            date=date,
            notes="The source's sizes are whole KB, read as 1000 bytes. Requests per object are those within the "
            "source's trace, over objects requested at least once.",
        )
        file = data / "requests" / "akamai_tragen" / f"{traffic_class}_popularity.txt.xz"
        return fit_workload(name, provenance, *read_popularity(file))

    return recipe


def meta_cdn(data: Path, name: str) -> WorkloadCard:
    """Recipe of Meta's CDN workload: bucketed popularity and sizes, independent of each other."""
    folder = data / "requests" / "cachelib_cdn"
    popularity, sizes, config = (_json(folder / f"{part}.json") for part in ("pop", "sizes", "config"))
    try:
        keys = np.array(popularity["popularityBuckets"], np.float64)
        requests = np.array(popularity["popularityWeights"], np.float64)
        lone = float(config["test_config"]["loneGetRatio"])
        size = np.array(sizes["valSizeRange"], np.float64)
        share = np.array(sizes["valSizeRangeProbability"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise EdgeGymError(f"{folder}: {error!r} is missing or wrong; restore pop, sizes and config.json.") from None
    # Requests for keys that never return are a share of all requests, each with a key of its own.
    once = lone / (1 - lone) * requests.sum()
    provenance = Provenance(
        source="Meta, CacheLib: distributions of a production CDN cache for CacheBench",
        url="github.com/facebook/CacheLib @ 278ffc7 (pop.json, sizes.json, config.json of the CDN workload)",
        licence="Apache-2.0",
        rule="Requests per object: weight per key of each popularity bucket, plus one key per lone request "
        f"(loneGetRatio {lone:.4g} of all). Counts from 8 on are binned and stand for the mean of their bin.",
        notes="How size and popularity depend on each other is not published: they are independent here. The buckets "
        f"and lone keys make {keys.sum() + once:,.0f} keys, while the configuration names "
        f"{config['test_config'].get('numKeys', 0):,}.",
        assumed={
            "object_bytes": "The published sizes are taken as a law over objects; the source does not say over what."
        },
    )
    counts = np.append(requests / keys, 1.0), np.append(keys, once)
    return fit_independent_workload(name, provenance, counts, (size, share))


WORKLOADS: dict[str, Callable[[Path, str], WorkloadCard]] = {
    "akamai_video": akamai("v", "video", None),
    "akamai_media": akamai("eu-2", "media, Europe", "2018-07-27 to 2018-07-31"),
    "akamai_downloads": akamai("tc-0", "downloads", None),
    "meta_cdn": meta_cdn,
}
"""Recipe of each workload card: data folder and name in, card out."""


def _json(file: Path) -> dict:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EdgeGymError(f"{file}: cannot be read ({error}); give the data folder that holds it.") from None
    if not isinstance(value, dict):
        raise EdgeGymError(f"{file}: holds no JSON object; restore the file.")
    return value
