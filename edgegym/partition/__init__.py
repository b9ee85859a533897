"""Ways to part a neural network over machines: pure algorithms, independent of any environment.

Times come from device cards: a part takes what the card predicts for the counted work of its layers.
"""

from edgegym.partition.bits import BitChoice, best_bits
from edgegym.partition.chain import CutCosts, best_cut, best_tiers
from edgegym.partition.costs import layer_times_s, prefix_times_s, suffix_times_s
from edgegym.partition.dag import DagPlan, SplitDag, balanced_plan, dads, fastest_plan
from edgegym.partition.exits import ExitChoice, best_exit, exit_graph
from edgegym.partition.placement import Schedule, layer_tasks, list_schedule
from edgegym.partition.rows import RowSplit, row_bounds, shares_by_speed, split_rows
from edgegym.partition.secure import NOISE, SECURE_INFERENCE, NoiseUtility, SecureInference, laplace_scale
from edgegym.partition.spatial import SpatialLayer, chain_of, rows_read, spatial_chain
from edgegym.partition.tiles import TileRun, TileSplit, run_tiles, split_tiles

__all__ = [
    "NOISE",
    "SECURE_INFERENCE",
    "BitChoice",
    "CutCosts",
    "DagPlan",
    "ExitChoice",
    "NoiseUtility",
    "RowSplit",
    "Schedule",
    "SecureInference",
    "SpatialLayer",
    "SplitDag",
    "TileRun",
    "TileSplit",
    "balanced_plan",
    "best_bits",
    "best_cut",
    "best_exit",
    "best_tiers",
    "chain_of",
    "dads",
    "exit_graph",
    "fastest_plan",
    "laplace_scale",
    "layer_tasks",
    "layer_times_s",
    "list_schedule",
    "prefix_times_s",
    "row_bounds",
    "rows_read",
    "run_tiles",
    "shares_by_speed",
    "spatial_chain",
    "split_rows",
    "split_tiles",
    "suffix_times_s",
]
