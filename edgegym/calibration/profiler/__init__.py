"""Measures the inference of neural networks on the machine it runs on; the result is a table of measured times."""

from edgegym.calibration.profiler.measure import Cell
from edgegym.calibration.profiler.plan import ProfilePlan
from edgegym.calibration.profiler.run import machine_header, profile

__all__ = ["Cell", "ProfilePlan", "machine_header", "profile"]
