"""ONNX: `model.onnx`."""

from __future__ import annotations

from functools import partial

from plainnet.export.graphs import explained, free_axes, quiet, sample_images
from plainnet.export.job import Job, Usage

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    import onnx
    import torch

    with quiet(), explained(job.network, "ONNX"):
        program = torch.onnx.export(
            job.module,
            (sample_images(job.network),),
            dynamo=True,
            dynamic_shapes=(free_axes(job.network),),
            input_names=["images"],
            output_names=["logits" if job.network.num_classes else "features"],
            verbose=False,
        )
        assert program is not None
        job.write_bytes("model.onnx", partial(onnx.save, program.model_proto))
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        '`onnxruntime.InferenceSession("model.onnx").run(None, {"images": images})`, float32 images (N, C, H, W).',
    )
