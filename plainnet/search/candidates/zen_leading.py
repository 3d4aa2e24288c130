"""The leading terms of the closed-form Zen-score, as a fold that a search can afford for every candidate.

With the assumptions of mean-field theory and without the corrections for narrow layers and few samples that
`plainnet.proxies.closed.zen` makes, what a block adds depends on the block and the input's shape alone:

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

from plainnet.blocks.rows.layer_arguments import Axis
from plainnet.blocks.rows.layers import Act, Add, Conv, Dropout, Layers, Norm, Pool, Repeat, SqueezeExciteSlot
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import Gene, Genes

__all__ = ["IMAGE", "NORMAL", "NoLeadingTermsError", "ZenLeading", "last_term"]

GAMMA = 0.01
"""The size of the perturbation in the definition."""
MEAN_SQUARE = 1 / (2 * math.pi)
VARIANCE = 0.5 - MEAN_SQUARE
IMAGE, NORMAL = "image", "normal"
"""What comes in: the image; or what a batch norm puts out. Otherwise the name of an activation."""


class NoLeadingTermsError(Exception):
    """A block that is no chain of convolutions, batch norms and activations."""


State = tuple[Shape, str]
Part = tuple[float, dict[str, int], Shape, str]
"""The sum of the terms, how many activations of each kind, and the state behind them."""


class ZenLeading:
    """The scorer of a search: the leading terms of each candidate. A block that is more than a chain of convolutions
    with batch norm, activations, pooling and residual sums (a gate, for example) sends its candidate to the whole closed
    form. Squeeze-excite as a variant of the whole network changes costs only, as in the paper's searches.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._states: list[State] = [(setting.shape, IMAGE)]
        self._numbers: dict[State, int] = {self._states[0]: 0}
        self._parts: BoundedMemo[tuple[int, Shape, str], tuple[Part, Layers]] = BoundedMemo(50_000)

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
            + last_term(activations, tuple(sorted((others or {}).items())), before if last else "")
            + math.log(shape.elements)
        )

    def _fill(self, gene: Gene, state: int) -> tuple[float, int, dict[str, int] | None, int]:
        try:
            logs, activations, shape, before = self.fold(gene.layers(), *self._states[state])
            others = dict(activations)
            relus = others.pop("relu", 0)
            entry = (logs, relus, others or None, self._number((shape, before)))
        except NoLeadingTermsError:
            entry = (0.0, 0, None, -1)
        gene.gains[state] = entry
        return entry

    def fold(self, layers: Layers, shape: Shape, before: str) -> Part:
        """What layers add where `before` comes in (`IMAGE`, `NORMAL` or an activation), and what comes out of them."""
        logs, activations = 0.0, dict[str, int]()
        waiting: float | None = None  # the term of a convolution whose batch norm is still to come
        for layer in layers:
            kind = type(layer)
            if kind is Norm:
                if waiting is not None:
                    logs += waiting
                    waiting = None
                elif before != NORMAL:
                    raise NoLeadingTermsError
                before = NORMAL
            elif kind is SqueezeExciteSlot or kind is Dropout:
                continue
            elif waiting is not None:
                raise NoLeadingTermsError
            elif isinstance(layer, Conv):
                out = layer.out_shape(shape)
                inputs = shape[0] // layer.groups
                waiting = _half_log_variance(inputs, shape[1], shape[2], layer.axes(), before)
                shape = out
            elif isinstance(layer, Act):
                if layer.kind != "identity":
                    activations[layer.kind] = activations.get(layer.kind, 0) + 1
                    before = layer.kind
            elif isinstance(layer, Pool):
                shape = layer.out_shape(shape)
            elif isinstance(layer, Add):
                part = self._part(layer.main, shape, before)
                logs += _times(part, 1, activations)
                shape, before = part[2:]
            elif isinstance(layer, Repeat):
                more, shape, before = self._repeated(layer, shape, before, activations)
                logs += more
            else:
                raise NoLeadingTermsError
        if waiting is not None:
            raise NoLeadingTermsError
        return logs, activations, shape, before

    def _repeated(
        self, layer: Repeat, shape: Shape, before: str, activations: dict[str, int]
    ) -> tuple[float, Shape, str]:
        """What a body that runs several times adds; its activations are counted in `activations`."""
        if not layer.times:
            return 0.0, shape, before
        part = self._part(layer.body, shape, before)
        logs = _times(part, 1, activations)
        if layer.times > 1:  # only the first run may meet another kind of input than the later ones
            part = self._part(layer.body, *part[2:])
            logs += _times(part, layer.times - 1, activations)
        return logs, *part[2:]

    def _part(self, layers: Layers, shape: Shape, before: str) -> Part:
        """`fold` of a branch, remembered as `Counter` remembers what it costs."""
        key = (id(layers), shape, before)
        found = self._parts.get(key)
        if found is None:
            found = self._parts[key] = (self.fold(layers, shape, before), layers)
        return found[0]

    def _number(self, state: State) -> int:
        found = self._numbers.get(state)
        if found is None:
            found = self._numbers[state] = len(self._states)
            self._states.append(state)
        return found

    def _whole(self, genes: Genes) -> float:
        from plainnet.proxies.closed.zen import zen_score
        from plainnet.search.candidates.structures import as_structure

        return zen_score(as_structure(genes), (self._setting.shape.height, self._setting.shape.width))


def _times(part: Part, times: int, activations: dict[str, int]) -> float:
    """The terms of so many runs of a part; its activations are added to `activations`."""
    for kind, count in part[1].items():
        activations[kind] = activations.get(kind, 0) + times * count
    return times * part[0]


@lru_cache(maxsize=65_536)
def _half_log_variance(inputs: int, height: int, width: int, axes: tuple[Axis, Axis], before: str) -> float:
    """1/2 log V of a convolution of so many inputs."""
    rows, columns = _fractions(height, axes[0]), _fractions(width, axes[1])
    inside = [a * b for a in rows for b in columns]
    mean_square, variance = _moments(before)
    spread = sum(f * (1 - f) for f in inside)
    return 0.5 * math.log(inputs * (variance * sum(inside) + mean_square * spread))


@lru_cache(maxsize=4096)
def _fractions(size: int, axis: Axis) -> tuple[float, ...]:
    """The fraction of output positions at which each tap of one axis falls inside."""
    kernel_size, stride, padding, dilation = axis
    out = (size + 2 * padding - axis.reach - 1) // stride + 1
    fractions = []
    for tap in range(kernel_size):
        offset = dilation * tap - padding  # the tap is at position * stride + offset
        first, last = -(min(offset, 0) // stride), min((size - 1 - offset) // stride, out - 1)
        fractions.append(max(0, last - first + 1) / out)
    return tuple(fractions)


@lru_cache(maxsize=64)
def _moments(before: str) -> tuple[float, float]:
    """The squared mean and the variance of what comes in."""
    if before in (IMAGE, NORMAL):
        return 0.0, 1.0
    if before == "relu":
        return MEAN_SQUARE, VARIANCE
    from plainnet.proxies.closed.meanfield.activations import nonlinearity

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
        from plainnet.proxies.closed.meanfield.activations import nonlinearity

        function = nonlinearity(kind)
        for _ in range(count):
            c = (function.kernel(c) - function.mean**2) / function.variance
    return c


@lru_cache(maxsize=4096)
def last_term(relus: int, others: tuple[tuple[str, int], ...], last: str) -> float:
    """log E |a(z) - a(z')| for the last activation a, or for z itself where a batch norm is last."""
    if not last:
        return math.log(2 * math.sqrt((1 - _correlation(relus, others)) / math.pi))
    if last == "relu":
        c = _correlation(relus - 1, others)
        return math.log((2 * math.sqrt(2 - 2 * c)) / (2 * math.sqrt(2 * math.pi)))
    from plainnet.proxies.closed.meanfield.activations import nonlinearity

    fewer = tuple((kind, count - (kind == last)) for kind, count in others)
    return math.log(nonlinearity(last).difference(_correlation(relus, fewer)))
