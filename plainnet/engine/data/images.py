"""Decoded images cropped and resized to what a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainnet.engine.data.decoding import open_image, pillow
from plainnet.errors import UsageError

__all__ = ["Window", "center_crop", "cropped", "random_resized_crop", "read_image", "to_tensor", "uncropped"]


@dataclass(frozen=True)
class Window:
    """How images are cut: `size` (H, W) of the result, `crop` the share that validation sees, `scale` the shares of the
    area of a random training crop (none: the middle as in validation).
    """

    size: tuple[int, int]
    crop: float
    scale: tuple[float, float] | None

    @staticmethod
    def of(size: int | Sequence[int], crop: float, scale: Sequence[float] | None) -> Window:
        """The window of a configuration's values; `UsageError` for what makes none."""
        sides = (size, size) if isinstance(size, int) else tuple(size)
        if len(sides) != 2 or not all(1 <= side <= 65_536 for side in sides):
            raise UsageError(f"size is {size}; accepted: one side or [height, width], 1 to 65536")
        if not 0 < crop <= 1:
            raise UsageError(f"crop is {crop}; accepted: a share above 0, up to 1")
        if scale is not None and (len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1):
            raise UsageError(f"scale is {list(scale)}; accepted: two shares of the area, as in [0.08, 1]")
        return Window((sides[0], sides[1]), crop, None if scale is None else (scale[0], scale[1]))


def to_tensor(image: Any) -> Tensor:
    """A Pillow image as uint8 (C, H, W)."""
    pixels = np.array(image, dtype=np.uint8)
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())


def center_crop(image: Any, *, size: tuple[int, int], share: float, nearest: bool = False) -> Any:
    """The middle of the image: its shorter side covers `size` (H, W) / `share`, bicubic (or the nearest pixel, for numbers that
    mean classes), then the crop.
    """
    module = pillow()
    height, width = size
    tall, wide, top, left = _placed((image.height, image.width), size, share)
    resized = image.resize((wide, tall), module.NEAREST if nearest else module.BICUBIC)
    return resized.crop((left, top, left + width, top + height))


def _placed(image: tuple[int, int], size: tuple[int, int], share: float) -> tuple[int, int, int, int]:
    """Height and width that `center_crop` resizes an image (H, W) to, and where its window begins: top and left."""
    scale = max(size[0] / image[0], size[1] / image[1]) / share
    tall, wide = max(size[0], round(image[0] * scale)), max(size[1], round(image[1] * scale))
    return tall, wide, (tall - size[0]) // 2, (wide - size[1]) // 2


def cropped(boxes: Tensor, image: tuple[int, int], *, size: tuple[int, int], share: float) -> Tensor:
    """Boxes (N, 4) of an image (H, W) in what `center_crop` makes of it; they may reach out of it."""
    tall, wide, top, left = _placed(image, size, share)
    down, right = tall / image[0], wide / image[1]
    return boxes * torch.tensor([right, down, right, down]) - torch.tensor([left, top, left, top])


def uncropped(boxes: Tensor, image: tuple[int, int], *, size: tuple[int, int], share: float) -> Tensor:
    """Boxes (N, 4) in what `center_crop` made of an image (H, W), in pixels of that image, and inside of it."""
    tall, wide, top, left = _placed(image, size, share)
    moved = boxes + torch.tensor([left, top, left, top])
    down, right = image[0] / tall, image[1] / wide
    limits = torch.tensor([image[1], image[0], image[1], image[0]], dtype=boxes.dtype)
    return (moved * torch.tensor([right, down, right, down])).clamp(min=torch.zeros(4)).minimum(limits)


def random_resized_crop(
    image: Any, generator: np.random.Generator, *, size: tuple[int, int], scale: tuple[float, float]
) -> Any:
    """A window of `scale` of the area and aspect 3/4 to 4/3, resized to `size` (H, W), bicubic.

    Source: Szegedy et al., Going Deeper with Convolutions (2015), section 6. After ten misses, the largest window of such an
    aspect, from the middle.
    """
    module = pillow()
    whole_width, whole_height = image.width, image.height
    for _ in range(10):
        target = whole_width * whole_height * generator.uniform(*scale)
        aspect = float(np.exp(generator.uniform(np.log(3 / 4), np.log(4 / 3))))
        width, height = round((target * aspect) ** 0.5), round((target / aspect) ** 0.5)
        if 0 < width <= whole_width and 0 < height <= whole_height:
            left = int(generator.integers(0, whole_width - width + 1))
            top = int(generator.integers(0, whole_height - height + 1))
            break
    else:
        width = min(whole_width, round(whole_height * 4 / 3))
        height = min(whole_height, round(whole_width * 4 / 3))
        left, top = (whole_width - width) // 2, (whole_height - height) // 2
    window = image.crop((left, top, left + width, top + height))  # cut first: a resize of a box looks beyond it
    return window.resize((size[1], size[0]), module.BICUBIC)


def read_image(
    source: str | Path | Any, *, shape: tuple[int, int, int], crop: float = 1.0, invert: str | bool = False
) -> Tensor:
    """The image (a file, or a Pillow image) as a network of input `shape` (C, H, W) takes it: resized, cropped, float32 in 0..1.

    invert: exchange light and dark; "auto" does it where the border is light (ink on paper, for the digits).
    """
    channels, height, width = shape
    image = center_crop(open_image(source, channels=channels), size=(height, width), share=crop)
    pixels = to_tensor(image).float() / 255
    border = torch.cat(
        [pixels[:, 0].flatten(), pixels[:, -1].flatten(), pixels[..., 0].flatten(), pixels[..., -1].flatten()]
    )
    light = float(border.mean()) > 0.5
    return 1 - pixels if invert is True or (invert == "auto" and light) else pixels
