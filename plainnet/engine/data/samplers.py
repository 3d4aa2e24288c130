"""Which samples an epoch consists of, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from plainnet.engine.data.known_targets import each_sample
from plainnet.engine.data.source import Samples
from plainnet.errors import UsageError

__all__ = ["ClassBalanced", "Sampler", "Share"]


class Sampler:
    """Draws the sample numbers of each epoch. One of yours takes `samples` and says its length and its `order`; a number may come
    several times, and is then augmented differently each time.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.samples)

    def order(self, draw: torch.Generator) -> Sequence[int]:
        """The numbers of an epoch, `len(self)` of them, drawn with a generator that is seeded for each epoch."""
        raise NotImplementedError


class Share(Sampler):
    """Each epoch is another share of the samples, without a sample twice; `share` is above 0, up to 1."""

    def __init__(self, samples: Samples, *, share: float) -> None:
        super().__init__(samples)
        if not 0 < share <= 1:
            raise UsageError(f"share is {share}; accepted: above 0, up to 1")
        self.length = max(1, round(share * len(samples)))

    def __len__(self) -> int:
        return self.length

    def order(self, draw: torch.Generator) -> Sequence[int]:
        """The first of a permutation."""
        numbers: list[int] = torch.randperm(len(self.samples), generator=draw)[: self.length].tolist()
        return numbers


class ClassBalanced(Sampler):
    """Each sample is drawn with a class that is drawn first, all classes alike: a rare class comes as often as a common one.

    Draws with replacement, `length` samples an epoch (as many as there are, by default). Labels come from `samples.labels` where
    there are such, or are read from every sample once.
    """

    def __init__(self, samples: Samples, *, length: int | None = None) -> None:
        super().__init__(samples)
        if length is not None and length < 1:
            raise UsageError(f"length is {length}; accepted: 1 or more samples")
        self.length = length or len(samples)
        labels = _labels(samples)
        _, places, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        self.weights = 1.0 / counts[places].double()

    def __len__(self) -> int:
        return self.length

    def order(self, draw: torch.Generator) -> Sequence[int]:
        """Drawn in proportion to one over the size of a sample's class."""
        numbers: list[int] = torch.multinomial(self.weights, self.length, replacement=True, generator=draw).tolist()
        return numbers


def _labels(samples: Any) -> Tensor:
    known = getattr(samples, "labels", None)
    if known is not None and len(known) == len(samples):
        return torch.as_tensor(known)
    found = []
    for sample in each_sample(samples):
        label = sample.get("label")
        if not isinstance(label, Tensor) or label.shape != (1,) or label.is_floating_point():
            raise UsageError(
                f"ClassBalanced needs a label for each sample, and they hold {', '.join(map(str, sample))}"
            )
        found.append(label)
    return torch.cat(found)
