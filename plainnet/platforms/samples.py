"""The images that a conversion is compared on: their sizes, what the network makes of them, and the file that keeps both.

samples.safetensors has `input.N`, and `output.N`, or `output.N.NAME` of each output where there are several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError
from plainnet.platforms.comparing import ONLY

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    Array = np.ndarray[Any, Any]
    Samples = dict[str, tuple[Array, dict[str, Array]]]

__all__ = ["SAMPLES", "read_samples", "sample_sizes", "samples_of", "usual_sizes", "write_samples"]

SAMPLES = "samples.safetensors"
BATCH = 3
FEWEST = 3
"""Sizes that a network is compared at, where it takes several."""
Size = tuple[int, int]


def usual_sizes(size: Size, stride: int = 1) -> list[Size]:
    """The network's own size, an odd one that is not square, a larger one that is not square, and two that a network takes whose
    maps meet at multiples of its stride alone.
    """
    height, width = size
    own, odd, larger = (height, width), (height | 1, (width | 1) + 2), (height + 8, width + 4)
    return [own, odd, larger, (height + stride, width + 2 * stride), (height + 3 * stride, width + stride)]


def sample_sizes(
    size: Size, said: Sequence[Size] = (), *, stride: int = 1, takes: Callable[[Size], bool] = lambda _: True
) -> list[Size]:
    """The sizes to compare at: those that were said, or the network's own; with usual ones, as far as the network takes them,
    until there are three, one of them odd and one not square.

    takes: whether the network takes a size. Raises `UsageError` for a said one that it does not take.
    """
    usual = usual_sizes(size, stride)
    found = list(dict.fromkeys(said)) or [size]
    refused = [f"{height}x{width}" for height, width in said if not takes((height, width))]
    if refused:
        able = ", ".join(f"{height}x{width}" for height, width in usual if takes((height, width)))
        raise UsageError(f"the network does not take {', '.join(refused)}; accepted: {able}, ...")
    for each in usual:
        odd, narrow = (any(map(test, found)) for test in (_is_odd, _is_narrow))
        wanted = len(found) < FEWEST or (_is_odd(each) and not odd) or (_is_narrow(each) and not narrow)
        if wanted and each not in found and takes(each):
            found.append(each)
    return found


def _is_odd(size: Size) -> bool:
    return size[0] % 2 == size[1] % 2 == 1


def _is_narrow(size: Size) -> bool:
    return size[0] != size[1]


def samples_of(module: nn.Module, channels: int, sizes: Sequence[Size]) -> Samples:
    """Images of a fixed seed, one of each size and three of the first, with the network's own answers."""
    import torch

    generator = torch.Generator().manual_seed(0)
    found: Samples = {}
    for batch, (height, width) in [(1, sizes[0]), (BATCH, sizes[0]), *((1, size) for size in sizes[1:])]:
        images = torch.randn(batch, channels, height, width, generator=generator)
        with torch.no_grad():
            outputs = module(images)
        found[str(len(found))] = (images.numpy(), {name: each.numpy() for name, each in _named(outputs)})
    return found


def _named(outputs: Any) -> Iterator[tuple[str, Tensor]]:
    import torch

    named = outputs if isinstance(outputs, dict) else {ONLY: outputs}
    for name, each in named.items():
        if not isinstance(each, torch.Tensor):
            raise UsageError(f"the network puts out a {type(each).__name__}; accepted: a tensor, or a dict of them")
        yield str(name), each


def write_samples(folder: Path, samples: Samples) -> None:
    """Write them into a folder."""
    import torch

    from plainnet.files.tensor_files import write_tensors

    tensors: dict[str, torch.Tensor] = {}
    for number, (images, outputs) in samples.items():
        tensors[f"input.{number}"] = torch.from_numpy(images)
        tensors |= {_key(number, name): torch.from_numpy(each) for name, each in outputs.items()}
    write_tensors(folder / SAMPLES, tensors)


def read_samples(folder: Path, names: Sequence[str]) -> Samples:
    """The samples of a folder, without torch. names: of the network's outputs. `KeyError` where one of them is not there."""
    from safetensors.numpy import load_file

    tensors: Mapping[str, Array] = load_file(folder / SAMPLES)
    numbers = sorted((key.rpartition(".")[2] for key in tensors if key.startswith("input.")), key=int)
    return {
        number: (tensors[f"input.{number}"], {name: tensors[_key(number, name)] for name in names})
        for number in numbers
    }


def _key(number: str, name: str) -> str:
    return f"output.{number}.{name}" if name else f"output.{number}"
