"""TorchScript: `model.ts`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from plainnet.export.graphs import Axes, write_graph
from plainnet.export.job import Job, Usage
from plainnet.platforms.graphs import traced

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    note = write_graph(job, "TorchScript", partial(_write, job))
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        '`net = torch.jit.load("model.ts"); logits = net(images)`, or `torch::jit::load("model.ts")` in C++.',
        note,
    )


def _write(job: Job, module: nn.Module, sample: Tensor, axes: Axes) -> Callable[[Tensor], Any]:  # noqa: ARG001 - all are free
    import torch

    jit: Any = torch.jit  # its functions carry no types
    job.write_bytes("model.ts", partial(jit.save, traced(module, sample), _extra_files=job.extra_files()))
    found: Callable[[Tensor], Any] = jit.load(str(job.folder / "model.ts"))
    return found
