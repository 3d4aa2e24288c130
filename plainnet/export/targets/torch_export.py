"""`torch.export`: `model.pt2`."""

from __future__ import annotations

from functools import partial

from plainnet.export.graphs import explained, free_axes, quiet, sample_images
from plainnet.export.job import Job, Usage

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    import torch
    from torch.export import Dim

    axes = dict.fromkeys(free_axes(job.network), Dim.DYNAMIC)
    with quiet(), explained(job.network, "torch.export"):
        program = torch.export.export(job.module, (sample_images(job.network),), dynamic_shapes=(axes,))
        job.write_bytes("model.pt2", partial(torch.export.save, program))
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        # torch's guards hold where the last map has more than one pixel; the graph holds everywhere
        '`net = torch.export.load("model.pt2").module(check_guards=False); logits = net(images)`.',
    )
