"""What a platform makes of images, compared with what the network makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from plainnet.platforms.platform import Runner

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Measured", "Section", "at", "compare", "first_line", "passes"]


class Section(BaseModel):
    """A part of `conversion.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Measured(Section):
    """What a platform made of one sample: its largest error in parts of the largest output, None where it did not run."""

    shape: list[int]
    error: float | None
    ms: float | None = Field(description="Of the second run; a hint, not a measurement.")
    reason: str | None = None


def compare(run: Runner, samples: dict[str, tuple[Any, Any]]) -> list[Measured]:
    """The results of samples, images and what the network puts out for them."""
    return [_measured(run, images, outputs) for images, outputs in samples.values()]


def _measured(run: Runner, images: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> Measured:
    import numpy as np

    shape = [int(side) for side in images.shape]
    try:
        run(images)
        start = perf_counter()
        found = np.asarray(run(images))
        ms = round(1000 * (perf_counter() - start), 3)
    except Exception as error:  # runtimes raise anything
        return Measured(shape=shape, error=None, ms=None, reason=f"it fails at {at(shape)}: {first_line(error)}")
    if found.shape != expected.shape:
        reason = f"it puts out {list(found.shape)} at {at(shape)}, the network {list(expected.shape)}"
        return Measured(shape=shape, error=None, ms=ms, reason=reason)
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return Measured(shape=shape, error=None, ms=ms, reason=f"other outputs are finite at {at(shape)}")
    largest = float(np.abs(expected[finite]).max(initial=0.0)) or 1.0
    difference = np.abs(found[finite].astype(np.float64) - expected[finite].astype(np.float64))
    return Measured(shape=shape, error=float(difference.max(initial=0.0)) / largest, ms=ms)


def passes(measured: Sequence[Measured], tolerance: float) -> bool:
    """Whether every sample is the network's, to the tolerance."""
    return bool(measured) and all(one.error is not None and one.error <= tolerance for one in measured)


def at(shape: Sequence[int]) -> str:
    """A shape as it is said."""
    return "x".join(map(str, shape))


def first_line(error: Exception) -> str:
    """What an exception of a library's says, in short."""
    first = next(iter(str(error).strip().splitlines()), "")
    text = f"{type(error).__name__}: {first}".removesuffix(": ")
    return text if len(text) <= 160 else f"{text[:159]}…"
