"""A search with a block and an objective of one's own, in a space of its own."""

from __future__ import annotations

from plainnet import PlainNetBasicBlockClass, Structure
from plainnet.blocks.fields import Channels, Depth, Stride
from plainnet.blocks.rows.layers import Act, Add, Conv, Layers, Norm, Repeat, depthwise
from plainnet.search import SearchConfig, load_space, search
from plainnet.search.candidates.evaluation import Setting


class SuperConvNeXtish(PlainNetBasicBlockClass):
    """A strided convolution, then residual units of a wide depthwise and two 1x1 convolutions."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride
    sub_layers: Depth

    def layers(self) -> Layers:
        width = self.out_channels
        wide = (depthwise(width, 7), Norm(), Conv(4 * width), Norm(), Act(), Conv(width), Norm())
        return (Conv(width, 3, self.stride), Norm(), Act(), Repeat(self.sub_layers, (Add(wide), Act())))


def balance(structure: Structure, setting: Setting) -> float:
    """How evenly the MACs are spread over the blocks: 1 if all have the same, towards 0 if one has them all."""
    macs = [totals.sums.macs for totals in structure.totals(setting.shape)]
    return sum(macs) ** 2 / (len(macs) * sum(each * each for each in macs))


space = load_space({
    "name": "convnextish",
    "start": "SuperConvK3BNRELU(3,32,1,1)SuperConvNeXtish(32,48,2,2)SuperConvNeXtish(48,96,2,2)",
    "blocks": [{"names": ["Super*"], "become": [], "change": {"out_channels": {"factors": [2, 1, 0.5], "step": 8}}}],
})  # fmt: skip
config = SearchConfig(space, objectives=(f"{__name__}:balance",), limits={"macs": 5e7}, candidates=2_000)
result = search(config)
print(f"{result.best.structure}  balance {result.best.scores['balance']:.3f}  {result.best.macs:,} MACs")
