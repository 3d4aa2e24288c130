"""Random numbers that belong to an image, not to a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Draws", "is_per_image"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Draws:
    """Numbers drawn from each image's seed: number `k` of transform `stream` is the same wherever the image is.

    A counter-based generator: splitmix64 (Steele, Lea, Flood 2014) of seed + counter.
    """

    def __init__(self, seeds: Tensor, stream: int) -> None:
        self.seeds = seeds.cpu().numpy().astype(np.uint64)
        self.stream = stream

    def uniform(self, k: int) -> Tensor:
        """Number `k` of each image, uniform in [0, 1), float64, on the CPU."""
        with np.errstate(over="ignore"):
            z = self.seeds + np.uint64(self.stream * 1024 + k + 1) * GOLDEN
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        return torch.from_numpy((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    def normal(self, k: int) -> Tensor:
        """Number `k` of each image, normal with mean 0 and deviation 1 (Box and Muller)."""
        radius = torch.sqrt(-2 * torch.log1p(-self.uniform(2 * k + 512)))
        return radius * torch.cos(2 * math.pi * self.uniform(2 * k + 513))


def is_per_image(transform: Any) -> bool:
    """Whether a transform takes `Draws` beside the images."""
    return bool(getattr(transform, "per_image", False))
