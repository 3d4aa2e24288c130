"""What a data set is to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import torch
from torch import Tensor
from torch.utils.data import default_collate

from plainnet.engine.seeds import derive, random_state, restore_random_state, seed_everything
from plainnet.errors import RunError, UsageError

__all__ = [
    "OR_NAME",
    "THE_PART",
    "Batch",
    "BrokenSample",
    "DataSource",
    "MapSamples",
    "NameOrPath",
    "Part",
    "Samples",
    "Shape",
    "TensorSamples",
    "Unread",
    "raise_broken",
]

Batch = dict[str, Any]
"""A batch: `image` (N, C, H, W) float32 in 0..1, `label` (N,) int64, `draw` (N,) a seed for each image, and whatever
else a task needs."""

Shape = tuple[int, int, int] | tuple[()]
"""(C, H, W) of images; empty where samples are no images."""

BROKEN = "broken"

OR_NAME = "a folder where there is one, otherwise a name"
NameOrPath = Annotated[str | Path, OR_NAME]
"""The annotation of an argument that a configuration may give as a name or as a path; one of `Path` alone is a path always."""

THE_PART = "given by the engine"
Part = Annotated[Literal["train", "val"] | None, THE_PART]
"""The annotation of an argument `only` of a function that gives a `DataSource`: it is told which images are wanted, and may leave
`Unread` in place of the others; None asks for both. No configuration says it.
"""


class Samples(Protocol):
    """Images, or whatever a task takes, that can be fetched by number."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:
        """The batch of these images; `draws` are seeds, one for each, for whatever is random about them."""
        ...


@dataclass(frozen=True)
class DataSource:
    """Training and validation samples with what is known about them.

    Samples that are no images (pairs of them, points, ...) say no `shape`; their batches hold what the task takes, and what
    happens to images (normalisation, augmentations, `plainnet predict`) is refused for them.
    """

    train: Samples
    val: Samples
    classes: tuple[str, ...]
    shape: Shape = ()
    """(C, H, W) of the images in a batch; nothing where samples are no images."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    reader: Mapping[str, Any] = field(default_factory=dict)
    """How `plainnet predict` makes an image like these from a file: `crop`, `invert`."""
    notes: tuple[str, ...] = ()
    """What was left out or is unusual, a sentence each; a run prints them."""
    astray: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Part ("train", "val") -> what is wrong in its files and of no sample, a sentence each, where what is broken was kept."""
    target: str = ""
    """The entry of a batch that the classes are of, "label", "mask" or "boxes", where batches hold several."""

    version: str = ""
    """Which version of the data these are, where their source says one."""

    def target_in(self, batch: Batch) -> str:
        """The entry of a batch that the classes are of; "" where there is none."""
        return self.target or next((name for name in ("boxes", "mask", "label") if name in batch), "")


@dataclass(frozen=True)
class Unread:
    """In place of images that were not asked for: whoever counts or fetches them is told so."""

    part: Literal["train", "val"]

    def __len__(self) -> int:
        raise self._error()

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:  # noqa: ARG002
        """Raises `RunError`."""
        raise self._error()

    def _error(self) -> RunError:
        what = "training" if self.part == "train" else "validation"
        return RunError(f"the {what} images were not read: only the others were asked for")


@dataclass(frozen=True)
class BrokenSample:
    """An image that could not be read; a worker hands it over instead of raising, so that the message stays readable."""

    what: str
    why: str


def raise_broken(batch: Batch) -> None:
    """Raise `RunError` if the batch holds an image that could not be read."""
    broken = batch.get(BROKEN)
    if broken is not None:
        raise RunError(f"cannot read {broken.what}: {broken.why}")


@dataclass(frozen=True)
class TensorSamples:
    """Images held in memory: `images` (N, C, H, W), uint8 (then scaled to 0..1) or float32, `labels` (N,)."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        for name, value in (("images", self.images), ("labels", self.labels)):
            if not isinstance(value, Tensor):
                raise UsageError(f"{name} are a {type(value).__name__}; accepted: a tensor (torch.as_tensor)")
        if len(self.images) != len(self.labels):
            raise UsageError(f"{len(self.images)} images and {len(self.labels)} labels; accepted: one for each")
        if self.images.dtype != torch.uint8 and not self.images.is_floating_point():
            kind = str(self.images.dtype).removeprefix("torch.")
            raise UsageError(f"images are {kind}; accepted: uint8 in 0..255, or float32 in 0..1")

    def __len__(self) -> int:
        return len(self.labels)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:  # noqa: ARG002
        """The batch of these images."""
        index = torch.as_tensor(indices)
        images = self.images[index]
        if images.dtype == torch.uint8:
            images = images.float().div_(255)
        return {"image": images, "label": self.labels[index]}


def as_batch(batch: Any) -> Any:
    """A batch as tasks take it: a mapping as a dict, a pair of tensors as `image` and `label`, anything else as it is."""
    if isinstance(batch, Mapping):
        return dict(batch)
    if isinstance(batch, Sequence) and len(batch) == 2 and all(isinstance(item, Tensor) for item in batch):
        return {"image": batch[0], "label": batch[1]}
    return batch


@dataclass(frozen=True)
class MapSamples:
    """Any torch `Dataset` with `__getitem__` and `__len__`; random transforms in it are seeded sample by sample."""

    dataset: Any
    collate: Callable[[list[Any]], Any] = default_collate
    seed: bool = True

    def __len__(self) -> int:
        return len(self.dataset)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:
        """The collated batch; a pair of tensors becomes `image` and `label`."""
        if not self.seed:
            items = [self.dataset[index] for index in indices]
        else:
            before = random_state()
            try:
                items = []
                for index, draw in zip(indices, draws, strict=True):
                    seed_everything(derive(draw))
                    items.append(self.dataset[index])
            finally:
                restore_random_state(before)
        batch = self._collated(items)
        found = as_batch(batch)
        if not isinstance(found, dict):
            what = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, list | tuple) else "")
            raise RunError(
                f"a batch of the data set is {what}; accepted: a mapping, or a pair of tensors (image, label)"
            )
        return found

    def _collated(self, items: list[Any]) -> Any:
        if self.collate is not default_collate:
            return self.collate(items)
        try:
            return default_collate(items)
        except (TypeError, RuntimeError, KeyError) as error:
            kind = items[0]
            held = ", ".join(type(item).__name__ for item in kind) if isinstance(kind, list | tuple) else ""
            what = f"a {type(kind).__name__}" + (f" of {held}" if held else "")
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(
                f"samples of the data set ({what}) make no batch: {why}; give it a transform that makes tensors of one size, or "
                "MapSamples a collate"
            ) from error
