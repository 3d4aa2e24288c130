"""Samples looked at one by one, without decoding images that nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from plainnet.engine.data.batch_parts import part_of_batch
from plainnet.engine.data.source import Batch, Samples, raise_broken
from plainnet.engine.seeds import derive

__all__ = ["each_sample"]

TOGETHER = 64
"""Samples that are read at once."""


class _Sample(Mapping[str, Any]):
    """A sample as a batch of one; what it holds is read when it is asked for, and the image apart from the rest."""

    def __init__(self, samples: Any, number: int) -> None:
        self.samples, self.number = samples, number

    @cached_property
    def targets(self) -> Batch:
        found: Batch = self.samples.targets(self.number)
        return found

    @cached_property
    def image(self) -> Any:
        return _fetched(self.samples, [self.number])["image"]

    def __getitem__(self, name: str) -> Any:
        return self.image if name == "image" else self.targets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("image", *self.targets))

    def __len__(self) -> int:
        return 1 + len(self.targets)

    def __contains__(self, name: object) -> bool:
        return name == "image" or name in self.targets


def each_sample(samples: Samples) -> Iterator[Mapping[str, Any]]:
    """Every sample, as a batch of one. Those with a method `targets(number)`, which gives what a sample holds beside its image,
    decode an image when it is asked for; the others are read in batches.
    """
    for first in range(0, len(samples), TOGETHER):
        numbers = range(first, min(len(samples), first + TOGETHER))
        if hasattr(samples, "targets"):
            yield from (_Sample(samples, number) for number in numbers)
        else:
            batch = _fetched(samples, numbers)
            yield from (part_of_batch(batch, place, len(numbers)) for place in range(len(numbers)))


def _fetched(samples: Samples, numbers: Any) -> Batch:
    batch = samples.fetch(numbers, [derive("filter", number) % 2**63 for number in numbers])
    raise_broken(batch)
    return batch
