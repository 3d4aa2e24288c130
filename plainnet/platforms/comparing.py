"""What a platform makes of images, compared with what the network makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from plainnet.platforms.platform import Runner

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["ONLY", "Measured", "Section", "at", "compare", "first_line", "not_compared", "outputs_of", "passes"]

ONLY = ""
"""The name of what a network puts out where that is one tensor."""


class Section(BaseModel):
    """A part of `conversion.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Measured(Section):
    """What a platform made of one sample: its largest error in parts of the largest value of that output, None where it did not
    run.
    """

    shape: list[int]
    error: float | None
    ms: float | None = Field(description="Of the second run; a hint, not a measurement.")
    reason: str | None = None


def outputs_of(found: Any, names: Sequence[str]) -> dict[str, Array]:
    """What a runner gave, by the names of the network's outputs; `ValueError` where it gave another number of them."""
    import numpy as np

    several = isinstance(found, list | tuple)
    arrays = [np.asarray(each) for each in (found if several else [found])]
    if len(arrays) != len(names):
        raise ValueError(f"it puts out {len(arrays)} tensors, the network {len(names)}")
    return dict(zip(names, arrays, strict=True))


def compare(run: Runner, samples: Mapping[str, tuple[Array, Mapping[str, Array]]]) -> list[Measured]:
    """The results of samples: images, and what the network puts out for them, by name."""
    return [_measured(run, images, outputs) for images, outputs in samples.values()]


def not_compared(samples: Mapping[str, tuple[Array, Mapping[str, Array]]], why: str) -> list[Measured]:
    """Samples that nothing was run on."""
    return [
        Measured(shape=[int(side) for side in images.shape], error=None, ms=None, reason=f"not compared: {why}")
        for images, _ in samples.values()
    ]


def _measured(run: Runner, images: Array, expected: Mapping[str, Array]) -> Measured:
    shape = [int(side) for side in images.shape]
    try:
        run(images)
        start = perf_counter()
        given = run(images)
        ms = round(1000 * (perf_counter() - start), 3)
        found = outputs_of(given, list(expected))
    except Exception as error:  # runtimes raise anything
        return Measured(shape=shape, error=None, ms=None, reason=f"it fails at {at(shape)}: {first_line(error)}")
    errors = [0.0]
    for name, output in expected.items():
        difference = _difference(found[name], output)
        if isinstance(difference, str):
            of = f" for {name}" if name else ""
            return Measured(shape=shape, error=None, ms=ms, reason=f"{difference.format(at=at(shape))}{of}")
        errors.append(difference)
    return Measured(shape=shape, error=max(errors), ms=ms)


def _difference(found: Array, expected: Array) -> float | str:
    """The largest, in parts of the largest expected value; or why the two cannot be compared."""
    import numpy as np

    if found.shape != expected.shape:
        return f"it puts out {list(found.shape)} at {{at}}, the network {list(expected.shape)}"
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return "other outputs are finite at {at}"
    largest = float(np.abs(expected[finite]).max(initial=0.0)) or 1.0
    difference = np.abs(found[finite].astype(np.float64) - expected[finite].astype(np.float64))
    return float(difference.max(initial=0.0)) / largest


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
