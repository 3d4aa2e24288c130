"""The steps of a trainer, and validation: what it does with the images that it does not train on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from plainnet.engine.data.loader import Batches
from plainnet.engine.data.source import Batch
from plainnet.engine.evaluators.evaluator import evaluate, reset, update
from plainnet.engine.hooks.event_calls import Events
from plainnet.engine.loop.batch_size import samples_in
from plainnet.engine.loop.trainer_settings import Pieces
from plainnet.engine.parameters import modes_kept
from plainnet.engine.seeds import derive, seeded
from plainnet.engine.tasks.task import Task
from plainnet.errors import UsageError

__all__ = ["Validation", "add_metrics"]

Step = tuple[Any, dict[str, Any]]


class Validation(Pieces):
    """Events, batches, steps and sums as training and validation share them, and the validation itself."""

    def emit(self, event: str, *arguments: Any) -> Any:
        """Call everything that belongs to an event."""
        if self.events is None:
            self.events = Events(self, self.hooks)
        return self.events.run(event, *arguments)

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes, where it was."""
        if self.processes == 1:
            return tensor
        summed: Tensor = self.accelerator.reduce(tensor.to(self.device), "sum")
        return summed.to(tensor.device)

    @property
    def over_all(self) -> Callable[[Tensor], Tensor] | None:
        """`add_up` where there are several processes."""
        return self.add_up if self.processes > 1 else None

    def count_samples(self, batch: Batch) -> int:
        """How many samples a batch holds, as it comes from the loader: what it says itself (an entry `samples`), or what its
        entries agree on. Override it where neither tells.
        """
        return samples_in(batch)

    def prepare(self, batch: Batch) -> Batch:
        """A batch on the device, transformed."""
        if self.device.type != "cpu":
            batch = send_to_device(batch, self.device, non_blocking=True, skip_keys=["draw"])
        if self.model is None or not self.model.training:
            return self.val_transform(batch) if self.val_transform else batch
        if self.train_transform is None:
            return batch
        with seeded(derive("transform", self.seed, self.epoch, self.batch, self.rank), self.device), torch.no_grad():
            return self.train_transform(batch)

    def train_step(self, batch: Batch) -> Step:
        """The outputs and the losses of a batch. Override it unless the model is a `Task`."""
        if not isinstance(self.module, Task):
            raise UsageError(f"{type(self).__name__} needs a train_step: {type(self.module).__name__} is no Task")
        assert self.model is not None
        output = self.model(batch)
        return output, {**self.module.losses(output, batch), **self.module.metrics(output, batch)}

    def val_step(self, batch: Batch) -> Step:
        """The outputs and the results of a validation batch. Override it unless the model is a `Task`."""
        task = self.evaluated
        if not isinstance(task, Task):
            return self.train_step(batch)
        output = task.infer_forward(batch)
        return output, {**task.val_losses(output, batch), **task.metrics(output, batch)}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The exact means over the validation images and what the evaluators say, of the averaged weights where there are any.

        Can be called from a hook: modules are in the mode that they were in, and nothing else changes.
        """
        assert self.model is not None
        if self.val_loader is None:
            raise UsageError("there is no validation data: register_loader(train, val)")
        with modes_kept(self.model, self.evaluated):
            self.model.eval()
            self.evaluated.eval()
            self._share_buffers()
            self.tables = {}
            summary: dict[str, float] = {}
            self.emit("before_val_epoch")
            for name, loader in self.validation_sets.items():
                self._add_set(summary, name, loader)
            self.emit("after_val_epoch", summary)
        self.let_go()
        return summary

    def _add_set(self, summary: dict[str, float], name: str, loader: Batches) -> None:
        """Validate on one set, and add what it gave under its name."""
        self.val_means.clear()
        reset(self.evaluators)
        for batch, counts in self._val_batches(loader):
            self._validate_batch(batch, counts=counts)
        found = self.val_means.compute(reduce=self.over_all)
        numbers, tables = evaluate(self.evaluators, known=found, processes=self.processes)
        add_metrics(summary, name, {**found, **numbers})
        self.tables |= named_metrics(name, tables)

    def let_go(self) -> None:
        """Where training is sharded: hold no more of the weights than this process's part."""
        if self.sharded:
            from plainnet.engine.processes.sharding import let_go

            let_go(self.module)
            let_go(self.evaluated)

    def _validate_batch(self, batch: Batch, *, counts: bool) -> None:
        size = self.count_samples(batch) if counts else 0
        batch = self.prepare(batch)
        if not counts:
            self.val_step(batch)
            return
        self.emit("before_val_step", batch)
        with self.accelerator.autocast():
            output, result = self.emit("val_step", batch)
        self.val_means.add(result, samples=size)
        update(self.evaluators, output, batch)
        self.emit("after_val_step", batch, output, result)

    def _share_buffers(self) -> None:
        """All processes validate the model that is saved: the first one's statistics, as each step of training begins with."""
        if self.processes > 1:
            for buffer in self.module.buffers():
                torch.distributed.broadcast(buffer, 0)

    def _val_batches(self, loader: Batches) -> Iterator[tuple[Batch, bool]]:
        """Validation batches, and whether each counts: where training is sharded, all processes compute as many."""
        if not self.sharded:
            return ((batch, True) for batch in loader.at(0))
        from plainnet.engine.processes.sharding import in_step

        return in_step(loader.at(0), add_up=self.add_up)

    @property
    def may_add_metrics(self) -> bool:
        """Whether there is a hook, or a method of a subclass, that may add metrics to the means of an epoch."""
        assert self.events is not None
        return any(map(self.events.is_used, ("after_train_epoch", "after_val_epoch", "after_epoch")))

    @property
    def evaluated(self) -> nn.Module:
        """The module that is validated: the averaged weights where there are any."""
        return self.averaged if self.averaged is not None else self.module


def add_metrics(summary: dict[str, float], name: str, metrics: Mapping[str, float]) -> None:
    """Add a validation set's metrics to those of the sets before it; `UsageError` for two of one name."""
    for key, value in named_metrics(name, metrics).items():
        if key in summary:
            raise UsageError(f"two metrics are called {key}: give the validation set {name} another name")
        summary[key] = value


def named_metrics(name: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics under the name of their validation set; the first set has none."""
    return {f"{name}/{key}" if name else key: value for key, value in metrics.items()}
