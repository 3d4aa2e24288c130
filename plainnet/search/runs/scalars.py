"""A search's progress as scalars for TensorBoard."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plainnet.errors import MissingExtraError, not_written
from plainnet.search.candidates.faults import fates
from plainnet.search.runs.progress import Progress, Watcher

__all__ = ["tensorboard_watcher"]

SHOWN = ("params", "macs", "layers")
"""The costs of the best candidate that are written."""


@contextmanager
def tensorboard_watcher(folder: str, watch: Watcher) -> Iterator[Watcher]:
    """A watcher that writes the best score with its costs, the rate and the shares of what became of the candidates to
    `folder`, and then tells `watch`.
    """
    try:
        from tensorboard.compat.proto.summary_pb2 import Summary
    except ImportError:
        raise MissingExtraError("tensorboard", "train") from None
    from tensorboard.compat.proto.event_pb2 import Event

    with _records(Path(folder)) as record:
        record(Event(wall_time=time.time(), file_version="brain.Event:2"))

        def write(progress: Progress) -> None:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in _scalars(progress).items()]
            if values:
                record(Event(wall_time=time.time(), step=progress.done, summary=Summary(value=values)))
            watch(progress)

        yield write


@contextmanager
def _records(folder: Path) -> Iterator[Callable[[Any], None]]:
    """What appends an event to a new file of events. TensorBoard's own writer of such files has a thread, which ends in a
    traceback on a full disk.
    """
    from tensorboard.summary.writer.record_writer import RecordWriter

    made = not os.path.exists(folder)
    path = (
        folder
        / f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # without a buffer: an epoch takes long enough, and who watches wants to see it now
        file = path.open("wb", buffering=0)
    except OSError as error:
        raise not_written(folder, error, done="made") from None
    records: Any = RecordWriter(file)

    def record(event: Any) -> None:
        try:
            records.write(event.SerializeToString())
        except OSError as error:
            raise not_written(path, error) from None

    with file:
        try:
            yield record
        finally:
            if made and not path.stat().st_size:
                path.unlink()
                folder.rmdir()


def _scalars(progress: Progress) -> dict[str, float]:
    """tag -> value. The ladder tells nothing new about candidates, and nothing of it is written."""
    if not progress.tally or not progress.done:
        return {}
    counts = fates(progress.done, progress.tally)
    found = {f"search/{name.replace(' ', '_')}": count / progress.done for name, count in counts.items()}
    found["search/candidates_per_second"] = progress.rate
    if progress.best_score is not None:
        found["search/best_score"] = progress.best_score
        costs = progress.best_costs
        found.update({f"best/{name}": cost for name in SHOWN if (cost := costs.get(name)) is not None})
    return found
