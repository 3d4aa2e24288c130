"""The learning rate over time as a configuration asks for it: the scheduler, and what it will give."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, SequentialLR

from plainnet.engine.loop.schedules import check_schedule_kind, with_warmup
from plainnet.engine.run.registry import KINDS, Registry
from plainnet.engine.run.schema import SEQUENCE, OptimSection, SchedulePart, ScheduleSection, TrainConfig
from plainnet.engine.run.typed_values import Maker, make
from plainnet.errors import UsageError
from plainnet.results.plots import text_plot

__all__ = ["LENGTHS", "RateCurve", "build_schedule", "rate_curve", "scaled_rates"]

OURS = tuple(KINDS["schedule"][0])
OWN_RATES = (SEQUENCE, "ChainedScheduler", "OneCycleLR", "CyclicLR")
LENGTHS = ("total_iters", "T_max")
"""What torch's schedulers call the steps that they take."""
POINTS = 240
"""Places of a run at which a curve is known, at most."""


@dataclass(frozen=True)
class _Length:
    """A run in steps of its scheduler. of_an_epoch: steps of an epoch; None where an epoch is one, or none is counted."""

    steps: int
    of_an_epoch: int | None

    @property
    def unit(self) -> int:
        """Steps of what a configuration counts in."""
        return self.of_an_epoch or 1


def _length(value: TrainConfig, updates: int) -> _Length:
    if value.train.by == "iteration":
        assert value.train.iterations is not None
        return _Length(value.train.iterations, None)
    if value.schedule.per == "iteration":
        return _Length(value.train.epochs * updates, updates)
    return _Length(value.train.epochs, None)


def build_schedule(value: TrainConfig, registry: Registry, optimizer: Any, *, updates: int) -> LRScheduler:
    """The scheduler, in the trainer's unit; the warm-up is counted in epochs, or in iterations with by: iteration.

    updates: of a pass over the data.
    """
    section, length = value.schedule, _length(value, updates)
    if section.type == SEQUENCE:
        return _sequence(section.schedulers, registry, optimizer, length)
    warmup = _warmup(section, length.of_an_epoch)
    if section.type in OURS:
        made: LRScheduler = make(registry, "schedule", section, optimizer, steps=length.steps, warmup=warmup)
        return made
    return with_warmup(optimizer, make(registry, "schedule", section, optimizer), warmup=warmup)


def _sequence(parts: Sequence[SchedulePart], registry: Registry, optimizer: Any, length: _Length) -> SequentialLR:
    """Each part begins with the rates of the optimizer, and counts the steps from its own beginning."""
    windows = _windows(parts, length)
    made = [_part(part, registry, optimizer, end - begin) for part, (begin, end) in zip(parts, windows, strict=True)]
    return SequentialLR(optimizer, made, milestones=[begin for begin, _ in windows[1:]])


def _windows(parts: Sequence[SchedulePart], length: _Length) -> list[tuple[int, int]]:
    """The first step of each part, and that after its last."""
    found, before = list[tuple[int, int]](), 0.0
    whole = length.steps / length.unit
    for number, part in enumerate(parts):
        end = whole if part.end is None else part.end
        where = f"schedule.schedulers.{number}"
        if part.begin is not None and part.begin != before:
            raise UsageError(f"{where} begins at {part.begin:g}, and the one before it ends at {before:g}")
        if number == len(parts) - 1 and end != whole:
            raise UsageError(f"{where}, the last, ends at {end:g}, and the run at {whole:g}")
        window = (round(before * length.unit), round(end * length.unit))
        if window[1] <= window[0]:
            raise UsageError(f"{where} begins at {before:g} and ends at {end:g} of {whole:g}: it has no step")
        found.append(window)
        before = end
    return found


def _part(part: SchedulePart, registry: Registry, optimizer: Any, steps: int) -> LRScheduler:
    """A part of so many steps, which are also its `total_iters` or `T_max` where it has one that nobody says."""
    kind = registry.find("schedule", part.type)
    check_schedule_kind(kind)
    if part.type in OWN_RATES:
        raise UsageError(f"{part.type} sets rates of its own, so that it cannot be one of several")
    given = {"steps": steps} if part.type in OURS else {}
    taken = inspect.signature(kind).parameters
    given |= {name: steps for name in LENGTHS if name in taken and name not in part.arguments}
    made: LRScheduler = Maker(registry).make("schedule", part.type, part.arguments, optimizer, **given)
    return made


def _warmup(section: ScheduleSection, updates: int | None) -> float:
    """Steps of the scheduler. Where an epoch has several, they are whole ones: the nearest number of updates."""
    if updates is None:
        return section.warmup
    steps = round(section.warmup * updates)
    if steps == 0 and section.warmup > 0:
        raise UsageError(
            f"schedule.warmup is {section.warmup:g} epochs, which is less than half an update of {updates}"
        )
    return steps


def scaled_rates(value: TrainConfig) -> OptimSection:
    """The optimizer's section with the rates that it is made with: multiplied by the batch of an update over `lr_for_batch`.

    Linear scaling: Goyal et al., Accurate, Large Minibatch SGD (2017).
    """
    section, batch = value.optim, value.data.batch_size * value.train.accumulate
    if section.lr_for_batch is None or section.lr_for_batch == batch:
        return section
    if "lr" not in section.arguments:
        raise UsageError("lr_for_batch multiplies optim.lr, and there is none")
    factor = batch / section.lr_for_batch
    groups = [group.model_copy(update=_scaled(group.model_extra or {}, factor)) for group in section.groups]
    return section.model_copy(update={**_scaled(section.arguments, factor), "groups": groups})


def _scaled(options: Mapping[str, Any], factor: float) -> dict[str, Any]:
    rate = options.get("lr")
    if rate is None:
        return {}
    if not isinstance(rate, (int, float)) or isinstance(rate, bool):
        raise UsageError(f"lr_for_batch multiplies rates, and lr is {rate!r}; accepted: numbers")
    return {"lr": rate * factor}


@dataclass(frozen=True)
class RateCurve:
    """Learning rates over a run. unit: "epoch" or "update". places: where in the run, in that unit, from 0; rates: of each
    group of parameters, at these places.
    """

    unit: str
    places: tuple[float, ...]
    rates: tuple[tuple[float, ...], ...]

    def lines(self) -> list[str]:
        """The curve of the first group as a plot in text, and what is different in others."""
        found = text_plot(self.places, self.rates[0], unit=f"{self.unit}s")
        for rates in dict.fromkeys(self.rates[1:]):
            if rates != self.rates[0]:
                first, most, last = rates[0], max(rates), rates[-1]
                found.append(f"another group: {first:.4g} at first, {most:.4g} at most, {last:.4g} at the end")
        return found


def rate_curve(
    value: TrainConfig, registry: Registry, rates: Sequence[float], *, updates: int, points: int = POINTS
) -> RateCurve:
    """What the schedule of a configuration makes of the rates of an optimizer's groups, first and last step among its places.

    A closed form is asked at the places alone; any other scheduler is stepped through the run.
    """
    length = _length(value, updates)
    groups = [{"params": [nn.Parameter(torch.zeros(()))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)  # whose momentum is there to be cycled
    scheduler = build_schedule(value, registry, optimizer, updates=updates)
    last = length.steps - 1
    count = min(points, length.steps)
    places = [round(number * last / max(1, count - 1)) for number in range(count)]
    if type(scheduler) is LambdaLR:
        found = [[b * f(place) for place in places] for b, f in zip(rates, scheduler.lr_lambdas, strict=True)]
    else:
        found = _stepped(optimizer, scheduler, places)
    unit = "update" if value.train.by == "iteration" else "epoch"
    return RateCurve(unit, tuple(place / length.unit for place in places), tuple(map(tuple, found)))


def _stepped(optimizer: torch.optim.Optimizer, scheduler: LRScheduler, places: Sequence[int]) -> list[list[float]]:
    wanted, found = set(places), list[list[float]]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing is updated between the steps
        for step in range(places[-1] + 1):
            if step in wanted:
                found.append([float(group["lr"]) for group in optimizer.param_groups])
            scheduler.step()
    return [list(of_group) for of_group in zip(*found, strict=True)]
