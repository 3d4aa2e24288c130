"""Tables of trained networks for a calibration: of structures, or of features that were worked out elsewhere.

A table of structures is one that `plainnet validate --table` takes (columns structure and accuracy). A table of features has
a column for each of the sixteen (`plainnet.proxies.calibrated.features`) and at least one that begins with accuracy:
for networks that no string says.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.errors import UsageError
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import read_text
from plainnet.proxies.calibrated.features import FEATURES, Features
from plainnet.results.numbers import LARGEST
from plainnet.validation.accuracy_table import MAX_NETWORKS, read_accuracy_table
from plainnet.validation.calibrating import TrainedNetworks, of_structures, singles_of

__all__ = ["read_trained"]


def read_trained(
    path: str | Path,
    *,
    resolution: int | tuple[int, int],
    variant: Variant = PLAIN,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedNetworks:
    """The networks of a table that were trained at a resolution. `UsageError` names the line of what cannot be read."""
    with reading(path, "table of trained networks"):
        return _trained(path, resolution=resolution, variant=variant, progress=progress)


def _trained(
    path: str | Path,
    *,
    resolution: int | tuple[int, int],
    variant: Variant,
    progress: Callable[[int, int], None] | None,
) -> TrainedNetworks:
    text = read_text(Path(path), what="table")
    header = [title.strip() for title in next(csv.reader(io.StringIO(text)), [])]
    if "structure" not in header and set(FEATURES) & set(header):
        return _of_features(str(path), text, header, resolution)
    table = read_accuracy_table(path)
    return of_structures(
        table.name,
        table.structures,
        table.accuracies,
        resolution=resolution,
        variant=variant,
        names=table.names,
        progress=progress,
    )


def _of_features(path: str, text: str, header: list[str], resolution: int | tuple[int, int]) -> TrainedNetworks:
    missing = [name for name in FEATURES if name not in header]
    accuracies = [number for number, title in enumerate(header) if title.startswith("accuracy")]
    if missing or not accuracies:
        raise UsageError(f"{path}:1: a table of features lacks the columns {', '.join(missing or ['accuracy'])}")
    twice = next((title for title in header if title in FEATURES and header.count(title) > 1), None)
    if twice:
        raise UsageError(f"{path}:1: the header has the column {twice!r} more than once")
    places = [header.index(name) for name in FEATURES]
    names: list[str] = []
    features: list[Features] = []
    found: list[float] = []
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for fields in reader:
            if reader.line_num == 1 or not any(field.strip() for field in fields):
                continue
            where = f"{path}:{reader.line_num}"
            if len(fields) != len(header):
                raise UsageError(f"{where}: {len(fields)} fields where the header has {len(header)}")
            if len(found) == MAX_NETWORKS:
                raise UsageError(f"{where}: more networks than {MAX_NETWORKS:,}")
            runs = [_number(where, header[at], fields[at]) for at in accuracies if fields[at].strip()]
            if not runs:
                raise UsageError(f"{where}: no accuracy")
            features.append(Features(*[_number(where, header[at], fields[at]) for at in places]))
            found.append(math.fsum(runs) / len(runs))
            names.append(fields[header.index("name")] if "name" in header else f"line {reader.line_num}")
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: no CSV: {error}") from None
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    return TrainedNetworks(Path(path).name, size, tuple(names), tuple(features), tuple(found), singles_of(features))


def _number(where: str, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:  # neither is nan
        raise UsageError(f"{where}: {column} {text.strip()[:40]!r} is no number within {LARGEST:.0e}")
    return value
