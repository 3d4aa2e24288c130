"""The latency of a network string from formulas of its operations: a sum over blocks, in microseconds of work and without torch.

    latency = constant + sum over operations of form(C_in, C_out)

A block's part depends on its text and its input shape alone, and is remembered. The interval is that of networks that were not
used in fitting: the quotients of measured and predicted latency, from 2.5 to 97.5 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.network_counts import head_layers
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import Row, walk
from plainnet.errors import RunError, UsageError, nearest
from plainnet.profiler.lut.operations import FUSED_ADD, Operation, fused_operations, operations_of
from plainnet.profiler.lut.setting import LutSetting, read_as
from plainnet.profiler.lut.width_polynomials import Cell, FamilyForm, Form, Formulas

__all__ = ["LatencyModel", "Prediction", "UnmeasuredError"]


class UnmeasuredError(UsageError):
    """A network with an operation that a table says nothing about."""


class Prediction(NamedTuple):
    """The latency of a network for a batch, predicted."""

    latency_ms: float
    low_ms: float | None
    high_ms: float | None
    """where measured latencies of networks lie that were not used in fitting, from 2.5 to 97.5 %; None for an imported table"""
    outside: tuple[str, ...]
    """operations whose widths or map are not between measured ones: the formula goes on beyond or between them"""
    outside_share: float
    """their share of the predicted time"""
    error: str
    """how far predictions of this table were off, in words"""

    def as_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "outside": list(self.outside)}


class Part(NamedTuple):
    """What a block adds."""

    micros: float
    outside_micros: float
    outside: tuple[str, ...]


@dataclass(frozen=True)
class LatencyModel:
    """The formulas of a table, with what a network takes beside its operations included. Frozen, plain data."""

    setting: LutSetting
    constant: float
    """microseconds of a call without any operation"""
    formulas: Formulas
    interval: tuple[float, float] | None
    """measured over predicted latency, from the least to the most that is likely; None where no network was measured"""
    error: str
    _parts: BoundedMemo[tuple[str, Shape], Part] = field(
        default_factory=lambda: BoundedMemo(50_000), repr=False, compare=False
    )

    def predict(self, table: NetworkTable, num_classes: int | None) -> Prediction:
        """The latency of a network; `UnmeasuredError` for an operation on a map for which the table holds nothing."""
        if (table.variant, table.shape.channels) != (self.setting.variant, self.setting.in_channels):
            raise UsageError(
                f"the table is for {self.setting.in_channels} channels and {str(self.setting.variant) or 'plain networks'}, "
                f"the network has {table.shape.channels} channels and {str(table.variant) or 'no variant'}"
            )
        parts = [self.of_block(block, shape) for block, shape in table.units]
        parts.append(self.of_head(table.out_shape, num_classes))
        micros = self.constant + sum(part.micros for part in parts)
        outside = dict.fromkeys(name for part in parts for name in part.outside)
        low, high = (None, None) if self.interval is None else (micros / 1000 * factor for factor in self.interval)
        share = sum(part.outside_micros for part in parts) / micros if micros else 0.0
        return Prediction(micros / 1000, low, high, tuple(outside), share, self.error)

    @property
    def upper(self) -> float:
        """The factor of a prediction that measured latencies seldom exceed; 1 where no network was measured."""
        return 1.0 if self.interval is None else max(1.0, self.interval[1])

    def of_block(self, block: PlainNetBasicBlockClass, shape: Shape) -> Part:
        """What a block adds on an input of `shape`."""
        found = self._parts.get((block.text, shape))
        if found is None:
            rows, _ = block_rows(block, shape, self.setting.variant)
            found = self._parts[block.text, shape] = self._sum(rows)
        return found

    def of_head(self, shape: Shape, num_classes: int | None) -> Part:
        """What pooling and classifier add behind a last map."""
        key = (f"head {num_classes}", shape)
        found = self._parts.get(key)
        if found is None:
            rows, _ = walk(head_layers(shape, num_classes), shape)
            found = self._parts[key] = self._sum(rows)
        return found

    def _sum(self, rows: Iterable[Row]) -> Part:
        total, beyond, names = 0.0, 0.0, []
        for key, times in operations_of(rows) if self.setting.runtime == "eager" else fused_operations(rows):
            form = self.formulas.form(key[:3])
            if form is None and key.family.endswith(FUSED_ADD):
                form = self.formulas.form((key.family.removesuffix(FUSED_ADD), key.height, key.width))
            if form is None:
                raise UnmeasuredError(self._unmeasured(key))
            micros = times * form.at(key.in_channels, key.out_channels)
            total += micros
            if not form.covers(key.in_channels, key.out_channels):
                beyond += micros
                names.append(str(key))
        return Part(total, beyond, tuple(names))

    def _unmeasured(self, key: Operation) -> str:
        sizes = sorted({cell[1:] for cell in self.formulas.cells if cell[0] == key.family}, reverse=True)
        if sizes:
            held = ", ".join(f"{height}x{width}" for height, width in sizes)
            return f"the table does not hold {key}; accepted: a map between those of {held}, or a table of another input size"
        near = nearest(key.family, {cell[0] for cell in self.formulas.cells})
        return f"the table holds no {key.family}" + (f"; the nearest is {near}" if near else "")

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data that `from_dict` reads back: a search keeps it in its configuration."""
        cells, families = self.formulas
        return {
            "setting": self.setting.as_dict(),
            "constant": self.constant,
            "interval": None if self.interval is None else list(self.interval),
            "error": self.error,
            "cells": [[*cell, *form[:4], form.in_range, form.out_range] for cell, form in cells.items()],
            "families": [[name, *form.coefficients, form.areas] for name, form in families.items()],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LatencyModel:
        """The model that `as_dict` wrote; `RunError` for anything else."""
        try:
            cells: dict[Cell, Form] = {
                (str(name), int(height), int(width)): Form(
                    float(a), float(b), float(c), float(d), _pair(ins), _pair(outs)
                )
                for name, height, width, a, b, c, d, ins, outs in values["cells"]
            }
            families = {
                str(name): FamilyForm((float(a), float(b), float(c), float(d), float(e)), _pair(areas) or (0, 0))
                for name, a, b, c, d, e, areas in values["families"]
            }
            between = values["interval"]
            interval = None if between is None else (float(between[0]), float(between[1]))
            setting = read_as(LutSetting, values["setting"], "the setting of a latency model")
            return cls(setting, float(values["constant"]), Formulas(cells, families), interval, str(values["error"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"the latency model cannot be read: {type(error).__name__}: {error}") from None


def _pair(values: Any) -> tuple[int, int] | None:
    if values is None:
        return None
    low, high = map(int, values)
    return low, high
