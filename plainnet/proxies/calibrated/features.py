"""The sixteen features of a network: closed-form numbers, from its rows alone.

All but two are natural logarithms of counts and moments (`sensitivity` and `gradient_spread` are logarithms, and their
spread, already); a count of nothing stands as log(.001).

    params              learnable scalars
    macs                multiply-accumulates on positions that are read
    elements            elements put out there by convolutions and linear layers
    live_entropy        sum over these of log(fan-in)
    entropy             the same over independent maps (`plainnet.proxies.calibrated.maps`)
    octave_information  mean over octaves of resolution of log sum (elements log inputs log(3 pixels))
    octave_inputs       mean over octaves of log sum (elements inputs)
    octave_slope        how much log sum (elements inputs) rises from one octave to the next
    felt_depth          `plainnet.proxies.closed.felt_depth`, in ReLUs
    activations         expected number of activations on a way through the network
    narrowness          sum over activations of share of the variance / channels
    depth               activations on the longest way
    sensitivity         how far two nearly equal inputs end apart
    gradient_spread     how unequal the layers' gradients are
    kernel              mean kernel size (the root of the taps), weighted by elements
    pixels              mean over elements of the pixels of the image that they see
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from plainnet.blocks.rows.counts import add_rows
from plainnet.blocks.rows.gates import gate_rows
from plainnet.blocks.rows.layers import Act, Conv, Scale
from plainnet.blocks.rows.map_layers import ConvTranspose
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.errors import UsageError
from plainnet.network.network_names import at_its_size
from plainnet.proxies.calibrated.flow import flow
from plainnet.proxies.calibrated.maps import FeatureMap, feature_maps, taps_of
from plainnet.proxies.closed.composite import rows_work
from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL, propagate
from plainnet.proxies.closed.live_positions import all_positions, live_positions
from plainnet.proxies.closed.meanfield.correlated import closed_units
from plainnet.proxies.closed.responses import NATS_PER_RELU

__all__ = ["FEATURES", "Features", "features_of_rows", "network_features"]

NOTHING = 1e-3
"""What a count of nothing is taken for, so that it has a logarithm."""


class Features(NamedTuple):
    """The features of a network, by name (see above)."""

    params: float
    macs: float
    elements: float
    live_entropy: float
    entropy: float
    octave_information: float
    octave_inputs: float
    octave_slope: float
    felt_depth: float
    activations: float
    narrowness: float
    depth: float
    sensitivity: float
    gradient_spread: float
    kernel: float
    pixels: float


FEATURES = Features._fields


def network_features(structure: Any, resolution: int | tuple[int, int], *, variant: Variant = PLAIN) -> Features:
    """The features of a network at an input size.

    Raises `StructureError` where it does not fit, `NoFeatureMapError` where it puts out several maps, and `UnknownScoreError`
    where zeros keep the images from the output.

    >>> found = network_features("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)", 32)
    >>> round(math.exp(found.params))
    4416
    """
    network, resolution, variant = at_its_size(structure, resolution, otherwise=32, variant=variant)
    shape = as_input_shape(network.in_channels, resolution)
    closed_units(network.at(shape, variant=variant))  # refuses several outputs, and what reads nothing of the images
    return features_of_rows(network.rows(shape, variant=variant, expand=True), shape)


def features_of_rows(rows: Sequence[Row], shape: Shape) -> Features:
    """The features of an expanded table of rows for an image of `shape`: of any graph, whatever wrote the rows."""
    gates = gate_rows(rows)
    live, _ = live_positions(rows, shape, all_positions(rows[-1].out_shape if rows else shape))
    maps = feature_maps(rows, shape, live, gates)
    if not maps:
        raise UsageError("a network without convolutions (beside those of gates) has no features")
    work = rows_work(rows, live)
    information = _octaves(maps, lambda each: math.log(each.inputs) * math.log(3 * each.pixels))
    inputs = _octaves(maps, lambda each: each.inputs)
    moved = flow(rows, gates)
    kernels = [
        (positions.size * row.out_shape.channels, math.sqrt(taps_of(row.layer)))
        for number, (row, positions) in enumerate(zip(rows, live, strict=True))
        if isinstance(row.layer, (Conv, ConvTranspose)) and positions is not None and number not in gates
    ]
    loss = propagate(rows, shape, INPUT_SIGNAL).loss
    return Features(
        params=_log(add_rows(rows)[0]),
        macs=_log(work.macs),
        elements=_log(work.activations),
        live_entropy=_log(work.entropy),
        entropy=_log(sum(each.elements * math.log(each.inputs) for each in maps)),
        octave_information=sum(information.values()) / len(information),
        octave_inputs=sum(inputs.values()) / len(inputs),
        octave_slope=_slope(inputs),
        felt_depth=_log(min(loss, 1e6) / NATS_PER_RELU),
        activations=_log(moved.activations),
        narrowness=_log(moved.narrowness),
        depth=_log(_longest(rows)),
        sensitivity=moved.sensitivity,
        gradient_spread=moved.gradient_spread,
        kernel=_log(sum(count * size for count, size in kernels) / sum(count for count, _ in kernels)),
        pixels=_log(sum(each.elements * each.pixels for each in maps) / sum(each.elements for each in maps)),
    )


def _log(value: float) -> float:
    return math.log(max(value, NOTHING))


def _octaves(maps: Sequence[FeatureMap], worth: Callable[[FeatureMap], float]) -> dict[int, float]:
    """log of the sum of elements * worth in each octave that has maps."""
    sums: dict[int, float] = {}
    for each in maps:
        sums[each.octave] = sums.get(each.octave, 0.0) + each.elements * worth(each)
    return {octave: _log(total) for octave, total in sums.items()}


def _slope(octaves: dict[int, float]) -> float:
    """The slope of the least-squares line; 0 for a single octave."""
    middle = sum(octaves) / len(octaves)
    spread = sum((octave - middle) ** 2 for octave in octaves)
    return sum((octave - middle) * value for octave, value in octaves.items()) / spread if spread else 0.0


def _longest(rows: Sequence[Row]) -> int:
    """Activations on the longest way, gates left out."""
    depths: dict[int, int] = {INPUT: 0}
    for number, row in enumerate(rows):
        sources = row.inputs[:1] if isinstance(row.layer, Scale) else row.inputs
        counts = isinstance(row.layer, Act) and row.layer.kind != "identity"
        depths[number] = max((depths[source] for source in sources), default=0) + counts
    return depths[len(rows) - 1]
