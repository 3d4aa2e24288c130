"""Batches of torch loaders, and of other iterables, that are used as they are."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, RandomSampler, SequentialSampler

from plainnet.engine.data.source import Batch, as_batch
from plainnet.engine.seeds import derive, random_state, restore_random_state, seed_everything
from plainnet.errors import UsageError

__all__ = ["IterableBatches", "is_plain"]


def is_plain(loader: Any) -> bool:
    """Whether a loader is a `DataLoader` that goes through its data once, in order or shuffled, and does nothing else: one that
    a `Loader` can stand for.
    """
    if not isinstance(loader, DataLoader) or loader.batch_size is None or loader.worker_init_fn is not None:
        return False
    sampler = loader.sampler
    if type(sampler) is RandomSampler:
        return not sampler.replacement and sampler.num_samples == len(loader.dataset)  # type: ignore[arg-type]
    return type(sampler) is SequentialSampler


class IterableBatches:
    """Batches from any sized iterable: taken from its beginning in each epoch, skipped up to the place of a resume.

    What a torch `DataLoader` draws (its sampler, its data, its workers) is drawn from generators that are seeded for each epoch,
    so that a run that is taken up sees what it would have seen; a warning says where that cannot be. Of several processes each
    takes every so many-th batch, in training as many as the others; a `DistributedSampler` shares out by itself.
    """

    def __init__(
        self, batches: Any, *, seed: int = 0, rank: int = 0, processes: int = 1, training: bool = False
    ) -> None:
        self.batches, self.seed = batches, seed
        samplers = [getattr(batches, name, None) for name in ("sampler", "batch_sampler")]
        samplers.append(getattr(samplers[1], "sampler", None))
        self.samplers = [sampler for sampler in samplers if sampler is not None]
        shared = any(isinstance(sampler, DistributedSampler) for sampler in self.samplers)
        self.rank, self.processes, self.training = (0, 1, training) if shared else (rank, processes, training)
        try:
            length = len(batches)
        except TypeError:
            raise UsageError(
                f"the loader {type(batches).__name__} has no length, and a run must know its epochs: give it a __len__"
            ) from None
        self.length = length // self.processes if training else -(-length // self.processes)
        if training and self.length == 0:
            raise UsageError(f"{length} batches cannot be shared by {self.processes} processes")
        if reason := _unrepeatable(batches, self.samplers):
            warnings.warn(f"a resumed run cannot repeat the order of this loader: {reason}", UserWarning, stacklevel=4)

    def __len__(self) -> int:
        return self.length

    def at(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """This process's batches from number `start` on."""
        for sampler in self.samplers:
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)
        every = range(self.rank, self.length * self.processes if self.training else 2**62, self.processes)
        for number, batch in enumerate(self._seeded(epoch)):
            if number in every and number // self.processes >= start:
                yield as_batch(batch)

    def _seeded(self, epoch: int) -> Iterator[Any]:
        """The batches, drawn from random states of their own."""
        if not isinstance(self.batches, DataLoader):
            yield from self.batches
            return
        for number, generator in enumerate(_generators(self.batches, self.samplers)):
            generator.manual_seed(derive("loader", self.seed, epoch, number))
        before = random_state()
        seed_everything(derive("loader", self.seed, epoch))
        batches = iter(self.batches)
        while True:
            batch = next(batches, self)
            own = random_state()
            restore_random_state(before)
            if batch is self:
                return
            yield batch
            before = random_state()
            restore_random_state(own)

    def total(self, number: int) -> int | None:  # noqa: ARG002
        """Unknown before the batch is there."""
        return None


def _generators(loader: Any, samplers: Sequence[Any]) -> list[torch.Generator]:
    found = [getattr(owner, "generator", None) for owner in (loader, *samplers)]
    return list({id(item): item for item in found if isinstance(item, torch.Generator)}.values())


def _unrepeatable(loader: Any, samplers: Sequence[Any]) -> str:
    """Why a loader's batches of an epoch cannot be had again; "" where they can."""
    if not isinstance(loader, DataLoader):
        return ""
    if isinstance(loader.dataset, IterableDataset):
        return f"{type(loader.dataset).__name__} is a stream"
    if loader.num_workers and loader.persistent_workers:
        return "its workers go on from epoch to epoch (persistent_workers)"
    for sampler in samplers:
        for name, value in getattr(sampler, "__dict__", {}).items():
            if isinstance(value, np.random.Generator | np.random.RandomState | random.Random):
                return f"{type(sampler).__name__} draws from a generator of its own ({name})"
    return ""
