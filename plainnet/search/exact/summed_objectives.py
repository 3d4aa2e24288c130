"""Objectives and costs that are sums over blocks: what an exact search can add up along a path.

    value(network) = sum over blocks of gain(block, input, what came before) + end(last map) + curve(n)

n is the sum of a whole number that each block adds (for the Zen-score, its activations), and `curve` any function of it. What
came before is a small state, such as the activation in front; it must not depend on widths.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import UsageError
from plainnet.profiler.lut.latency_model import LatencyModel, UnmeasuredError
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import Gene
from plainnet.search.candidates.zen_leading import IMAGE, NORMAL, NoLeadingTermsError, ZenLeading, last_term

__all__ = ["SUMMED_COSTS", "Gain", "NoFormulaError", "NotASumError", "Sum", "SumCost"]

SUMMED_COSTS = ("params", "macs", "activations", "layers", "convolutions", "latency_ms")
"""The costs that are sums over blocks."""


Latency = tuple[float, ...] | LatencyModel
"""The coefficients of a fit (`plainnet.search.ladder.latency_budget`), or the model of a table."""


class NotASumError(UsageError):
    """An objective, a budget or a space that an exact search cannot treat, and why."""


class NoFormulaError(NotASumError):
    """Blocks whose counts are no formula of their widths: they can be counted one by one."""


class Gain(NamedTuple):
    """What a block adds to the value, to n and to the sums whose logarithms are the value, and the state behind it."""

    value: float
    units: int
    state: Hashable
    parts: tuple[float, ...] = ()


class Sum(ABC):
    """An objective as a sum, to be made large."""

    start: Hashable
    count = 0
    """the sums whose logarithms are added to the value (`log_sums`)"""
    is_arithmetic = True
    """whether what the package's own blocks add is arithmetic on their widths; of code of the user's nobody knows"""

    @abstractmethod
    def of_block(self, gene: Gene, shape: Shape, state: Any) -> Gain:
        """What a block adds for an input of `shape`."""

    @abstractmethod
    def of_end(self, shape: Shape, state: Any) -> float:
        """What the last map adds."""

    def parts_of_end(self, shape: Shape, state: Any) -> tuple[float, ...]:  # noqa: ARG002
        """What the last map adds to each of the sums whose logarithms are added."""
        return ()

    def curve(self, state: Any) -> Callable[[int], float] | None:  # noqa: ARG002
        """The function of n, for the state at the end; None where there is none."""
        return None

    def forgets(self, gene: Gene, shape: Shape) -> bool:  # noqa: ARG002
        """Whether what a block and all behind it add does not depend on the state that comes in."""
        return False

    def forgotten(self, state: Any) -> Hashable:
        """The state in place of one that no block behind it depends on."""
        kept: Hashable = state
        return kept


class ZenSum(Sum):
    """The leading terms of the Zen-score."""

    start: Hashable = (IMAGE, "")

    def __init__(self, setting: Setting) -> None:
        self._leading = ZenLeading(setting)

    def of_block(self, gene: Gene, shape: Shape, state: Any) -> Gain:
        before, kind = state
        try:
            logs, activations, _, behind = self._leading.fold(gene.layers(), shape, before)
        except NoLeadingTermsError:
            raise NotASumError(
                f"zen is no sum over blocks here: {gene.name} is no chain of convolutions, batch norms and activations; "
                "`plainnet search` remains"
            ) from None
        kinds = [*activations, *([kind] if kind else [])]
        if len(set(kinds)) > 1:
            raise NotASumError(
                f"zen is no sum over blocks here: {gene.name} mixes activations ({', '.join(sorted(set(kinds)))}); "
                "`plainnet search` remains"
            )
        return Gain(logs, sum(activations.values()), (behind, kinds[0] if kinds else ""))

    def of_end(self, shape: Shape, state: Any) -> float:  # noqa: ARG002
        if not shape.height:
            raise NotASumError("zen needs a feature map at the end, and this space ends with a vector")
        return math.log(shape.elements)

    def curve(self, state: Any) -> Callable[[int], float] | None:
        before, kind = state
        last = before if before not in (IMAGE, NORMAL) else ""

        def term(count: int) -> float:
            if not count or not kind:  # without a kind of activation no network has any
                return last_term(0, (), "")
            return last_term(count, (), last) if kind == "relu" else last_term(0, ((kind, count),), last)

        return term


class EntropySum(Sum):
    """`madnas`: half the logarithms of fan-ins, and the channels at the end of each stage, weighed by the stage."""

    start: Hashable = (0, False, False)
    """the stage, whether there was a convolution, whether the maps are over"""

    def __init__(self, setting: Setting, ratios: list[float] | None) -> None:
        self._ratios, self._setting = ratios, setting

    def _weight(self, stage: int) -> float:
        """What the end of a stage that is not the last weighs."""
        return 0.0 if self._ratios is None else self._of(stage)

    def _of(self, stage: int) -> float:
        assert self._ratios is not None
        if stage >= len(self._ratios):
            raise NotASumError(f"{len(self._ratios)} stage ratios are given and the structures have more stages")
        return self._ratios[stage]

    def _last(self, stage: int) -> float:
        if self._ratios is not None and stage + 1 != len(self._ratios):
            raise NotASumError(f"{len(self._ratios)} stage ratios are given and a structure has {stage + 1} stages")
        return 1.0 if self._ratios is None else self._ratios[-1]

    def of_block(self, gene: Gene, shape: Shape, state: Any) -> Gain:
        from plainnet.proxies.closed.entropy import block_sums

        stage, begun, over = state
        out = block_totals(gene.kept_block(), shape).out_shape
        if over or out.is_vector or out.height == 1 < shape.height:
            value = 0.0 if over else self._last(stage) * math.log(shape.channels)
            return Gain(value, 0, (stage, begun, True))
        value = 0.0
        if begun and (out.height < shape.height or out.width < shape.width):
            value, stage = self._weight(stage) * math.log(shape.channels), stage + 1
        convolutions, channels, kernels = block_sums(gene.kept_block(), shape)
        later = 1.0 if self._ratios is None else sum(self._ratios[stage:])
        return Gain(value + later * (channels + kernels) / 2, 0, (stage, begun or convolutions > 0, False))

    def of_end(self, shape: Shape, state: Any) -> float:
        stage, begun, over = state
        if not begun:
            raise NotASumError("an entropy proxy needs convolutions, and this space has none")
        return 0.0 if over else self._last(stage) * math.log(shape.channels)


class SumCost(Sum):
    """A cost as a sum: what a block costs, what the classifier costs, and what is there without either."""

    start: Hashable = None

    def __init__(self, name: str, setting: Setting, latency: Latency = (), sign: int = 1) -> None:
        if name not in SUMMED_COSTS:
            raise NotASumError(f"{name} is no sum over blocks; accepted: {', '.join(SUMMED_COSTS)}")
        self.name, self._setting, self._sign = name, setting, sign
        self._model = latency if isinstance(latency, LatencyModel) else None
        self._latency = () if isinstance(latency, LatencyModel) else latency
        self.constant = 0.0
        if name == "latency_ms":
            self.constant = self._latency[0] if self._model is None else self._milliseconds(self._model.constant)

    def _milliseconds(self, micros: float) -> float:
        """At the upper end of a model's interval."""
        assert self._model is not None
        return self._model.upper * micros / 1000

    def amount(self, gene: Gene, shape: Shape) -> float:
        """What a block costs for an input of `shape`."""
        if self.name == "convolutions":
            from plainnet.proxies.closed.entropy import block_sums

            out = block_totals(gene.kept_block(), shape).out_shape
            if out.is_vector or out.height == 1 < shape.height:
                raise NotASumError("convolutions are counted up to the pooling, and this space has blocks that pool")
            return block_sums(gene.kept_block(), shape)[0]
        if self.name == "layers":
            return gene.depth
        if self.name == "latency_ms" and self._model is not None:
            try:
                return self._milliseconds(self._model.of_block(gene.kept_block(), shape).micros)
            except UnmeasuredError as error:
                raise NotASumError(f"the latency of {gene.name} is not known: {error}") from None
        sums = block_totals(gene.kept_block(), shape, self._setting.variant).sums
        if self.name == "latency_ms":
            _, per_mac, per_activation, per_layer = self._latency
            return per_mac * sums.macs + per_activation * sums.activations + per_layer * gene.depth
        return float(getattr(sums, self.name))

    def amount_of_classifier(self, shape: Shape) -> float:
        """What the classifier behind a last map costs."""
        classes = self._setting.num_classes
        if self.name == "latency_ms" and self._model is not None:  # pooling takes its time without a classifier, too
            return self._milliseconds(self._model.of_head(shape, classes).micros)
        if not classes or not shape.height:
            return 0
        counts = {
            "params": (shape.channels + 1) * classes,
            "macs": shape.channels * classes,
            "activations": classes,
            "layers": 0,
            "convolutions": 0,
        }
        if self.name == "latency_ms":
            _, per_mac, per_activation, _ = self._latency
            return per_mac * counts["macs"] + per_activation * counts["activations"]
        return counts[self.name]

    def of_block(self, gene: Gene, shape: Shape, state: Any) -> Gain:
        return Gain(self._sign * self.amount(gene, shape), 0, state)

    def of_end(self, shape: Shape, state: Any) -> float:  # noqa: ARG002
        return self._sign * (self.amount_of_classifier(shape) + self.constant)


class UserSum(Sum):
    """A scorer of the user's that says what a block adds: `of_block(block, shape)` and, if it likes, `of_end(shape)`."""

    start: Hashable = None
    is_arithmetic = False

    def __init__(self, scorer: Any, sign: int) -> None:
        self._scorer, self._sign = scorer, sign

    def of_block(self, gene: Gene, shape: Shape, state: Any) -> Gain:
        return Gain(self._sign * float(self._scorer.of_block(gene.kept_block(), shape)), 0, state)

    def of_end(self, shape: Shape, state: Any) -> float:  # noqa: ARG002
        of_end = getattr(self._scorer, "of_end", None)
        return self._sign * float(of_end(shape)) if of_end else 0.0
