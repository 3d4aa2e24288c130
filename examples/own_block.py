"""A block of your own, from its declaration to a trained step: nothing else has to be touched."""

import torch

import plainnet
from plainnet.blocks import Channels, Depth, Stride
from plainnet.blocks.rows.layers import Act, Concat, Conv, Layers, Norm, Repeat, depthwise


class GhostStage(plainnet.PlainNetBasicBlockClass):
    """`sub_layers` ghost modules (Han et al. 2020): half of the maps are cheap copies of the other half."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride
    sub_layers: Depth

    def layers(self) -> Layers:
        return (*self.unit(self.stride), Repeat(self.sub_layers - 1, self.unit(1)))

    def unit(self, stride: int) -> Layers:
        half = self.out_channels // 2
        return (Conv(half, 3, stride), Norm(), Act(), Concat(((), (depthwise(half, 3), Norm(), Act()))))


structure = "SuperConvK3BNRELU(3,16,1,1)GhostStage(16,32,2,3)GhostStage(32,64,2,3)"
result = plainnet.analyze_model(structure, resolution=32, num_classes=10, latency=False, zen=False)
print(f"{result.params:,} params, {result.macs:,} MACs, {result.layers} layers, features {result.feature_shape}")

net = plainnet.PlainNet(structure, num_classes=10)
images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
loss = torch.nn.functional.cross_entropy(net(images), labels)
loss.backward()
optimizer.step()
print(f"one step of training: loss {loss.item():.3f}")
