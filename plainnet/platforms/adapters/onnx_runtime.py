"""onnxruntime: `model.onnx`, run without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.graphs import onnx_graph, output_names
from plainnet.platforms.platform import THREADS, Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.onnx"
INPUT = "images"
"""The name of the input, as `onnx_graph` writes it."""
OUTPUT = "outputs"
"""The name of the only output."""


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    import onnx

    names = output_names(module, sample)
    if INPUT in names:
        raise ValueError(f"an output is called {INPUT}, as the graph's input is")
    onnx.save(onnx_graph(module, sample, axes, outputs=names or (OUTPUT,)), str(folder / BINARY))


def _load(folder: Path) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get(THREADS, "0") or 0)
    options.log_severity_level = 4  # what fails is said by its exception
    session = onnxruntime.InferenceSession(str(folder / BINARY), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Any) -> Any:
        return session.run(None, {name: images})

    return run


def _quantize(folder: Path, sample: Tensor) -> None:
    from onnxruntime.quantization import QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    whole, ready = str(folder / BINARY), str(folder / "ready.onnx")
    quant_pre_process(whole, ready, skip_symbolic_shape=True)
    quantize_static(ready, whole, _Once(sample), quant_format=QuantFormat.QDQ)
    os.remove(ready)


class _Once:
    """The images from which the ranges of the maps are taken, as onnxruntime's calibration asks for them: once."""

    def __init__(self, sample: Tensor) -> None:
        self._left = [{INPUT: sample.numpy()}]

    def get_next(self) -> Any:
        return self._left.pop() if self._left else None


PLATFORM = Platform(
    "onnxruntime",
    "ONNX Runtime on the CPU",
    BINARY,
    _convert,
    _load,
    quantize=_quantize,
    needs=("torch", "onnx", "onnxscript", "onnxruntime"),
    runs=("onnxruntime",),
    packages=("torch", "onnx", "onnxscript", "onnxruntime"),
    extra="onnx",
)
