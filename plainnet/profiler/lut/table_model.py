"""The model of a table: its formulas, what a network takes beside its operations, and how far that is off."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from plainnet.blocks.structure import parse
from plainnet.errors import RunError, StructureError, UsageError
from plainnet.profiler.lut.fitting import fit_formulas, overheads
from plainnet.profiler.lut.latency_model import LatencyModel
from plainnet.profiler.lut.operations import Operation, operations_of, rows_with_head
from plainnet.profiler.lut.setting import LutSetting, this_machine
from plainnet.profiler.lut.table_file import LutTable, Timed, read_table
from plainnet.profiler.lut.width_polynomials import Formulas
from plainnet.profiler.timing import quantile

__all__ = ["LEAST_NETWORKS", "load_model", "model_of", "refuse_other_machine"]

LEAST_NETWORKS = 10
"""Fewer say too little of what a network takes beside its operations."""
FOLDS = 5


class _Known(NamedTuple):
    """A timed network with its operations as its string says them."""

    timed: Timed
    counted: tuple[tuple[Operation, int], ...]


class _UntimedError(Exception):
    """A network of a table has operations of which the table holds no time."""


def load_model(path: str | Path, *, here: bool = True) -> LatencyModel:
    """The model of a table in a file. here: it must be of this machine and its software, or `UsageError` says what differs."""
    table = read_table(Path(path))
    if here:
        refuse_other_machine(table)
    return model_of(table)


def refuse_other_machine(table: LutTable) -> None:
    """`UsageError` for a table that says nothing about this machine."""
    differences = table.header.machine.differences(this_machine())
    if not table.header.is_measured or differences:
        why = "; ".join(differences) or f"it was imported from {table.header.source}"
        raise UsageError(
            f"{table.path} is of another machine ({why}); accepted: a table that was built here with this software "
            "(`plainnet lut build`). `plainnet lut predict` says what the other machine would take"
        )


def model_of(table: LutTable) -> LatencyModel:
    """The model of a table; `UsageError` where too little was timed."""
    return _model_of(table.path, table.header.setting, table.header.is_measured, table.timed, _last_check(table))


def _last_check(table: LutTable) -> tuple[float, float, str] | None:
    """The interval of the last check and what it found; None where there was none."""
    if not table.checks:
        return None
    check = table.checks[-1]
    said = (
        f"median error {check['median_error']:.1%}, Spearman {check['spearman']:.3f} on {check['networks']} networks that were "
        "not used in fitting (`plainnet lut check`)"
    )
    return float(check["low"]), float(check["high"]), said


@lru_cache(maxsize=8)
def _model_of(
    path: Path, setting: LutSetting, measured: bool, timed: tuple[Timed, ...], check: tuple[float, float, str] | None
) -> LatencyModel:
    if not measured:
        formulas = fit_formulas(pair for each in timed for pair in each.operations)
        return LatencyModel(setting, 0.0, formulas, None, _said_of_rows(formulas, timed))
    if len(timed) < LEAST_NETWORKS:
        raise UsageError(
            f"{path} holds {len(timed)} networks; accepted: at least {LEAST_NETWORKS} (`plainnet lut build` again adds to it)"
        )
    try:
        known = [_Known(each, _counted(each, setting)) for each in timed if each.network is not None]
        constant, formulas = _fitted(known)
        low, high, said = check or _by_folds(known)
    except (_UntimedError, StructureError) as error:
        raise RunError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    return LatencyModel(setting, constant, formulas, (low, high), said)


def _counted(timed: Timed, setting: LutSetting) -> tuple[tuple[Operation, int], ...]:
    assert timed.network is not None
    table = parse(timed.network).at(setting.shape, variant=setting.variant)
    return tuple(operations_of(rows_with_head(table, setting.num_classes, expand=False)))


def _fitted(known: Sequence[_Known]) -> tuple[float, Formulas]:
    """The constant and the formulas, with what each operation takes beside itself in them."""
    formulas = fit_formulas(pair for each in known for pair in each.timed.operations)
    sums = []
    for each in known:
        work = _sum(formulas, each)
        if work is None:
            raise _UntimedError(f"{each.timed.network} has operations that were not timed")
        sums.append(work)
    calls = [sum(times for _, times in each.counted) for each in known]
    constant, per_call, factor = overheads(sums, calls, [each.timed.whole_us or 0.0 for each in known])
    cells = {cell: form.scaled(factor, per_call) for cell, form in formulas.cells.items()}
    families = {name: form.scaled(factor, per_call) for name, form in formulas.families.items()}
    return constant, Formulas(cells, families)


def _sum(formulas: Formulas, known: _Known) -> float | None:
    """The sum of the formulas over a network; None where one is missing."""
    total = 0.0
    for key, times in known.counted:
        form = formulas.form(key[:3])
        if form is None:
            return None
        total += times * form.at(key.in_channels, key.out_channels)
    return total


def _by_folds(known: Sequence[_Known]) -> tuple[float, float, str]:
    """The interval and the error, from each fifth of the networks predicted by the others."""
    quotients = []
    for fold in range(FOLDS):
        constant, formulas = _fitted([each for number, each in enumerate(known) if number % FOLDS != fold])
        for each in known[fold::FOLDS]:
            work = _sum(formulas, each)
            if work is not None and each.timed.whole_us is not None:
                quotients.append(each.timed.whole_us / (constant + work))
    if not quotients:
        raise UsageError("no network is predicted by the others: too little was timed; accepted: a longer --budget")
    ordered = sorted(quotients)
    error = median(abs(value - 1) for value in quotients)
    said = (
        f"median error {error:.1%} on networks of the table, each predicted by the others (`plainnet lut check` finds it on new "
        "ones)"
    )
    return quantile(ordered, 0.025), quantile(ordered, 0.975), said


def _said_of_rows(formulas: Formulas, timed: Sequence[Timed]) -> str:
    errors = [
        abs(formulas.cells[key[:3]].at(key.in_channels, key.out_channels) / micros - 1)
        for each in timed
        for key, micros in each.operations
    ]
    return (
        f"imported: the formulas are off by {median(errors):.1%} in the median of its rows; no network was measured, so there is "
        "no interval; convolutions alone are counted, with what an engine fuses into them"
    )
