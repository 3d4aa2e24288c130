"""The text log of a run: what its modules' loggers say, with time stamps, behind the environment that it ran in."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from plainnet.errors import not_written
from plainnet.files.environment import environment_lines

__all__ = ["LOG", "run_log", "shown_on"]

LOG = "log.txt"
FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _Lines(logging.Formatter):
    """A line a record, its time in UTC; further lines of a message are indented."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(FORMAT, "%Y-%m-%dT%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\n    ")


class _File(logging.FileHandler):
    """A file that is given up, with one line on standard error, where it cannot be written: a log ends no run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's name
        error = sys.exc_info()[1]
        print(f"{self.baseFilename} is not written any more: {error}", file=sys.stderr)
        self.setLevel(sys.maxsize)

    def close(self) -> None:
        with suppress(OSError):  # what a full disk left unwritten
            super().close()


@contextmanager
def run_log(folder: Path | None, room: str) -> Iterator[None]:
    """Append what the loggers of a room ("plainnet.engine") say to `log.txt` in a run's folder, the environment first.

    folder: None for a run that is kept nowhere. Raises `RunError` where the file cannot be opened.
    """
    if folder is None:
        yield
        return
    path = folder / LOG
    try:
        handler = _File(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise not_written(path, error) from None
    handler.setFormatter(_Lines())
    logger = logging.getLogger(room)
    with _heard(logger, handler):
        for line in environment_lines():
            logger.info("%s", line)
        try:
            yield
        except BaseException as error:
            logger.error("ended by %s%s", type(error).__name__, f": {error}" if str(error) else "")
            raise


@contextmanager
def shown_on(stream: TextIO, *, is_shown: bool = True) -> Iterator[None]:
    """Show what all loggers of the package say on a stream, too: what --verbose asks for."""
    if not is_shown:
        yield
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    with _heard(logging.getLogger("plainnet"), handler):
        yield


@contextmanager
def _heard(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    """A handler for a while; a logger that nobody set a level for tells from INFO on meanwhile."""
    before = logger.level
    logger.addHandler(handler)
    if before == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
        handler.close()
