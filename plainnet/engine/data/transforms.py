"""Augmentations of batches (N, C, H, W) in 0..1.

`RandomCrop`, `Flip` and `Lighting` draw from each image's own seed, so that an image comes out the same in any batch. The
others are kornia's and draw from torch's global generator, which the trainer seeds for each batch of each process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.draws import Draws
from plainnet.errors import MissingExtraError, UsageError, nearest

__all__ = ["AutoAugment", "Flip", "Kornia", "Lighting", "RandAugment", "RandomCrop", "RandomErasing"]


def _kornia() -> Any:
    try:
        import kornia.augmentation as module
    except ImportError as error:
        raise MissingExtraError("kornia", "train") from error
    return module


class RandomCrop:
    """A window of the image's own size, after `padding` zeros on each side; each image its own."""

    def __init__(self, *, padding: int) -> None:
        if padding < 1:
            raise UsageError(f"padding is {padding}; accepted: 1 or more")
        self.padding = padding

    per_image = True

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Shift (N, C, H, W)."""
        count, channels, height, width = image.shape
        padded = F.pad(image, [self.padding] * 4)
        tops, lefts = ((draws.uniform(k) * (2 * self.padding + 1)).long().to(image.device) for k in range(2))
        rows = tops.view(-1, 1) + torch.arange(height, device=image.device)
        columns = lefts.view(-1, 1) + torch.arange(width, device=image.device)
        number = torch.arange(count, device=image.device).view(-1, 1, 1, 1)
        channel = torch.arange(channels, device=image.device).view(1, -1, 1, 1)
        return padded[number, channel, rows.view(count, 1, -1, 1), columns.view(count, 1, 1, -1)]


class Flip:
    """Left and right exchanged in half of the images."""

    def __init__(self, *, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise UsageError(f"p is {p}; accepted: 0 to 1")
        self.p = p

    per_image = True

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Flip (N, C, H, W)."""
        flipped = (draws.uniform(0) < self.p).to(image.device).view(-1, 1, 1, 1)
        return torch.where(flipped, image.flip(3), image)


class Kornia:
    """Any augmentation of `kornia.augmentation` by name, with its own arguments."""

    def __init__(self, *, name: str, **arguments: Any) -> None:
        module = _kornia()
        if not hasattr(module, name):
            near = nearest(name, [key for key in dir(module) if key[:1].isupper()])
            raise UsageError(f"kornia.augmentation has no {name}{f'; did you mean {near}?' if near else ''}")
        try:
            self.transform = getattr(module, name)(**arguments)
        except (TypeError, ValueError, AssertionError) as error:
            raise UsageError(f"kornia's {name} does not take that: {error}") from error

    def __call__(self, image: Tensor) -> Tensor:
        """Transform (N, C, H, W)."""
        out: Tensor = self.transform(image)
        return out


class RandomErasing:
    """A rectangle of zeros in each image with chance p; `scale` is its share of the area, `ratio` its aspect.

    Source: Zhong et al., Random Erasing Data Augmentation (2020). kornia's RandomErasing.
    """

    def __init__(
        self, *, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33), ratio: Sequence[float] = (0.3, 3.3)
    ) -> None:
        self.transform = Kornia(name="RandomErasing", p=p, scale=tuple(scale), ratio=tuple(ratio))

    def __call__(self, image: Tensor) -> Tensor:
        """Erase in (N, C, H, W)."""
        return self.transform(image)


class _Policy:
    """A kornia policy, which draws its operations once a call: the batch is dealt out into `groups`, each with its own."""

    def __init__(self, policy: Any, *, groups: int) -> None:
        if groups < 1:
            raise UsageError(f"groups is {groups}; accepted: 1 or more")
        self.policy, self.groups = policy, groups

    def __call__(self, image: Tensor) -> Tensor:
        """Transform (N, 3, H, W)."""
        if image.shape[1] != 3:
            raise UsageError(f"{type(self).__name__} is for images of 3 channels, these have {image.shape[1]}")
        order = torch.randperm(len(image)).to(image.device)
        out = torch.empty_like(image)
        for part in order.chunk(min(self.groups, len(image))):
            out[part] = self.policy(image[part]).to(image.dtype).clamp(0, 1)
        return out


class RandAugment(_Policy):
    """`n` operations of magnitude `m` (1 to 29 of 30). Source: Cubuk et al., RandAugment (2020). kornia's."""

    def __init__(self, *, n: int = 2, m: int = 9, groups: int = 8) -> None:
        module = _kornia().auto
        try:
            policy = module.RandAugment(n=n, m=m)
        except ValueError as error:
            raise UsageError(f"RandAugment: {error}") from error
        super().__init__(policy, groups=groups)


class AutoAugment(_Policy):
    """A learned policy: cifar10, imagenet or svhn. Source: Cubuk et al., AutoAugment (2019). kornia's."""

    POLICIES = ("cifar10", "imagenet", "svhn")

    def __init__(self, *, policy: str = "imagenet", groups: int = 8) -> None:
        if policy not in self.POLICIES:
            raise UsageError(f"there is no AutoAugment policy {policy}; accepted: {', '.join(self.POLICIES)}")
        super().__init__(_kornia().auto.AutoAugment(policy), groups=groups)


class Lighting:
    """AlexNet's noise along the principal colours of ImageNet: each image moves by sum_k a_k l_k v_k, a ~ N(0, std).

    Source: Krizhevsky et al. (2012), section 4.1. Eigenvalues and eigenvectors are the usual ones of ImageNet's RGB values.
    """

    VALUES = (0.2175, 0.0188, 0.0045)
    VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))

    def __init__(self, *, std: float = 0.1) -> None:
        self.std = std

    per_image = True

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Shift the colours of (N, 3, H, W)."""
        amounts = torch.stack([draws.normal(k) for k in range(3)], dim=1).float() * self.std * torch.tensor(self.VALUES)
        shift = (amounts @ torch.tensor(self.VECTORS).T).to(image)
        return image + shift.view(-1, 3, 1, 1)
