"""Networks as graphs whose batch and size are free."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from plainnet.errors import PlainnetError, UsageError
from plainnet.export.network import Network

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["explained", "free_axes", "quiet", "sample_images"]

_SPARE = 3
"""How many pixels the last map of the sample has on a side at least: sides of 1 pixel are taken for fixed."""


def sample_images(network: Network) -> Tensor:
    """Two images to follow the network with, of a size that no axis of any map is taken for fixed at."""
    import torch

    channels, height, width = network.shape
    if network.takes_any_size:
        reduction = max((level.reduction for level in network.levels), default=1)
        height, width = max(height, _SPARE * reduction), max(width, _SPARE * reduction) + 4 * reduction
    return torch.zeros(2, channels, height, width)


def free_axes(network: Network) -> dict[int, str]:
    """The axes that may have any size, by name; where features depend on the map's size, only the batch."""
    return {0: "batch", 2: "height", 3: "width"} if network.takes_any_size else {0: "batch"}


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch tells of its own parts: packages that are not installed, functions that it will replace."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def explained(network: Network, form: Any) -> Iterator[None]:
    """Torch's reasons for not exporting, as one error of ours."""
    try:
        yield
    except (PlainnetError, OSError):
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise UsageError(f"{network.title} cannot be exported to {form}: {type(error).__name__}: {reason}") from error
