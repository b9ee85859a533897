"""Measured facts: the card schema, its loader and the library of cards that ships with EdgeGym."""

from edgegym.cards.library import list_cards, load_card, save_card
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

__all__ = [
    "ByteTable",
    "Card",
    "CountTable",
    "Fidelity",
    "JointLaw",
    "LinkCard",
    "Provenance",
    "QuantileTable",
    "SizeGivenRequests",
    "TableFidelity",
    "WorkloadCard",
    "list_cards",
    "load_card",
    "save_card",
]
