"""The macro space of TransNAS-Bench-101: residual networks that differ in where they halve the map and double the width.

Source: Duan et al., "TransNAS-Bench-101", CVPR 2021. Behind a stem (3x3 convolution of stride 2 to 32 channels, ReLU, another
to 64) come four to six modules of two pre-activation units each (ReLU, 3x3 convolution, batch norm, twice; where the shape
changes the shortcut is a 1x1 convolution with batch norm). A code has a digit for each module, for what its first unit does:

    1 keeps the shape    2 doubles the width    3 halves the map    4 both    0 no module (at the end, up to six digits)
"""

from __future__ import annotations

import re
from functools import cache

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError

__all__ = ["RESOLUTION", "code_of_structure", "network_of_code", "structure_of_code"]

RESOLUTION = 256

_STEM = "ConvKX(3,32,3,2)BN(32)RELU(32)ConvKX(32,64,3,2)BN(64)"
_STEM_CHANNELS, _STEM_BLOCKS = 64, 5
_MODULES = range(4, 7)
_CHANGES = re.compile(r";ConvKX\((\d+),(\d+),1,(\d+)\)")


def structure_of_code(code: str) -> str:
    """The network of a code as a string, without pooling and classifier.

    >>> structure_of_code("1111")[:40]
    'ConvKX(3,32,3,2)BN(32)RELU(32)ConvKX(32,'
    """
    return _STEM + "".join(_unit_texts(code))


def network_of_code(code: str) -> Structure:
    """The network of a code, read; units that codes have in common are read once."""
    return Structure([block for text in (_STEM, *_unit_texts(code)) for block in _read(text)])


def code_of_structure(structure: str | Structure) -> str:
    """The code of a network as `structure_of_code` writes it, without zeros; `UsageError` for any other network.

    >>> code_of_structure(structure_of_code("122340"))
    '12234'
    """
    blocks = parse(structure).blocks
    firsts = [block.text for block in blocks[_STEM_BLOCKS::2]]
    code = "".join(map(_digit, firsts))
    if len(code) not in _MODULES or network_of_code(code).blocks != blocks:
        raise UsageError("the network is none of TransNAS-Bench-101's macro space")
    return code


def _digit(unit: str) -> str:
    """What a module's first unit does."""
    found = _CHANGES.search(unit)
    if found is None:
        return "1"
    channels, out, stride = map(int, found.groups())
    return {(False, 1): "1", (True, 1): "2", (False, 2): "3"}.get((out != channels, stride), "4")


@cache
def _read(text: str) -> tuple[PlainNetBasicBlockClass, ...]:
    return tuple(read_blocks(text))


def _unit_texts(code: str) -> list[str]:
    _check(code)
    channels, units = _STEM_CHANNELS, []
    for digit in code.rstrip("0"):
        out, stride = channels * (2 if digit in "24" else 1), 2 if digit in "34" else 1
        units += [_unit(channels, out, stride), _unit(out, out, 1)]
        channels = out
    return units


def _unit(channels: int, out: int, stride: int) -> str:
    main = f"RELU({channels})ConvKX({channels},{out},3,{stride})BN({out})RELU({out})ConvKX({out},{out},3,1)BN({out})"
    if (out, stride) == (channels, 1):
        return f"ResBlock({channels},1,{main})"
    return f"MultiSumBlock({main};ConvKX({channels},{out},1,{stride})BN({out}))"


def _check(code: str) -> None:
    modules = code.rstrip("0")
    if len(modules) not in _MODULES or len(code) > _MODULES[-1] or not set(modules) <= set("1234"):
        raise UsageError(
            f"{code!r} is no code of TransNAS-Bench-101's macro space; accepted: four to six digits from 1 to 4, such as 144310"
        )
