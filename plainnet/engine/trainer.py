"""The training loop. It is small on purpose: everything that is not the loop is a hook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from accelerate.utils import find_batch_size, send_to_device
from torch import Tensor, nn

from plainnet.engine.data.loader import Batches
from plainnet.engine.data.source import Batch
from plainnet.engine.hooks.events import Events
from plainnet.engine.interruption import StopSignal
from plainnet.engine.pieces import Pieces
from plainnet.engine.seeds import derive, seeded
from plainnet.engine.tasks.task import Task
from plainnet.errors import RunError, UsageError

__all__ = ["Trainer"]

Step = tuple[Any, dict[str, Any]]


class Trainer(Pieces):
    """What epoch-based and iteration-based trainers share.

    Register the pieces, then `fit()`. A task that is registered as the model brings its own steps; for anything else
    override `train_step` and `val_step`: each takes a batch and returns an output and a dict of results with "loss", the
    mean over the batch. Every other method named like an event may be overridden as well; see `Hook` for the order.

    seed: of everything that is random. accumulate: batches of one update. clip_norm: largest gradient norm.
    precision: "no", "bf16", "fp16". device: "auto", "cpu", "cuda", "mps". log_every: updates between `log` events.
    validate_every: rounds of training between two validations. debug: anomaly detection, one process. sharded: spread
    weights, gradients and optimizer state over the processes (FSDP).
    """

    # ---- the run ----

    def fit(self) -> list[dict[str, Any]]:
        """Train to the end, or from where a loaded state left off; the result is `history`, one entry for each round."""
        if self.model is None or self.optimizer is None or self.train_loader is None:
            raise UsageError("register a model, an optimizer and a loader before fit()")
        self.events = Events(self, self.hooks)
        self.stop_reason = ""
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

    def emit(self, event: str, *arguments: Any) -> Any:
        """Call everything that belongs to an event."""
        if self.events is None:
            self.events = Events(self, self.hooks)
        return self.events.run(event, *arguments)

    @property
    def finished(self) -> bool:
        """Whether everything has been trained."""
        raise NotImplementedError

    @property
    def scheduled_steps(self) -> int:
        """How often the scheduler has been stepped where the run is."""
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
        train = self.means.compute(reduce=self.over_all)
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
                self._backward(result["loss"] if share == 1 else result["loss"] * share)
            result = {name: value.detach() if isinstance(value, Tensor) else value for name, value in result.items()}
            self.emit("after_backward", batch, output, result)
            if last:
                if self.scaler is not None:  # so that hooks and clipping see the gradients as they are
                    self.scaler.unscale_(self.optimizer)
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

    def _backward(self, loss: Tensor) -> None:
        (self.scaler.scale(loss) if self.scaler is not None else loss).backward()  # type: ignore[no-untyped-call]

    def _after_update(self) -> None:
        """Between an update and `after_update`."""

    def _size(self, batch: Batch) -> int:
        first = next(iter(batch.values()))
        size = len(first) if isinstance(first, Tensor) and first.ndim else find_batch_size(batch)
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

    @property
    def over_all(self) -> Callable[[Tensor], Tensor] | None:
        """`add_up` where there are several processes."""
        return self.add_up if self.processes > 1 else None

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
        for batch, counts in self._val_batches(self.val_loader):
            size = self._size(batch)
            batch = self.prepare(batch)
            if not counts:
                self.val_step(batch)
                continue
            self.emit("before_val_step", batch)
            with self.accelerator.autocast():
                output, result = self.emit("val_step", batch)
            self.val_means.add(result, samples=size)
            self.emit("after_val_step", batch, output, result)
        summary = self.val_means.compute(reduce=self.over_all)
        self.emit("after_val_epoch", summary)
        self.model.train()
        return summary

    def _val_batches(self, loader: Batches) -> Iterator[tuple[Batch, bool]]:
        """Validation batches, and whether each counts: where training is sharded, all processes compute as many."""
        if not self.sharded:
            return ((batch, True) for batch in loader.at(0))
        from plainnet.engine.sharding import in_step

        return in_step(loader.at(0), add_up=self.add_up)

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
            nn.utils.clip_grad_norm_(self.module.parameters(), self.clip_norm)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def scheduler_step(self) -> None:
        """The next learning rate."""
        if self.scheduler is not None:
            self.scheduler.step()

    def learning_rates(self) -> list[float]:
        """The learning rate of each parameter group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]
