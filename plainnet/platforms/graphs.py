"""Networks as graphs of torch's: what exports and platforms write."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.platform import Axes, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "exported_program",
    "in_a_row",
    "onnx_graph",
    "output_names",
    "quiet",
    "read_exported",
    "torch_runner",
    "traced",
    "without_guards",
]


def onnx_graph(
    module: nn.Module,
    sample: Tensor,
    axes: Axes,
    *,
    outputs: Sequence[str] = ("outputs",),
    metadata: dict[str, str] | None = None,
) -> Any:
    """An `onnx.ModelProto` with the input `images` and outputs of these names."""
    import torch

    program = torch.onnx.export(
        module,
        (sample,),
        dynamo=True,
        dynamic_shapes=(dict(axes),),
        input_names=["images"],
        output_names=list(outputs),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    return model


def exported_program(module: nn.Module, sample: Tensor, axes: Axes, *, most: int | None = None) -> Any:
    """A `torch.export.ExportedProgram`. most: the upper end of the free axes, in the sizes of the sample; None for none."""
    import torch
    from torch.export import Dim

    free = {axis: Dim.DYNAMIC if most is None else Dim.DYNAMIC(max=most * sample.shape[axis]) for axis in axes}
    return torch.export.export(module, (sample,), dynamic_shapes=(free,))


def without_guards() -> dict[str, bool]:
    """What `ExportedProgram.module` takes so that no guards are checked: torch's hold where the last map has more than one pixel,
    the graph holds everywhere. Empty for versions of torch that have no guards.
    """
    import torch

    takes = signature(torch.export.ExportedProgram.module).parameters
    return {"check_guards": False} if "check_guards" in takes else {}


def read_exported(path: Path) -> Any:
    """The module of a `.pt2` file."""
    import torch

    return torch.export.load(path).module(**without_guards())


def traced(module: nn.Module, sample: Tensor) -> Any:
    """A TorchScript module; what a network puts out under several names is a dict there, too."""
    import torch

    jit: Any = torch.jit  # its functions carry no types
    with torch.no_grad():
        return jit.trace(module, sample, strict=False)


def torch_runner(module: Callable[[Tensor], Any]) -> Runner:
    """What runs a module of torch's on arrays."""
    import torch

    def run(images: Any) -> Any:
        with torch.no_grad():
            found = module(torch.from_numpy(images))
        return found.numpy() if isinstance(found, torch.Tensor) else [each.numpy() for each in found.values()]

    return run


def output_names(module: nn.Module, sample: Tensor) -> tuple[str, ...]:
    """The names of what a module puts out for sample images; none where it puts out one tensor."""
    import torch

    with torch.no_grad():
        found = module(sample)
    return tuple(found) if isinstance(found, dict) else ()


def in_a_row(module: nn.Module) -> nn.Module:
    """The module, for converters that take no names: what it puts out is a tensor, or a tuple of them in its order."""
    from torch import nn

    class InARow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, images: Tensor) -> Any:
            found = self.network(images)
            return tuple(found.values()) if isinstance(found, dict) else found

    return InARow().eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch tells of its own parts: packages that are not installed, functions that it will replace."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
