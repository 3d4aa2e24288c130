"""Core ML: `model.mlpackage`, a folder. coremltools converts on any system; macOS alone runs what it made."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.graphs import in_a_row, output_names, traced
from plainnet.platforms.platform import Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.mlpackage"
INPUT = "images"
MOST = 4
"""The upper end of batch and sides, in those of the images that the network is followed with: an ML program has to have one."""


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    with _quiet():
        import coremltools

        sides = [
            coremltools.RangeDim(1, MOST * side, side) if axis in axes else side
            for axis, side in enumerate(sample.shape)
        ]
        names = [f"output_{number}" for number, _ in enumerate(output_names(module, sample) or ("",))]
        model = coremltools.convert(
            traced(in_a_row(module), sample),
            inputs=[coremltools.TensorType(name=INPUT, shape=sides)],
            outputs=[coremltools.TensorType(name=name) for name in names],
            convert_to="mlprogram",
            compute_precision=coremltools.precision.FLOAT32,
        )
        model.save(str(folder / BINARY))


def _load(folder: Path) -> Runner:
    with _quiet():
        import coremltools

        model = coremltools.models.MLModel(str(folder / BINARY), compute_units=coremltools.ComputeUnit.CPU_ONLY)
    names = [each.name for each in model.get_spec().description.output]

    def run(images: Any) -> Any:
        found = model.predict({INPUT: images})
        return [found[name] for name in names]

    return run


def _convert_only() -> str | None:
    return None if sys.platform == "darwin" else "Core ML runs on macOS alone"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without its bars, and what it tells of versions that it was not tried with: what it makes is compared."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


PLATFORM = Platform(
    "coreml",
    "Core ML on the CPU, in float32; outside of macOS it is converted, and not run",
    BINARY,
    _convert,
    _load,
    needs=("torch", "coremltools"),
    runs=("coremltools",),
    packages=("torch", "coremltools"),
    extra="coreml",
    convert_only=_convert_only,
)
