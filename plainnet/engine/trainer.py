"""The training loop. It is small on purpose: everything that is not the loop is a hook."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import find_batch_size, send_to_device
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from plainnet.engine.data.loader import Batches, as_batches
from plainnet.engine.data.source import Batch
from plainnet.engine.devices import make_accelerator
from plainnet.engine.hooks.base import Hook
from plainnet.engine.hooks.events import Events
from plainnet.engine.interruption import StopSignal
from plainnet.engine.means import Means
from plainnet.engine.seeds import derive, seed_everything, seeded
from plainnet.engine.sync_norm import synchronize_batch_norm
from plainnet.engine.tasks.task import Task
from plainnet.engine.tensors import StepTensors
from plainnet.errors import RunError, UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["EpochBasedTrainer", "IterBasedTrainer", "Trainer"]

Transform = Callable[[Batch], Batch]
Step = tuple[Any, dict[str, Any]]


class Trainer:
    """What epoch-based and iteration-based trainers share.

    Register the pieces, then `fit()`. A task that is registered as the model brings its own steps; for anything else
    override `train_step` and `val_step`: each takes a batch and returns an output and a dict of results with "loss", the
    mean over the batch. Every other method named like an event may be overridden as well; see `Hook` for the order.

    seed: of everything that is random. accumulate: batches of one update. clip_norm: largest gradient norm.
    precision: "no", "bf16", "fp16". device: "auto", "cpu", "cuda", "mps". log_every: updates between `log` events.
    validate_every: rounds of training between two validations. debug: anomaly detection, one process.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        validate_every: int = 1,
        accumulate: int = 1,
        clip_norm: float | None = None,
        precision: str = "no",
        device: str = "auto",
        sync_batch_norm: bool = True,
        log_every: int = 20,
        debug: bool = False,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self.accelerator: Accelerator = make_accelerator(precision=precision, device=device)
        self.seed, self.validate_every, self.accumulate, self.clip_norm = seed, validate_every, accumulate, clip_norm
        self.log_every, self.debug, self.sync_batch_norm = log_every, debug, sync_batch_norm
        self.rank, self.processes = self.accelerator.process_index, self.accelerator.num_processes
        if debug and self.processes > 1:
            raise UsageError("debug mode is for one process: start without torchrun or accelerate launch")
        self.hooks = list(hooks)
        self.epoch = self.batch = self.iteration = self.rounds = 0
        self.means, self.val_means, self.tensors = Means(), Means(), StepTensors()
        self.history: list[dict[str, Any]] = []
        self.model: nn.Module | None = None
        self.optimizer: Any = None
        self.scheduler: LRScheduler | None = None
        self.train_loader: Batches | None = None
        self.val_loader: Batches | None = None
        self.train_transform: Transform | None = None
        self.val_transform: Transform | None = None
        self.averaged: nn.Module | None = None
        self.extras: dict[str, float] = {}
        self.logs_now = False
        self.stop_reason = ""
        self.started = time.monotonic()
        seed_everything(derive(seed, "run", self.rank))

    # ---- registration ----

    @property
    def device(self) -> torch.device:
        """Where the model and the batches are."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return bool(self.accelerator.is_main_process)

    def register_model(self, model: nn.Module) -> None:
        """The model or task to train; it is moved to the device."""
        if self.processes > 1 and self.sync_batch_norm:
            model = synchronize_batch_norm(model, self.device)
        self.module = model.to(self.device)
        self.model = self.accelerator.prepare_model(model)

    def register_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimizer of the registered model's parameters."""
        self.optimizer = self.accelerator.prepare_optimizer(optimizer)
        self.inner_optimizer = optimizer

    def register_scheduler(self, scheduler: LRScheduler) -> None:
        """The scheduler, stepped once an epoch or once an update, as the trainer is."""
        self.scheduler = scheduler

    def register_loader(self, train: Any, val: Any = None) -> None:
        """Training and validation batches: a `Loader`, a torch `DataLoader`, or any sized iterable of batches."""
        options = {"seed": self.seed, "rank": self.rank, "processes": self.processes}
        self.train_loader = as_batches(train, **options)
        self.val_loader = as_batches(val, **options) if val is not None else None

    def register_transform(self, train: Transform | None, val: Transform | None = None) -> None:
        """What happens to batches on the device; the training transform draws from a generator seeded for each batch."""
        self.train_transform, self.val_transform = train, val

    def register_hook(self, hook: Hook) -> None:
        """Add a hook object."""
        self.hooks.append(hook)

    # ---- the run ----

    def fit(self) -> list[dict[str, Any]]:
        """Train to the end, or from where a loaded state left off; the result is `history`, one entry for each round."""
        if self.model is None or self.optimizer is None or self.train_loader is None:
            raise UsageError("register a model, an optimizer and a loader before fit()")
        self.events = Events(self, self.hooks)
        self.emit = self.events.run
        self.stop_reason, self.started = "", time.monotonic()
        anomaly = torch.autograd.set_detect_anomaly(True) if self.debug else nullcontext()
        with StopSignal() as self.signal, anomaly:
            try:
                self.emit("before_run")
                while not self.finished and not self.stop_reason:
                    self._round()
            except BaseException as error:
                self.stop_reason = f"{type(error).__name__}"
                raise
            finally:
                self.tensors.clear()
                self.emit("after_run")
        return self.history

    @property
    def finished(self) -> bool:
        """Whether everything has been trained."""
        raise NotImplementedError

    def _groups(self) -> Iterator[list[Batch]]:
        """The batches of each update until the round is over."""
        raise NotImplementedError

    def _round(self) -> None:
        assert self.model is not None
        self.model.train()
        self.emit("before_train_epoch")
        for group in self._groups():
            self._update(group)
            if self._must_stop():
                return
        train = self.means.compute(reduce=self.add_up)
        self._check_finite(train)
        self._after_round()
        self.emit("after_train_epoch", train)
        self.means.clear()
        self.rounds += 1
        self._advance()
        val = self.validate() if self.val_loader is not None and self._validation_due() else {}
        self.history.append({"epoch": self.rounds, "iteration": self.iteration, "train": train, "val": val})
        self.emit("after_epoch", train, val)
        self._must_stop()

    def _after_round(self) -> None:
        """Between the last update of a round and `after_train_epoch`."""

    def _advance(self) -> None:
        """Count the round."""

    def _validation_due(self) -> bool:
        return self.rounds % self.validate_every == 0 or self.finished

    def _must_stop(self) -> bool:
        wanted = self.signal.name
        if self.processes > 1 and (self.iteration % 10 == 0 or self.batch == 0):
            flag = torch.tensor(float(bool(wanted)), device=self.device)
            wanted = (wanted or "a stop of another process") if float(self.add_up(flag)) else ""
        elif self.processes > 1:
            wanted = ""
        self.stop_reason = wanted or self.stop_reason
        return bool(self.stop_reason)

    # ---- one update ----

    def _update(self, group: list[Batch]) -> None:
        assert self.train_loader is not None
        sizes = [self._size(batch) for batch in group]
        total = self._total(sizes)
        self.optimizer.zero_grad()
        self.tensors.begin()
        self.logs_now = (self.iteration + 1) % self.log_every == 0
        for number, (batch, size) in enumerate(zip(group, sizes, strict=True)):
            last = number == len(group) - 1
            batch = self.prepare(batch)
            self.emit("before_train_step", batch)
            with nullcontext() if last or self.processes == 1 else self.accelerator.no_sync(self.model):
                output, result = self.emit("train_step", batch)
                share = size * self.processes / total
                loss = result["loss"]
                self.accelerator.backward(loss if share == 1 else loss * share)
            result = {name: value.detach() if isinstance(value, Tensor) else value for name, value in result.items()}
            self.emit("after_backward", batch, output, result)
            if last:
                self.emit("optimizer_step")
                self.iteration += 1
            self.batch += 1
            self.means.add(result, samples=size)
            self.emit("after_train_step", batch, output, result)
        if self.logs_now:
            self._check_finite(result)
            self.emit("log", {**result, **self.extras})
            self.extras.clear()
        self.tensors.clear()
        self._after_update()
        self.emit("after_update")

    def _after_update(self) -> None:
        """Between an update and `after_update`."""

    def _size(self, batch: Batch) -> int:
        size = find_batch_size(batch)
        if size is None:
            raise RunError("a batch holds no tensor, so its size is unknown")
        return int(size)

    def _total(self, sizes: list[int]) -> int:
        """Images of the whole update, over all processes."""
        assert self.train_loader is not None
        known = [self.train_loader.total(self.batch + number) for number in range(len(sizes))]
        if all(total is not None for total in known):
            return sum(total for total in known if total is not None)
        if self.processes == 1:
            return sum(sizes)
        return int(self.add_up(torch.tensor(float(sum(sizes)), device=self.device)))

    def _check_finite(self, result: Mapping[str, Any]) -> None:
        loss = float(result.get("loss", 0.0))
        if loss != loss or loss in (float("inf"), float("-inf")):
            rate = self.learning_rates()[0]
            raise RunError(
                f"the loss is {loss} after {self.iteration} updates (learning rate {rate:.4g}): lower the learning rate, "
                "warm up longer, or set train.clip_norm"
            )

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes, where it was."""
        if self.processes == 1:
            return tensor
        summed: Tensor = self.accelerator.reduce(tensor.to(self.device), "sum")
        return summed.to(tensor.device)

    def prepare(self, batch: Batch) -> Batch:
        """A batch on the device, transformed."""
        if self.device.type != "cpu":
            batch = send_to_device(batch, self.device, non_blocking=True)
        if self.model is None or not self.model.training:
            return self.val_transform(batch) if self.val_transform else batch
        if self.train_transform is None:
            return batch
        with seeded(derive("transform", self.seed, self.epoch, self.batch, self.rank), self.device), torch.no_grad():
            return self.train_transform(batch)

    # ---- validation ----

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The exact means over the validation images, of the averaged weights where there are any."""
        assert self.model is not None
        if self.val_loader is None:
            raise UsageError("there is no validation data: register_loader(train, val)")
        self.model.eval()
        self.evaluated.eval()
        self.val_means.clear()
        self.emit("before_val_epoch")
        for batch in self.val_loader.at(0):
            size = self._size(batch)
            batch = self.prepare(batch)
            self.emit("before_val_step", batch)
            with self.accelerator.autocast():
                output, result = self.emit("val_step", batch)
            self.val_means.add(result, samples=size)
            self.emit("after_val_step", batch, output, result)
        summary = self.val_means.compute(reduce=self.add_up)
        self.emit("after_val_epoch", summary)
        self.model.train()
        return summary

    @property
    def evaluated(self) -> nn.Module:
        """The module that is validated: the averaged weights where there are any."""
        return self.averaged if self.averaged is not None else self.module

    # ---- the steps, and the other events that do something ----

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

    def optimizer_step(self) -> None:
        """Clip and update."""
        if self.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.module.parameters(), self.clip_norm)
        self.optimizer.step()

    def scheduler_step(self) -> None:
        """The next learning rate."""
        if self.scheduler is not None:
            self.scheduler.step()

    def learning_rates(self) -> list[float]:
        """The learning rate of each parameter group."""
        return [float(group["lr"]) for group in self.inner_optimizer.param_groups]

    def before_run(self) -> None: ...
    def before_train_epoch(self) -> None: ...
    def before_train_step(self, batch: Batch) -> None: ...
    def after_backward(self, batch: Batch, output: Any, result: Mapping[str, Any]) -> None: ...
    def after_train_step(self, batch: Batch, output: Any, result: Mapping[str, Any]) -> None: ...
    def log(self, result: Mapping[str, Any]) -> None: ...
    def after_update(self) -> None: ...
    def after_train_epoch(self, summary: Mapping[str, float]) -> None: ...
    def before_val_epoch(self) -> None: ...
    def before_val_step(self, batch: Batch) -> None: ...
    def after_val_step(self, batch: Batch, output: Any, result: Mapping[str, Any]) -> None: ...
    def after_val_epoch(self, summary: Mapping[str, float]) -> None: ...
    def after_epoch(self, train: Mapping[str, float], val: Mapping[str, float]) -> None: ...
    def after_run(self) -> None: ...


class EpochBasedTrainer(Trainer):
    """Trains `epochs` passes over the data; the scheduler is stepped once a pass (or with `per_iteration` once an update)."""

    def __init__(self, *, epochs: int, per_iteration: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.epochs, self.per_iteration = epochs, per_iteration

    @property
    def finished(self) -> bool:
        """Whether all epochs have been trained."""
        return self.epoch >= self.epochs

    @property
    def updates(self) -> int:
        """Updates of the whole run."""
        assert self.train_loader is not None
        return self.epochs * -(-len(self.train_loader) // self.accumulate)

    def _groups(self) -> Iterator[list[Batch]]:
        assert self.train_loader is not None
        return grouped(self.train_loader.at(self.epoch, self.batch), self.accumulate)

    def _after_update(self) -> None:
        if self.per_iteration:
            self.emit("scheduler_step")

    def _after_round(self) -> None:
        if not self.per_iteration:
            self.emit("scheduler_step")

    def _advance(self) -> None:
        self.epoch, self.batch = self.epoch + 1, 0


class IterBasedTrainer(Trainer):
    """Trains `iterations` updates, validating every `validate_every` of them; the scheduler is stepped once an update.

    Its rounds (`before_train_epoch` to `after_epoch`) are the updates between two validations; `epoch` counts passes over
    the data.
    """

    def __init__(self, *, iterations: int, validate_every: int, **options: Any) -> None:
        super().__init__(**options)
        self.iterations, self.round_length = iterations, validate_every
        self.stream: Iterator[list[Batch]] | None = None

    @property
    def finished(self) -> bool:
        """Whether all updates have been made."""
        return self.iteration >= self.iterations

    @property
    def updates(self) -> int:
        """Updates of the whole run."""
        return self.iterations

    def _endless(self) -> Iterator[list[Batch]]:
        assert self.train_loader is not None
        while True:
            yield from grouped(self.train_loader.at(self.epoch, self.batch), self.accumulate)
            self.epoch, self.batch = self.epoch + 1, 0

    def _groups(self) -> Iterator[list[Batch]]:
        if self.stream is None:
            self.stream = self._endless()
        for group in self.stream:
            yield group
            if self.iteration % self.round_length == 0 or self.finished:
                return

    def _after_update(self) -> None:
        self.emit("scheduler_step")


def grouped(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches in lists of `size`; the last may be shorter."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
