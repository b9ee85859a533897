"""Errors that say what was found, what is allowed and how to mend it.

Everything a user can get wrong ends in an :class:`EdgeGymError`; the command line prints its text and exits with
status 2, without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EdgeGymError(ValueError):
    """A mistake in what EdgeGym was given; the text names the place and the mend."""


class SettingsError(EdgeGymError):
    """A setting, config file or ``key=value`` override that cannot be used."""


class TraceError(EdgeGymError):
    """A trace file that is damaged, truncated or not of the stated format."""


class CardError(EdgeGymError):
    """A card that is missing or does not follow the schema."""


class TableError(EdgeGymError):
    """A table of measurements that is missing, damaged or does not follow its schema."""


class RunError(EdgeGymError):
    """A training run on disk that is missing, incomplete or of another kind."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed name, or an empty string."""
    names = {candidate.lower(): candidate for candidate in allowed}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f" Did you mean {names[close[0]]!r}?" if close else ""


def unknown(kind: str, name: str, allowed: Iterable[str], error: type[EdgeGymError] = EdgeGymError) -> EdgeGymError:
    """Build the error for a name that is not among the allowed ones.

    Args:
        kind: what the name stands for, for example ``"policy"``.
        name: what was found.
        allowed: the names that would have been accepted.
        error: the class of the error to build.
    """
    names = sorted(allowed)
    return error(f"unknown {kind} {name!r}.{did_you_mean(name, names)} Known: {', '.join(names) or 'none'}.")


def find_name(kind: str, name: str, allowed: Iterable[str]) -> str:
    """The allowed name that ``name`` means: upper and lower case, hyphens and underscores do not matter.

    Raises:
        EdgeGymError: naming the allowed ones.
    """
    names = list(allowed)
    for candidate in names:
        if _plain(candidate) == _plain(name):
            return candidate
    raise unknown(kind, name, names)


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
