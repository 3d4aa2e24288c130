"""A safetensors file that a training run or an export wrote: its header says which network it belongs to."""

from __future__ import annotations

from os.path import isfile
from pathlib import Path

from plainnet.errors import UsageError
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Subject
from plainnet.naming.trained_weights import subject_of_weights

__all__ = ["FORM", "SUFFIXES"]

PICKLED = (".pt", ".pth", ".ckpt")
SUFFIXES = (".safetensors", *PICKLED)


def _takes(text: str) -> bool:
    return text.endswith(SUFFIXES) and isfile(text)


def _read(text: str, reading: Reading) -> Subject:
    path = Path(text)
    if path.suffix in PICKLED:
        raise UsageError(
            f"{text} holds tensors and does not say of which network; accepted: a .safetensors file of a training run or an "
            "export, or the structure (with --weights FILE, where weights are asked for)"
        )
    return subject_of_weights(
        path, reading, said=text, form=f"the weights {text}", source="from the weights", name=_name(path)
    )


def _name(path: Path) -> str:
    """best.safetensors is called as the run is that it lies in."""
    inside = path.stem in ("best", "last", "weights")
    return path.resolve().parent.name if inside else path.stem


FORM = Form("a weights file", "WEIGHTS.safetensors", 40, _takes, _read)
