"""Augmentations of batches (N, C, H, W) in 0..1.

`RandomCrop`, `Flip`, `RandomErasing`, `Lighting` and `AutoAugment` (in `auto_augment`) draw from each image's own seed, so
that an image comes out the same in any batch. `RandAugment` and `Kornia` are kornia's and draw from torch's global
generator, which the trainer seeds for each batch of each process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.draws import Draws
from plainnet.engine.data.source import Batch
from plainnet.engine.data.targets import UNKNOWN, flipped, sanitized, shifted, warped_boxes
from plainnet.errors import MissingExtraError, UsageError, nearest

__all__ = ["Flip", "Kornia", "Lighting", "RandAugment", "RandomCrop", "RandomErasing"]


REPEATING = ("border", "reflection", "reflect", "replicate", "circular")
"""Kornia's and torch's names of what brings the image in again from outside."""
FILLED = {"fill": 0, "fill_value": None, "pad_value": 0}
"""Kornia's names of the value that comes in from outside -> the one that masks are given, 0 however it is called."""


def _kornia() -> Any:
    try:
        import kornia.augmentation as module
    except ImportError as error:
        raise MissingExtraError("kornia", "train") from error
    return module


def _kornia_constants() -> Any:
    import kornia.constants as module

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
        return self._window(image, *self._corner(image, draws))

    def move(self, batch: Batch, draws: Draws) -> Batch:
        """Shift a batch with its targets."""
        top, left = self._corner(batch["image"], draws)
        return shifted(batch, self._window(batch["image"], top, left), self.padding - top, self.padding - left)

    def _corner(self, image: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        side = max(image.shape[-2:])
        if self.padding > side:  # a window of nothing but zeros, and memory that goes with the square of it
            raise UsageError(f"data.augment: RandomCrop's padding is {self.padding}; accepted: up to the side, {side}")
        top, left = ((draws.uniform(k) * (2 * self.padding + 1)).long().to(image.device) for k in range(2))
        return top, left

    def _window(self, image: Tensor, tops: Tensor, lefts: Tensor) -> Tensor:
        count, channels, height, width = image.shape
        padded = F.pad(image, [self.padding] * 4)
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
        return cast(Tensor, self.move({"image": image}, draws)["image"])

    def move(self, batch: Batch, draws: Draws) -> Batch:
        """Flip a batch with its targets."""
        return flipped(batch, (draws.uniform(0) < self.p).to(batch["image"].device))


class Kornia:
    """Any augmentation of `kornia.augmentation` by name, with its own arguments.

    What resizes does so with `align_corners: false` unless it is said: pixels are areas, as for masks and boxes. With true,
    kornia takes images from corner to corner and masks not, up to half a pixel apart, which is refused where there are masks.
    """

    def __init__(self, *, name: str, **arguments: Any) -> None:
        module = _kornia()
        if not hasattr(module, name):
            near = nearest(name, [key for key in dir(module) if key[:1].isupper()])
            raise UsageError(f"kornia.augmentation has no {name}{f'; did you mean {near}?' if near else ''}")
        kind = getattr(module, name)
        self.resizes = isinstance(kind, type) and issubclass(kind, (module.Resize, module.RandomResizedCrop))
        if self.resizes:
            arguments = {"align_corners": False, **arguments}
        try:
            self.transform = kind(**arguments)
        except (TypeError, ValueError, AssertionError) as error:
            raise UsageError(f"kornia's {name} does not take that: {error}") from error

    def __call__(self, image: Tensor) -> Tensor:
        """Transform (N, C, H, W)."""
        out: Tensor = self.transform(image)
        return out

    def move(self, batch: Batch, _draws: Draws | None) -> Batch:
        """Transform a batch with its targets; their places move as the image's do."""
        module = _kornia()
        if isinstance(self.transform, module.IntensityAugmentationBase2D):
            return {**batch, "image": self(batch["image"])}
        if not isinstance(self.transform, module.GeometricAugmentationBase2D):
            raise UsageError(
                f"kornia's {type(self.transform).__name__} does not say where masks and boxes are moved to"
            )
        self._check(batch)
        image = self(batch["image"])
        moved: Batch = {"image": image}
        if "mask" in batch:
            moved["mask"] = self._moved(batch["mask"], image.dtype)
        if "boxes" in batch:
            size = image.shape[-2], image.shape[-1]
            boxes = warped_boxes(batch["boxes"], self.transform.transform_matrix, size)
            moved |= sanitized(boxes, batch["classes"], size)
        return {**batch, **moved}

    def _check(self, batch: Batch) -> None:
        """`UsageError` for options with which the targets of a batch would lie beside what they mean."""
        name, flags = type(self.transform).__name__, self.transform.flags
        if "mask" in batch and self.resizes and flags["align_corners"]:
            raise UsageError(
                f"kornia's {name} with align_corners: true moves masks otherwise than images; accepted: false"
            )
        for key in ("padding_mode", "pad_mode"):
            mode = str(getattr(flags.get(key), "name", flags.get(key))).lower()
            if "boxes" in batch and mode in REPEATING:
                raise UsageError(
                    f"kornia's {name} with {key}: {mode} shows objects once more, without boxes; accepted: zeros, constant"
                )

    def _moved(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Masks (N, H, W) after the transform that an image of `dtype` has just seen."""
        numbers = mask.unsqueeze(1).to(dtype) + 1  # so that what comes from outside is told by its 0
        outside = {name: value for name, value in FILLED.items() if name in self.transform.flags}
        how = {**self.transform.flags, **outside, "resample": _kornia_constants().Resample.NEAREST}
        again = self.transform.transform_masks(numbers, self.transform._params, how, self.transform.transform_matrix)
        found = again.round().long().squeeze(1) - 1
        return torch.where(found < 0, UNKNOWN, found)


class RandomErasing:
    """A rectangle of `value` in each image with chance p.

    Its share of the area is uniform in `scale`, its height over its width uniform in `ratio`; one that is not smaller than
    the image on both sides is drawn again, up to ten times, and then nothing is erased.
    Source: Zhong et al., Random Erasing Data Augmentation (2020), algorithm 1.
    """

    per_image = True
    keeps_places = True
    ATTEMPTS = 10

    def __init__(
        self,
        *,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float = 0.0,
    ) -> None:
        if not 0 <= p <= 1:
            raise UsageError(f"p is {p}; accepted: 0 to 1")
        self.scale = _interval("scale", scale, above=0, up_to=1)
        self.ratio = _interval("ratio", ratio, above=0, up_to=math.inf)
        self.p, self.value = p, value

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Erase in (N, C, H, W)."""
        height, width = image.shape[-2:]
        tall, wide = self._sides(draws, height, width)
        top = (draws.uniform(1) * (height - tall + 1)).floor()
        left = (draws.uniform(2) * (width - wide + 1)).floor()
        rows, columns = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
        top, left, bottom, right = (side.view(-1, 1, 1) for side in (top, left, top + tall, left + wide))
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        return image.masked_fill(inside.unsqueeze(1).to(image.device), self.value)

    def _sides(self, draws: Draws, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Height and width of each image's rectangle; 0 where there is none."""
        tall, wide = torch.zeros(2, len(draws.seeds), dtype=torch.float64)
        waiting = draws.uniform(0) < self.p
        for attempt in range(self.ATTEMPTS):
            area, aspect = (
                low + (high - low) * draws.uniform(3 + 2 * attempt + which)
                for which, (low, high) in enumerate((self.scale, self.ratio))
            )
            drawn = (area * height * width * aspect).sqrt().round(), (area * height * width / aspect).sqrt().round()
            fits = waiting & (drawn[0] < height) & (drawn[1] < width)
            tall, wide = torch.where(fits, drawn[0], tall), torch.where(fits, drawn[1], wide)
            waiting &= ~fits
        return tall, wide


def _interval(name: str, given: Sequence[float], *, above: float, up_to: float) -> tuple[float, float]:
    numbers = tuple(given)
    if len(numbers) != 2 or not above < numbers[0] <= numbers[1] <= up_to:
        limit = f" to {up_to:g}" if up_to < math.inf else ""
        raise UsageError(
            f"{name} is {list(numbers)}; accepted: two numbers above {above:g}{limit}, the smaller one first"
        )
    return numbers[0], numbers[1]


class RandAugment:
    """`n` operations of magnitude `m` (1 to 29 of 30), drawn anew for each of `groups` parts of a batch.

    Source: Cubuk et al., RandAugment (2020). kornia's, which draws its operations once a call.
    """

    def __init__(self, *, n: int = 2, m: int = 9, groups: int = 8) -> None:
        if groups < 1:
            raise UsageError(f"groups is {groups}; accepted: 1 or more")
        module = _kornia().auto
        try:
            self.policy = module.RandAugment(n=n, m=m)
        except ValueError as error:
            raise UsageError(f"RandAugment: {error}") from error
        self.groups = groups

    def __call__(self, image: Tensor) -> Tensor:
        """Transform (N, 3, H, W)."""
        if image.shape[1] != 3:
            raise UsageError(f"RandAugment is for images of 3 channels, these have {image.shape[1]}")
        order = torch.randperm(len(image)).to(image.device)
        out = torch.empty_like(image)
        for part in order.chunk(min(self.groups, len(image))):
            out[part] = self.policy(image[part]).to(image.dtype).clamp(0, 1)
        return out


class Lighting:
    """AlexNet's noise along the principal colours of ImageNet: each image moves by sum_k a_k l_k v_k, a ~ N(0, std).

    Source: Krizhevsky et al. (2012), section 4.1. Eigenvalues and eigenvectors are the usual ones of ImageNet's RGB values.
    """

    VALUES = (0.2175, 0.0188, 0.0045)
    VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))

    def __init__(self, *, std: float = 0.1) -> None:
        self.std = std

    per_image = True
    keeps_places = True

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Shift the colours of (N, 3, H, W)."""
        amounts = torch.stack([draws.normal(k) for k in range(3)], dim=1).float() * self.std * torch.tensor(self.VALUES)
        shift = (amounts @ torch.tensor(self.VECTORS).T).to(image)
        return image + shift.view(-1, 3, 1, 1)
