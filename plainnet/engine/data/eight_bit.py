"""What Pillow does to 8-bit images, for batches of uint8 (N, 3, H, W) on any device, bit for bit.

Each function takes an amount for each image (float64, on the CPU) where there is one to take. The published AutoAugment is
defined by Pillow's operations; kornia's of the same names work on real numbers, with other borders and other roundings.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = [
    "GREY",
    "autocontrast",
    "brightness",
    "color",
    "contrast",
    "equalize",
    "invert",
    "posterize",
    "rotate",
    "sharpness",
    "shear_x",
    "shear_y",
    "solarize",
    "translate_x",
    "translate_y",
]

GREY = 128
"""What fills the places that come from outside of the image."""


def invert(image: Tensor, _amount: Tensor) -> Tensor:
    """255 - x."""
    return 255 - image


def posterize(image: Tensor, bits: Tensor) -> Tensor:
    """The `bits` highest bits."""
    kept = 256 - 2 ** (8 - bits.long())
    return image & _each(kept, image).to(torch.uint8)


def solarize(image: Tensor, threshold: Tensor) -> Tensor:
    """255 - x from the threshold on."""
    bound = threshold.ceil().long()  # an integer is below a number exactly if it is below the next integer
    return torch.where(image.short() < _each(bound, image), image, 255 - image)


def brightness(image: Tensor, factor: Tensor) -> Tensor:
    """From black (factor 0) over the image (1) to beyond it."""
    return _blend(torch.zeros_like(image), image, factor)


def color(image: Tensor, factor: Tensor) -> Tensor:
    """From the grey image (factor 0) over the image (1) to beyond it."""
    return _blend(_luminance(image).expand_as(image), image, factor)


def contrast(image: Tensor, factor: Tensor) -> Tensor:
    """From the image's mean grey (factor 0) over the image (1) to beyond it."""
    grey = _luminance(image).flatten(1).long()
    mean = (2 * grey.sum(dim=1) + grey.shape[1]) // (2 * grey.shape[1])
    return _blend(mean.view(-1, 1, 1, 1).expand_as(image), image, factor)


def sharpness(image: Tensor, factor: Tensor) -> Tensor:
    """From the smoothed image (factor 0) over the image (1) to beyond it; the outermost pixels stay as they are."""
    if min(image.shape[-2:]) < 3:
        return image.clone()
    kernel = torch.ones(3, 1, 3, 3, device=image.device)
    kernel[:, :, 1, 1] = 5
    sums = F.conv2d(image.float(), kernel, groups=3).int()  # whole numbers up to 13 * 255: exact
    smooth = image.clone()
    smooth[:, :, 1:-1, 1:-1] = ((2 * sums + 13) // 26).to(torch.uint8)
    return _blend(smooth, image, factor)


def autocontrast(image: Tensor, _amount: Tensor) -> Tensor:
    """Each channel stretched to 0..255."""
    values = torch.arange(256, dtype=torch.float64)
    flat = image.flatten(2)
    low, high = (bound.cpu().double().unsqueeze(-1) for bound in (flat.amin(dim=2), flat.amax(dim=2)))
    scale = torch.full_like(high, 255) / (high - low).clamp(min=1)  # 255 / tensor is 255 times the rounded inverse
    stretched = (values * scale + -low * scale).trunc().clamp(0, 255)
    return _mapped(image, torch.where(high > low, stretched, values))


def equalize(image: Tensor, _amount: Tensor) -> Tensor:
    """Each channel with its values spread evenly."""
    count, channels, height, width = image.shape
    rows = torch.arange(count * channels, device=image.device).view(count, channels, 1, 1)
    histogram = torch.bincount((rows * 256 + image).flatten(), minlength=count * channels * 256).cpu()
    histogram = histogram.view(count, channels, 256)
    values = torch.arange(256)
    last = torch.where(histogram > 0, values, -1).amax(dim=2, keepdim=True)
    step = (height * width - histogram.gather(2, last)) // 255
    before = histogram.cumsum(dim=2) - histogram
    spread = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255)
    return _mapped(image, torch.where(step > 0, spread, values))


def shear_x(image: Tensor, amount: Tensor) -> Tensor:
    """Row y moved by `amount` * (y + 1/2), bicubic; grey comes in."""
    precise = torch.float32 if image.device.type == "mps" else torch.float64
    height, width = image.shape[-2:]
    middle = (torch.arange(size, dtype=torch.float64) + 0.5 for size in (width, height))
    x, y = next(middle), next(middle)
    place = x + amount.view(-1, 1, 1) * y.view(1, -1, 1)
    outside = (place < 0) | (place >= width)
    first = (place - 0.5).floor()
    share = (place - 0.5 - first).to(image.device, precise).unsqueeze(1)
    a, b, c, d = (_along_rows(image, first.long() + shift).to(precise) for shift in (-1, 0, 1, 2))
    cubic = b + share * (c - a + share * (2 * (a - b) + c - d + share * (b - a - c + d)))
    return cubic.clamp(0, 255).to(torch.uint8).masked_fill(outside.to(image.device).unsqueeze(1), GREY)


def shear_y(image: Tensor, amount: Tensor) -> Tensor:
    """Column x moved by `amount` * (x + 1/2), bicubic; grey comes in."""
    return shear_x(image.mT, amount).mT


def translate_x(image: Tensor, amount: Tensor) -> Tensor:
    """The image moved to the left by `amount` of its width, to whole pixels; grey comes in."""
    width = image.shape[-1]
    place = (torch.arange(width, dtype=torch.float64) + (amount * width + 0.5).view(-1, 1)).floor()
    outside = ((place < 0) | (place >= width)).to(image.device)
    places = place.long().unsqueeze(1).expand(-1, image.shape[-2], -1)
    return _along_rows(image, places).masked_fill(outside.view(len(image), 1, 1, width), GREY)


def translate_y(image: Tensor, amount: Tensor) -> Tensor:
    """The image moved up by `amount` of its height, to whole pixels; grey comes in."""
    return translate_x(image.mT, amount).mT


def rotate(image: Tensor, degrees: Tensor) -> Tensor:
    """The image turned to the left about its middle, each pixel the nearest one; grey comes in."""
    height, width = image.shape[-2:]
    numbers = torch.tensor([_turned(angle, width, height) for angle in degrees.tolist()])
    ax, bx, cx, ay, by, cy = numbers.to(image.device).view(-1, 6, 1, 1).unbind(dim=1)
    x = torch.arange(width, device=image.device)
    y = torch.arange(height, device=image.device).view(-1, 1)
    column, row = (cx + ax * x + bx * y) >> 16, (cy + ay * x + by * y) >> 16
    outside = (column < 0) | (column >= width) | (row < 0) | (row >= height)
    place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).flatten(1).unsqueeze(1)
    turned = image.flatten(2).gather(2, place.expand(-1, image.shape[1], -1)).view_as(image)
    return turned.masked_fill(outside.unsqueeze(1), GREY)


def _turned(degrees: float, width: int, height: int) -> list[int]:
    """The affine map from places of the turned image to places of the image, in 65536ths of a pixel."""
    angle = -math.radians(degrees % 360)
    cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
    right = width / 2 - cosine * (width / 2) - sine * (height / 2)
    down = height / 2 + sine * (width / 2) - cosine * (height / 2)
    numbers = (
        cosine, sine, right + cosine * 0.5 + sine * 0.5,
        -sine, cosine, down - sine * 0.5 + cosine * 0.5,
    )  # fmt: skip
    return [math.floor(number * 65536 + 0.5) for number in numbers]


def _each(numbers: Tensor, image: Tensor) -> Tensor:
    """One number for each image, as the images can be combined with."""
    return numbers.to(image.device).view(-1, 1, 1, 1)


def _luminance(image: Tensor) -> Tensor:
    """ITU-R 601-2 luma (N, 1, H, W) in 65536ths, rounded."""
    red, green, blue = image.int().unbind(dim=1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).unsqueeze(1)


def _blend(other: Tensor, image: Tensor, factor: Tensor) -> Tensor:
    """other + factor * (image - other) in single precision, cut off, not rounded."""
    base = other.float()
    return (base + _each(factor.float(), image) * (image.float() - base)).clamp(0, 255).to(torch.uint8)


def _mapped(image: Tensor, table: Tensor) -> Tensor:
    """Each value replaced by what its channel's table (N, C, 256) says."""
    found = table.to(torch.uint8).to(image.device).gather(2, image.flatten(2).long())
    return found.view_as(image)


def _along_rows(image: Tensor, places: Tensor) -> Tensor:
    """image[n, c, y, places[n, y, x]], places outside taken from the border."""
    inside = places.clamp(0, image.shape[-1] - 1).to(image.device).unsqueeze(1)
    return image.gather(3, inside.expand(-1, image.shape[1], -1, -1))
