"""Super blocks of plain convolutions."""

from __future__ import annotations

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Depth, KernelSize, Stride
from plainnet.blocks.layers import Act, Conv, Layers, Norm, Repeat

__all__ = ["SuperConvKXBNRELU"]


class SuperConvKXBNRELU(PlainNetBasicBlockClass):
    """`sub_layers` times convolution, batch norm, ReLU; the stride is that of the first."""

    name_template = "SuperConvK{kernel_size}BNRELU"
    name_choices = {"kernel_size": (1, 3, 5, 7)}

    kernel_size: KernelSize
    in_channels: Channels
    out_channels: Channels
    stride: Stride
    sub_layers: Depth

    def layers(self) -> Layers:
        return (*self._unit(self.stride), Repeat(self.sub_layers - 1, self._unit(1)))

    def _unit(self, stride: int) -> Layers:
        return (Conv(self.out_channels, self.kernel_size, stride), Norm(), Act())
