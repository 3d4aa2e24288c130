"""Blocks of ConvNeXt and its like: layer norms, scales of channels, patches."""

from __future__ import annotations

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.basic import Elementwise
from plainnet.blocks.fields import Channels, KernelSize
from plainnet.blocks.rows.channel_layers import ChannelScale, LayerNorm, PatchConv
from plainnet.blocks.rows.layers import Layers

__all__ = ["LN", "ConvPatch", "LayerScale"]


class LN(Elementwise):
    """Layer norm over the channels of each place, with epsilon 1e-6.

    Experimental: no score of untrained networks knows it yet.
    """

    def layers(self) -> Layers:
        return (LayerNorm(),)


class LayerScale(Elementwise):
    """A learnable factor for each channel, which begins with 1e-6 (ConvNeXt: behind each branch, before it is added).

    Experimental: no score of untrained networks knows it yet.
    """

    def layers(self) -> Layers:
        return (ChannelScale(),)


class ConvPatch(PlainNetBasicBlockClass):
    """A convolution with bias whose windows of patch_size x patch_size lie side by side, without padding.

    Experimental: it came with ConvNeXt, and what it takes may still change.
    """

    in_channels: Channels
    out_channels: Channels
    patch_size: KernelSize

    def layers(self) -> Layers:
        return (PatchConv(self.out_channels, self.patch_size, self.patch_size, bias=True),)
