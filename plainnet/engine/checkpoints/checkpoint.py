"""Checkpoints on disk: safetensors for tensors, JSON for the rest, written so that a kill at any time leaves a whole one.

runs/digits/checkpoints/000000460/model.safetensors     the weights of what is trained
                                  state.safetensors     the tensors of everything else
                                  state.json            its structure: numbers, words, where each tensor goes

Each safetensors file carries its digest, and that of `state.safetensors` covers `state.json`: whatever is read is what was
written.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from plainnet.errors import RunError
from plainnet.files.tensor_files import read_tensors, write_tensors

__all__ = [
    "checkpoints",
    "clear",
    "load_checkpoint",
    "pack",
    "prune",
    "save_checkpoint",
    "save_weights",
    "unpack",
]

NAME = re.compile(r"\d{9,}(\.\d+)?")
"""The update of a checkpoint; what a person put beside it, as 000000460-good, is none."""
TEMPORARY = ".writing-"
STRUCTURE = "state.json.sha256"
"""The key, among the metadata of `state.safetensors`, of the digest of `state.json`."""


def pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON data; its tensors go into `tensors`, under numbers. The inverse of `unpack`."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach()
        return {"__tensor__": name}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("__") for key in value):
            return {key: pack(item, tensors) for key, item in value.items()}
        return {"__items__": [[pack(key, tensors), pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"__tuple__": [pack(item, tensors) for item in value]}
    if isinstance(value, list):
        return [pack(item, tensors) for item in value]
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no such numbers
        return {"__float__": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise RunError(
        f"a state of type {type(value).__name__} cannot be saved: numbers, words, tensors, lists and mappings can"
    )


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `pack` was given."""
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "__tensor__" in value:
        return tensors[value["__tensor__"]]
    if "__float__" in value:
        return float(value["__float__"])
    if "__tuple__" in value:
        return tuple(unpack(item, tensors) for item in value["__tuple__"])
    if "__items__" in value:
        return {unpack(key, tensors): unpack(item, tensors) for key, item in value["__items__"]}
    return {key: unpack(item, tensors) for key, item in value.items()}


def save_checkpoint(folder: Path, update: int, *, model: Mapping[str, Tensor], state: Any) -> Path:
    """Write a checkpoint under `folder`: a new folder beside, synced to disk, then renamed, so that it is whole or absent."""
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(pack(state, tensors), allow_nan=False)
    temporary = folder / f"{TEMPORARY}{os.getpid()}-{update}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        write_tensors(temporary / "model.safetensors", model)
        write_tensors(temporary / "state.safetensors", tensors, metadata={STRUCTURE: _digest(structure)})
        (temporary / "state.json").write_text(structure, encoding="utf-8")
        for path in temporary.iterdir():
            _sync(path)
        _sync(temporary)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        reason = error.strerror or error
        raise RunError(f"cannot write a checkpoint to {folder}: {reason}; those before it are whole") from error
    target, again = folder / f"{update:09d}", 0
    while target.exists():
        again += 1
        target = folder / f"{update:09d}.{again}"
    temporary.rename(target)
    _sync(folder)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints under `folder`, oldest first."""
    if not os.path.isdir(folder):
        return []
    return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name) and path.is_dir())


def prune(folder: Path, keep: int) -> None:
    """Remove all but the last `keep` checkpoints, and those that a later one of the same update replaces."""
    found = checkpoints(folder)
    kept = list({path.name.partition(".")[0]: path for path in found}.values())[-keep:]
    for path in [path for path in found if path not in kept]:
        # a half-removed checkpoint must not look like one
        doomed = path.with_name(f"{TEMPORARY}{os.getpid()}-removed-{path.name}")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove what interrupted writes left behind; only where no other process writes."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], Any]:
    """The model's tensors and the state of a checkpoint, as they were written. Runs no code of the file's."""
    try:
        model, _ = read_tensors(path / "model.safetensors", ours=True)
        tensors, about = read_tensors(path / "state.safetensors", ours=True)
        structure = (path / "state.json").read_text(encoding="utf-8")
        if about.get(STRUCTURE) != _digest(structure):
            raise RunError(f"{path / 'state.json'} is damaged: its contents are not what was written (SHA-256 differs)")
        return model, unpack(json.loads(structure), tensors)
    except RunError as error:
        raise RunError(f"{path} is not a readable checkpoint: {error}") from error
    except OSError as error:
        raise RunError(f"{path} is not a readable checkpoint: {error.filename}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:  # its author wrote a digest that is right
        raise RunError(
            f"{path} is not a readable checkpoint: {path / 'state.json'} is damaged: {type(error).__name__}: {error}"
        ) from error


def save_weights(path: Path, weights: Mapping[str, Tensor], *, metadata: Mapping[str, str]) -> None:
    """Weights as one safetensors file with metadata, replaced as a whole."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        write_tensors(temporary, weights, metadata=metadata)
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
