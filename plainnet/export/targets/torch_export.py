"""`torch.export`: `model.pt2`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from plainnet.export.graphs import Axes, write_graph
from plainnet.export.job import Job, Usage
from plainnet.platforms.graphs import exported_program, read_exported, without_guards

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    note = write_graph(job, "torch.export", partial(_write, job))
    takes = ", ".join(f"{name}={value}" for name, value in without_guards().items())
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        f'`net = torch.export.load("model.pt2").module({takes}); logits = net(images)`.',
        note,
    )


def _write(job: Job, module: nn.Module, sample: Tensor, axes: Axes) -> Callable[[Tensor], Any]:
    import torch

    program = exported_program(module, sample, axes)
    job.write_bytes("model.pt2", partial(torch.export.save, program, extra_files=job.extra_files()))
    found: Callable[[Tensor], Any] = read_exported(job.folder / "model.pt2")
    return found
