"""What privacy costs when a server must not see the input: two-party computation, or noise on the features.

Times and bytes of two-party protocols are published facts, measured by their authors on their machines; only the time
to send the bytes over another link is computed here. For noise the table says what is credible at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SecureInference:
    """One private inference, as published.

    Attributes:
        protocol: name of the system.
        network: what was inferred.
        seconds: end to end on the authors' machines and link; an upper bound where they say "less than".
        sent_bytes: both ways.
        source: where it was published.
    """

    protocol: str
    network: str
    seconds: float
    sent_bytes: float
    source: str

    def least_s(self, rate_bps: ArrayLike, rtt_s: ArrayLike = 0.0) -> Array:
        """Least time on a link: its bytes and one round trip, without any computation, seconds.

        Args:
            rate_bps: of the link, bit/s; any shape.
            rtt_s: round trip, seconds, broadcast against it.
        """
        return np.asarray(8.0 * self.sent_bytes / np.asarray(rate_bps, np.float64) + np.asarray(rtt_s, np.float64))

    def most_s(self, rate_bps: ArrayLike, rtt_s: ArrayLike = 0.0, rounds: int = 1) -> Array:
        """Time on a link if the published time were computation alone, seconds: at most this with so many rounds.

        Args:
            rate_bps: of the link, bit/s.
            rtt_s: round trip, seconds.
            rounds: of the protocol; publications seldom state them.
        """
        return self.seconds + self.least_s(rate_bps) + rounds * np.asarray(rtt_s, np.float64)


SECURE_INFERENCE: tuple[SecureInference, ...] = (
    SecureInference(
        "Cheetah", "ResNet50", 150.0, 2.3e9, "Huang et al., USENIX Security 2022: under 2.5 minutes and 2.3 GB over WAN"
    ),
    SecureInference(
        "SecONNds", "SqueezeNet", 2.8, 420 * 2.0**20, "SecONNds: 2.8 s with a GPU and 420 MiB on ImageNet (unverified)"
    ),
    SecureInference(
        "Flash", "CIFAR-100 network", 1.2, 0.07e9, "Flash: .02 minutes and .07 GB on CIFAR-100 (unverified)"
    ),
)
"""Published figures."""


@dataclass(frozen=True)
class NoiseUtility:
    """What is left of accuracy when noise hides the features.

    Attributes:
        epsilon: privacy parameter: least and most of the range.
        is_useful: whether accuracy was reported to survive in that range.
        source: where it was published.
    """

    epsilon: tuple[float, float]
    is_useful: bool
    source: str


NOISE: tuple[NoiseUtility, ...] = (
    NoiseUtility((0.0, 10.0), False, "arXiv:2104.03813: no usable accuracy (unverified)"),
    NoiseUtility((100.0, 200.0), True, "arXiv:2104.03813: accuracy survives only at such values (unverified)"),
)
"""Noise against reconstruction of the input. Between the ranges nothing is known; no accuracy is invented here."""


def laplace_scale(bound: float, elements: int, epsilon: float) -> float:
    """Scale of the Laplace noise that hides a feature tensor with privacy ``epsilon`` (Dwork et al., TCC 2006).

    Args:
        bound: elements are clipped to [-bound, bound].
        elements: of the tensor; two inputs may differ in all of them, so the sensitivity is ``2 bound elements``.
        epsilon: privacy parameter, positive.
    """
    return 2.0 * bound * elements / epsilon
