"""What happens to a batch between the loader and the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.draws import Draws, is_per_image
from plainnet.engine.data.source import Batch
from plainnet.engine.data.target_makers import TargetMaker, with_targets
from plainnet.engine.data.targets import has_targets, transformed
from plainnet.errors import UsageError

__all__ = ["Mix", "Normalize", "Pipeline", "check_pixels"]

SLACK = 0.1
"""How far over 0 and 1 an image may go: an interpolation of the data set's own overshoots."""

ImageTransform = Callable[..., Tensor]


def check_pixels(image: Any, *, normalized: bool, where: str) -> None:
    """`UsageError` unless images are floats and, where they are `normalized` from here on, in 0..1.

    Anything else would train, and be used, without a word and at chance.
    """
    if not isinstance(image, Tensor):
        raise UsageError(f"{where} are a {type(image).__name__}; accepted: a tensor (N, C, H, W) of floats in 0..1")
    if not image.is_floating_point():
        fix = "divide by 255" if image.dtype == torch.uint8 else "make it float32, scaled to 0..1"
        raise UsageError(f"{where} are {str(image.dtype).removeprefix('torch.')}; accepted: floats in 0..1; {fix}")
    if not normalized or not image.numel():
        return
    low, high = (float(value) for value in image.detach().aminmax())
    if not (low >= -SLACK and high <= 1 + SLACK):
        whole = low >= 0 and high <= 255
        fix = "divide by 255" if whole else "mean and std of the data normalise them, not the data set"
        raise UsageError(f"{where} are floats from {low:.4g} to {high:.4g}; accepted: 0..1; {fix}")


class Normalize:
    """(image - mean) / std, channel by channel; nothing where no mean is known."""

    keeps_places = True

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != len(std) or any(value <= 0 for value in std):
            raise UsageError(f"mean {tuple(mean)} and std {tuple(std)}: one of each for each channel, std above 0")
        self.mean = torch.tensor(mean).view(1, -1, 1, 1)
        self.std = torch.tensor(std).view(1, -1, 1, 1)

    def __call__(self, image: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if not self.mean.numel():
            return image
        if self.mean.device != image.device:
            self.mean, self.std = self.mean.to(image.device), self.std.to(image.device)
        return (image - self.mean) / self.std


class Pipeline:
    """Image transforms one after the other, then mixing of images with their labels, then what `makers` add to the batch."""

    def __init__(
        self, transforms: Sequence[ImageTransform], *, mix: Mix | None = None, makers: Sequence[TargetMaker] = ()
    ) -> None:
        self.transforms, self.mix, self.makers = tuple(transforms), mix, tuple(makers)

    @property
    def _does_nothing(self) -> bool:
        """Whether there is nothing that takes images."""
        empty = all(isinstance(item, Normalize) and not item.mean.numel() for item in self.transforms)
        return empty and self.mix is None

    def check(self, batch: Batch, where: str) -> None:
        """`UsageError` for a batch, as the data give it, whose images are not what the transforms take. Where there are none, a
        batch may hold anything.
        """
        if self._does_nothing and "image" not in batch:
            return
        if "image" not in batch:
            raise UsageError(f"{where} hold no image, but {', '.join(map(str, batch)) or 'nothing'}")
        normalized = any(isinstance(item, Normalize) and item.mean.numel() for item in self.transforms)
        check_pixels(batch["image"], normalized=normalized, where=where)

    def before_normalization(self, image: Tensor) -> Tensor:
        """Images (N, C, H, W) as they were before the last normalisation, for pictures of them."""
        normal = next((item for item in reversed(self.transforms) if isinstance(item, Normalize)), None)
        if normal is None or not normal.mean.numel():
            return image
        return image * normal.std.to(image.device) + normal.mean.to(image.device)

    def __call__(self, batch: Batch) -> Batch:
        """A new batch; the old one stays as it was."""
        if self._does_nothing:
            return with_targets(dict(batch), self.makers)
        batch, targets = dict(batch), has_targets(batch)
        for number, transform in enumerate(self.transforms):
            draws = Draws(batch["draw"], number) if is_per_image(transform) else None
            image = partial(transform, batch["image"], *([draws] if draws is not None else []))
            batch = transformed(transform, batch, image, draws) if targets else {**batch, "image": image()}
        return with_targets(self.mix(batch) if self.mix is not None else batch, self.makers)


class Mix:
    """Mixup or CutMix of each image with another of the batch; `target` becomes the mixed probabilities (N, K).

    mixup: x = w x_i + (1 - w) x_j with w ~ Beta(alpha, alpha) (Zhang et al. 2018). CutMix: a rectangle of share 1 - w comes
    from the other image, w corrected to the pixels (Yun et al. 2019). One weight a batch; with both, each batch draws one of
    the two with equal chance.
    """

    def __init__(self, *, num_classes: int, mixup: float = 0.0, cutmix: float = 0.0) -> None:
        if mixup <= 0 and cutmix <= 0:
            raise UsageError("mixup or cutmix must be above 0")
        self.num_classes, self.mixup, self.cutmix = num_classes, mixup, cutmix

    def __call__(self, batch: Batch) -> Batch:
        """The mixed batch; `label` stays."""
        if "label" not in batch:
            raise UsageError(f"mixup and CutMix mix labels of images, and a batch holds {', '.join(batch)}")
        image, label = batch["image"], batch["label"]
        target = F.one_hot(label, self.num_classes).to(image.dtype)
        other = torch.randperm(len(label)).to(label.device)
        cut = self.cutmix > 0 and (self.mixup <= 0 or bool(torch.rand(()) < 0.5))
        alpha = self.cutmix if cut else self.mixup
        gamma = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64))
        weight = float(gamma[0] / gamma.sum())
        if cut:
            image, weight = _paste(image, other, weight)
        else:
            image = weight * image + (1 - weight) * image[other]
        return {**batch, "image": image, "target": weight * target + (1 - weight) * target[other]}


def _paste(image: Tensor, other: Tensor, weight: float) -> tuple[Tensor, float]:
    """The images with a rectangle of the others', and the share of pixels that stayed."""
    height, width = image.shape[-2:]
    side = (1 - weight) ** 0.5
    cut_height, cut_width = int(height * side), int(width * side)
    top, left = (int(torch.randint(0, size, ())) for size in (height, width))
    y0, y1 = max(0, top - cut_height // 2), min(height, top - cut_height // 2 + cut_height)
    x0, x1 = max(0, left - cut_width // 2), min(width, left - cut_width // 2 + cut_width)
    mixed = image.clone()
    mixed[:, :, y0:y1, x0:x1] = image[other, :, y0:y1, x0:x1]
    return mixed, 1 - (y1 - y0) * (x1 - x0) / (height * width)
