"""What layers say of arguments and inputs that they cannot take, and how a window lies on a map."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import PlainnetError, nearest

__all__ = ["Axis", "LayerError", "need_map", "need_one_of", "need_positive", "need_whole", "square", "window"]


class LayerError(PlainnetError, ValueError):
    """What a layer says of arguments or of an input that it cannot take; the walk adds the place."""

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message, self.hints = message, hints


def need_positive(layer: object, *names: str) -> None:
    """`LayerError` for arguments that are no positive integers."""
    for name in names:
        value = getattr(layer, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise LayerError(f"{type(layer).__name__}: {name} is {value!r}", "accepted: a positive integer")


def need_whole(layer: object, name: str) -> None:
    """`LayerError` for an argument that is no number from 0 on."""
    value = getattr(layer, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise LayerError(f"{type(layer).__name__}: {name} is {value!r}", "accepted: a number from 0")


def need_one_of(layer: object, name: str, accepted: tuple[str, ...]) -> None:
    """`LayerError` for an argument that is none of the accepted words."""
    value = getattr(layer, name)
    if value not in accepted:
        near = nearest(str(value), accepted)
        hints = [f"accepted: {', '.join(accepted)}"] + ([f"did you mean {near}?"] if near else [])
        raise LayerError(f"{type(layer).__name__}: {name} is {value!r}", *hints)


class Axis(NamedTuple):
    """How a window lies along one axis: `kernel_size` taps, `dilation` apart, from `padding` before the first place."""

    kernel_size: int
    stride: int
    padding: int
    dilation: int = 1

    @property
    def reach(self) -> int:
        """From the first tap to the last one, in places."""
        return self.dilation * (self.kernel_size - 1)


@lru_cache(maxsize=1024)
def square(kernel_size: int, stride: int, padding: int) -> tuple[Axis, Axis]:
    """A window that lies along both axes alike; searches ask for few of them hundreds of thousands of times."""
    axis = Axis(kernel_size, stride, padding)
    return axis, axis


def window(size: int, kernel_size: int, stride: int, padding: int) -> int:
    """How often a window fits along an axis; below 1 where it does not."""
    return (size + 2 * padding - kernel_size) // stride + 1


def need_map(shape: Shape, what: str) -> None:
    """`LayerError` for a vector."""
    if shape.is_vector:
        raise LayerError(f"{what} needs a feature map and gets a vector of {shape.channels} features")
