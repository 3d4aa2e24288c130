"""Networks as graphs: written, run against the module at several sizes, and only then announced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plainnet.errors import PlainnetError, StructureError, UsageError
from plainnet.export.job import Job
from plainnet.export.network import Network
from plainnet.platforms.graphs import quiet

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Axes", "graph_module", "write_graph"]

_SPARE = 3
"""How many pixels the last map of the sample has on a side at least: sides of 1 pixel are taken for fixed."""
_TOLERANCE = 1e-3
"""How much an output may differ, in parts of the largest one: graphs add in another order."""

_LONGEST = 160
"""Characters of a reason of torch's or onnxruntime's that are shown."""

Axes = dict[int, str]
"""The axes of the images that may have any size, by name."""
Writer = Callable[["nn.Module", "Tensor", Axes], Callable[["Tensor"], Any]]
"""Writes a graph of a module for sample images with free axes, and returns what runs the file that was written: images to a
tensor, or to a dict of them where the network puts out several.
"""


def write_graph(job: Job, form: str, write: Writer) -> str:
    """Write a graph whose batch, height and width are free; where it is not the same network at every size that was tried
    (its own, an odd one, a larger one, a small one), one whose batch alone is free. What is to be said of it, "" for nothing.

    `UsageError` if torch cannot write it, or it is not the same network at its own size.
    """
    network, module = job.network, graph_module(job)
    reason = "features depend on the size of the map"
    if _takes_other_sizes(network) and not job.module.has_one_size:
        try:
            with quiet():
                run = write(module, _sample(network), {0: "batch", 2: "height", 3: "width"})
                wrong = next(_differences(module, run, network.shape.channels, _sizes(network)), None)
        except (PlainnetError, OSError):
            raise
        except Exception as error:
            wrong = _first_line(error)
        if wrong is None:
            return ""
        reason = f"with free ones {wrong}"
    with quiet(), _explained(network, form):
        run = write(module, _zeros(network.shape, 2), {0: "batch"})
        own = (network.shape.height, network.shape.width)
        wrong = next(_differences(module, run, network.shape.channels, [own]), None)
    if wrong is not None:
        raise UsageError(f"{network.title} cannot be exported to {form}: {wrong}")
    return f"Height and width are fixed at {own[0]}x{own[1]}: {reason}."


def graph_module(job: Job) -> nn.Module:
    """The network with its weights, without dropout: in a graph that is not trained it does nothing, but some exporters
    tie sizes to it.
    """
    from torch import nn

    for part in list(job.module.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(part, name, nn.Identity())
    return job.module


def _zeros(shape: tuple[int, int, int], batch: int) -> Tensor:
    import torch

    return torch.zeros(batch, *shape)


def _sample(network: Network) -> Tensor:
    """Two images to follow the network with, of a size that no axis of any map is taken for fixed at."""
    channels, height, width = network.shape
    stride = _stride(network)
    return _zeros((channels, max(height, _SPARE * stride), max(width, _SPARE * stride) + 4 * stride), 2)


def _stride(network: Network) -> int:
    return max((level.reduction for level in network.levels if level.reduction is not None), default=1)


def _takes_other_sizes(network: Network) -> bool:
    """Whether the size may be left free. Maps that meet in a pyramid fit each other at multiples of its stride alone: there it
    is enough that twice the size fits, and sizes that the network itself refuses are not tried.
    """
    if not network.structure.output_names:
        return network.takes_any_size
    return _fits_at(network, (2 * network.shape.height, 2 * network.shape.width))


def _sizes(network: Network) -> list[tuple[int, int]]:
    """Sizes to compare at: the network's own, an odd one, a larger one, and the smallest that it takes of a few."""
    _, height, width = network.shape
    stride = _stride(network)
    sizes = [(height, width), (height | 1, (width | 1) + 2), (height + 2 * stride, width + stride)]
    small = next((side for side in (1, 2, 3, 5, 8, 13, 21) if side < min(height, width) and _fits(network, side)), None)
    return [size for size in [*sizes, *([] if small is None else [(small, small + 1)])] if _fits_at(network, size)]


def _fits(network: Network, side: int) -> bool:
    return _fits_at(network, (side, side + 1))


def _fits_at(network: Network, size: tuple[int, int]) -> bool:
    try:
        return replace(network, resolution=size).counts.params == network.counts.params
    except StructureError:
        return False


def _differences(
    module: nn.Module, run: Callable[[Tensor], Any], channels: int, sizes: list[tuple[int, int]]
) -> Iterator[str]:
    """What differs between the module and the graph that was written, size by size and with one image and three."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for number, (height, width) in enumerate(sizes):
        for batch in (1, 3) if number == 0 else (1,):
            images = torch.randn(batch, channels, height, width, generator=generator)
            at = f"at {batch}x{channels}x{height}x{width}"
            with torch.no_grad():
                expected = _named(module(images))
            try:
                found = _named(run(images))
            except Exception as error:
                yield f"the graph fails {at}: {_first_line(error)}"
                continue
            yield from _different_outputs(found, expected, at)


def _named(outputs: Any) -> dict[str, Tensor]:
    """What a network puts out, by name; the name of the only one is empty."""
    return outputs if isinstance(outputs, dict) else {"": outputs}


def _different_outputs(found: dict[str, Tensor], expected: dict[str, Tensor], at: str) -> Iterator[str]:
    if list(found) != list(expected):
        yield f"the graph puts out {', '.join(found)} {at}, the network {', '.join(expected)}"
        return
    for name, value in expected.items():
        of = f" for {name}" if name else ""
        if found[name].shape != value.shape:
            yield f"the graph puts out {list(found[name].shape)}{of} {at}, the network {list(value.shape)}"
        elif not _same(found[name], value):
            yield f"the graph's outputs{of} differ from the network's {at}"


def _same(found: Tensor, expected: Tensor) -> bool:
    """Equal but for rounding; what is not finite must be so in both."""
    import torch

    finite = torch.isfinite(expected)
    if not torch.equal(finite, torch.isfinite(found)):
        return False
    found, expected = found[finite].double(), expected[finite].double()
    if not expected.numel():
        return True
    return bool((found - expected).abs().max() <= _TOLERANCE * expected.abs().max())


def _first_line(error: Exception) -> str:
    first = next(iter(str(error).strip().splitlines()), "")
    text = f"{type(error).__name__}: {first}".removesuffix(": ")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


@contextmanager
def _explained(network: Network, form: str) -> Iterator[None]:
    """Torch's reasons for not exporting, as one error of ours."""
    try:
        yield
    except (PlainnetError, OSError):
        raise
    except Exception as error:
        raise UsageError(f"{network.title} cannot be exported to {form}: {_first_line(error)}") from error
