"""NAS-Bench-Macro: 6,561 small image networks, each trained three times on CIFAR-10, as structures of this language.

Source: Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021; the facts shipped here are
those of https://github.com/xiusu/NAS-Bench-Macro (Apache-2.0): codes, accuracies, parameters, MACs.

A code has eight digits, one a layer, in stages of 2, 3 and 3 layers of widths 64, 128 and 256 behind a 3x3 stem of 32
channels; the first layer of a stage has stride 2. 0 is the identity (where the shape changes: a 1x1 convolution of that
stride and batch norm), 1 an inverted residual unit of expansion 3 and kernel 3, 2 one of expansion 6 and kernel 5. An
identity that changes no shape leaves no trace, so that 6,561 codes are 3,969 networks; codes of the same network share its
three training runs in the published file.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from itertools import product
from typing import NamedTuple

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.structure import Structure
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError

__all__ = [
    "HEAD_CHANNELS",
    "NUM_CLASSES",
    "RESOLUTION",
    "TrainedNetwork",
    "canonical_code",
    "codes",
    "network_of_code",
    "structure_of_code",
    "trained_networks",
]

RESOLUTION = 32
NUM_CLASSES = 10
HEAD_CHANNELS = 1280

_STEM_CHANNELS = 32
_LAYERS = ((64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1))
"""(channels, stride) of each layer"""
_KINDS = {"1": (3, 3), "2": (6, 5)}
"""digit -> (expansion, kernel size)"""
_FILE = "nas_bench_macro_cifar10.csv.gz"


class TrainedNetwork(NamedTuple):
    """A code of NAS-Bench-Macro and what was measured of it."""

    code: str
    accuracies: tuple[float, float, float]
    """CIFAR-10 test accuracy of three trainings of 50 epochs, in percent"""
    params: int
    macs: int
    """of the network with its classifier of 10 classes, at 32x32"""

    @property
    def accuracy(self) -> float:
        """The mean of the three trainings, in percent."""
        return sum(self.accuracies) / 3


def codes() -> tuple[str, ...]:
    """All 6,561 codes, in order."""
    return tuple("".join(digits) for digits in product("012", repeat=len(_LAYERS)))


def canonical_code(code: str) -> str:
    """The first of all codes that mean the same network, identities of unchanged shape standing last in their stage.

    >>> canonical_code("10201001")
    '10210010'
    """
    _check(code)
    return code[:3] + _identities_last(code[3:5]) + code[5] + _identities_last(code[6:])


def structure_of_code(code: str) -> str:
    """The network of a code as a string, without pooling and classifier; the same string for the same network."""
    return "".join(_block_texts(code))


def network_of_code(code: str) -> Structure:
    """The network of a code, read; blocks that codes have in common are read once."""
    return Structure(map(_read_block, _block_texts(code)))


@cache
def _read_block(text: str) -> PlainNetBasicBlockClass:
    (block,) = read_blocks(text)
    return block


def _block_texts(code: str) -> list[str]:
    channels = _STEM_CHANNELS
    blocks = [f"SuperConvK3BNRELU(3,{channels},1,1)"]
    for digit, (out, stride) in zip(canonical_code(code), _LAYERS, strict=True):
        unchanged = channels == out and stride == 1
        if digit in _KINDS:
            unit = _inverted_residual(channels, out, stride, *_KINDS[digit])
            blocks.append(f"ResBlock({channels},1,{unit})" if unchanged else f"Sequential({unit})")
        elif not unchanged:
            blocks.append(f"Sequential(ConvKX({channels},{out},1,{stride})BN({out}))")
        channels = out
    return [*blocks, f"SuperConvK1BNRELU({channels},{HEAD_CHANNELS},1,1)"]


@cache
def trained_networks() -> tuple[TrainedNetwork, ...]:
    """All 6,561 codes with their accuracies and counts, in the order of `codes`."""
    distinct = {}
    packed = (files("plainnet") / "data" / _FILE).read_bytes()
    for line in gzip.decompress(packed).decode("ascii").splitlines():
        if line.startswith("#"):
            continue
        code, *figures = line.split(",")
        first, second, third, params, macs = map(int, figures)
        distinct[code] = ((first / 100, second / 100, third / 100), params, macs)
    return tuple(TrainedNetwork(code, *distinct[canonical_code(code)]) for code in codes())


def _inverted_residual(channels: int, out: int, stride: int, expansion: int, kernel: int) -> str:
    hidden = channels * expansion
    return (
        f"ConvKX({channels},{hidden},1,1)BN({hidden})RELU({hidden})"
        f"ConvDW({hidden},{kernel},{stride})BN({hidden})RELU({hidden})"
        f"ConvKX({hidden},{out},1,1)BN({out})"
    )


def _identities_last(digits: str) -> str:
    return digits.replace("0", "").ljust(len(digits), "0")


def _check(code: str) -> None:
    if len(code) != len(_LAYERS) or not set(code) <= set("012"):
        raise UsageError(f"{code!r} is no code of NAS-Bench-Macro; accepted: eight digits 0, 1 or 2, such as 02012100")
