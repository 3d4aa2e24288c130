"""The language of networks: blocks, the primitive layers they are made of, and the table of rows that every question is
asked of.
"""

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.basic import (
    BN,
    GELU,
    RELU,
    SE,
    AdaptiveAvgPool,
    AvgPool,
    ConvDW,
    ConvKX,
    ConvKXBN,
    ConvKXBNRELU,
    ConvKXG,
    Dropout,
    Flatten,
    HardSwish,
    Linear,
    MaxPool,
    Sigmoid,
    SqueezeExcite,
    Swish,
)
from plainnet.blocks.families.containers import MultiCatBlock, MultiSumBlock, ResBlock, ResBlockProj, Sequential
from plainnet.blocks.families.resnet import ResNetBasic, ResNetBottleneck, ResNetInverted
from plainnet.blocks.families.super_conv import SuperConvKXBNRELU
from plainnet.blocks.families.super_res import SuperResBasic, SuperResBottleneck, SuperResIDW
from plainnet.blocks.families.tinynas import (
    SuperResK1DWK1,
    SuperResK1DWSEK1,
    SuperResK1KX,
    SuperResK1KXK1,
    SuperResKXKX,
)
from plainnet.blocks.fields import (
    Blocks,
    Branches,
    Channels,
    Depth,
    Features,
    Flag,
    Groups,
    KernelSize,
    Probability,
    Size,
    Stride,
)
from plainnet.blocks.formats.foreign import ForeignNetwork, read_network
from plainnet.blocks.rows.limits import Limits
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure, parse

__all__ = [
    "BN",
    "GELU",
    "RELU",
    "SE",
    "AdaptiveAvgPool",
    "AvgPool",
    "Blocks",
    "Branches",
    "Channels",
    "ConvDW",
    "ConvKX",
    "ConvKXBN",
    "ConvKXBNRELU",
    "ConvKXG",
    "Depth",
    "Dropout",
    "Features",
    "Flag",
    "Flatten",
    "ForeignNetwork",
    "Groups",
    "HardSwish",
    "KernelSize",
    "Limits",
    "Linear",
    "MaxPool",
    "MultiCatBlock",
    "MultiSumBlock",
    "PlainNetBasicBlockClass",
    "Probability",
    "ResBlock",
    "ResBlockProj",
    "ResNetBasic",
    "ResNetBottleneck",
    "ResNetInverted",
    "Sequential",
    "Shape",
    "Sigmoid",
    "Size",
    "SqueezeExcite",
    "Stride",
    "Structure",
    "SuperConvKXBNRELU",
    "SuperResBasic",
    "SuperResBottleneck",
    "SuperResIDW",
    "SuperResK1DWK1",
    "SuperResK1DWSEK1",
    "SuperResK1KX",
    "SuperResK1KXK1",
    "SuperResKXKX",
    "Swish",
    "Variant",
    "parse",
    "read_network",
]
