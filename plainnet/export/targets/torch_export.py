"""`torch.export`: `model.pt2`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

from plainnet.export.graphs import Axes, write_graph
from plainnet.export.job import Job, Usage
from plainnet.platforms.graphs import exported_program

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    note = write_graph(job, "torch.export", partial(_write, job))
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        # torch's guards hold where the last map has more than one pixel; the graph holds everywhere
        '`net = torch.export.load("model.pt2").module(check_guards=False); logits = net(images)`.',
        note,
    )


def _write(job: Job, module: nn.Module, sample: Tensor, axes: Axes) -> Callable[[Tensor], Any]:
    import torch

    program = exported_program(module, sample, axes)
    job.write_bytes("model.pt2", partial(torch.export.save, program, extra_files=job.extra_files()))
    loaded = torch.export.load(job.folder / "model.pt2")
    takes = signature(loaded.module).parameters
    guards = (
        {"check_guards": False} if "check_guards" in takes else {}
    )  # older versions of torch have no guards to check
    found: Callable[[Tensor], Any] = loaded.module(**guards)
    return found
