"""Objectives that are sums of logarithms of sums over blocks.

    value(network) = constant + sum over k of c_k log S_k(network),    S_k = sum over blocks of parts_k + parts_k of the end

S_k are quantities of which more is better. A logarithm lies below each of its tangents, so that for any numbers p_k > 0

    value <= constant + sum over k of c_k (log(c_k / p_k) - 1) + sum over k of p_k S_k

and the last term is a sum over blocks, whose best an exact search finds (`log_solver`).

composite    log(felt depth) + the weighted mean over octaves of log(features), where blocks begin anew
deepmad      log(elements of a stage's last map) + log(entropy up to it), where one stage counts
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.channel_layers import PatchConv
from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.layers import Conv, Linear, Norm
from plainnet.blocks.rows.map_layers import ConvTranspose, WindowConv
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import Gene
from plainnet.search.exact.summed_objectives import Gain, NotASumError, Sum

__all__ = ["CompositeLogs", "DeepMadLogs", "LogSum", "Logs"]

NORMED = (Conv, WindowConv, PatchConv, ConvTranspose, Linear, Norm)
"""Layers behind which a signal is the same, whatever it was before: of mean 0 and variance 1."""


class Logs(NamedTuple):
    """The factors c_k of the logarithms (0: such a part is nowhere in a space), and what is added to them."""

    factors: tuple[float, ...]
    constant: float


class LogSum(Sum):
    """An objective as a sum of logarithms of sums; what it is itself may be the exponential of it (`is_exponential`)."""

    is_exponential: bool

    @abstractmethod
    def logs(self, present: Sequence[bool]) -> Logs:
        """The logarithms that are added. present: which sums are above 0."""

    def of_end(self, shape: Shape, state: Any) -> float:  # noqa: ARG002
        return 0.0


class CompositeLogs(LogSum):
    """The composite: felt depth, and live entropy (version 1) or the features of each octave (version 2)."""

    is_exponential = False

    def __init__(self, setting: Setting, version: int) -> None:
        from plainnet.proxies.closed.composite import check_version, octave_of
        from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL

        check_version(version)
        self._setting, self._version, self._signal = setting, version, INPUT_SIGNAL
        self._image = setting.shape.height * setting.shape.width
        self.start: Hashable = INPUT_SIGNAL
        self.count = 2 if version == 1 else 2 + octave_of(1, self._image)

    def of_block(self, gene: Gene, shape: Shape, state: Any) -> Gain:
        from plainnet.proxies.closed.composite import block_parts, octave_of
        from plainnet.proxies.closed.responses import NATS_PER_RELU

        signal, reads_all, work = block_parts(gene.kept_block(), shape, state, self._setting.variant)
        if not reads_all:
            raise NotASumError(
                f"composite is made of no sums over blocks here: {gene.name} does not read all positions of what comes in, so "
                "that what the blocks before it add depends on it; `plainnet search` remains"
            )
        if not math.isfinite(signal.loss):
            raise NotASumError(f"the felt depth of {gene.name} is not finite; `plainnet search` remains")
        parts = [0.0] * self.count
        parts[0] = signal.loss / NATS_PER_RELU
        if self._version == 1:
            parts[1] = work.entropy
        else:
            for size, held in work.maps:
                parts[1 + octave_of(size, self._image)] += held
        return Gain(0.0, 0, signal._replace(loss=0.0), tuple(parts))

    def parts_of_end(self, shape: Shape, state: Any) -> tuple[float, ...]:  # noqa: ARG002
        return (0.0,) * self.count

    def logs(self, present: Sequence[bool]) -> Logs:
        if self._version == 1:
            return Logs((1.0, 1.0), 0.0)
        octaves = [at for at in range(self.count - 1) if present[1 + at]]
        total = sum(at + 2 for at in octaves)
        constant = sum((at + 2) * math.log(at + 2) for at in octaves) / total
        factors = ((at + 2) / total if at in octaves else 0.0 for at in range(self.count - 1))
        return Logs((1.0, *factors), constant)

    def forgets(self, gene: Gene, shape: Shape) -> bool:
        rows, _ = block_rows(gene.kept_block(), shape, self._setting.variant, expand=True)
        return bool(rows) and all(isinstance(row.layer, NORMED) for row in rows if INPUT in row.inputs)

    def forgotten(self, state: Any) -> Hashable:
        kept: Hashable = self._signal._replace(likeness=state.likeness)
        return kept


class DeepMadLogs(LogSum):
    """The logarithm of `deepmad` where one stage has a ratio: of the elements of its last map, and of the entropy up to it."""

    is_exponential = True
    count = 2
    start: Hashable = (0, False, False)
    """the stage, whether there was a convolution, whether the maps are over"""

    def __init__(self, setting: Setting, ratios: list[float] | None, options: Mapping[str, Any]) -> None:
        self._setting = setting
        self._stages = len(ratios) if ratios is not None else None
        counted = [at for at, each in enumerate(ratios) if each] if ratios is not None else []
        if ratios is not None and len(counted) != 1:
            raise NotASumError(
                f"deepmad with {len(counted)} stages that count is a sum of so many products of sums, which no tangent bounds "
                "from above; `plainnet search` remains. Accepted: one ratio above 0, or none given (the last stage counts)"
            )
        self._at = counted[0] if counted else None
        self._ratio = ratios[counted[0]] if ratios is not None else 1.0
        self._alphas = (float(options.get("alpha1", 1.0)), float(options.get("alpha2", 1.0)))
        if min(self._alphas) < 0 or not any(self._alphas):
            raise NotASumError(
                f"alpha1 and alpha2 are {self._alphas}; accepted: numbers of at least 0, one of them above"
            )

    def _counts(self, stage: int) -> bool:
        """Whether the end of a stage that is not the last is the one that counts."""
        return self._at == stage and stage + 1 != self._stages

    def of_block(self, gene: Gene, shape: Shape, state: Any) -> Gain:
        from plainnet.proxies.closed.entropy import block_sums

        stage, begun, over = state
        out = block_totals(gene.kept_block(), shape).out_shape
        if over or out.is_vector or out.height == 1 < shape.height:
            elements = 0.0 if over else self._last(stage, shape)
            return Gain(0.0, 0, (stage, begun, True), (elements, 0.0))
        elements = 0.0
        if begun and (out.height < shape.height or out.width < shape.width):
            elements, stage = (math.log(shape.elements) if self._counts(stage) else 0.0), stage + 1
        convolutions, channels, kernels = block_sums(gene.kept_block(), shape)
        entropy = (self._alphas[0] * channels + self._alphas[1] * kernels) / 2
        if self._at is not None and stage > self._at:
            entropy = 0.0
        return Gain(0.0, 0, (stage, begun or convolutions > 0, False), (elements, entropy))

    def _last(self, stage: int, shape: Shape) -> float:
        """What the end of the last stage adds to the logarithm of the elements."""
        if self._stages is not None and stage + 1 != self._stages:
            raise NotASumError(f"{self._stages} stage ratios are given and a structure has {stage + 1} stages")
        return math.log(shape.elements) if self._at in (None, stage) else 0.0

    def parts_of_end(self, shape: Shape, state: Any) -> tuple[float, ...]:
        stage, begun, over = state
        if not begun:
            raise NotASumError("an entropy proxy needs convolutions, and this space has none")
        return (0.0 if over else self._last(stage, shape), 0.0)

    def logs(self, present: Sequence[bool]) -> Logs:  # noqa: ARG002
        return Logs((1.0, 1.0), math.log(self._ratio))
