"""Tables of TinyNAS's profiler (convolutions on a GPU under TensorRT) as tables of latencies.

    {Regular,32,64,320,320,256,3,2,1} 1.14637
    kind, batch, C_in, H_in, W_in, C_out, kernel, stride, whether an addition is fused; milliseconds for the batch

Rows are read as they are in the files. As there, a time below 0 is one that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from plainnet.errors import UsageError
from plainnet.files.text_files import read_text
from plainnet.profiler.lut.operations import FUSED_ADD, Operation
from plainnet.profiler.lut.setting import LutSetting, Machine
from plainnet.profiler.lut.table_file import LONGEST, SHORTEST, Header, Timed, write_table

__all__ = ["import_tensorrt"]

ROW = re.compile(
    r"\{(Regular|Depthwise)," + ",".join([r"([1-9]\d{0,8})"] * 7) + r",([01])\}\s+(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
)
FORMAT = "{Regular,32,64,320,320,256,3,2,1} 1.14637"


def import_tensorrt(source: Path, path: Path, *, batch: int, device: str, dtype: str) -> tuple[int, int, int]:
    """Write the rows of one batch size as a table; how many were taken, were of another batch size, and had failed.

    `UsageError` for a line that is no row, and where no row is of the batch size.
    """
    taken, other, failed, batches, largest = [], 0, 0, set(), 1
    for number, line in enumerate(read_text(source, what="table of latencies").splitlines(), 1):
        if not line.strip():
            continue
        match = ROW.fullmatch(line.strip())
        if match is None or not (float(match[10]) <= 0 or SHORTEST <= 1000 * float(match[10]) <= LONGEST):
            raise UsageError(f"{source}, line {number}: {line[:60]!r} is no row; accepted: rows such as {FORMAT}")
        kind, *numbers, fused, millis = match.groups()
        of_batch, x, height, width, y, kernel, stride = map(int, numbers)
        batches.add(of_batch)
        if float(millis) <= 0:
            failed += 1
        elif of_batch != batch:
            other += 1
        else:
            depthwise = " depthwise" if kind == "Depthwise" else ""
            family = f"Conv kernel_size={kernel} stride={stride}{depthwise}{FUSED_ADD if fused == '1' else ''}"
            taken.append((Operation(family, height, width, x, y), 1000 * float(millis)))
            largest = max(largest, height)
    if not taken:
        known = ", ".join(map(str, sorted(batches))) or "none"
        raise UsageError(f"{source} has no row of batch {batch}; accepted: {known}")
    _write(
        path, source, taken, LutSetting("imported", 3, largest, 0, False, batch, 1, dtype, False, device, "tensorrt")
    )
    return len(taken), other, failed


def _write(path: Path, source: Path, taken: Iterable[tuple[Operation, float]], setting: LutSetting) -> None:
    header = Header(setting, Machine(setting.device, "gpu", 0, "none"), 0, 0.0, source.name)
    write_table(path, header, [Timed(None, None, tuple(taken))])
