"""Super blocks of plain convolutions."""

from __future__ import annotations

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Depth, KernelSize, Stride
from plainnet.blocks.rows.layers import Act, Conv, Layers, Norm, Repeat
from plainnet.blocks.rows.memo import shared

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
        unit = (self.out_channels, self.kernel_size)
        return (*_unit(*unit, self.stride), Repeat(self.sub_layers - 1, _unit(*unit, 1)))


@shared
def _unit(out_channels: int, kernel_size: int, stride: int) -> Layers:
    return (Conv(out_channels, kernel_size, stride), Norm(), Act())
