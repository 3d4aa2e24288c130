"""AutoAugment: learned pairs of operations, one pair drawn for each image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from plainnet.engine.data import eight_bit
from plainnet.engine.data.draws import Draws
from plainnet.errors import UsageError, nearest

__all__ = ["LEVELS", "OPERATIONS", "POLICIES", "AutoAugment"]

OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "shearX": eight_bit.shear_x,
    "shearY": eight_bit.shear_y,
    "translateX": eight_bit.translate_x,
    "translateY": eight_bit.translate_y,
    "rotate": eight_bit.rotate,
    "color": eight_bit.color,
    "contrast": eight_bit.contrast,
    "brightness": eight_bit.brightness,
    "sharpness": eight_bit.sharpness,
    "posterize": eight_bit.posterize,
    "solarize": eight_bit.solarize,
    "autocontrast": eight_bit.autocontrast,
    "equalize": eight_bit.equalize,
    "invert": eight_bit.invert,
}
"""What a policy is made of."""

_NOTHING = (0.0,) * 10


def _evenly(first: float, last: float) -> tuple[float, ...]:
    return tuple(np.linspace(first, last, 10).tolist())


LEVELS: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("shearX", "shearY"), _evenly(0, 0.3)),
    **dict.fromkeys(("translateX", "translateY"), _evenly(0, 150 / 331)),
    "rotate": _evenly(0, 30),
    **dict.fromkeys(("color", "contrast", "brightness", "sharpness"), _evenly(0, 0.9)),
    "posterize": tuple(np.round(np.linspace(8, 4, 10)).tolist()),
    "solarize": _evenly(256, 0),
    **dict.fromkeys(("autocontrast", "equalize", "invert"), _NOTHING),
}
"""The amounts of levels 0 to 9: shares of a shear, of the width or height, degrees, distances of a factor from 1, bits,
the threshold."""

_SIGNED = {"shearX", "shearY", "translateX", "translateY", "rotate", "color", "contrast", "brightness", "sharpness"}
_FACTORS = {"color", "contrast", "brightness", "sharpness"}

_TABLES = {
    "cifar10": """
        .1 invert 7 .2 contrast 6       .7 rotate 2 .3 translateX 9       .8 sharpness 1 .9 sharpness 3
        .5 shearY 8 .7 translateY 9     .5 autocontrast 8 .9 equalize 2   .2 shearY 7 .3 posterize 7
        .4 color 3 .6 brightness 7      .3 sharpness 9 .7 brightness 9    .6 equalize 5 .5 equalize 1
        .6 contrast 7 .6 sharpness 5    .7 color 7 .5 translateX 8        .3 equalize 7 .4 autocontrast 8
        .4 translateY 3 .2 sharpness 6  .9 brightness 6 .2 color 8        .5 solarize 2 .0 invert 3
        .2 equalize 0 .6 autocontrast 0 .2 equalize 8 .8 equalize 4       .9 color 9 .6 equalize 6
        .8 autocontrast 4 .2 solarize 8 .1 brightness 3 .7 color 0        .4 solarize 5 .9 autocontrast 3
        .9 translateY 9 .7 translateY 9 .9 autocontrast 2 .8 solarize 3   .8 equalize 8 .1 invert 3
        .7 translateY 9 .9 autocontrast 1""",
    "imagenet": """
        .4 posterize 8 .6 rotate 9      .6 solarize 5 .6 autocontrast 5   .8 equalize 8 .6 equalize 3
        .6 posterize 7 .6 posterize 6   .4 equalize 7 .2 solarize 4       .4 equalize 4 .8 rotate 8
        .6 solarize 3 .6 equalize 7     .8 posterize 5 1. equalize 2      .2 rotate 3 .6 solarize 8
        .6 equalize 8 .4 posterize 6    .8 rotate 8 .4 color 0            .4 rotate 9 .6 equalize 2
        .0 equalize 7 .8 equalize 8     .6 invert 4 1. equalize 8         .6 color 4 1. contrast 8
        .8 rotate 8 1. color 2          .8 color 8 .8 solarize 7          .4 sharpness 7 .6 invert 8
        .6 shearX 5 1. equalize 9       .4 color 0 .6 equalize 3          .4 equalize 7 .2 solarize 4
        .6 solarize 5 .6 autocontrast 5 .6 invert 4 1. equalize 8         .6 color 4 1. contrast 8
        .8 equalize 8 .6 equalize 3""",
    "svhn": """
        .9 shearX 4 .2 invert 3         .9 shearY 8 .7 invert 5           .6 equalize 5 .6 solarize 6
        .9 invert 3 .6 equalize 3       .6 equalize 1 .9 rotate 3         .9 shearX 4 .8 autocontrast 3
        .9 shearY 8 .4 invert 5         .9 shearY 5 .2 solarize 6         .9 invert 6 .8 autocontrast 1
        .6 equalize 3 .9 rotate 3       .9 shearX 4 .3 solarize 3         .8 shearY 8 .7 invert 4
        .9 equalize 5 .6 translateY 6   .9 invert 4 .6 equalize 7         .3 contrast 3 .8 rotate 4
        .8 invert 5 .0 translateY 2     .7 shearY 6 .4 solarize 8         .6 invert 4 .8 rotate 4
        .3 shearY 7 .9 translateX 3     .1 shearX 6 .6 invert 5           .7 solarize 2 .6 translateY 7
        .8 shearY 4 .8 invert 8         .7 shearX 9 .8 translateY 3       .8 shearY 5 .7 autocontrast 3
        .7 shearX 2 .1 invert 5""",
}

Step = tuple[float, str, int]
"""With which probability, what, and at which level."""


def _read(table: str) -> tuple[tuple[Step, Step], ...]:
    words = table.split()
    steps = [(float(words[k]), words[k + 1], int(words[k + 2])) for k in range(0, len(words), 3)]
    return tuple(zip(steps[::2], steps[1::2], strict=True))


POLICIES = {name: _read(table) for name, table in _TABLES.items()}
"""The 25 pairs of each policy."""


class AutoAugment:
    """A learned policy: cifar10, imagenet or svhn. Each image draws one of 25 pairs of operations, whether each of the two
    takes place, and the sign of its amount.

    The operations are Pillow's on 8-bit images, to the bit (images are rounded to 255ths), and grey, 128, comes in from
    outside; an enhancement has the factor 1 + amount or 1 - amount. rotate: "both" draws the sign of a rotation as well;
    "left" turns every image to the left, as the Zen-NAS authors' code does.
    Source: Cubuk et al., AutoAugment (2019), with the amounts of the authors of Zen-NAS.
    """

    per_image = True

    def __init__(self, *, policy: str = "imagenet", rotate: str = "both") -> None:
        if policy not in POLICIES:
            near = nearest(policy, POLICIES)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"there is no AutoAugment policy {policy}; accepted: {', '.join(POLICIES)}{hint}")
        if rotate not in ("both", "left"):
            raise UsageError(f"rotate is {rotate!r}; accepted: both, left")
        self.steps = POLICIES[policy]
        self.signed = _SIGNED if rotate == "both" else _SIGNED - {"rotate"}

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Transform (N, 3, H, W)."""
        if image.shape[1] != 3:
            raise UsageError(f"AutoAugment is for images of 3 channels, these have {image.shape[1]}")
        pixels = (image.float() * 255).round().clamp(0, 255).to(torch.uint8)
        chosen = (draws.uniform(0) * len(self.steps)).long().tolist()
        for stage in range(2):
            drawn, signs = draws.uniform(1 + stage).tolist(), (draws.uniform(3 + stage) < 0.5).tolist()
            calls: dict[str, tuple[list[int], list[float]]] = {}
            for row, (pair, number, negative) in enumerate(zip(chosen, drawn, signs, strict=True)):
                probability, name, level = self.steps[pair][stage]
                if number < probability:
                    rows, amounts = calls.setdefault(name, ([], []))
                    rows.append(row)
                    amounts.append(self._amount(name, level, negative))
            for name, (rows, amounts) in calls.items():
                index = torch.tensor(rows, device=pixels.device)
                pixels[index] = OPERATIONS[name](pixels[index], torch.tensor(amounts, dtype=torch.float64))
        return pixels.to(image.dtype) / 255

    def _amount(self, name: str, level: int, negative: bool) -> float:
        amount = LEVELS[name][level] * (-1 if negative and name in self.signed else 1)
        return 1 + amount if name in _FACTORS else amount
