"""The UMass campus log of YouTube traffic: its video requests, with their clients.

M. Zink, K. Suh, Y. Gu and J. Kurose, "Characteristics of YouTube network traffic at a campus network: measurements,
models, and implications", Computer Networks 53(4), 2009. A line holds, separated by blanks: time (s), address of the
YouTube server, address of the client, verb, video, and perhaps more.

The log holds more than requests for videos, so this reader chooses, as all work on the log must: it keeps the lines
with the verb GETVIDEO whose video has one of YouTube's 11-character ids (none of the log's own ``UMASS...`` ids), whose
client is an address and whose time is a Unix time of the log's years. The log is not quite in order and is sorted.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edgegym.errors import TraceError
from edgegym.workload.trace import RequestTrace

VERB = b"GETVIDEO"
FEWEST_FIELDS = 5
EARLIEST_S = 1e9
_VIDEO = re.compile(rb"(?!UMASS)[\w-]{11}\Z")
_ADDRESS = re.compile(rb"\d{1,3}(\.\d{1,3}){3}\Z")


def read_youtube(path: Path, data: bytes) -> RequestTrace:
    """Read the video requests of a log.

    Args:
        path: for the error text.
        data: the unpacked file.

    Returns:
        The requests in order of time, 1 byte each since the log has no sizes, with the clients' addresses.

    Raises:
        TraceError: for a line that is none of the log, or if none is a video request.
    """
    time, video, client = [], [], []
    videos: dict[bytes, int] = {}
    clients: dict[bytes, int] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < FEWEST_FIELDS or not _is_number(fields[0]):
            raise TraceError(
                f"{path}: line {number}: found {line[:60].decode('utf-8', 'replace')!r}; time, server, client, verb "
                "and video are needed. Remove the line, or get the file again if it is cut off here."
            )
        stamp, _, asking, verb, name = fields[:FEWEST_FIELDS]
        if verb == VERB and float(stamp) >= EARLIEST_S and _VIDEO.match(name) and _ADDRESS.match(asking):
            time.append(float(stamp))
            video.append(videos.setdefault(name, len(videos)))
            client.append(clients.setdefault(asking, len(clients)))
    if not time:
        raise TraceError(f"{path}: none of its lines is a {VERB.decode()} request for a video; check the format.")
    order = np.argsort(time, kind="stable")
    return RequestTrace.from_arrays(
        np.array(video)[order],
        time=np.array(time)[order],
        source=str(path),
        client=np.array([name.decode() for name in clients])[client][order],
    )


def _is_number(field: bytes) -> bool:
    try:
        return np.isfinite(float(field))
    except ValueError:
        return False
