"""How many positions of a map are independent of each other.

Pooling over windows that overlap makes neighbours alike. A map is followed as the autocorrelation of its positions (that of the
image counts as white): a pool multiplies the spectrum by that of its window, a stride takes every second lag, sums and
concatenations mix what they join; random convolutions, batch norms and activations leave it as it is. Of a map of N
positions and spectrum p (sum 1), exp(entropy of p) are independent, and the part of it is exp(entropy) / N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.layers import Add, Concat, Conv, Pool, Sum
from plainnet.blocks.rows.map_layers import Zero
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["independent_parts"]

Correlation = Any
"""An autocorrelation over lags (height, width), 1 at lag 0; None where all positions are independent."""


def independent_parts(rows: Sequence[Row]) -> list[float]:
    """Which part of the positions of each row's value is independent, from an expanded table."""
    if not any(_overlaps(row) for row in rows):
        return [1.0] * len(rows)
    values: list[Correlation] = []
    parts: dict[int, float] = {}
    found = []
    for row in rows:
        value = _behind(row, [values[source] if source != INPUT else None for source in row.inputs], rows)
        values.append(value)
        if id(value) not in parts:  # most rows hand on what they take; `values` keeps it alive
            parts[id(value)] = 1.0 if value is None else _part(value)
        found.append(parts[id(value)])
    return found


def _overlaps(row: Row) -> bool:
    layer = row.layer
    return isinstance(layer, Pool) and layer.kernel_size > layer.stride


def _behind(row: Row, inputs: Sequence[Correlation], rows: Sequence[Row]) -> Correlation:
    if not inputs:  # zeros
        return None
    layer, value = row.layer, inputs[0]
    if row.out_shape.is_vector or min(row.out_shape[1:]) < 2:
        return None
    if isinstance(layer, (Add, Sum, Concat)):
        return _mixture(row, inputs, rows)
    if isinstance(layer, Pool) and _overlaps(row):
        value = _pooled(_white(row.in_shape) if value is None else value, layer.kernel_size)
    if value is None:
        return None
    if isinstance(layer, (Conv, Pool)) and layer.stride > 1:
        value = value[:: layer.stride, :: layer.stride]
    return value if value.shape == row.out_shape[1:] else _fitted(value, row.out_shape)


def _mixture(row: Row, inputs: Sequence[Correlation], rows: Sequence[Row]) -> Correlation:
    if all(value is None for value in inputs):
        return None
    weights = [1.0] * len(inputs)
    if isinstance(row.layer, Concat):
        weights = [rows[source].out_shape.channels if source != INPUT else 1.0 for source in row.inputs]
    weights = [
        0.0 if source != INPUT and isinstance(rows[source].layer, Zero) else weight
        for source, weight in zip(row.inputs, weights, strict=True)
    ]
    if not sum(weights):
        return None
    white = _white(row.out_shape)
    parts = [weight * (white if value is None else value) for weight, value in zip(weights, inputs, strict=True)]
    return sum(parts) / sum(weights)


def _white(shape: Shape) -> NDArray[Any]:
    import numpy as np

    found = np.zeros(shape[1:])
    found[0, 0] = 1.0
    return found


def _pooled(value: NDArray[Any], kernel: int) -> NDArray[Any]:
    import numpy as np

    windows = [_window_spectrum(size, kernel) for size in value.shape]
    found: NDArray[Any] = np.fft.ifft2(np.fft.fft2(value).real * np.outer(*windows)).real
    found /= found[0, 0]
    return found


@lru_cache(maxsize=256)
def _window_spectrum(size: int, kernel: int) -> NDArray[Any]:
    """The power spectrum of a window of `kernel` ones along an axis."""
    import numpy as np

    window = np.zeros(size)
    window[: min(kernel, size)] = 1.0
    found: NDArray[Any] = np.abs(np.fft.fft(window)) ** 2
    return found


def _fitted(value: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """The same lags on a map of another size: those that it has not are left out, those that are new are 0."""
    import numpy as np

    found = np.zeros(shape[1:])
    sizes = [min(pair) for pair in zip(value.shape, found.shape, strict=True)]
    rows, columns = (
        [lag for half in (range((size + 1) // 2), range(-(size // 2), 0)) for lag in half] for size in sizes
    )
    found[np.ix_(rows, columns)] = value[np.ix_(rows, columns)]
    return found


def _part(value: NDArray[Any]) -> float:
    """exp(entropy of the spectrum) / positions."""
    import numpy as np

    power = np.maximum(np.fft.fft2(value).real, 0.0)
    share = power[power > 0] / power.sum()
    return min(1.0, math.exp(-float((share * np.log(share)).sum())) / value.size)
