"""What each batch of an update counts for: its share of the update's samples, over all processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from plainnet.engine.data.loader import Batches, Loader
from plainnet.engine.data.source import Batch
from plainnet.engine.loop.batch_size import HINT, is_said
from plainnet.engine.loop.validation import Validation
from plainnet.errors import RunError

__all__ = ["Share", "loss_shares"]


@dataclass(frozen=True, slots=True)
class Share:
    """A batch within its update: how many samples this process has of it, and what its loss is multiplied by (None: by
    nothing). whole: every process has all of it, since there are fewer samples than processes.
    """

    samples: int
    weight: float | None = None
    whole: bool = False


def loss_shares(trainer: Validation, group: Sequence[Batch]) -> list[Share]:
    """The shares of an update's batches, so that the gradient is that of the mean over all its samples.

    The mean of a single batch in a single process is taken as it is. Otherwise batch i of n_i samples in this process counts
    n_i P / n, with P processes (whose gradients are averaged) and n samples in all. A number that the loader announced is
    compared with what came, unless the batch (or an overridden `count_samples`) says itself how many there are.
    """
    samples = [trainer.count_samples(batch) for batch in group]
    processes = trainer.processes
    if processes == 1 and len(group) == 1:
        return [Share(samples[0])]
    loader = trainer.train_loader
    assert loader is not None
    numbers = range(trainer.batch, trainer.batch + len(group))
    wholes = [isinstance(loader, Loader) and loader.is_whole(number) for number in numbers]
    own = [count / processes if whole else count for count, whole in zip(samples, wholes, strict=True)]
    said = type(trainer).count_samples is not Validation.count_samples or all(map(is_said, group))
    if not said:
        for number, count in zip(numbers, samples, strict=True):
            _check(f"in batch {number}", count, _expected(loader, number, processes))
    total: float = sum(own)
    if processes > 1:
        total = _total(trainer, loader, numbers, total, said=said)
    if total == 0:
        raise RunError(f"the batches {numbers.start} to {numbers.stop - 1} of the epoch hold no samples")
    return [
        Share(count, part * processes / total, whole) for count, part, whole in zip(samples, own, wholes, strict=True)
    ]


def _expected(loader: Batches, number: int, processes: int) -> int | None:
    """What this process was to have of a batch."""
    if isinstance(loader, Loader):
        return len(loader.part(number))
    return loader.total(number) if processes == 1 else None


def _check(where: str, came: float, expected: int | None) -> None:
    if expected is not None and came != expected:
        raise RunError(f"the loader announced {expected} samples {where}, and {came:g} came: {HINT}")


def _total(trainer: Validation, loader: Batches, numbers: range, own: float, *, said: bool) -> float:
    """Samples of the update over all processes."""
    counts = [loader.total(number) for number in numbers]
    announced = None if None in counts else sum(count for count in counts if count is not None)
    if isinstance(loader, Loader) and not said and announced is not None:  # every process has found its part
        return announced
    total = float(trainer.add_up(torch.tensor(float(own), dtype=torch.float64, device=trainer.device)))
    if not said:
        _check(f"in the batches {numbers.start} to {numbers.stop - 1}", total, announced)
    return total
