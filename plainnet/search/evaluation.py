"""What candidates cost and score: sums over genes of what was worked out once per gene and input shape.

The slow twin is `Structure.totals`; both read the same counters (`plainnet.blocks.counts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plainnet.blocks.counts import block_totals, conv_sums, row_sums
from plainnet.blocks.layers import Act, Add, Conv, LayerError, Layers, Norm, Repeat, SqueezeExciteSlot
from plainnet.blocks.shapes import Shape
from plainnet.blocks.variants import PLAIN, Variant
from plainnet.blocks.walk import WalkError, walk
from plainnet.search.budgets import Costs
from plainnet.search.genes import Gene, Genes

__all__ = ["Counter", "Setting"]


@dataclass(frozen=True)
class Setting:
    """What every candidate of a search has in common: the input, the classifier, the variant."""

    shape: Shape
    num_classes: int
    variant: Variant = PLAIN


Entry = tuple[int, int, int, int, int]
"""params, macs, activations, peak elements, the number of the next state"""


class Counter:
    """The costs of candidates at one setting. A *state* is the number of an input shape.

    peak: count the elements alive at once, too. latency: the coefficients of `plainnet.search.latency`.
    """

    def __init__(self, setting: Setting, *, peak: bool = False, latency: Sequence[float] = ()) -> None:
        self.setting = setting
        self._latency = tuple(latency)
        self._shapes: list[Shape] = [setting.shape]
        self._numbers: dict[Shape, int] = {setting.shape: 0}
        variant = setting.variant
        self._use_se = variant.use_se
        self._by_rows = peak or variant != Variant(use_se=variant.use_se)

    def costs(self, genes: Genes) -> Costs | None:
        """What a candidate costs; None if some block cannot take what comes in (a map too small for a kernel)."""
        state = params = macs = activations = peak = layers = 0
        for gene in genes:
            entry = gene.entries.get(state)
            if entry is None:
                entry = self._fill(gene, state)
                if entry is None:
                    return None
            block_params, block_macs, block_activations, block_peak, state = entry
            params += block_params
            macs += block_macs
            activations += block_activations
            layers += gene.depth
            if block_peak > peak:
                peak = block_peak
        classes = self.setting.num_classes
        if classes:
            channels, height, _ = self._shapes[state]
            if height:
                params += (channels + 1) * classes
                macs += channels * classes
                activations += classes
        if self._latency:
            overhead, per_mac, per_activation, per_layer = self._latency
            latency = overhead + per_mac * macs + per_activation * activations + per_layer * layers
            return Costs(params, macs, layers, activations, peak, latency)
        return Costs(params, macs, layers, activations, peak)

    def _fill(self, gene: Gene, state: int) -> Entry | None:
        """Work out a gene's costs at a state and remember them; None (remembered too) where it does not fit."""
        if state in gene.entries:
            return None
        shape = self._shapes[state]
        entry: Entry | None = None
        try:
            if self._by_rows:
                totals = block_totals(gene.block, shape, self.setting.variant)
                sums = totals.sums
                out, found = totals.out_shape, (sums.params, sums.macs, sums.activations, totals.peak_elements)
            else:
                sums_list = [0, 0, 0]
                out = self._fold(gene.block.layers(), shape, 1, sums_list)
                found = (sums_list[0], sums_list[1], sums_list[2], 0)
            entry = (*found, self._number(out))
        except (WalkError, LayerError):
            pass
        gene.entries[state] = entry
        return entry

    def _number(self, shape: Shape) -> int:
        number = self._numbers.get(shape)
        if number is None:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return number

    def _fold(self, layers: Layers, shape: Shape, times: int, sums: list[int]) -> Shape:
        """Add the params, macs and activations of layers to `sums` without making a table of rows."""
        for layer in layers:
            if isinstance(layer, Conv):
                out = layer.out_shape(shape)
                counts = conv_sums(layer, shape, out)
                sums[0] += times * counts[0]
                sums[1] += times * counts[1]
                sums[2] += times * counts[2]
                shape = out
            elif isinstance(layer, Norm):
                sums[0] += times * 2 * shape[0]
            elif isinstance(layer, Act) or (isinstance(layer, SqueezeExciteSlot) and not self._use_se):
                continue
            elif isinstance(layer, Repeat):
                if layer.times:
                    shape = self._fold(layer.body, shape, times * layer.times, sums)
            elif isinstance(layer, Add):
                out = self._fold(layer.main, shape, times, sums)
                if layer.skip and self._fold(layer.skip, shape, times, sums) != out:
                    raise LayerError("the shortcut does not fit")
                shape = out
            else:
                rows, shape = walk((layer,), shape, variant=self.setting.variant)
                for row in rows:
                    counts = row_sums(row)
                    for column in range(3):
                        sums[column] += times * counts[column]
        return shape
