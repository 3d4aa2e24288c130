"""OpenVINO: `model.xml` and `model.bin`, run without torch, in float32."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.platform import THREADS, Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.xml"


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    import openvino

    shape = [-1 if axis in axes else size for axis, size in enumerate(sample.shape)]
    model = openvino.convert_model(module, example_input=sample, input=[(shape, openvino.Type.f32)])
    openvino.save_model(model, folder / BINARY, compress_to_fp16=False)


def _load(folder: Path) -> Runner:
    import openvino

    # the default hint may choose bfloat16, which is off by percents
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads := int(os.environ.get(THREADS, "0") or 0):
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(folder / BINARY, "CPU", settings)

    def run(images: Any) -> Any:
        found = compiled(images)
        return [found[output] for output in compiled.outputs]

    return run


PLATFORM = Platform(
    "openvino",
    "OpenVINO on the CPU, in float32",
    BINARY,
    _convert,
    _load,
    needs=("torch", "openvino"),
    runs=("openvino",),
    packages=("torch", "openvino"),
    extra="openvino",
)
