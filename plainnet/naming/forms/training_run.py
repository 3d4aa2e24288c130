"""A training run: the network that it trained, with its best weights."""

from __future__ import annotations

from os.path import isdir, isfile
from pathlib import Path
from shlex import quote

from plainnet.errors import RunError
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Subject
from plainnet.naming.trained_weights import subject_of_weights

__all__ = ["BEST", "FORM"]

BEST = "best.safetensors"
CONFIG = "config.yaml"


def _takes(text: str) -> bool:
    folder = Path(text)
    return isdir(text) and (isfile(folder / BEST) or (isfile(folder / CONFIG) and isdir(folder / "checkpoints")))


def _read(text: str, reading: Reading) -> Subject:
    path = Path(text) / BEST
    if not path.is_file():
        raise RunError(
            f"{text} is a training run without best weights: it was stopped before its first validation; to go on: "
            f"plainnet train {quote(text)}"
        )
    return subject_of_weights(
        path,
        reading,
        said=text,
        form=f"of the training run {text}",
        source="from the run",
        name=Path(text).resolve().name,
    )


FORM = Form("a training run", "TRAINING_RUN", 20, _takes, _read)
