"""A search's progress as scalars for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from plainnet.errors import MissingExtraError, not_written
from plainnet.search.candidates.faults import fates
from plainnet.search.runs.driver import Progress, Watcher

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
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise MissingExtraError("tensorboard", "train") from None
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        writer: Any = EventFileWriter(folder)
    except OSError as error:
        raise not_written(folder, error) from None

    def write(progress: Progress) -> None:
        values = [Summary.Value(tag=name, simple_value=value) for name, value in _scalars(progress).items()]
        if values:
            writer.add_event(Event(wall_time=time.time(), step=progress.done, summary=Summary(value=values)))
            writer.flush()  # an epoch takes long enough, and who watches wants to see it now
        watch(progress)

    try:
        yield write
    finally:
        writer.close()


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
