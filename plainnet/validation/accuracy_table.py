"""Tables of trained networks: NAS-Bench-Macro, which ships with the package, and a user's own CSV file.

A CSV file has a header with the columns `structure` and `accuracy`. Further columns whose names begin with `accuracy` are
further trainings of the same network; a column `name` is what the network is called in reports; others are ignored.

    structure,accuracy
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)",91.3

A structure that stands in front of everything else need not be quoted.
"""

from __future__ import annotations

import csv
import io
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plainnet.blocks.structure import Structure, parse
from plainnet.errors import PlainnetError, UsageError, nearest
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import read_text
from plainnet.results.numbers import LARGEST

__all__ = ["NAS_BENCH_MACRO", "NOT_FITTED", "AccuracyTable", "nas_bench_macro_table", "read_accuracy_table"]

NAS_BENCH_MACRO = "NAS-Bench-Macro"
MAX_NETWORKS = 1_000_000
"""A table of more networks is not read."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(?:\.[0-9]{0,300})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
NOT_FITTED = f"{NAS_BENCH_MACRO} (the half not fitted)"


@dataclass(frozen=True)
class AccuracyTable:
    """Networks and the accuracies that their trainings reached, in percent."""

    name: str
    resolution: int | None
    """the input size that they were trained at; None where the table does not say"""
    names: tuple[str, ...]
    structures: tuple[Structure, ...]
    trainings: tuple[tuple[float, ...], ...]
    """the accuracies of each network's trainings"""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def accuracies(self) -> list[float]:
        """The mean accuracy of each network."""
        return [sum(runs) / len(runs) for runs in self.trainings]

    @property
    def networks(self) -> list[str]:
        """What says whether two rows are the same network."""
        return [structure.text for structure in self.structures]

    def sample(self, count: int, *, seed: int = 0) -> AccuracyTable:
        """`count` rows drawn without replacement, in the order of the table; the whole table if it has no more."""
        if count < 1:
            raise UsageError(f"a sample of {count} networks; accepted: 1 or more")
        if count >= len(self):
            return self
        rows = sorted(random.Random(seed).sample(range(len(self)), count))
        return AccuracyTable(
            self.name,
            self.resolution,
            tuple(self.names[row] for row in rows),
            tuple(self.structures[row] for row in rows),
            tuple(self.trainings[row] for row in rows),
        )


def nas_bench_macro_table(*, not_fitted: bool = False) -> AccuracyTable:
    """All 6,561 networks of NAS-Bench-Macro, by code; with `not_fitted` the half that the fitted composite has not seen."""
    from plainnet.templates.nas_bench_macro import RESOLUTION, network_of_code, trained_networks

    networks = trained_networks()
    if not_fitted:
        from plainnet.proxies.closed.composite_fitted import in_fitting_half

        networks = tuple(network for network in networks if not in_fitting_half(network.code))
    return AccuracyTable(
        NOT_FITTED if not_fitted else NAS_BENCH_MACRO,
        RESOLUTION,
        tuple(network.code for network in networks),
        tuple(network_of_code(network.code) for network in networks),
        tuple(network.accuracies for network in networks),
    )


def read_accuracy_table(path: str | Path) -> AccuracyTable:
    """A user's table of at most `MAX_NETWORKS`. `UsageError` names the file and the line of what cannot be read."""
    text = read_text(Path(path), what="table")
    with reading(path, "table of trained networks"):
        records = list(_records(str(path), text))
    if not records:
        raise UsageError(f"{path}: no network below the header")
    names, structures, trainings = zip(*records, strict=True)
    return AccuracyTable(Path(path).name, None, names, structures, trainings)


@dataclass(frozen=True)
class _Columns:
    structure: int
    accuracies: tuple[int, ...]
    name: int | None
    count: int


def _records(path: str, text: str) -> Iterator[tuple[str, Structure, tuple[float, ...]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    columns, count = None, 0
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            where = f"{path}:{reader.line_num}"
            if columns is None:
                columns = _columns(where, [field.strip() for field in fields])
                continue
            count += 1
            if count > MAX_NETWORKS:
                raise UsageError(
                    f"{where}: more networks than {MAX_NETWORKS:,}, which is the most that a table may hold"
                )
            yield _record(where, fields, columns, f"line {reader.line_num}")
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: no CSV: {error}") from None
    if columns is None:
        raise UsageError(f"{path}: the file is empty; accepted: a header with the columns structure and accuracy")


def _columns(where: str, header: list[str]) -> _Columns:
    accuracies = tuple(number for number, title in enumerate(header) if title.startswith("accuracy"))
    for wanted, found in (("structure", "structure" in header), ("accuracy", bool(accuracies))):
        if not found:
            near = nearest(wanted, header)
            hint = f"; is {near!r} meant?" if near else ""
            shown = ", ".join(repr(title[:24]) for title in header[:6]) + (", ..." if len(header) > 6 else "")
            raise UsageError(f"{where}: the header has no column {wanted!r}, but {shown}{hint}")
    twice = next((title for title in header if title in ("structure", "name") and header.count(title) > 1), None)
    if twice:
        raise UsageError(f"{where}: the header has the column {twice!r} more than once")
    name = header.index("name") if "name" in header else None
    return _Columns(header.index("structure"), accuracies, name, len(header))


def _record(where: str, fields: list[str], columns: _Columns, label: str) -> tuple[str, Structure, tuple[float, ...]]:
    surplus = len(fields) - columns.count
    if surplus > 0 and columns.structure == 0:  # the commas of a structure that was not quoted
        fields = [",".join(fields[: surplus + 1]), *fields[surplus + 1 :]]
    if len(fields) != columns.count:
        raise UsageError(
            f"{where}: {len(fields)} fields where the header has {columns.count}; is the structure quoted?"
        )
    runs = tuple(_accuracy(where, fields[number]) for number in columns.accuracies if fields[number].strip())
    if not runs:
        raise UsageError(f"{where}: no accuracy")
    try:
        structure = parse(fields[columns.structure].strip())
    except PlainnetError as error:
        raise UsageError(f"{where}: {error}") from None
    name = fields[columns.name].strip() if columns.name is not None else ""
    return name or label, structure, runs


def _accuracy(where: str, text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not abs(value) <= LARGEST:  # neither is nan
        raise UsageError(f"{where}: accuracy {text.strip()[:40]!r} is no number within {LARGEST:.0e}")
    return value
