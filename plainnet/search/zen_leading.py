"""The leading terms of the closed-form Zen-score, as a fold that a search can afford for every candidate.

With the assumptions of mean-field theory and without the corrections for narrow layers and few samples that
`plainnet.profiler.proxies.zen` makes, what a block adds depends on the block and the input's shape alone:

    V = C_in / groups * ( s2 * sum_t f_t + m^2 * sum_t f_t (1 - f_t) )      each convolution with its batch norm: 1/2 log V
    c <- (K(c) - m^2) / s2                                                  each activation
    log( C H W * E|a(z) - a(z')| )                                          at the end

m and s2 are the mean and variance of what comes in (0 and 1 for the image, 1 / sqrt(2 pi) and 1/2 - 1 / (2 pi) behind a
ReLU), f_t is the fraction of output positions at which tap t falls inside the map, K the arc-cosine kernel, and
(z, z') standard normal with the correlation c in front of the last activation. A block that is met for the first time
costs some microseconds, a known one a look-up; the whole closed form costs a hundred times that, so a search ranks all
candidates by the leading terms and then the best thousands by the whole.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from functools import lru_cache

from plainnet.blocks.layers import Act, Add, Conv, Dropout, Layers, Norm, Pool, Repeat, SqueezeExciteSlot
from plainnet.blocks.shapes import Shape
from plainnet.search.budgets import Costs
from plainnet.search.evaluation import Setting
from plainnet.search.genes import Gene, Genes

__all__ = ["ZenLeading"]

GAMMA = 0.01
"""The size of the perturbation in the definition."""
MEAN_SQUARE = 1 / (2 * math.pi)
VARIANCE = 0.5 - MEAN_SQUARE
IMAGE, NORMAL = "image", "normal"
"""What comes in: the image; or what a batch norm puts out. Otherwise the name of an activation."""


class _NoLeadingTermsError(Exception):
    """A block that is no chain of convolutions, batch norms and activations."""


State = tuple[Shape, str]


class ZenLeading:
    """The scorer of a search: the leading terms of each candidate. A block that is more than a chain of convolutions
    with batch norm, activations, pooling and residual sums (a gate, for example) sends its candidate to the whole closed
    form. Squeeze-excite as a variant of the whole network changes costs only, as in the paper's searches.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._states: list[State] = [(setting.shape, IMAGE)]
        self._numbers: dict[State, int] = {self._states[0]: 0}

    def score(self, genes: Genes, costs: Costs) -> float:  # noqa: ARG002
        """The score of a candidate; NaN for one without a feature map."""
        state, logs, activations = 0, 0.0, 0
        others: Tally[str] | None = None
        for gene in genes:
            entry = gene.gains.get(state)
            if entry is None:
                entry = self._fill(gene, state)
            if entry[3] < 0:
                return self._whole(genes)
            logs += entry[0]
            activations += entry[1]
            if entry[2] is not None:
                others = (others or Tally()) + Tally(entry[2])
            state = entry[3]
        shape, before = self._states[state]
        if not shape.height:
            return math.nan
        last = before not in (IMAGE, NORMAL)
        return (
            logs
            + _last_term(activations, tuple(sorted((others or {}).items())), before if last else "")
            + math.log(shape.elements)
        )

    def _fill(self, gene: Gene, state: int) -> tuple[float, int, dict[str, int] | None, int]:
        fold = _Fold(*self._states[state])
        try:
            fold.run(gene.block.layers(), 1)
            relus = fold.activations.pop("relu", 0)
            entry = (fold.logs, relus, dict(fold.activations) or None, self._number((fold.shape, fold.before)))
        except _NoLeadingTermsError:
            entry = (0.0, 0, None, -1)
        gene.gains[state] = entry
        return entry

    def _number(self, state: State) -> int:
        found = self._numbers.get(state)
        if found is None:
            found = self._numbers[state] = len(self._states)
            self._states.append(state)
        return found

    def _whole(self, genes: Genes) -> float:
        from plainnet.profiler.proxies.zen import zen_score
        from plainnet.search.objectives import as_structure

        return zen_score(as_structure(genes), (self._setting.shape.height, self._setting.shape.width))


class _Fold:
    """The sum over the layers of one block."""

    def __init__(self, shape: Shape, before: str) -> None:
        self.shape, self.before, self.logs = shape, before, 0.0
        self.activations: dict[str, int] = {}
        self._open: float | None = None

    def run(self, layers: Layers, times: int) -> None:
        for layer in layers:
            if isinstance(layer, Conv):
                shape = self.shape
                self.shape = layer.out_shape(shape)
                half_log = _half_log_variance(
                    shape[0] // layer.groups, shape[1], shape[2], layer.kernel_size, layer.stride, self.before
                )
                self._close()
                self._open = times * half_log
            elif isinstance(layer, Norm):
                if self._open is not None:
                    self.logs += self._open
                    self._open = None
                elif self.before != NORMAL:
                    raise _NoLeadingTermsError
                self.before = NORMAL
            elif isinstance(layer, Act):
                self._close()
                if layer.kind != "identity":
                    self.activations[layer.kind] = self.activations.get(layer.kind, 0) + times
                    self.before = layer.kind
            elif isinstance(layer, Repeat):
                if layer.times:
                    self._repeat(layer, times)
            elif isinstance(layer, Add):
                self.run(layer.main, times)
            elif isinstance(layer, Pool):
                self.shape = layer.out_shape(self.shape)
            elif not isinstance(layer, (SqueezeExciteSlot, Dropout)):
                raise _NoLeadingTermsError
        self._close()

    def _repeat(self, layer: Repeat, times: int) -> None:
        """Only the first run of a body may meet another kind of input than the later ones."""
        self.run(layer.body, times)
        if layer.times > 1:
            self.run(layer.body, times * (layer.times - 1))

    def _close(self) -> None:
        if self._open is not None:
            raise _NoLeadingTermsError


@lru_cache(maxsize=65_536)
def _half_log_variance(inputs: int, height: int, width: int, kernel_size: int, stride: int, before: str) -> float:
    """1/2 log V of a convolution of so many inputs."""
    rows, columns = _fractions(height, kernel_size, stride), _fractions(width, kernel_size, stride)
    inside = [a * b for a in rows for b in columns]
    mean_square, variance = _moments(before)
    spread = sum(f * (1 - f) for f in inside)
    return 0.5 * math.log(inputs * (variance * sum(inside) + mean_square * spread))


@lru_cache(maxsize=4096)
def _fractions(size: int, kernel_size: int, stride: int) -> tuple[float, ...]:
    """The fraction of output positions at which each tap of one axis falls inside."""
    padding = (kernel_size - 1) // 2
    out = (size + 2 * padding - kernel_size) // stride + 1
    return tuple(
        sum(0 <= position * stride - padding + tap < size for position in range(out)) / out
        for tap in range(kernel_size)
    )


@lru_cache(maxsize=64)
def _moments(before: str) -> tuple[float, float]:
    """The squared mean and the variance of what comes in."""
    if before in (IMAGE, NORMAL):
        return 0.0, 1.0
    if before == "relu":
        return MEAN_SQUARE, VARIANCE
    from plainnet.profiler.meanfield.activations import nonlinearity

    function = nonlinearity(before)
    return function.mean**2, function.variance


def _relu_map(c: float) -> float:
    kernel = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)
    return (kernel - MEAN_SQUARE) / VARIANCE


@lru_cache(maxsize=4096)
def _correlation(relus: int, others: tuple[tuple[str, int], ...]) -> float:
    """The correlation behind so many activations, the ReLUs first (in which order they come changes little)."""
    c = 1 / math.sqrt(1 + GAMMA * GAMMA)
    for _ in range(relus):
        c = _relu_map(c)
    for kind, count in others:
        from plainnet.profiler.meanfield.activations import nonlinearity

        function = nonlinearity(kind)
        for _ in range(count):
            c = (function.kernel(c) - function.mean**2) / function.variance
    return c


@lru_cache(maxsize=4096)
def _last_term(relus: int, others: tuple[tuple[str, int], ...], last: str) -> float:
    """log E |a(z) - a(z')| for the last activation a, or for z itself where a batch norm is last."""
    if not last:
        return math.log(2 * math.sqrt((1 - _correlation(relus, others)) / math.pi))
    if last == "relu":
        c = _correlation(relus - 1, others)
        return math.log((2 * math.sqrt(2 - 2 * c)) / (2 * math.sqrt(2 * math.pi)))
    from plainnet.profiler.meanfield.activations import nonlinearity

    fewer = tuple((kind, count - (kind == last)) for kind, count in others)
    return math.log(nonlinearity(last).difference(_correlation(relus, fewer)))
