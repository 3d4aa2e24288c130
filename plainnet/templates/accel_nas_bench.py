"""The space of Accel-NASBench: mobile ImageNet networks of seven stages, each with its own expansion, kernel, depth and gate.

Source: Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS", DAC 2024; the space is that of
MnasNet. A code has four groups of seven digits, one for each stage: `6466611-3535533-1233222-0000000` are the expansions
(1, 4, 6), the kernels (3, 5), the numbers of units (1 to 4) and whether there is squeeze-excite (0, 1). A unit: 1x1 convolution
to expansion times its input (left out where that is 1), depthwise convolution, squeeze-excite with a quarter of the unit's
*input* hidden (biases, no batch norm), 1x1 convolution to the stage's width; a shortcut where the shape stays.
"""

from __future__ import annotations

import re
from functools import cache

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError

__all__ = ["HEAD_CHANNELS", "NUM_CLASSES", "RESOLUTION", "code_of_structure", "network_of_code", "structure_of_code"]

RESOLUTION = 224
NUM_CLASSES = 1000
HEAD_CHANNELS = 1280

_STEM_CHANNELS = 32
_STAGES = ((16, 1), (24, 2), (40, 2), (80, 2), (112, 1), (192, 2), (320, 1))
"""(channels, stride of the first unit) of each stage"""
_CODE = re.compile("-".join(f"[{digits}]{{7}}" for digits in ("146", "35", "1234", "01")))
_MIDDLE = re.compile(r"ConvDW\((\d+),(\d),\d\)")


def structure_of_code(code: str) -> str:
    """The network of a code as a string, without pooling and classifier."""
    return "".join(_block_texts(code))


def network_of_code(code: str) -> Structure:
    """The network of a code, read; units that codes have in common are read once."""
    return Structure([block for text in _block_texts(code) for block in _read(text)])


def code_of_structure(structure: str | Structure) -> str:
    """The code of a network as `structure_of_code` writes it; `UsageError` for any other network."""
    blocks = parse(structure).blocks
    units = [block.text for block in blocks[1:-1]]
    columns: list[tuple[str, str, str, str]] = []
    channels, at = _STEM_CHANNELS, 0
    for out, _ in _STAGES:
        last = f"{out},1,1)BN({out}))"
        count = next((n for n, unit in enumerate(units[at:]) if not unit.endswith(last)), len(units) - at)
        found = _MIDDLE.search(units[at]) if count else None
        if found is None:
            break
        columns.append((str(int(found[1]) // channels), found[2], str(count), str(int("SqueezeExcite" in units[at]))))
        channels, at = out, at + count
    code = "-".join(map("".join, zip(*columns, strict=True)))
    if not _CODE.fullmatch(code) or network_of_code(code).blocks != blocks:
        raise UsageError("the network is none of Accel-NASBench's space")
    return code


@cache
def _read(text: str) -> tuple[PlainNetBasicBlockClass, ...]:
    return tuple(read_blocks(text))


def _block_texts(code: str) -> list[str]:
    if not _CODE.fullmatch(code):
        raise UsageError(
            f"{code!r} is no code of Accel-NASBench; accepted: seven digits each of expansions (1, 4, 6), kernels (3, 5), depths "
            "(1 to 4) and gates (0, 1), such as 6466611-3535533-1233222-0000000"
        )
    channels, texts = _STEM_CHANNELS, [f"SuperConvK3BNRELU(3,{_STEM_CHANNELS},2,1)"]
    for (out, first), expansion, kernel, depth, gate in zip(_STAGES, *code.split("-"), strict=True):
        for number in range(int(depth)):
            stride = first if number == 0 else 1
            unit = _unit(channels, out, stride, int(expansion), int(kernel), gated=gate == "1")
            texts.append(f"ResBlock({out},1,{unit})" if (channels, stride) == (out, 1) else f"Sequential({unit})")
            channels = out
    return [*texts, f"SuperConvK1BNRELU({channels},{HEAD_CHANNELS},1,1)"]


def _unit(channels: int, out: int, stride: int, expansion: int, kernel: int, *, gated: bool) -> str:
    hidden = channels * expansion
    wider = f"ConvKX({channels},{hidden},1,1)BN({hidden})RELU({hidden})" if expansion > 1 else ""
    gate = f"SqueezeExcite({hidden},{max(1, channels // 4)})" if gated else ""
    return (
        f"{wider}ConvDW({hidden},{kernel},{stride})BN({hidden})RELU({hidden}){gate}ConvKX({hidden},{out},1,1)BN({out})"
    )
