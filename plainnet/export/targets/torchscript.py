"""TorchScript: `model.ts`."""

from __future__ import annotations

from functools import partial
from typing import Any

from plainnet.export.graphs import explained, quiet, sample_images
from plainnet.export.job import Job, Usage

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    import torch

    jit: Any = torch.jit  # its functions carry no types
    with quiet(), explained(job.network, "TorchScript"), torch.no_grad():
        job.write_bytes("model.ts", partial(jit.save, jit.trace(job.module, sample_images(job.network))))
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        '`net = torch.jit.load("model.ts"); logits = net(images)`, or `torch::jit::load("model.ts")` in C++.',
    )
