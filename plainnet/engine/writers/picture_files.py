"""Pictures as files of the run folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plainnet.engine.data.decoding import pillow
from plainnet.engine.writers.writer import Pixels, Writer
from plainnet.errors import RunError

__all__ = ["PictureFiles"]

ODD = re.compile(r"[^-\w.]+")


class PictureFiles(Writer):
    """`pictures/000000046/NAME.png` in the run folder, by the updates that were made. Every run has it: numbers and the
    configuration have files of their own (`log.jsonl`, `config.yaml`).
    """

    folder: Path

    def open(self, run: Path, *, iteration: int, config: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Remember where."""
        self.folder = run / "pictures"

    def picture(self, name: str, pixels: Pixels, iteration: int) -> None:
        """Write it; one of the same name after the same update is another try of that update."""
        path = self.folder / f"{iteration:09d}" / f"{ODD.sub('-', name)}.png"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pillow().fromarray(pixels).save(path)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}; the last checkpoint is whole") from error
