"""Validated settings: frozen pydantic models, read from YAML and ``key=value`` overrides.

Every settings class of the project derives from :class:`Settings`; a misspelt key or a bad value ends in a
:class:`~edgegym.errors.SettingsError` that names the field, what was found and what is allowed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from edgegym.errors import SettingsError, did_you_mean


class Settings(BaseModel):
    """Base of all settings: immutable, no unknown keys, defaults checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str = "settings") -> Self:
        """Validate a mapping.

        Args:
            values: the settings, JSON-like.
            source: where they came from, for the error text (a file name, ``"command line"``).

        Raises:
            SettingsError: naming every bad field with the mend.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise SettingsError(explain(error, cls, source)) from None


def explain(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """Turn a pydantic error into lines that name field, finding and mend."""
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"]) or "(the whole)"
        if problem["type"] == "extra_forbidden":
            allowed = _fields_at(model, problem["loc"][:-1])
            hint = did_you_mean(str(problem["loc"][-1]), allowed)
            lines.append(f"{field}: unknown key.{hint} Allowed: {', '.join(sorted(allowed)) or 'none'}.")
        elif problem["type"] == "missing":
            lines.append(f"{field}: missing; give it a value.")
        elif problem["type"] == "union_tag_not_found":
            key = problem["ctx"]["discriminator"].strip("'")
            lines.append(f"{field}.{key}: missing; say of which {key} the settings are (found {problem['input']!r}).")
        elif problem["type"] == "union_tag_invalid":
            context = problem["ctx"]
            key, tags = context["discriminator"].strip("'"), context["expected_tags"].replace("'", "")
            lines.append(f"{field}.{key}: unknown (found {context['tag']!r}). Allowed: {tags}.")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{field}: {message} (found {problem['input']!r}).")
    return f"{source}: " + ("\n  ".join(["", *lines]) if len(lines) > 1 else lines[0])


def _fields_at(model: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """Names of the fields of the nested settings class that ``path`` leads to (empty if it leads elsewhere)."""
    models = [model]
    for part in path:
        fields = [each.model_fields[str(part)] for each in models if str(part) in each.model_fields]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
        else:
            # A part that is no field says which member of a union, or stands for an entry of a mapping or list.
            tagged = [each for each in models if part in (_tag(each, key) for key in DISCRIMINATORS)]
            models = tagged or models
    return list(dict.fromkeys(field.alias or name for each in models for name, field in each.model_fields.items()))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Settings classes that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _tag(model: type[BaseModel], key: str) -> Any:
    """Default of a field, which tells the members of a union apart."""
    field = model.model_fields.get(key)
    return None if field is None else field.default


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader.

    Raises:
        SettingsError: if the file is missing, is not YAML, or does not hold a mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}). Give the path of a YAML file.") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Parse YAML text that must hold a mapping; ``source`` names it in errors."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{source}: not valid YAML: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError(f"{source}: holds a {type(value).__name__}; a mapping 'key: value' is needed.")
    return value


def parse_overrides(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``a.b=value`` pairs (values as YAML) into a nested mapping.

    Raises:
        SettingsError: for a pair without ``=`` or with an empty key.
    """
    result: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"override {pair!r}: not of the form key=value, for example seed=3.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"override {pair!r}: the value is not valid YAML: {error}") from None
        node = result
        *parents, leaf = key.strip().split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise SettingsError(f"override {pair!r}: {parent!r} was already given a plain value.")
        node[leaf] = value
    return result


DISCRIMINATORS = ("kind", "builder")
"""Keys that say which settings class a mapping is for."""


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes`` laid over it, mapping by mapping; neither argument is altered.

    A mapping that names another ``kind`` or ``builder`` than the one below it replaces that one whole, since the keys
    of one kind mean nothing to another.
    """
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and not _of_other_kind(value, below):
            result[key] = merged(below, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _of_other_kind(value: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    return any(key in value and value[key] != below.get(key) for key in DISCRIMINATORS)
