"""EdgeGym: a reinforcement-learning control plane for edge networks.

Importing the package registers its environments with Gymnasium; nothing heavy (torch, matplotlib, numba) is loaded.
"""

from edgegym.decision.registration import register_environments

__version__ = "0.1.0"
__all__ = ["__version__", "register_environments"]

register_environments()
