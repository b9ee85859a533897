"""Readers of tables of measured inference times; all give a :class:`~.measured.MeasuredTable`."""

from edgegym.calibration.tables.formats import FORMATS, read_table
from edgegym.calibration.tables.measured import MeasuredTable

__all__ = ["FORMATS", "MeasuredTable", "read_table"]
