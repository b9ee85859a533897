"""The forms a latency model may take: which counted columns cost time, and whether launching hides behind work.

Forms with one rate for all MACs and one for all activations are the classical ones; forms by operator give each class
of operator its own. The layer form follows from tiled matrix products: what a kernel loses by short sums, few output
positions or few channels are columns of their own, so it stays a sum of non-negative costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.cards.work import ELEMENT_CLASSES, LAYER_CLASSES, MAC_CLASSES

MACS_BY_CLASS = tuple(f"macs.{name}" for name in MAC_CLASSES)
ELEMENTS_BY_CLASS = tuple(f"elements.{name}" for name in ELEMENT_CLASSES)
LAYER_MACS = tuple(f"layer_macs.{name}" for name in LAYER_CLASSES)

ROWS_PER_TERM = 2
"""A table with fewer rows for each cost cannot choose a form that has it."""


@dataclass(frozen=True)
class Form:
    """A set of terms.

    Attributes:
        name: name on cards.
        terms: columns that cost time, by name; ``read.*`` stands for all of that stem.
        hiding_power: p of :mod:`edgegym.cards.latency`.
    """

    name: str
    terms: tuple[str, ...]
    hiding_power: float = 1.0

    def expanded(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The terms with stems spelt out."""
        names = list(columns)
        found = [
            [name for name in names if name.startswith(term[:-1])] if term.endswith("*") else [term]
            for term in self.terms
        ]
        return tuple(name for group in found for name in group)

    def fits(self, columns: Mapping[str, NDArray[np.float64]]) -> bool:
        """Whether the table knows what the form needs: all columns, some of each class, layer counts that differ."""
        names = self.expanded(columns)
        if len(next(iter(columns.values()))) < ROWS_PER_TERM * len(names):
            return False
        by_class = [name for name in names if "." in name]
        plain = [name for name in names if "." not in name and name != "weights"]
        return (
            all(name in columns for name in names)
            and all(np.any(columns[name] > 0) for name in plain)
            and (not by_class or sum(bool(np.any(columns[name] > 0)) for name in by_class) >= 2)
        )


FLOPS = Form("flops", ("macs",))
AFFINE_FLOPS = Form("affine_flops", ("overhead", "macs"))
BASELINES = (FLOPS, AFFINE_FLOPS)
MODEL_FORMS = (
    FLOPS,
    AFFINE_FLOPS,
    Form("additive", ("overhead", "macs", "elements", "weights")),
    Form("by_operator", ("overhead", *MACS_BY_CLASS, *ELEMENTS_BY_CLASS, "weights")),
    Form("launch_added", ("layers", "macs", "elements", "weights")),
    Form("launch_hidden", ("layers", "macs", "elements", "weights"), 4.0),
    Form("launch_hidden_by_operator", ("layers", *MACS_BY_CLASS, "elements", "weights"), 4.0),
    Form("launch_hidden_sharply_by_operator", ("layers", *MACS_BY_CLASS, "elements", "weights"), 8.0),
)
"""Forms for whole models, the simpler ones first."""
LAYER_FORMS = (
    AFFINE_FLOPS,
    Form(
        "layer",
        ("overhead", *LAYER_MACS, "short_sums", "few_positions", "few_channels", "read.*", "written.*", "weights"),
    ),
)
"""Forms for single layers."""


def shrunk_groups(terms: Iterable[str]) -> list[list[int]]:
    """Indices of terms whose costs are pulled towards their common level: classes of one stem; others stand alone."""
    stems: dict[str, list[int]] = {}
    for index, name in enumerate(terms):
        stem = name.partition(".")[0] if "." in name else name
        stems.setdefault({"read": "traffic", "written": "traffic"}.get(stem, stem), []).append(index)
    return list(stems.values())
