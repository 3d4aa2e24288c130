"""The counted part of an analysis: from a network's table alone, without torch."""

from __future__ import annotations

from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.counts import COLUMNS, Totals
from plainnet.blocks.rows.shapes import Shape
from plainnet.profiler.analysis import Analysis, BlockAnalysis
from plainnet.profiler.machine import machine_record

__all__ = ["DTYPES", "analyze_table"]

DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "int8": 1}
"""Bytes of one element, by the names of torch's types."""
_OWN_COLUMNS = ("params", "macs", "activations", "layers", "convolutions")
"""The counts that a record names by itself: the first columns. The others are its operations."""
assert COLUMNS[: len(_OWN_COLUMNS)] == _OWN_COLUMNS
_OPERATIONS = COLUMNS[len(_OWN_COLUMNS) :]


def analyze_table(table: NetworkTable, *, num_classes: int | None, batch: int, dtype: str) -> Analysis:
    """The counts of a network at an input shape. They are remembered; the record is the caller's own, and shares nothing."""
    key = ("analysis", num_classes, batch, dtype)
    counted: Analysis = table.remembered(
        key, lambda: _counted(table, num_classes=num_classes, batch=batch, dtype=dtype)
    )
    return counted.copied(machine=dict(machine_record()))


def _counted(table: NetworkTable, *, num_classes: int | None, batch: int, dtype: str) -> Analysis:
    structure, variant = table.structure, table.variant
    counts, seen = table.counts(num_classes), table.receptive_field
    element_bytes = DTYPES[dtype]
    params, macs, activations, layers, convolutions, *operations = counts.sums
    return Analysis(
        structure=str(structure),
        hash=structure.hash,
        name=None,
        input=table.shape.as_list(),
        variant=variant.options(),
        num_classes=num_classes or 0,
        params=params,
        macs=macs,
        layers=layers,
        convolutions=convolutions,
        activations=activations,
        operations=dict(zip(_OPERATIONS, operations, strict=True)),
        weight_bytes=params * element_bytes,
        peak_activation_bytes=counts.peak_elements * element_bytes * batch,
        feature_shape=counts.feature_shape.as_list(),
        output_shape=table.output_shape(num_classes),
        receptive_field=None if seen is None else seen.extent,
        stride=None if seen is None else seen.stride,
        blocks=_blocks(table, num_classes, element_bytes * batch),
        batch=batch,
        dtype=dtype,
    )


def _blocks(table: NetworkTable, num_classes: int | None, element_bytes: int) -> list[BlockAnalysis]:
    """A record of each block, and of the head where there is one."""
    names, totals = list(map(str, table.blocks)), table.totals
    if not table.out_shape.is_vector:
        names, totals = [*names, "head"], (*totals, table.head(num_classes))
    found, before = [], table.shape
    for index, (name, part) in enumerate(zip(names, totals, strict=True)):
        found.append(_block(index, name, before, part, element_bytes))
        before = part.out_shape
    return found


def _block(index: int, name: str, in_shape: Shape, totals: Totals, element_bytes: int) -> BlockAnalysis:
    params, macs, activations, layers, convolutions, *operations = totals.sums
    return BlockAnalysis(
        index,
        name,
        in_shape.as_list(),
        totals.out_shape.as_list(),
        params,
        macs,
        activations,
        layers,
        convolutions,
        dict(zip(_OPERATIONS, operations, strict=True)),
        totals.peak_elements * element_bytes,
    )
