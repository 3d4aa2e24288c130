"""What is no mean over samples (F1, AUC, a confusion matrix): gathered over a whole validation, then computed once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from plainnet.engine.data.source import Batch
from plainnet.engine.processes.collectives import gather
from plainnet.errors import PlainnetError, UsageError

__all__ = ["Evaluator", "as_evaluator", "evaluate", "register", "reset", "update"]

Tables = dict[str, list[Any]]


class Evaluator:
    """Sees the outputs and the batch of every validation step, and says at the end what they amount to.

    `update` gives what it takes to `add` (sums) or to `keep` (values of samples, put together in their order); both hold all
    samples of all processes, each of them once, when `compute` reads them with `total` and `kept`. So the result is the same
    with any number of processes, to the last bit where sums are of integers.

    class Largest(Evaluator):
        name = "largest"

        def update(self, outputs, batch):
            self.keep("logit", outputs["logits"].amax(dim=1))

        def compute(self):
            return self.kept("logit").max()

    name: what the result is called among the metrics (`checkpoint.best` may name it). classes: the names of the classes.
    """

    name = ""
    classes: Sequence[str] = ()
    sums: dict[str, Tensor]
    parts: dict[str, list[Tensor]]

    def reset(self) -> None:
        """Forget everything."""
        self.sums, self.parts = {}, {}

    def update(self, outputs: Any, batch: Batch) -> None:
        """Take a batch: what the validation step put out, and what it was computed from."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def compute(self) -> float | Tensor | Mapping[str, float | Tensor]:
        """The result: a number; a vector with a value for each class (or a mapping of numbers), named `name/class`; or a
        matrix, which is kept as a table beside the metrics.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compute")

    def add(self, name: str, value: Tensor | float) -> None:
        """Add to a sum over all samples: counts of any shape, in the type of the first value."""
        value = value.detach() if isinstance(value, Tensor) else torch.tensor(value)
        known = self.sums.get(name)
        self.sums[name] = value.clone() if known is None else known + value

    def keep(self, name: str, values: Tensor) -> None:
        """Keep a value (or a row) for each sample of the batch."""
        self.parts.setdefault(name, []).append(values.detach())

    def total(self, name: str) -> Tensor:
        """A sum over all samples of all processes."""
        return self.sums[name]

    def kept(self, name: str) -> Tensor:
        """What was kept, in the order of the samples."""
        return torch.cat(self.parts[name])


def as_evaluator(thing: Any, *, name: str | None) -> Evaluator:
    """An `Evaluator` as it is, a metric of torchmetrics in one; `name` replaces its own."""
    if not isinstance(thing, Evaluator) and all(
        hasattr(thing, part) for part in ("update", "compute", "reset", "metric_state")
    ):
        thing = _TorchMetric(thing)
    if not isinstance(thing, Evaluator):
        raise UsageError(f"a {type(thing).__name__} is no Evaluator (and no metric of torchmetrics)")
    if name:
        thing.name = name
    if not thing.name:
        thing.name = type(thing).__name__
    return thing


def register(evaluators: list[Evaluator], thing: Any, *, name: str | None) -> None:
    """Add an evaluator under a name that is free."""
    evaluator = as_evaluator(thing, name=name)
    if any(evaluator.name == other.name for other in evaluators):
        raise UsageError(f"two evaluators are called {evaluator.name}: give one of them another name")
    evaluators.append(evaluator)


def reset(evaluators: Sequence[Evaluator]) -> None:
    """Make them begin, whatever their own `reset` does."""
    for evaluator in evaluators:
        Evaluator.reset(evaluator)
        evaluator.reset()


def update(evaluators: Sequence[Evaluator], outputs: Any, batch: Batch) -> None:
    """Show a validation step to all of them."""
    for evaluator in evaluators:
        with _told(evaluator, "update"):
            evaluator.update(outputs, batch)


@contextmanager
def _told(evaluator: Evaluator, step: str) -> Iterator[None]:
    """An exception inside says whose it is."""
    try:
        yield
    except PlainnetError:
        raise
    except Exception as error:
        error.add_note(f"raised by the evaluator {evaluator.name} in {step}()")
        raise


def evaluate(
    evaluators: Sequence[Evaluator], *, known: Mapping[str, float], processes: int
) -> tuple[dict[str, float], Tables]:
    """The numbers and the tables of all evaluators, over all processes, all of which take part.

    known: metrics that have their names already.
    """
    if processes > 1 and evaluators:
        _gather(evaluators)
    numbers, tables = dict[str, float](), Tables()
    for evaluator in evaluators:
        if not evaluator.sums and not evaluator.parts:
            raise UsageError(
                f"the evaluator {evaluator.name} has gathered nothing: update() gives what it takes to add() or keep(), so that "
                "it can be put together over processes"
            )
        with _told(evaluator, "compute"):
            own, table = _named(evaluator)
        twice = [name for name in {**own, **table} if name in known or name in numbers or name in tables]
        if twice:
            raise UsageError(f"{twice[0]} is a metric already: give the evaluator another name")
        numbers |= own
        tables |= table
    return numbers, tables


def _named(evaluator: Evaluator) -> tuple[dict[str, float], Tables]:
    result = evaluator.compute()
    if isinstance(result, Mapping):
        return {f"{evaluator.name}/{key}": float(value) for key, value in result.items()}, {}
    if not isinstance(result, Tensor) or result.ndim == 0:
        return {evaluator.name: float(result)}, {}
    if result.ndim > 1:
        return {}, {evaluator.name: _plain(result.tolist())}
    classes = [str(name) for name in evaluator.classes] or [str(number) for number in range(len(result))]
    return {f"{evaluator.name}/{name}": float(value) for name, value in zip(classes, result, strict=True)}, {}


def _plain(value: Any) -> Any:
    """A table for JSON, which knows no nan."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if math.isfinite(value) else None


def _gather(evaluators: Sequence[Evaluator]) -> None:
    """Give each process the states of all of them."""
    own = [
        (
            dict(evaluator.sums),
            {name: list(parts) for name, parts in evaluator.parts.items()},
        )
        for evaluator in evaluators
    ]
    everyones = gather(own)
    for number, evaluator in enumerate(evaluators):
        states = [state[number] for state in everyones]
        evaluator.sums = {}
        for sums, _ in states:
            for name, value in sums.items():
                evaluator.add(name, value)
        names = dict.fromkeys(name for _, parts in states for name in parts)
        evaluator.parts = {name: _in_order([parts.get(name, []) for _, parts in states]) for name in names}


def _in_order(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The parts of each batch one after the other: a batch is cut into consecutive parts, one for each process."""
    longest = max(map(len, parts))
    return [own[number] for number in range(longest) for own in parts if number < len(own)]


class _TorchMetric(Evaluator):
    """A metric of torchmetrics, computed at once from what was kept of all samples; `logits` and `label` are what it takes."""

    def __init__(self, metric: Any) -> None:
        self.metric, self.name = metric, type(metric).__name__
        metric.sync_on_compute = False  # it is given the samples of all processes

    def update(self, outputs: Any, batch: Batch) -> None:
        """Keep logits and labels."""
        self.keep("logits", outputs["logits"] if isinstance(outputs, Mapping) else outputs)
        self.keep("label", batch["label"])

    def compute(self) -> float | Tensor | Mapping[str, float | Tensor]:
        """The metric over everything."""
        logits = self.kept("logits")
        metric = self.metric.to(logits.device)
        metric.reset()
        metric.update(logits, self.kept("label"))
        result: float | Tensor | Mapping[str, float | Tensor] = metric.compute()
        return result
