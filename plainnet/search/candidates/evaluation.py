"""What candidates cost and score: sums over genes of what was worked out once per gene and input shape.

The slow twin is `Structure.totals`; both read the same counters (`plainnet.blocks.rows.counts`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.counts import add_rows, block_totals, conv_costs
from plainnet.blocks.rows.layers import Act, Add, Conv, Layer, LayerError, Layers, Norm, Repeat, SqueezeExciteSlot
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import walk
from plainnet.profiler.lut.latency_model import LatencyModel, UnmeasuredError
from plainnet.proxies.closed.composite import VERSION
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.faults import FAULTS, fault_of, is_refusal
from plainnet.search.candidates.genes import Gene, Genes, count_layers
from plainnet.search.candidates.structures import as_structure

__all__ = ["Counter", "Setting"]


@dataclass(frozen=True)
class Setting:
    """What every candidate of a search has in common: the input, the classifier, the variant, and which composite is meant."""

    shape: Shape
    num_classes: int
    variant: Variant = PLAIN
    composite_version: int = VERSION


Sums = tuple[int, int, int, Shape]
"""params, macs, activations, the shape that comes out"""
Entry = tuple[int, int, int, int, int]
"""params, macs, activations, peak elements, the number of the next state"""


class Counter:
    """The costs of candidates at one setting. A *state* is the number of an input shape.

    asked: which of the costs `ON_REQUEST` are computed, too.
    latency: the coefficients of `plainnet.search.ladder.latency_budget`, or the model of a table. The cost is then the upper end
        of the model's interval, and a candidate with an operation that the table knows nothing of does not fit.
    """

    def __init__(
        self, setting: Setting, *, asked: Collection[str] = (), latency: Sequence[float] | LatencyModel = ()
    ) -> None:
        self.setting = setting
        self._model = latency if isinstance(latency, LatencyModel) else None
        self._latency = () if isinstance(latency, LatencyModel) else tuple(latency)
        self._peak, self._main_path = "peak_activation" in asked, bool({"convolutions", "rho"} & set(asked))
        self._more = self._peak or self._main_path or bool(self._latency) or self._model is not None
        self._shapes: list[Shape] = [setting.shape]
        self._numbers: dict[Shape, int] = {setting.shape: 0}
        variant = setting.variant
        self._use_se = variant.use_se
        self._parts: BoundedMemo[tuple[int, Shape], tuple[Sums, Layers]] = BoundedMemo(50_000)
        self._by_rows = self._peak or variant != Variant(use_se=variant.use_se)

    def costs(self, genes: Genes) -> Costs | None:
        """What a candidate costs; None if some block cannot take what comes in (other channels, a map too small for a
        kernel), or is none. What code of the user's raises is raised.
        """
        state = params = macs = activations = peak = 0
        layers = count_layers(genes)
        for gene in genes:
            entry = gene.entry if gene.state == state else self._entry(gene, state)
            if entry is None:
                return None
            block_params, block_macs, block_activations, block_peak, state = entry
            params += block_params
            macs += block_macs
            activations += block_activations
            if block_peak > peak:
                peak = block_peak
        classes = self.setting.num_classes
        if classes:
            channels, height, _ = self._shapes[state]
            if height:
                params += (channels + 1) * classes
                macs += channels * classes
                activations += classes
        if self._more:
            return self._with_more(genes, Costs(params, macs, layers, activations, peak if self._peak else None))
        # half a million times: a named tuple's own constructor takes twice as long
        return tuple.__new__(Costs, (params, macs, layers, activations, None, None, None, None))

    def sound_costs(self, genes: Genes) -> Costs | None:
        """`costs`; None also where code of the user's raises."""
        try:
            return self.costs(genes)
        except FAULTS:
            return None

    def _with_more(self, genes: Genes, costs: Costs) -> Costs | None:
        """The costs with those that only some searches ask for; None where a latency cannot be predicted."""
        if self._model is not None:
            try:
                costs = costs._replace(latency_ms=self._predicted(self._model, genes))
            except UnmeasuredError:
                return None
        elif self._latency:
            overhead, per_mac, per_activation, per_layer = self._latency
            latency = overhead + per_mac * costs.macs + per_activation * costs.activations + per_layer * costs.layers
            costs = costs._replace(latency_ms=latency)
        if self._main_path:
            from plainnet.proxies.closed.entropy import main_path

            convolutions, rho = main_path(as_structure(genes).units, self.setting.shape)
            costs = costs._replace(convolutions=convolutions, rho=rho)
        return costs

    def _predicted(self, model: LatencyModel, genes: Genes) -> float:
        """Milliseconds of a candidate that fits, at the upper end of the interval."""
        micros, state = model.constant, 0
        for gene in genes:
            micros += model.of_block(gene.kept_block(), self._shapes[state]).micros
            entry = self._entry(gene, state)
            assert entry is not None
            state = entry[-1]
        micros += model.of_head(self._shapes[state], self.setting.num_classes).micros
        return model.upper * micros / 1000

    def _entry(self, gene: Gene, state: int) -> Entry | None:
        """What a gene costs where it was not met last; None where it does not fit."""
        if gene.state < 0:
            entry = self._work_out(gene, state)
        else:
            if gene.entries is None:
                gene.entries = {gene.state: gene.entry}
            if state not in gene.entries:
                gene.entries[state] = self._work_out(gene, state)
            entry = gene.entries[state]
        gene.state, gene.entry = state, entry
        return entry

    def _work_out(self, gene: Gene, state: int) -> Entry | None:
        if gene.fault is not None:
            if is_refusal(gene.fault):
                return None
            raise gene.fault.with_traceback(None)
        try:
            return self._entry_of(gene, self._shapes[state])
        except FAULTS as error:
            fault = fault_of(error)
            if is_refusal(fault):
                return None
            gene.fault = fault  # it would be the same again, and may have taken its time
            raise fault from None

    def _entry_of(self, gene: Gene, shape: Shape) -> Entry:
        """What parsing and walking a network ask of a block, and what it costs."""
        if gene.is_compound:
            return self._entry_of_blocks(gene, shape)
        wanted = gene.width_in if gene.wide else gene.block.channels_in()
        if wanted is not None and wanted != shape.channels:
            raise LayerError(f"{gene.text} takes {wanted} channels and gets {shape.channels}")
        if self._by_rows or not gene.wide:
            block = gene.block
            if block.children and not block.wiring[-1]:
                raise LayerError(f"the blocks inside {gene.text} do not fit each other")
            totals = block_totals(block, shape, self.setting.variant)
            if not totals.reads_input:
                raise LayerError(f"{gene.text} puts out zeros, whatever comes in")
            sums, out = totals.sums, self._number(totals.out_shape)
            return sums.params, sums.macs, sums.activations, totals.peak_elements if self._peak else 0, out
        params, macs, activations, out_shape = self._fold(gene.layers(), shape)
        if out_shape.channels != gene.width_out:
            raise LayerError(f"{gene.text} puts out {out_shape.channels} channels")
        return params, macs, activations, 0, self._number(out_shape)

    def _entry_of_blocks(self, gene: Gene, shape: Shape) -> Entry:
        """The same of a gene of several blocks."""
        structure = as_structure((gene,))
        found = structure.totals(shape, variant=self.setting.variant)
        if not all(totals.reads_input for totals in found):
            raise LayerError("a part of the network puts out zeros, whatever comes in")
        params, macs, activations = (sum(column) for column in zip(*[each.sums[:3] for each in found], strict=True))
        peak = max(totals.peak_elements for totals in found) if self._peak else 0
        out = found[-1].out_shape
        if structure.output_names:
            out = Shape(out.channels, 0, 0)  # several values are put out as they are, without a classifier
        return params, macs, activations, peak, self._number(out)

    def _number(self, shape: Shape) -> int:
        number = self._numbers.get(shape)
        if number is None:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return number

    def _fold(self, layers: Layers, shape: Shape) -> Sums:
        """What layers cost, and the shape that comes out, without a table of rows."""
        params = macs = activations = 0
        for layer in layers:
            kind = type(layer)
            if kind is Conv:
                out = layer.out_shape(shape)  # type: ignore[union-attr]
                counts = conv_costs(layer, shape, out)  # type: ignore[arg-type]
                params += counts[0]
                macs += counts[1]
                activations += counts[2]
                shape = out
            elif kind is Norm:
                params += 2 * shape[0]
            elif kind is Act or (kind is SqueezeExciteSlot and not self._use_se):
                continue
            else:
                sums = self._join(layer, shape)
                params += sums[0]
                macs += sums[1]
                activations += sums[2]
                shape = sums[3]
        return params, macs, activations, shape

    def _join(self, layer: Layer | Block, shape: Shape) -> Sums:
        """The same for what is no plain layer."""
        if isinstance(layer, Repeat):
            if not layer.times:
                return 0, 0, 0, shape
            params, macs, activations, out = self._part(layer.body, shape)
            if out != shape:
                raise LayerError(f"a repeated body takes {shape} and puts out {out}")
            return layer.times * params, layer.times * macs, layer.times * activations, shape
        if isinstance(layer, Add):
            main = self._part(layer.main, shape)
            if not layer.skip:
                return main
            skip = self._part(layer.skip, shape)
            if skip[3] != main[3]:
                raise LayerError("the shortcut does not fit")
            return main[0] + skip[0], main[1] + skip[1], main[2] + skip[2], main[3]
        rows, out = walk((layer,), shape, variant=self.setting.variant)
        params, macs, activations = add_rows(rows)[:3]
        return params, macs, activations, out

    def _part(self, layers: Layers, shape: Shape) -> Sums:
        """`_fold` of a branch. What follows its first convolution does not depend on the width that comes in, so blocks that
        differ in that or in depth have it in common, and it is remembered.
        """
        head = layers[0] if layers else None
        if type(head) is not Conv:
            return self._rest(layers, 0, shape)
        out = head.out_shape(shape)
        costs = conv_costs(head, shape, out)
        rest = self._rest(layers, 1, out)
        return costs[0] + rest[0], costs[1] + rest[1], costs[2] + rest[2], rest[3]

    def _rest(self, layers: Layers, first: int, shape: Shape) -> Sums:
        """What the layers from `first` on cost. Blocks share their branches (the same objects, so that identity is enough;
        it is kept so that no other object can have it).
        """
        key = (id(layers), shape)
        found = self._parts.get(key)
        if found is None:
            found = self._parts[key] = (self._fold(layers[first:], shape), layers)
        return found[0]
