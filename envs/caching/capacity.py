"""How large a cache is: a number of objects or bytes, or a share of the footprint."""

from __future__ import annotations

import re
from typing import Literal

from edgegym.errors import SettingsError

Unit = Literal["objects", "bytes"]
PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def check_capacity(capacity: int | str) -> int | str:
    """Return ``capacity`` if it is a positive number or a positive share such as ``"1%"``.

    Raises:
        ValueError: saying what is allowed.
    """
    if isinstance(capacity, int):
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        return capacity
    found = PERCENT.fullmatch(capacity.strip())
    if not found or float(found[1]) <= 0:
        raise ValueError("needs a number of objects or bytes, for example 205, or a share, for example '1%'")
    return capacity


def resolve_capacity(capacity: int | str, unit: Unit, contents: int, total_bytes: int, smallest_bytes: int) -> int:
    """Capacity in ``unit``.

    Args:
        capacity: a number, or ``"N%"`` of the distinct contents or of the sum of their bytes, rounded.
        unit: what it counts.
        contents: number of distinct contents.
        total_bytes: sum of their sizes.
        smallest_bytes: size of the smallest.

    Raises:
        SettingsError: if not even the smallest content fits.
    """
    whole, smallest = (contents, 1) if unit == "objects" else (total_bytes, smallest_bytes)
    share = PERCENT.fullmatch(capacity.strip()) if isinstance(capacity, str) else None
    result = round(float(share[1]) / 100.0 * whole) if share else int(capacity)
    if result < smallest:
        raise SettingsError(
            f"capacity: {capacity} is {result} {unit}, but the smallest content takes {smallest}; "
            f"give at least {smallest} {unit}."
        )
    return result
