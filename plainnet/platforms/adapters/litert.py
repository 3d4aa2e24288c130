"""LiteRT: `model.tflite`, of one size and one image, made and run in an environment of its own: its converter brings packages
that other ones do not agree with.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.errors import RunError
from plainnet.files.whole_files import write_saved
from plainnet.platforms import litert_outside
from plainnet.platforms.graphs import exported_program
from plainnet.platforms.litert_outside import LENGTH
from plainnet.platforms.own_environment import OwnEnvironment
from plainnet.platforms.platform import Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.tflite"
ENVIRONMENT = OwnEnvironment("litert", ("litert-torch",), str(litert_outside.__file__))
SHOWN = 300


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    import numpy as np
    import torch

    if len(axes) > 1:
        raise ValueError("LiteRT needs one file for each size")
    image = sample[:1]
    with tempfile.TemporaryDirectory(prefix="plainnet-", ignore_cleanup_errors=True) as place:
        graph, images = Path(place) / "graph.pt2", Path(place) / "sample.npy"
        write_saved(graph, partial(torch.export.save, exported_program(module, image, {})))
        np.save(images, image.numpy())
        command = ENVIRONMENT.command("convert", str(graph), str(images), str(folder / BINARY))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:SHOWN])


def _load(folder: Path) -> Runner:
    import numpy as np

    process = subprocess.Popen(
        ENVIRONMENT.command("run", str(folder / BINARY)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    asked, answers = process.stdin, process.stdout
    assert asked is not None
    assert answers is not None

    def one(image: Any) -> Any:
        content = io.BytesIO()
        np.save(content, image, allow_pickle=False)
        asked.write(len(content.getvalue()).to_bytes(LENGTH, "little") + content.getvalue())
        asked.flush()
        answer = answers.read(int.from_bytes(answers.read(LENGTH), "little"))
        return np.load(io.BytesIO(answer), allow_pickle=False)

    def run(images: Any) -> Any:
        """One image after the other: the file is of one."""
        try:
            return np.concatenate([one(images[number : number + 1]) for number in range(len(images))])
        except (OSError, ValueError, EOFError) as error:
            raise RunError(f"LiteRT ended (exit code {process.poll()}): {error}") from error

    weakref.finalize(run, _end, process)
    return run


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


PLATFORM = Platform(
    "litert",
    "LiteRT on the CPU, in an environment of its own; one file for each size",
    BINARY,
    _convert,
    _load,
    packages=("litert-torch", "ai-edge-litert", "torch"),
    environment=ENVIRONMENT,
)
