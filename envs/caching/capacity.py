"""How large a cache is: a number of objects or bytes, or a share of the footprint."""

from __future__ import annotations

from typing import Literal

from edgegym.amounts import resolve_amount
from edgegym.errors import SettingsError

Unit = Literal["objects", "bytes"]


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
    result = resolve_amount(capacity, whole)
    if result < smallest:
        raise SettingsError(
            f"capacity: {capacity} is {result} {unit}, but the smallest content takes {smallest}; "
            f"give at least {smallest} {unit}."
        )
    return result
