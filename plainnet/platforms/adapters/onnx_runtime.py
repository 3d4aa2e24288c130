"""onnxruntime: `model.onnx`, run without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.graphs import onnx_graph
from plainnet.platforms.platform import Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.onnx"
THREADS = "OMP_NUM_THREADS"
"""The environment variable that limits its threads, as torch's."""


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    import onnx

    onnx.save(onnx_graph(module, sample, axes), str(folder / BINARY))


def _load(folder: Path) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get(THREADS, "0") or 0)
    options.log_severity_level = 4  # what fails is said by its exception
    session = onnxruntime.InferenceSession(str(folder / BINARY), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Any) -> Any:
        return session.run(None, {name: images})[0]

    return run


PLATFORM = Platform(
    "onnxruntime",
    "ONNX Runtime on the CPU",
    BINARY,
    _convert,
    _load,
    needs=("torch", "onnx", "onnxscript", "onnxruntime"),
    runs=("onnxruntime",),
    packages=("torch", "onnx", "onnxscript", "onnxruntime"),
    extra="onnx",
)
