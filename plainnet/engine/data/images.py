"""Image files read with Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plainnet.errors import MissingExtraError, RunError

__all__ = ["BrokenImageError", "center_crop", "open_image", "random_resized_crop", "read_image", "to_tensor"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class BrokenImageError(RunError):
    """A file that is missing or no image; the message holds its path."""

    def __init__(self, what: str, why: str) -> None:
        self.what, self.why = what, why
        super().__init__(f"cannot read {what}: {why}")

    def __reduce__(self) -> tuple[object, ...]:
        return (BrokenImageError, (self.what, self.why))


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "train") from error
    return Image


def open_image(path: Path, *, channels: int = 3) -> Any:
    """The decoded Pillow image with that many channels. Raises `BrokenImageError` with the path."""
    module = _pillow()
    try:
        with module.open(path) as image:
            return image.convert(MODES[channels])
    except FileNotFoundError:
        raise BrokenImageError(str(path), "there is no such file") from None
    except IsADirectoryError:
        raise BrokenImageError(str(path), "it is a folder") from None
    except (OSError, ValueError, SyntaxError, module.DecompressionBombError) as error:
        why = "not an image that Pillow knows" if "cannot identify" in str(error) else str(error)
        raise BrokenImageError(str(path), why) from None


def to_tensor(image: Any) -> Tensor:
    """A Pillow image as uint8 (C, H, W)."""
    pixels = np.array(image, dtype=np.uint8)
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())


def center_crop(image: Any, *, size: tuple[int, int], share: float) -> Any:
    """The middle of the image: its shorter side covers `size` (H, W) / `share`, bicubic, then the crop."""
    module = _pillow()
    height, width = size
    scale = max(height / image.height, width / image.width) / share
    resized = image.resize(
        (max(width, round(image.width * scale)), max(height, round(image.height * scale))), module.BICUBIC
    )
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))


def random_resized_crop(
    image: Any, generator: np.random.Generator, *, size: tuple[int, int], scale: tuple[float, float]
) -> Any:
    """A window of `scale` of the area and aspect 3/4 to 4/3, resized to `size` (H, W), bicubic.

    Source: Szegedy et al., Going Deeper with Convolutions (2015), section 6. After ten misses, the largest window of such an
    aspect, from the middle.
    """
    module = _pillow()
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


def read_image(path: Path, *, shape: tuple[int, int, int], crop: float = 1.0, invert: str | bool = False) -> Tensor:
    """The image as a network of input `shape` (C, H, W) takes it: resized, cropped, float32 in 0..1.

    invert: exchange light and dark; "auto" does it where the border is light (ink on paper, for the digits).
    """
    channels, height, width = shape
    image = center_crop(open_image(path, channels=channels), size=(height, width), share=crop)
    pixels = to_tensor(image).float() / 255
    border = torch.cat(
        [pixels[:, 0].flatten(), pixels[:, -1].flatten(), pixels[..., 0].flatten(), pixels[..., -1].flatten()]
    )
    light = float(border.mean()) > 0.5
    return 1 - pixels if invert is True or (invert == "auto" and light) else pixels
