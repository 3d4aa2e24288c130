"""The base of what takes a run's numbers and pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plainnet.errors import PlainnetError, RunError
from plainnet.files.text_files import printable, read_text

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["Writer", "Writers", "named_run"]

Pixels = np.ndarray[Any, Any]
"""A picture: (H, W, 3), uint8."""
NAME = re.compile(r"[\w.-]{1,128}")
"""What a run is called by a program that keeps runs."""


class Writer:
    """Takes what a run tells, beside `log.jsonl`: `open`, then `scalars` and `picture` as they come, then `close`. Of several
    processes only the first has writers. One of yours overrides what it takes; the rest does nothing.
    """

    def open(self, run: Path, *, iteration: int, config: Mapping[str, Any]) -> None:
        """The run in the folder `run` begins, or goes on after `iteration` updates; `config` is its whole configuration."""

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        """Numbers by name (`step/loss`, `val/accuracy`) after `iteration` updates; one may be infinite, or no number."""

    def picture(self, name: str, pixels: Pixels, iteration: int) -> None:
        """A picture (H, W, 3), uint8, of that name, after `iteration` updates."""

    def close(self) -> None:
        """The run is over, or was broken off."""


class Writers:
    """The writers of a trainer, called together; what goes wrong in one says which one it was, as a `RunError`."""

    def __init__(self) -> None:
        self.all: list[Writer] = []
        self.is_open = False

    def add(self, writer: Writer) -> None:
        """One more."""
        self.all.append(writer)

    def open(self, trainer: Trainer, run: Path, config: Mapping[str, Any]) -> None:
        """Open them all, in the first process."""
        self.is_open = trainer.is_main
        if self.is_open:
            self._each("open", run, iteration=trainer.iteration, config=config)

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        """Numbers to each."""
        if self.is_open:
            self._each("scalars", values, iteration)

    def picture(self, name: str, pixels: Pixels, iteration: int) -> None:
        """A picture to each."""
        if self.is_open:
            self._each("picture", name, pixels, iteration)

    def close(self) -> None:
        """Close those that were opened."""
        if self.is_open:
            self.is_open = False
            self._each("close")

    def _each(self, what: str, *arguments: Any, **options: Any) -> None:
        for writer in self.all:
            try:
                getattr(writer, what)(*arguments, **options)
            except PlainnetError:
                raise
            except Exception as error:
                first = str(error).splitlines() or [type(error).__name__]
                raise RunError(f"{type(writer).__name__} failed ({what}): {first[0]}") from error


def named_run(file: Path) -> str:
    """The run of another program's that a file in the run's folder names; `RunError` for what names none."""
    text = read_text(file, what="name of a run").strip()
    if not NAME.fullmatch(text):
        raise RunError(f"{file} names no run: {printable(text[:40])!r}; accepted: one word, or no file for a new run")
    return text
