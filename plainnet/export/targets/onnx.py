"""ONNX: `model.onnx`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError
from plainnet.export.graphs import Axes, write_graph
from plainnet.export.job import Job, Usage
from plainnet.platforms.graphs import onnx_graph

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["write"]


INPUT = "images"


def write(job: Job) -> Usage:
    """Write the target's files. `UsageError` for an output that has the input's name, which a graph of ONNX has once."""
    if INPUT in job.network.structure.output_names:
        raise UsageError(f"an output is called {INPUT}, as the graph's input is; accepted: any other name for it")
    note = write_graph(job, "ONNX", partial(_write, job))
    return Usage(
        "a graph is not trained further here: train the `pytorch` export, and export its weights again.",
        '`onnxruntime.InferenceSession("model.onnx").run(None, {"images": images})`, float32 images (N, C, H, W).',
        note,
    )


def _write(job: Job, module: nn.Module, sample: Tensor, axes: Axes) -> Callable[[Tensor], Any]:
    import onnx
    import onnxruntime
    import torch

    several = job.network.structure.output_names
    names = several or ("logits" if job.network.classes else "features",)
    model = onnx_graph(module, sample, axes, outputs=names, metadata=dict(job.metadata()))
    job.write_bytes("model.onnx", partial(onnx.save, model))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what fails is said by its exception
    path = str(job.folder / "model.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kept = [each.name for each in session.get_outputs()]

    def run(images: Tensor) -> Any:
        found = [torch.from_numpy(each) for each in session.run(None, {INPUT: images.numpy()})]
        return dict(zip(kept, found, strict=True)) if several else found[0]

    return run
