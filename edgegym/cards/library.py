"""Cards by name from the library that ships with EdgeGym, or from a user's own YAML file."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, overload

import yaml

from edgegym.cards.device import DeviceCard
from edgegym.cards.model import ModelCard
from edgegym.cards.prior import DevicePriorCard
from edgegym.cards.schema import Card, LinkCard, WorkloadCard
from edgegym.errors import CardError, SettingsError, unknown
from edgegym.files import write_text
from edgegym.settings import parse_yaml

CARD_CLASSES: dict[str, type[Card]] = {
    "device": DeviceCard,
    "link": LinkCard,
    "model": ModelCard,
    "prior": DevicePriorCard,
    "workload": WorkloadCard,
}
"""The class of each kind of card."""
SUFFIXES = (".yaml", ".yml")
LONGEST_LINE = 400
FIGURES_ON_A_LINE = 5
"""A mapping of at most as many figures, and nothing else, is written on a line."""


@overload
def load_card(name: str | Path, kind: Literal["device"]) -> DeviceCard: ...
@overload
def load_card(name: str | Path, kind: Literal["prior"]) -> DevicePriorCard: ...
@overload
def load_card(name: str | Path, kind: Literal["link"]) -> LinkCard: ...
@overload
def load_card(name: str | Path, kind: Literal["model"]) -> ModelCard: ...
@overload
def load_card(name: str | Path, kind: Literal["workload"]) -> WorkloadCard: ...
def load_card(name: str | Path, kind: str) -> Card:
    """Load a card; :func:`load_any` where the kind is known at run time only.

    Args:
        name: name of a library card, or the path of a YAML file (it ends in .yaml or .yml).
        kind: ``"device"``, ``"link"``, ``"model"``, ``"prior"`` or ``"workload"``.

    Raises:
        CardError: for an unknown name or kind, or a file that does not follow the schema, naming file and field.
    """
    if kind not in CARD_CLASSES:
        raise unknown("card kind", kind, CARD_CLASSES, CardError)
    if str(name).endswith(SUFFIXES):
        path = Path(name).expanduser()
        try:
            status = path.stat()
        except OSError as error:
            raise CardError(f"{path}: cannot be read ({error.strerror}); give the path of a card.") from None
        return _from_file(path.resolve(), kind, status.st_mtime_ns, status.st_size)
    return _from_library(str(name), kind)


def load_any(name: str | Path, kind: str) -> Card:
    """:func:`load_card` for a kind that is known at run time only."""
    return load_card(name, kind)  # type: ignore[call-overload]


def list_cards(kind: str | None = None) -> dict[str, tuple[str, ...]]:
    """Names of the library cards by kind, sorted.

    Args:
        kind: only this one.

    Raises:
        CardError: for an unknown kind.
    """
    if kind is not None and kind not in CARD_CLASSES:
        raise unknown("card kind", kind, CARD_CLASSES, CardError)
    return {k: _names(k) for k in CARD_CLASSES if kind in (None, k)}


def save_card(card: Card, path: str | Path) -> None:
    """Write a card as a YAML file for people, whole or not at all; :func:`load_card` gives an equal card."""
    write_text(path, card_text(card))


def card_text(card: Card) -> str:
    """The card as YAML: fields in the order of the schema, lists on a line, what is not set left out."""
    values = _plain(card.model_dump(exclude_defaults=True))
    values = {"name": card.name, "kind": card.kind, **values}
    return yaml.dump(values, Dumper=_ReadableDumper, sort_keys=False, width=118, allow_unicode=True)


def parse_card(text: str, kind: str, source: str) -> Card:
    """Read a card from YAML text; ``source`` names it in errors.

    Raises:
        CardError: if the text is not YAML or does not follow the schema.
    """
    try:
        values = parse_yaml(text, source)
        found = values.get("kind", kind)
        if found != kind:
            raise CardError(f"{source}: kind: a {kind} card is needed (found {found!r}).")
        return CARD_CLASSES[kind].parse(values, source)
    except SettingsError as error:
        raise CardError(_shortened(str(error))) from None


@lru_cache(maxsize=64)
def _from_library(name: str, kind: str) -> Card:
    names = _names(kind)
    if name not in names:
        error = unknown(f"{kind} card", name, names, CardError)
        raise CardError(f"{error} A card of your own is given by the path of its .yaml file.")
    file = _folder(kind) / f"{name}.yaml"
    return parse_card(file.read_text(encoding="utf-8"), kind, f"library/{kind}/{name}.yaml")


@lru_cache(maxsize=64)
def _from_file(path: Path, kind: str, mtime: int, size: int) -> Card:
    """Read a user's file, once per version of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: cannot be read ({error}); give the path of a card.") from None
    return parse_card(text, kind, str(path))


@lru_cache(maxsize=len(CARD_CLASSES))
def _names(kind: str) -> tuple[str, ...]:
    files = (item.name for item in _folder(kind).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


def _folder(kind: str) -> Traversable:
    return resources.files("edgegym.cards") / "library" / kind


def _shortened(text: str) -> str:
    """Cut lines that would show a whole table; what is wrong and where stands at their beginning."""
    lines = text.splitlines()
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..." for line in lines)


class _ReadableDumper(yaml.SafeDumper):
    """Safe YAML with a list of plain values, or a row of a table, on as few lines as it needs."""


def _flow(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    nested = any(isinstance(value, (list, dict)) for value in values)
    node = dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=not nested)
    for row in node.value if nested else ():
        row.flow_style = True
    return node


def _flow_map(dumper: yaml.SafeDumper, values: dict[str, Any]) -> yaml.Node:
    figures = 0 < len(values) <= FIGURES_ON_A_LINE and all(isinstance(value, int | float) for value in values.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", values.items(), flow_style=figures)


_ReadableDumper.add_representer(list, _flow)
_ReadableDumper.add_representer(dict, _flow_map)


def _plain(value: Any) -> Any:
    """Lists for tuples and whole numbers without a decimal point, so that the YAML reads well."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
