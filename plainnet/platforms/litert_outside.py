"""What the environment of LiteRT runs: it knows nothing of plainnet, which is not installed there.

python litert_outside.py convert GRAPH.pt2 SAMPLE.npy MODEL.tflite
python litert_outside.py run MODEL.tflite      # arrays in on standard input, arrays out on standard output
"""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO

import numpy as np

__all__ = ["LENGTH"]

LENGTH = 8
"""Bytes that say how long an array is."""


def _convert(graph: str, sample: str, target: str) -> None:
    import litert_torch
    import torch

    module = torch.export.load(graph).module(check_guards=False)
    litert_torch.convert(module, (torch.from_numpy(np.load(sample, allow_pickle=False)),)).export(target)


def _run(path: str, taken: BinaryIO, given: BinaryIO) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter: Any = Interpreter(model_path=path)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    while length := int.from_bytes(taken.read(LENGTH), "little"):
        interpreter.set_tensor(source["index"], np.load(io.BytesIO(taken.read(length)), allow_pickle=False))
        interpreter.invoke()
        content = io.BytesIO()
        np.save(content, interpreter.get_tensor(target["index"]), allow_pickle=False)
        given.write(len(content.getvalue()).to_bytes(LENGTH, "little") + content.getvalue())
        given.flush()


if __name__ == "__main__":
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what libraries print is no answer
    if sys.argv[1] == "convert":
        _convert(*sys.argv[2:5])
    else:
        _run(sys.argv[2], sys.stdin.buffer, answers)
