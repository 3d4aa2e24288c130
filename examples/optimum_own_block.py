"""The best network of a space with a block and an objective of one's own, and a bound that none of its networks can pass."""

from __future__ import annotations

import math

from plainnet import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Depth, Stride
from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.layers import Act, Add, Conv, Layers, Norm, Repeat, depthwise
from plainnet.blocks.rows.shapes import Shape
from plainnet.search import optimum
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import Genes


class LargeKernelUnit(PlainNetBasicBlockClass):
    """A strided 1x1 convolution into a bottleneck, residual units of a 7x7 depthwise and a 1x1 convolution, and out again."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride
    bottleneck_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        width = self.bottleneck_channels
        unit = (Add((depthwise(width, 7), Norm(), Act(), Conv(width), Norm())), Act())
        into, out = (Conv(width, 1, self.stride), Norm(), Act()), (Conv(self.out_channels), Norm(), Act())
        return (*into, Repeat(self.sub_layers, unit), *out)


class Capacity:
    """A sum over blocks: of each, its depth times the logarithm of the channels that it puts out."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def of_block(self, block: PlainNetBasicBlockClass, shape: Shape) -> float:
        """What a block adds: for exact searches."""
        return block.num_layers() * math.log(block_totals(block, shape).out_shape.channels)

    def score(self, genes: Genes, costs: Costs) -> float:  # noqa: ARG002
        """The sum over a whole candidate, as every search asks for it."""
        shape, total = self.setting.shape, 0.0
        for gene in genes:
            total += self.of_block(gene.kept_block(), shape)
            shape = block_totals(gene.kept_block(), shape).out_shape
        return total


class Objective:
    def prepare(self, setting: Setting) -> Capacity:
        return Capacity(setting)


capacity = Objective()
WIDTH = {"factors": [2, 1.5, 0.5], "minimum": 8, "maximum": 512, "step": 8}
SPACE = {
    "name": "large-kernels",
    "start": "SuperConvK3BNRELU(3,16,2,1)LargeKernelUnit(16,32,1,16,1)LargeKernelUnit(32,64,2,32,1)",
    "blocks": [
        {
            "names": ["LargeKernelUnit"],
            "change": {
                "out_channels": WIDTH,
                "bottleneck_channels": WIDTH,
                "sub_layers": {"add": [-1, 1], "minimum": 1},
            },
        }
    ],
    "resolution": 32,
    "num_classes": 10,
}

for objective in ("zen", f"{__name__}:capacity"):
    found = optimum(SPACE, objective=objective, limits={"params": 100_000, "macs": 10e6, "layers": 9})
    assert found.best is not None
    print(f"{objective}: {found.reason}, {found.value:.4f} of at most {found.bound:.4f}; {found.best.structure}")
