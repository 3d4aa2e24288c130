"""ONNX: `model.onnx`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from plainnet.export.graphs import Axes, write_graph
from plainnet.export.job import Job, Usage
from plainnet.platforms.graphs import onnx_graph

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    note = write_graph(job, "ONNX", partial(_write, job))
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        '`onnxruntime.InferenceSession("model.onnx").run(None, {"images": images})`, float32 images (N, C, H, W).',
        note,
    )


def _write(job: Job, module: nn.Module, sample: Tensor, axes: Axes) -> Callable[[Tensor], Tensor]:
    import onnx
    import onnxruntime
    import torch

    output = "logits" if job.network.classes else "features"
    model = onnx_graph(module, sample, axes, output=output, metadata=dict(job.metadata()))
    job.write_bytes("model.onnx", partial(onnx.save, model))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what fails is said by its exception
    path = str(job.folder / "model.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
