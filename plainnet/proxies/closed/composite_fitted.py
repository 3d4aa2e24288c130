"""The fitted composite: what the four counts behind the composite can do on NAS-Bench-Macro once weights are fitted.

A quadratic form in log(live activations), log(felt depth), log(live MACs) and log(params), fitted by least squares to
-log(error) of one half of NAS-Bench-Macro's distinct networks (`in_fitting_half`); docs/proxies/composite.md reports it on
the other half only. It knows that space and no other: a network whose counts lie outside has no score (nan), and
`plainnet.proxies.closed.composite` is the one to use.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from plainnet.blocks.rows.shapes import as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.network.network_names import at_its_size
from plainnet.proxies.closed.composite import composite_parts
from plainnet.templates.nas_bench_macro import RESOLUTION, canonical_code, network_of_code, trained_networks

__all__ = ["CENTRES", "FEATURES", "RANGES", "SCALES", "WEIGHTS", "Fit", "composite_fitted", "fit", "in_fitting_half"]

FEATURES = ("log live activations", "log felt depth", "log live MACs", "log params")

CENTRES = (13.1246, 2.12688, 17.758, 14.2686)
SCALES = (0.402051, 0.235661, 0.337029, 0.391888)
"""Mean and standard deviation of each feature over the fitting half."""

RANGES = ((9.6644, 14.8779), (0.577609, 2.92166), (14.772, 19.3382), (12.182, 15.5575))
"""What each feature may be: its range over the fitting half, widened by a third on either side."""

WEIGHTS = (
    -2.19594,
    0.141392,
    0.0643372,
    -0.021004,
    -0.00714716,
    -0.209001,
    0.0033193,
    0.515004,
    -0.183153,
    0.00658047,
    -0.0265432,
    0.0158483,
    -0.3282,
    0.232566,
    -0.0533552,
)
"""For 1, each standardised feature x1..x4, and the products x1x1, x1x2, x1x3, x1x4, x2x2, x2x3, ..., x4x4."""


def composite_fitted(
    structure: Any, resolution: int | tuple[int, int] | None = None, *, variant: Variant = PLAIN
) -> float:
    """The fitted score: -log(error in percent) as predicted for CIFAR-10 under NAS-Bench-Macro's training; higher is
    better. nan where a count of the network lies outside of what was fitted: the quadratic form means nothing there.

    structure: whatever `plainnet.resolve` takes. resolution: R or (H, W); by default what is known of the network, 32 otherwise.
    """
    network, size, variant = at_its_size(structure, resolution, otherwise=32, variant=variant)
    raw = _features(network, size, variant)
    if not all(low <= value <= high for value, (low, high) in zip(raw, RANGES, strict=True)):
        return math.nan
    return sum(map(math.prod, zip(WEIGHTS, _terms(_standardised(raw, CENTRES, SCALES)), strict=True)))


def in_fitting_half(code: str) -> bool:
    """Whether a code of NAS-Bench-Macro belongs to the half that was fitted: one bit of a hash of its network, so that
    codes of the same network are on the same side.
    """
    return hashlib.blake2b(canonical_code(code).encode(), digest_size=1).digest()[0] % 2 == 0


class Fit(NamedTuple):
    """The constants of this module."""

    centres: tuple[float, ...]
    scales: tuple[float, ...]
    ranges: tuple[tuple[float, float], ...]
    weights: tuple[float, ...]


def fit() -> Fit:
    """Fit again. The constants of this module are this function's result."""
    import numpy as np

    half = [
        network
        for network in trained_networks()
        if in_fitting_half(network.code) and canonical_code(network.code) == network.code
    ]
    raw = np.array([_features(network_of_code(network.code), RESOLUTION, PLAIN) for network in half])
    centres, scales = raw.mean(axis=0), raw.std(axis=0)
    margin = np.ptp(raw, axis=0) / 3
    ranges = zip((raw.min(axis=0) - margin).tolist(), (raw.max(axis=0) + margin).tolist(), strict=True)
    terms = np.array([_terms(row) for row in (raw - centres) / scales])
    targets = -np.log(100 - np.array([network.accuracy for network in half]))
    weights = np.linalg.lstsq(terms, targets, rcond=None)[0]
    return Fit(tuple(centres.tolist()), tuple(scales.tolist()), tuple(ranges), tuple(weights.tolist()))


def _features(network: Structure, resolution: int | tuple[int, int], variant: Variant) -> list[float]:
    parts = composite_parts(network, resolution, variant=variant)
    totals = network.totals(as_input_shape(network.in_channels, resolution), variant=variant)
    params = sum(block.sums.params for block in totals)
    values = (parts.live_activations, parts.felt_depth, parts.live_macs, params)
    return [math.log(value) if value > 0 else -math.inf for value in values]


def _standardised(raw: Sequence[float], centres: Sequence[float], scales: Sequence[float]) -> list[float]:
    return [(value - centre) / scale for value, centre, scale in zip(raw, centres, scales, strict=True)]


def _terms(x: Sequence[float]) -> list[float]:
    """1, the features, and their products."""
    return [1.0, *x, *(x[i] * x[j] for i in range(len(x)) for j in range(i, len(x)))]
