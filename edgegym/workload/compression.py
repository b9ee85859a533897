"""Compressed trace files: recognised by their first bytes, never by their name, and read to their very end."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgegym.errors import TraceError

PIECE = 4096
"""Bytes fed at once: what came out before a damaged place is known to within one piece."""
MAGIC = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b\x08": "gzip"}
# As long as they can be: a binary trace may start with any two bytes.
UNREADABLE = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d FILE"),
    b"BZh91AY&SY": ("bzip2", "bunzip2 -k FILE"),
    b"PK\x03\x04": ("zip", "unzip FILE"),
}
MACHINES: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ),
}
SUFFIXES = {".gz": "gzip", ".xz": "xz"}


def compression_of(path: Path, raw: bytes) -> str | None:
    """Name the compression of a file's bytes: ``"gzip"``, ``"xz"``, or None for plain ones.

    Raises:
        TraceError: for zstd, bzip2 and zip, which are not read, with the command that unpacks them; for plain bytes
            under a name that ends in .gz or .xz, which would else be taken for ids.
    """
    for magic, (name, command) in UNREADABLE.items():
        if raw.startswith(magic):
            reason = " (the standard library of Python before 3.14 has no zstd)" if name == "zstd" else ""
            raise TraceError(
                f"{path}: is compressed with {name}, which is not read{reason}; only plain files, gzip and xz are. "
                f"Unpack it first: {command.replace('FILE', str(path))}"
            )
    for magic, name in MAGIC.items():
        # A file cut off within the magic number is truncated, not plain.
        if raw and magic.startswith(raw[: len(magic)]):
            return name
    if raw and path.suffix.lower() in SUFFIXES:
        raise TraceError(
            f"{path}: the name ends in {path.suffix}, but the file starts with {raw[:6].hex(' ')}, which neither gzip "
            "nor xz does; get the file again, or rename it if it is not compressed."
        )
    return None


def decompress(raw: bytes, compression: str) -> tuple[bytes, str | None]:
    """Unpack every stream of ``raw``.

    Args:
        raw: the file's bytes, one or more streams, the last one perhaps padded with zeros.
        compression: ``"gzip"`` or ``"xz"``.

    Returns:
        What came out, and what was wrong, or None if all is well.
    """
    pieces: list[bytes] = []
    at = 0
    while at < len(raw):
        machine = MACHINES[compression]()
        while not machine.eof:
            if at >= len(raw):
                return b"".join(pieces), f"the {compression} stream is truncated: it goes on after byte {len(raw)}"
            try:
                pieces.append(machine.decompress(raw[at : at + PIECE]))
            except (zlib.error, lzma.LZMAError) as error:
                return b"".join(pieces), f"the {compression} stream is damaged near byte {at} ({error})"
            at += PIECE
        at = min(at, len(raw)) - len(machine.unused_data)
        if not raw[at:].strip(b"\0"):
            break
    return b"".join(pieces), None


def compression_by_suffix(path: Path) -> str | None:
    """How a file of this name is to be written: ``.gz`` and ``.xz`` are compressed, others plain.

    Raises:
        TraceError: for the suffixes of compressions that are not written.
    """
    suffix = path.suffix.lower()
    if suffix in (".zst", ".zstd", ".bz2", ".zip"):
        raise TraceError(f"{path}: {suffix} files are not written; end the name with .gz or .xz, or with neither.")
    return SUFFIXES.get(suffix)


def compress(plain: bytes, compression: str | None) -> bytes:
    """Pack ``plain``; the same bytes give the same file at any time."""
    if compression == "gzip":
        return gzip.compress(plain, compresslevel=6, mtime=0)
    # Preset 6 takes five times as long for a few per cent.
    return lzma.compress(plain, preset=1) if compression == "xz" else plain
