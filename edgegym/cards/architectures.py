"""Names of architectures: their family, and the operators that a family is made of.

A table of measurements often holds a model's name and three counts only. The name tells which operators do the work;
the file behind :func:`operator_mix` holds, for each kind of architecture, how its MACs and its traffic of activations
split by class of operator. These are counts over graphs, not measurements.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from edgegym.cards.work import MAC_CLASSES, Work
from edgegym.settings import parse_yaml

ORIGINS = re.compile(r"^(?:tf_|legacy_|gluon_)+")
"""Prefixes that tell where weights came from, not what the model is."""
SIZES = frozenset(
    [
        "atto",
        "femto",
        "pico",
        "nano",
        "zepto",
        "tiny",
        "mini",
        "micro",
        "little",
        "small",
        "medium",
        "mediumd",
        "base",
        "betwixt",
        "wee",
        "large",
        "xlarge",
        "huge",
        "giant",
        "gigantic",
        "xxsmall",
        "xsmall",
        "xxs",
        "xs",
        "xl",
        "xxl",
        "s",
        "m",
        "l",
        "x",
        "t",
        "n",
        "b",
        "c",
        "g",
        "k",
        "lt",
        "rw",
        "tf",
        "in",
        "patch",
        "window",
    ]
)
"""Words in names that tell how large a variant is, or nothing about its operators."""


def family_of(name: str) -> str:
    """Family of a model: the leading letters of its name without :data:`ORIGINS`; held-out errors keep it together."""
    letters = re.match(r"[a-z]+", ORIGINS.sub("", name.lower()))
    return letters.group() if letters else name.lower()


def kind_of(name: str) -> str:
    """Family and the further words of a name that may change its operators, joined by underscores."""
    words = re.findall(r"[a-z]+", ORIGINS.sub("", name.lower()))
    return "_".join([family_of(name), *(word for word in words[1:] if word not in SIZES)])


@dataclass(frozen=True)
class OperatorMix:
    """How the work of an architecture splits by class of operator.

    Attributes:
        mac_shares: (5,) shares of the MACs by :data:`~edgegym.cards.work.MAC_CLASSES`.
        traffic: (8,) elements read and written by :data:`~edgegym.cards.work.ELEMENT_CLASSES`, per activation element.
    """

    mac_shares: NDArray[np.float64]
    traffic: NDArray[np.float64]


def operator_mix(name: str) -> OperatorMix | None:
    """The mix of a model's kind, else of its family, else None."""
    table, kind = _mixes(), kind_of(name)
    while kind:
        if kind in table:
            return table[kind]
        kind = kind.rpartition("_")[0]
    return None


def work_of(
    names: NDArray[np.str_],
    macs: NDArray[np.float64],
    act_elements: NDArray[np.float64],
    params: NDArray[np.float64],
) -> Work:
    """Work of models known by name and counts only; models of unknown kind get the mean mix of the others.

    Args:
        names: (n,) str.
        macs: (n,) per sample.
        act_elements: (n,) per sample.
        params: (n,).

    Returns:
        The work, without a split by operators if no name is known.
    """
    found = [operator_mix(str(name)) for name in names]
    known = [mix for mix in found if mix is not None]
    if not known:
        return Work.of(macs, act_elements, params)
    typical = OperatorMix(np.mean([m.mac_shares for m in known], axis=0), np.mean([m.traffic for m in known], axis=0))
    mixes = [mix or typical for mix in found]
    return Work.of(
        macs,
        act_elements,
        params,
        class_macs=macs[:, None] * np.array([mix.mac_shares for mix in mixes]),
        class_elements=act_elements[:, None] * np.array([mix.traffic for mix in mixes]),
    )


@lru_cache(maxsize=1)
def _mixes() -> dict[str, OperatorMix]:
    file = resources.files("edgegym.cards") / "library" / "architectures" / "operator_mixes.yaml"
    rows = parse_yaml(file.read_text(encoding="utf-8"), "operator_mixes.yaml")["mixes"]
    split = len(MAC_CLASSES)
    return {kind: OperatorMix(np.array(row[:split]), np.array(row[split:])) for kind, row in rows.items()}
