"""Recipes of the workload cards that ship with EdgeGym."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.workload_descriptors import (
    KILOBYTE,
    Descriptor,
    descriptor_footprint,
    number_lines,
    read_descriptor,
)
from edgegym.calibration.workload_fit import fit_independent_workload, fit_workload
from edgegym.calibration.workload_footprint import footprint_card_of
from edgegym.cards import Provenance, WorkloadCard
from edgegym.errors import EdgeGymError
from edgegym.workload.readers import read_trace

TRAGEN = "Sabnis and Sitaraman, TRAGEN: A Synthetic Trace Generator for Realistic Cache Simulations, IMC 2021"
TRAGEN_REPOSITORY = "github.com/UMass-LIDS/Tragen @ 70cd5bb"
TRAGEN_LICENCE = "BSD-2-Clause"
DESCRIBED = (
    "Stack distances are those of the footprint descriptor, bytes in bins of 200 MB; what caches below 200 MB make of "
    "them is assumed. The curve of first requests follows from them."
)
NOT_DESCRIBED = (
    "The source has neither first requests by time nor the order in which objects appear: distances are taken as even "
    "within a bin, and objects as appearing without regard to their popularity, since nearly all that are asked for "
    "again are so within 200 MB."
)


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
    for line, numbers in number_lines(file):
        if len(numbers) == 1:
            requests = numbers[0]
        elif len(numbers) == 2 and requests >= 1:
            rows.append((requests, numbers[0] * KILOBYTE, numbers[1]))
        else:
            raise EdgeGymError(f"{file}: line {line}: {len(numbers)} fields; one or two are needed.")
    table = np.array(rows, np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def read_sizes(file: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the sizes of a TRAGEN ``sz`` file, all its blocks together: bytes and probability, two (n,) float64 arrays.

    Raises:
        EdgeGymError: if the file is missing or damaged, naming file and line.
    """
    rows = [numbers for _, numbers in number_lines(file) if len(numbers) == 2]
    if not rows:
        raise EdgeGymError(f"{file}: has no line with a size and a probability; restore the file.")
    table = np.array(rows, np.float64)
    return table[:, 0] * KILOBYTE, table[:, 1]


def akamai(
    traffic_class: str, described: str, date: str | None, descriptor: bool = False
) -> Callable[[Path, str], WorkloadCard]:
    """Recipe of an Akamai traffic class of TRAGEN.

    Args:
        traffic_class: name of the class in the source, which the file's name starts with.
        described: what the class is.
        date: when its trace was taken, where the source says so.
        descriptor: whether the source has a footprint descriptor of the class.
    """

    def recipe(data: Path, name: str) -> WorkloadCard:
        files = "popularity, fd" if descriptor else "popularity"
        provenance = Provenance(
            source=f"{TRAGEN}: traffic class {traffic_class} ({described}) of Akamai's production CDN",
            url=f"{TRAGEN_REPOSITORY} ({traffic_class} {files})",
            licence=TRAGEN_LICENCE,
            rule="Joint law of requests per object and size over objects. Counts from 8 on are binned and stand for "
            "the mean of their bin; sizes are condensed to quantiles; size given popularity to shares of the segments "
            f"between them.{' ' + DESCRIBED if descriptor else ''}",
            date=date,
            notes="The source's sizes are whole KB, read as 1000 bytes. Requests per object are those within the "
            "source's trace, over objects requested at least once.",
            assumed={"footprint": NOT_DESCRIBED} if descriptor else {},
        )
        folder = data / "requests" / "akamai_tragen"
        card = fit_workload(name, provenance, *read_popularity(folder / f"{traffic_class}_popularity.txt.xz"))
        if not descriptor:
            return card
        return _with_descriptor(card, read_descriptor(folder / f"{traffic_class}_fd.txt.xz"))

    return recipe


def _with_descriptor(card: WorkloadCard, descriptor: Descriptor) -> WorkloadCard:
    """The card with the descriptor's footprint, and a note on where the two sources differ."""
    said, drawn = descriptor.requested_bytes / descriptor.requests, card.joint.mean_bytes_per_request()
    notes = (
        f"{card.provenance.notes} The mean object requested has {said / KILOBYTE:.0f} KB in the footprint descriptor "
        f"and {drawn / KILOBYTE:.0f} KB in the joint law, so byte miss ratios are not those of the descriptor."
    )
    provenance = card.provenance.model_copy(update={"notes": notes})
    return card.model_copy(update={"provenance": provenance, "footprint": descriptor_footprint(descriptor)})


def akamai_eu3(data: Path, name: str) -> WorkloadCard:
    """Recipe of TRAGEN's class eu-3: a descriptor and sizes, of the requests per object only the mean."""
    folder = data / "requests" / "akamai_tragen"
    descriptor = read_descriptor(folder / "eu-3_fd.txt.xz")
    counts, mass = requests_with_mean(
        folder / "eu-2_popularity.txt.xz", descriptor.requests / descriptor.first_requests
    )
    provenance = Provenance(
        source=f"{TRAGEN}: traffic class eu-3 (media, Europe) of Akamai's production CDN",
        url=f"{TRAGEN_REPOSITORY} (eu-3 fd and sz; eu-2 popularity)",
        licence=TRAGEN_LICENCE,
        rule=f"Sizes are condensed to quantiles. {DESCRIBED}",
        date="2018-07-27 to 2018-07-31",
        notes="The source's sizes are whole KB, read as 1000 bytes; their probabilities sum to .360 and were rescaled. "
        "How size and popularity depend on each other is not published: they are independent here.",
        assumed={
            "footprint": NOT_DESCRIBED,
            "object_bytes": "The published sizes are taken as a law over objects.",
            "requests_per_object": "Only the mean is published: the law is that of class eu-2 with as many objects "
            "requested once added as give this mean.",
        },
    )
    card = fit_independent_workload(name, provenance, (counts, mass), read_sizes(folder / "eu-3_sz.txt.xz"))
    return card.model_copy(update={"footprint": descriptor_footprint(descriptor)})


def requests_with_mean(popularity: Path, mean: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The requests per object of a ``popularity`` file, with objects requested once added until the mean is this one.

    Returns:
        Requests per object and the share of the objects of each, two (n,) float64 arrays.
    """
    counts, _, mass = read_popularity(popularity)
    mass = mass / mass.sum()
    once = (counts @ mass - mean) / (counts @ mass - 1.0)
    return np.append(counts, 1.0), np.append(mass * (1.0 - once), once)


def web07(data: Path, name: str) -> WorkloadCard:
    """Recipe of the web trace of the cache2k benchmarks."""
    provenance = Provenance(
        source="cache2k benchmarks, (c) headissue GmbH, Jens Wilke: trace web07, HTTP requests to the product "
        "detail page of a web shop",
        url="github.com/ben-manes/caffeine @ ccef955 (cache2k web07 trace)",
        licence="CC BY 4.0",
        rule="Requests per object, stack distances and first requests of the whole trace, condensed.",
        date="2013-07",
        notes="The trace has an order, but neither times nor sizes.",
        assumed={"object_bytes": "The trace has no sizes: every object counts 1 byte, which suits caches of objects."},
    )
    trace = read_trace(data / "requests" / "caffeine" / "cache2k_web07.trace.xz", "cache2k")
    return footprint_card_of(trace, name, provenance)


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
    "akamai_media": akamai("eu-2", "media, Europe", "2018-07-27 to 2018-07-31", descriptor=True),
    "akamai_media_eu3": akamai_eu3,
    "akamai_downloads": akamai("tc-0", "downloads", None),
    "meta_cdn": meta_cdn,
    "web07": web07,
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
