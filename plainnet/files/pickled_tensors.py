"""Tensors in files that torch saved, read without running any code of theirs, and taken out of what they are wrapped in."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError, nearest
from plainnet.files.tensor_files import read_tensors
from plainnet.files.text_files import printable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SUFFIXES", "network_tensors", "read_pickled_tensors"]

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar")
"""What files that torch saved are called."""
WRAPPERS = ("state_dict", "model", "ema", "model_state_dict", "state_dict_ema", "model_ema", "model_state", "module")
"""What training programs put a network's tensors under."""
PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""
DEEPEST = 5


def network_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a network's file of weights, by their names: one that torch saved, by its ending, else safetensors.

    Raises what `read_pickled_tensors` and `read_tensors` raise.
    """
    return read_pickled_tensors(path) if path.suffix in SUFFIXES else read_tensors(path)[0]


def read_pickled_tensors(path: Path, *, take: str | None = None) -> dict[str, Tensor]:
    """The tensors of a network in a file that torch saved, by their names; taken out of `state_dict`, `model`, `ema`, ...,
    without `module.` before every name.

    take: which of several it is to be. Raises `UsageError` for what cannot be read, would run code, or holds several networks.
    """
    import torch

    _refuse_compressed(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # torch says which type it does not load, and advises to run it
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it holds {code.group(1)}, which is code" if code else "reading it would run code, or it is damaged"
        raise UsageError(
            f"{path} holds no weights that can be read: {what}; accepted: tensors alone (a `net.state_dict()` that torch saved)"
        ) from None
    except Exception:  # of junk, torch raises anything: EOFError, IndexError, ... and its text is about its own insides
        raise UsageError(
            f"{path} holds no weights that can be read: it is damaged, or no file that torch saved; accepted: weights as "
            "safetensors, or a state_dict that torch saved (.pt, .pth)"
        ) from None
    if take is not None:
        if not isinstance(found, dict) or take not in found:
            names = [str(key) for key in found if isinstance(found[key], dict)] if isinstance(found, dict) else []
            near = nearest(take, names)
            raise UsageError(
                f"{path} has no {take}; it has {', '.join(names) or 'no networks'}"
                + (f"; did you mean {near}?" if near else "")
            )
        found = found[take]
    return _plain(_unwrapped(found, path, 0), path)


def _refuse_compressed(path: Path) -> None:
    """torch stores its records as they are: an archive whose records hold more than the file would fill the memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = sum(record.file_size for record in archive.infolist())
    except Exception:  # no archive: an older form of torch's, or damaged; `torch.load` says which
        return
    if held > path.stat().st_size:
        raise UsageError(
            f"{path} holds no weights that can be read: its records would be {held:,} bytes of a file of "
            f"{path.stat().st_size:,}; torch saves them uncompressed, each once"
        )


def _unwrapped(found: Any, path: Path, depth: int) -> Mapping[str, Any]:
    """The innermost mapping with tensors; what stands beside them (an epoch, a rate) is no part of a network."""
    import torch

    if not isinstance(found, Mapping) or depth > DEEPEST:
        raise UsageError(f"{path} holds no state_dict: names and tensors")
    if any(isinstance(value, torch.Tensor) for value in found.values()):
        return found
    inner = [name for name in WRAPPERS if isinstance(found.get(name), Mapping) and found[name]]
    if len(inner) > 1:
        raise UsageError(f"{path} holds {len(inner)} networks: {', '.join(inner)}; say which: --take {inner[0]}")
    if not inner:
        raise UsageError(f"{path} holds no state_dict: names and tensors")
    return _unwrapped(found[inner[0]], path, depth + 1)


def _plain(found: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    import torch

    inner = [str(key) for key, value in found.items() if isinstance(value, Mapping)]
    if inner:
        raise UsageError(
            f"{path} holds tensors beside {', '.join(inner)}; say which network is meant: --take {inner[0]}"
        )
    tensors = {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
            kind = "quantized" if tensor.is_quantized else "on no device" if tensor.is_meta else "sparse or nested"
            raise UsageError(f"{path}: {printable(name)} is {kind}; accepted: dense tensors of plain numbers")
    changed = True
    while changed:
        changed = False
        for prefix in PREFIXES:
            if tensors and all(key.startswith(prefix) and key != prefix for key in tensors):
                tensors, changed = {key.removeprefix(prefix): value for key, value in tensors.items()}, True
    return tensors
