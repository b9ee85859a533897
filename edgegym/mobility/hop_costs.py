"""Constant-plus-exponential costs of hops, as in the service migration literature.

S. Wang, R. Urgaonkar, M. Zafer, T. He, K. Chan and K. K. Leung, "Dynamic Service Migration in Mobile Edge Computing
Based on Markov Decision Process" (IEEE/ACM ToN 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from edgegym.settings import Settings


class HopCosts(Settings):
    """Constant-plus-exponential costs of migrating over x hops and of serving a user y hops away; 0 for 0 hops."""

    beta_c: float = Field(2.0, allow_inf_nan=False)
    """c_m(x) = beta_c + beta_l mu^x."""
    beta_l: float = Field(-1.0, allow_inf_nan=False)
    """See ``beta_c``."""
    mu: float = Field(0.8, ge=0, allow_inf_nan=False)
    """See ``beta_c``."""
    delta_c: float = Field(1.0, allow_inf_nan=False)
    """c_d(y) = delta_c + delta_l theta^y."""
    delta_l: float = Field(-1.0, allow_inf_nan=False)
    """See ``delta_c``."""
    theta: float = Field(0.8, ge=0, allow_inf_nan=False)
    """See ``delta_c``."""

    @classmethod
    def of_ratio(cls, ratio: float) -> HopCosts:
        """The published family: beta_c = 1 + R, beta_l = -R, all else as by default."""
        return cls(beta_c=1.0 + ratio, beta_l=-ratio)

    def migration(self, distance: ArrayLike) -> NDArray[np.float64]:
        """c_m, the shape of ``distance`` in hops."""
        x = np.asarray(distance, np.float64)
        return np.where(x > 0, self.beta_c + self.beta_l * self.mu**x, 0.0)

    def delay(self, distance: ArrayLike) -> NDArray[np.float64]:
        """c_d, the shape of ``distance`` in hops."""
        y = np.asarray(distance, np.float64)
        return np.where(y > 0, self.delta_c + self.delta_l * self.theta**y, 0.0)
