"""A search's progress as scalars for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from plainnet.errors import MissingExtraError
from plainnet.search.driver import Progress, Watcher

__all__ = ["tensorboard_watcher"]


@contextmanager
def tensorboard_watcher(folder: str, watch: Watcher) -> Iterator[Watcher]:
    """A watcher that writes the best score, the rate and the shares to `folder` and then tells `watch`."""
    try:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise MissingExtraError("tensorboard", "train") from None
    from tensorboard.compat.proto.event_pb2 import Event

    writer: Any = EventFileWriter(folder)

    def write(progress: Progress) -> None:
        for name, value in _scalars(progress).items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            writer.add_event(Event(step=progress.done, summary=summary))
        watch(progress)

    try:
        yield write
    finally:
        writer.close()


def _scalars(progress: Progress) -> dict[str, float]:
    if not progress.tally or not progress.done:
        return {}
    found = {f"search/{name.replace(' ', '_')}": count / progress.done for name, count in progress.tally.items()}
    found["search/candidates_per_second"] = progress.rate
    if progress.best_score is not None:
        found["search/best_score"] = progress.best_score
    return found
