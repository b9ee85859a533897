"""Tensors with a JSON record on disk: written whole or not at all, read without executing anything.

A pair is ``NAME-DIGEST.safetensors`` and ``NAME.json``, which names the first and its SHA-256. The JSON file is renamed
into place last, so a kill at any instant leaves the previous pair valid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import safetensors
import safetensors.torch
from pydantic import Field
from torch import Tensor

from edgegym.errors import RunError, SettingsError
from edgegym.files import replaced, write_json
from edgegym.settings import Settings


class TensorFile(Settings):
    """Which file holds a record's tensors."""

    file: Annotated[str, Field(pattern=r"^[\w-]+\.safetensors$")]
    """Its name, in the folder of the record."""
    sha256: str
    """Digest of its content."""


class Record(Settings):
    """Base of the JSON records."""

    tensors: TensorFile
    """The other half of the pair."""


R = TypeVar("R", bound=Record)


def write_pair(folder: Path, name: str, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors, then the JSON record that names them: the rename of the record is the moment of truth.

    Args:
        folder: made if it does not exist.
        name: of the pair, letters, digits, ``_`` and ``-``.
        tensors: on any device.
        record: fields of a :class:`Record`, JSON-like, without ``tensors``.

    Raises:
        RunError: if the disk refuses; an earlier pair of that name is then still whole.
    """
    data = safetensors.torch.save({key: each.detach().cpu().contiguous() for key, each in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    file = f"{name}-{digest[:12]}.safetensors"
    try:
        with replaced(folder / file) as aside:
            aside.write_bytes(data)
        write_json(folder / f"{name}.json", {**record, "tensors": {"file": file, "sha256": digest}})
    except OSError as error:
        raise RunError(
            f"{folder / name}.json: cannot be written ({error.strerror or error}). Make room or give another folder; "
            "what was stored there before is untouched."
        ) from None


def read_pair(folder: Path, name: str, model: type[R]) -> tuple[R, dict[str, Tensor]]:
    """Read what :func:`write_pair` wrote, checking the record's fields and the tensors' digest.

    Raises:
        RunError: naming the file that is missing or damaged.
    """
    source = folder / f"{name}.json"
    try:
        values = json.loads(source.read_text(encoding="utf-8"))
        record = model.parse(values if isinstance(values, dict) else {}, str(source))
    except FileNotFoundError:
        raise RunError(f"{source}: not found. Give a folder that training has written.") from None
    except SettingsError as error:
        raise RunError(f"{error} The file is damaged or of another version: restore it or train again.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{source}: cannot be read ({error}). Restore the file or train again.") from None
    return record, _read_tensors(folder / record.tensors.file, record.tensors.sha256)


def sweep(folder: Path, prefix: str) -> None:
    """Remove tensors that no record ``PREFIX*.json`` names, and what a killed writer left aside."""
    named = {_tensor_file(record) for record in folder.glob(f"{prefix}*.json")}
    for file in [*folder.glob(f"{prefix}*.safetensors"), *folder.glob(f".{prefix}*.part")]:
        if file.name not in named:
            file.unlink(missing_ok=True)


def _tensor_file(record: Path) -> str | None:
    try:
        name: str = json.loads(record.read_text(encoding="utf-8"))["tensors"]["file"]
    except (OSError, ValueError, LookupError, TypeError):
        # Saving must not fail because an older record beside it is damaged.
        return None
    return name


def _read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise RunError(f"{path}: damaged or truncated (its SHA-256 is not the recorded one). Restore the file.")
        return safetensors.torch.load(data)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{path}: cannot be read ({error}). Restore the file or train again.") from None
