"""The writers that a run has without being asked."""

from __future__ import annotations

from importlib.util import find_spec

from plainnet.engine.writers.picture_files import PictureFiles
from plainnet.engine.writers.tensorboard_writer import TensorBoard
from plainnet.engine.writers.writer import Writer

__all__ = ["usual_writers"]


def usual_writers(*, tensorboard: bool = True) -> list[Writer]:
    """Pictures as files, and TensorBoard where it is installed and not declined."""
    return [PictureFiles(), *([TensorBoard()] if tensorboard and find_spec("tensorboard") is not None else [])]
