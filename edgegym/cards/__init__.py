"""Measured facts: the card schema, its loader and the library of cards that ships with EdgeGym."""

from edgegym.cards.device import (
    CoRunnerModel,
    DeviceCard,
    KnownKinds,
    MemoryModel,
    PowerModel,
    PredictionError,
)
from edgegym.cards.footprint import FirstRequests, Footprint, StackDistances
from edgegym.cards.latency import LatencyModel, Parameter
from edgegym.cards.library import list_cards, load_card, save_card
from edgegym.cards.link import Blockage, LinkDynamics, RadioPower, StatisticFidelity
from edgegym.cards.model import CutPoint, EarlyExit, ModelCard, Published
from edgegym.cards.prior import DevicePriorCard
from edgegym.cards.schema import (
    Card,
    Fidelity,
    JointLaw,
    LinkCard,
    Provenance,
    SizeGivenRequests,
    TableFidelity,
    WorkloadCard,
)
from edgegym.cards.tables import ByteTable, CountTable, QuantileTable
from edgegym.cards.work import LayerWork, Work

__all__ = [
    "Blockage",
    "ByteTable",
    "Card",
    "CoRunnerModel",
    "CountTable",
    "CutPoint",
    "DeviceCard",
    "DevicePriorCard",
    "EarlyExit",
    "Fidelity",
    "FirstRequests",
    "Footprint",
    "JointLaw",
    "KnownKinds",
    "LatencyModel",
    "LayerWork",
    "LinkCard",
    "LinkDynamics",
    "MemoryModel",
    "ModelCard",
    "Parameter",
    "PowerModel",
    "PredictionError",
    "Provenance",
    "Published",
    "QuantileTable",
    "RadioPower",
    "SizeGivenRequests",
    "StackDistances",
    "StatisticFidelity",
    "TableFidelity",
    "Work",
    "WorkloadCard",
    "list_cards",
    "load_card",
    "save_card",
]
