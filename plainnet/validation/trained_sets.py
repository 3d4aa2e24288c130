"""The sets of trained networks that ship: what a score is judged on, on more than one space.

Each is a table of codes, accuracies and published counts with its source and licence in its first lines
(`plainnet/data/*.csv.gz`), and a function that turns a code into a structure.

    nas-bench-macro     6,561 chains of inverted residual units, CIFAR-10, three trainings each
    accel-nas-bench     5,138 mobile networks, ImageNet, one short training each
    transnas-object     662 residual networks that differ in where they halve and double, Taskonomy, object classification
    transnas-scene      the same networks, scene classification
    imagenet            34 published networks of nine families, ImageNet
    nas-bench-101       a sample of 500 networks of one cell, CIFAR-10, validation accuracy
    nas-bench-301       725 networks of the DARTS space, CIFAR-10: what a surrogate model predicts, nothing was trained
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from plainnet.blocks.structure import Structure, parse
from plainnet.errors import UsageError, nearest
from plainnet.templates import accel_nas_bench, nas_bench_macro, transnas_macro
from plainnet.validation.accuracy_table import NAS_BENCH_MACRO, AccuracyTable, nas_bench_macro_table
from plainnet.validation.cell_codes import nas_bench_101_network, nas_bench_301_network

__all__ = ["SETS", "PublishedNetwork", "TrainedSet", "published_figures", "trained_set", "trained_table"]


class TrainedSet(NamedTuple):
    """A set of trained networks."""

    title: str
    """what tables and sentences call it"""
    file: str
    """in plainnet/data"""
    accuracy: str
    """the column of accuracies"""
    resolution: int
    build: Callable[[str], Structure]
    """the structure of a code"""


class PublishedNetwork(NamedTuple):
    """A row of a set: what was measured and published of a network."""

    code: str
    accuracy: float
    """in percent"""
    params: float
    macs: float
    """in millions, as the source counts them; nan where it does not say"""


SETS: Mapping[str, TrainedSet] = {
    "nas-bench-macro": TrainedSet(
        NAS_BENCH_MACRO, "nas_bench_macro_cifar10.csv.gz", "accuracy", 32, nas_bench_macro.network_of_code
    ),
    "accel-nas-bench": TrainedSet(
        "Accel-NASBench", "accel_nas_bench_imagenet.csv.gz", "accuracy", 224, accel_nas_bench.network_of_code
    ),
    "transnas-object": TrainedSet(
        "TransNAS object", "transnas_macro_taskonomy.csv.gz", "object", 256, transnas_macro.network_of_code
    ),
    "transnas-scene": TrainedSet(
        "TransNAS scene", "transnas_macro_taskonomy.csv.gz", "scene", 256, transnas_macro.network_of_code
    ),
    "imagenet": TrainedSet("34 of ImageNet", "imagenet_networks.csv.gz", "accuracy", 224, parse),
    "nas-bench-101": TrainedSet("NAS-Bench-101", "nas_bench_101_cifar10.csv.gz", "accuracy", 32, nas_bench_101_network),
    "nas-bench-301": TrainedSet(
        "NAS-Bench-301 (a surrogate's predictions)",
        "nas_bench_301_surrogate_cifar10.csv.gz",
        "accuracy",
        32,
        nas_bench_301_network,
    ),
}
"""The sets by the name that `plainnet validate --set` takes."""


def trained_set(name: str) -> TrainedSet:
    """The set of a name; `UsageError` with the nearest name."""
    if name in SETS:
        return SETS[name]
    near = nearest(name, SETS)
    hint = f"; did you mean {near}?" if near else ""
    raise UsageError(f"no set {name!r} of trained networks; accepted: {', '.join(SETS)}, or all{hint}")


def trained_table(name: str) -> AccuracyTable:
    """A set as a table: names, structures, and the accuracies of each network's trainings."""
    found = trained_set(name)
    if found.title == NAS_BENCH_MACRO:
        return nas_bench_macro_table()
    rows = _rows(found.file)
    return AccuracyTable(
        found.title,
        found.resolution,
        tuple(row.get("name") or row["code"] for row in rows),
        tuple(found.build(row.get("structure") or row["code"]) for row in rows),
        tuple((float(row[found.accuracy]),) for row in rows),
    )


def published_figures(name: str) -> list[PublishedNetwork]:
    """What the source of a set says of each network that it counted."""
    found = trained_set(name)
    return [
        PublishedNetwork(row["code"], float(row[found.accuracy]), float(row["params"]), float(row["macs"]))
        for row in _rows(found.file)
        if row.get("params")
    ]


@cache
def _rows(file: str) -> tuple[dict[str, str], ...]:
    text = gzip.decompress((files("plainnet") / "data" / file).read_bytes()).decode("utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
