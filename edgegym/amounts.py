"""Settings that are a number or a share of a whole, for example a capacity of ``205`` objects or of ``"1%"``."""

from __future__ import annotations

import re

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def check_amount(amount: int | str) -> int | str:
    """Return ``amount`` if it is a positive number or a positive share such as ``"1%"``.

    Raises:
        ValueError: saying what is allowed.
    """
    if isinstance(amount, int):
        if amount < 1:
            raise ValueError("must be at least 1")
        return amount
    found = _PERCENT.fullmatch(amount.strip())
    if not found or float(found[1]) <= 0:
        raise ValueError("needs a number, for example 205, or a share, for example '1%'")
    return amount


def resolve_amount(amount: int | str, whole: int) -> int:
    """The number, or the share of ``whole``, rounded; ``amount`` has passed :func:`check_amount`."""
    share = _PERCENT.fullmatch(amount.strip()) if isinstance(amount, str) else None
    return round(float(share[1]) / 100.0 * whole) if share else int(amount)
