"""Footprints from the footprint descriptors that TRAGEN publishes in place of traces.

A. Sabnis and R. K. Sitaraman, "TRAGEN: a synthetic trace generator for realistic cache simulations", IMC 2021.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.quantile_fit import significant
from edgegym.calibration.workload_footprint import condensed_law
from edgegym.cards import FirstRequests, Footprint
from edgegym.errors import EdgeGymError

KILOBYTE = 1000.0
DISTANCE_BIN_BYTES = 200_000 * KILOBYTE
"""Width of the descriptors' bins of stack distances."""
DEVIATION = 2e-4
"""Tolerance in probability of the condensed law; nearly all of it lies in the descriptors' first bin."""
CURVE_POINTS = 17


@dataclass(frozen=True)
class Descriptor:
    """A footprint descriptor.

    Attributes:
        requests: requests of its trace.
        requested_bytes: bytes of all of them.
        first_requests: those for objects that the trace did not have before.
        first_bytes: bytes of those objects.
        distance: (n,) float64, bytes, where bins of stack distances start, :data:`DISTANCE_BIN_BYTES` wide each.
        probability: (n,) float64, share of the requests in the bin, all inter-arrival times together, or, in a
            byte-weighted descriptor, of their bytes. The rest are first requests.
    """

    requests: int
    requested_bytes: float
    first_requests: int
    first_bytes: float
    distance: NDArray[np.float64]
    probability: NDArray[np.float64]


def read_descriptor(file: Path) -> Descriptor:
    """Read a TRAGEN ``fd`` or ``bfd`` file.

    The first line gives requests, KB, first and last second, first requests and their KB; the others give inter-arrival
    time (s), stack distance (KB) and probability.

    Raises:
        EdgeGymError: if the file is missing or damaged, naming file and line.
    """
    lines = number_lines(file)
    number, head = next(lines, (1, []))
    if len(head) != 6:
        raise EdgeGymError(f"{file}: line {number}: {len(head)} fields; the six of a descriptor's head are needed.")
    rows = []
    for number, fields in lines:
        if len(fields) != 3:
            raise EdgeGymError(f"{file}: line {number}: {len(fields)} fields; three are needed.")
        rows.append(fields)
    if not rows:
        raise EdgeGymError(f"{file}: has no stack distances after line 1; restore the file.")
    table = np.array(rows, np.float64)
    distance, place = np.unique(table[:, 1] * KILOBYTE, return_inverse=True)
    probability = np.zeros(len(distance))
    np.add.at(probability, place, table[:, 2])
    requested, missed = head[1] * KILOBYTE, head[5] * KILOBYTE
    return Descriptor(int(head[0]), requested, int(head[4]), missed, distance, probability)


def number_lines(file: Path) -> Iterator[tuple[int, list[float]]]:
    """The lines of an xz text of numbers that are not blank: line number and fields.

    Raises:
        EdgeGymError: if the file is missing or damaged, naming file and line.
    """
    try:
        with lzma.open(file, "rt", encoding="ascii") as text:
            for line, fields in enumerate(map(str.split, text), start=1):
                try:
                    numbers = [float(field) for field in fields]
                except ValueError as error:
                    raise EdgeGymError(f"{file}: line {line}: {error}; restore the file.") from None
                if numbers:
                    yield line, numbers
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise EdgeGymError(f"{file}: cannot be read ({error}); give the data folder that holds it.") from None


def descriptor_footprint(descriptor: Descriptor) -> Footprint:
    """The footprint of a descriptor; distances count bytes.

    A descriptor has no curve of first requests. This one follows from its law: after objects of so many bytes a request
    is for a new one if it is in the descriptor or if its distance is larger. It assumes that distances are spread
    evenly within a bin and that new objects are as large as the descriptor's on average.

    Nor does it have the order in which objects appear. Where objects are asked for again soon or never, as in the
    published descriptors, popular ones keep appearing: ``popular_first`` is 0.
    """
    again = descriptor.probability.sum()
    upper = descriptor.distance + DISTANCE_BIN_BYTES
    cumulative = np.cumsum(descriptor.probability) / again
    law = condensed_law(upper.astype(np.int64), np.append(cumulative[:-1], 1.0), "bytes", DEVIATION)
    edges, up_to = np.array(law.edges, np.float64), law.cumulative
    object_bytes = descriptor.first_bytes / descriptor.first_requests
    points = np.geomspace(1.0, descriptor.first_requests, 4000)
    first = 1.0 - again * np.interp(points * object_bytes, edges, up_to)
    waits = np.diff(points) * 2.0 / (first[1:] + first[:-1])
    requests = np.append(1.0, 1.0 + np.cumsum(waits))
    chosen = np.linspace(0, len(points) - 1, CURVE_POINTS).round().astype(int)
    whole, first_of = np.unique(np.rint(requests[chosen]).astype(int), return_index=True)
    contents = np.minimum(points[chosen[first_of]], whole)
    return Footprint(
        requests=descriptor.requests,
        contents=descriptor.first_requests,
        stack_distances=law,
        first_requests=FirstRequests(requests=tuple(whole.tolist()), contents=tuple(significant(contents, 6).tolist())),
        popular_first=0.0,
    )
