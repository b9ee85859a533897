"""Networks that edge systems run, each as a torch module and as a graph with costs and cuts.

The graph (:mod:`~edgegym.calibration.zoo.graph`) is pure data; torch is imported when a network is built or traced.
"""

from edgegym.calibration.zoo.graph import INPUT, Cut, Layer, ModelGraph, load_graph, save_graph
from edgegym.calibration.zoo.registry import ZOO, ZooModel, graph_of, zoo_model

__all__ = [
    "INPUT",
    "ZOO",
    "Cut",
    "Layer",
    "ModelGraph",
    "ZooModel",
    "graph_of",
    "load_graph",
    "save_graph",
    "zoo_model",
]
