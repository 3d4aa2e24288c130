"""Batches in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from plainnet.engine.counts import check_counts
from plainnet.engine.data.samplers import Sampler
from plainnet.engine.data.source import BROKEN, Batch, BrokenSample, MapSamples, Samples, raise_broken
from plainnet.engine.data.torch_loader import IterableBatches, is_plain
from plainnet.engine.data.workers import begin_worker, delivered
from plainnet.engine.seeds import derive
from plainnet.errors import RunError, UsageError

__all__ = ["Batches", "Loader", "as_batches"]

Key = list[tuple[int, int]]
"""A batch before it is loaded: image numbers with the seed of each."""


class Batches(Protocol):
    """What a trainer takes its batches from."""

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def at(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """This process's part of each batch of the epoch, from batch number `start` on."""
        ...

    def total(self, number: int) -> int | None:
        """Images of batch `number` over all processes; None where only the batch itself can tell."""
        ...


def part_of(length: int, *, rank: int, processes: int) -> range:
    """The part of a batch of `length` that belongs to process `rank`: consecutive, the first processes have the more."""
    return range(-(-length * rank // processes), -(-length * (rank + 1) // processes))


class Loader:
    """Batches of `batch_size` images, over `processes` processes together; this is process `rank`.

    An epoch's order is a permutation drawn from (seed, epoch), a batch is cut into consecutive parts, one for each process,
    and each image has its own seed for what is random about it. So the batches are the same with any number of workers and
    processes, and after a resume in the middle of an epoch. In training a last batch with fewer images than processes goes
    to all of them as a whole, and is counted once; in validation some have no part of it. sampler: draws the orders in place of
    permutations.
    """

    training = False
    """Whether each process needs a part of every batch; a trainer says so."""

    def __init__(
        self,
        samples: Samples,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int = 0,
        workers: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        processes: int = 1,
        pin_memory: bool = False,
        sampler: Sampler | None = None,
    ) -> None:
        check_counts(batch_size=batch_size, processes=processes)
        check_counts(least=0, workers=workers)
        if len(samples) == 0:
            raise RunError("the data set is empty")
        self.sampler, self.length = sampler, len(samples) if sampler is None else len(sampler)
        self.samples, self.batch_size, self.shuffle, self.seed = samples, batch_size, shuffle, seed
        self.rank, self.processes, self.workers = rank, processes, workers
        full, rest = divmod(self.length, batch_size)
        self.batches = full + (1 if rest and not drop_last else 0)
        if self.batches == 0:
            raise RunError(f"{self.length} images make no batch of {batch_size}: lower the batch size")
        self.keys = _Keys(self)
        self.loader = self._worker_loader(pin_memory) if workers else None

    def _worker_loader(self, pin_memory: bool) -> DataLoader[Batch]:
        return DataLoader(
            _Fetched(self.samples),
            batch_sampler=self.keys,
            num_workers=self.workers,
            collate_fn=_unchanged,
            pin_memory=pin_memory,
            persistent_workers=True,
            worker_init_fn=begin_worker,
            generator=torch.Generator(),
        )

    def join(self, *, rank: int, processes: int, training: bool) -> None:
        """Become process `rank`'s share of the batches, for training or not."""
        if self.processes not in (1, processes):
            raise UsageError(f"the loader was made for {self.processes} processes, and there are {processes}")
        if training and self.batch_size < processes:
            raise UsageError(f"a batch of {self.batch_size} cannot be shared by {processes} processes")
        self.rank, self.processes, self.training = rank, processes, training

    def twin(self) -> Loader:
        """The same batches to go through independently: training is not over when a validation begins."""
        other = copy.copy(self)
        other.keys = _Keys(other)
        other.loader = other._worker_loader(self.loader.pin_memory) if self.loader is not None else None
        return other

    def is_whole(self, number: int) -> bool:
        """Whether every process has the whole of batch `number`."""
        return self.training and self.total(number) < self.processes

    def part(self, number: int) -> range:
        """This process's places in batch `number`."""
        length = self.total(number)
        return range(length) if self.is_whole(number) else part_of(length, rank=self.rank, processes=self.processes)

    def __len__(self) -> int:
        return self.batches

    def total(self, number: int) -> int:
        """Images of batch `number` over all processes."""
        return min(self.batch_size, self.length - number * self.batch_size)

    def at(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """This process's part of each batch of the epoch; an empty part (in validation) is passed over."""
        self.keys.epoch, self.keys.start = epoch, start
        if self.loader is None:
            fetched = _Fetched(self.samples)
            batches: Iterator[Batch] = map(fetched.__getitems__, self.keys)
        else:
            batches = delivered(self.loader)
        for batch in batches:
            raise_broken(batch)
            yield batch

    def close(self) -> None:
        """End the worker processes; a next pass starts others."""
        iterator: Any = self.loader._iterator if self.loader is not None else None
        if self.loader is not None and iterator is not None:
            iterator._shutdown_workers()  # waiting for the garbage collector may end in a process that was forked since
            self.loader._iterator = None

    def order(self, epoch: int) -> Sequence[int]:
        """The image numbers of an epoch, in order."""
        if not self.shuffle and self.sampler is None:
            return range(self.length)
        generator = torch.Generator().manual_seed(derive("order", self.seed, epoch))
        if self.sampler is not None:
            return _drawn(self.sampler, generator, len(self.samples))
        order: list[int] = torch.randperm(len(self.samples), generator=generator).tolist()
        return order


def _drawn(sampler: Sampler, generator: torch.Generator, count: int) -> Sequence[int]:
    """The order that a sampler draws. Raises `UsageError` for one that is another than it says."""
    order, name = sampler.order(generator), type(sampler).__name__
    if len(order) != len(sampler):
        raise UsageError(f"the sampler {name} gave {len(order)} numbers, and its length is {len(sampler)}")
    odd = next((number for number in order if not 0 <= number < count), None)
    if odd is not None:
        raise UsageError(f"the sampler {name} gave the number {odd}; accepted: 0 to {count - 1}")
    return order


class _Keys:
    """The batch sampler: read in the main process whenever an epoch begins."""

    def __init__(self, loader: Loader) -> None:
        self.owner, self.epoch, self.start = loader, 0, 0

    def __len__(self) -> int:
        return self.owner.batches - self.start

    def __iter__(self) -> Iterator[Key]:
        owner, epoch = self.owner, self.epoch
        order, base = owner.order(epoch), derive("sample", owner.seed, epoch)
        for number in range(self.start, owner.batches):
            start = number * owner.batch_size
            batch = order[start : start + owner.batch_size]
            part = owner.part(number)
            if len(part):  # what a sampler gives twice is drawn differently each time
                own = batch if owner.sampler is None else range(start, start + owner.batch_size)
                yield [(batch[i], (base + own[i]) & MASK) for i in part]


MASK = 2**63 - 1


class _Fetched(Dataset[Any]):
    """Samples as torch's loader wants them: a whole batch at once."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        return self.__getitems__([key])

    def __getitems__(self, keys: Key) -> Batch:
        try:
            draws = [draw for _, draw in keys]
            batch = self.samples.fetch([index for index, _ in keys], draws)
            batch["draw"] = torch.tensor(draws)
            return batch
        except RunError as error:
            return {BROKEN: BrokenSample(getattr(error, "what", "a sample"), getattr(error, "why", str(error)))}


def _unchanged(batch: Any) -> Any:
    return batch


def as_batches(loader: Any, *, seed: int, rank: int, processes: int, training: bool = False) -> Batches:
    """Batches from a `Loader`, a torch `DataLoader`, or any sized iterable of batches, for training or not.

    A `DataLoader` that goes through its data once, in order or shuffled, becomes a `Loader` with the same data, size and order
    of kind: seeded, shared by the processes, and able to begin in the middle of an epoch. Any other (with a sampler, a batch
    sampler, a stream) is used as it is, see `IterableBatches`; so is an object with `at` and `total`.
    """
    if isinstance(loader, Loader):
        loader.join(rank=rank, processes=processes, training=training)
        return loader
    if hasattr(loader, "at"):
        return loader  # type: ignore[no-any-return]
    if not is_plain(loader):
        return IterableBatches(loader, seed=seed, rank=rank, processes=processes, training=training)
    shuffle = isinstance(loader.sampler, RandomSampler)
    made = Loader(
        MapSamples(loader.dataset, loader.collate_fn, seed=shuffle),
        batch_size=loader.batch_size * processes,
        shuffle=shuffle,
        seed=seed,
        workers=loader.num_workers,
        drop_last=loader.drop_last,
        rank=rank,
        processes=processes,
        pin_memory=loader.pin_memory,
    )
    made.join(rank=rank, processes=processes, training=training)
    return made
