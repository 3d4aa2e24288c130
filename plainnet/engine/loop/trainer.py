"""The training loop. It is small on purpose: everything that is not the loop is a hook."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.engine.data.loader import Loader
from plainnet.engine.data.source import Batch
from plainnet.engine.hooks.event_calls import Events
from plainnet.engine.loop.gradient_check import check_gradients, checked_backward
from plainnet.engine.loop.rehearsal import rehearse
from plainnet.engine.loop.run_outputs import run_outputs
from plainnet.engine.loop.trainer_tree import trainer_tree, tree_lines
from plainnet.engine.loop.update_shares import Share, loss_shares
from plainnet.engine.loop.validation import Validation
from plainnet.engine.processes.interruption import StopSignal
from plainnet.engine.processes.sync_norm import counted_once
from plainnet.errors import DivergedError, UsageError

__all__ = ["Trainer"]


class Trainer(Validation):
    """What epoch-based and iteration-based trainers share.

    Register the pieces, then `fit()`. A task that is registered as the model brings its own steps; for anything else
    override `train_step` and `val_step`: each takes a batch and returns an output and a dict of results with "loss", the
    mean over the batch. Every other method named like an event may be overridden as well; see `Hook` for the order.

    seed: of everything that is random. accumulate: batches of one update. clip_norm: largest gradient norm.
    precision: "no", "bf16", "fp16". device: "auto", "cpu", "cuda", "mps". log_every: updates between `log` events. log_window:
    updates that each of them is the mean over.
    validate_every: rounds of training between two validations. validate_from: the first round (update, of an iteration-based
    trainer) after which there is one; the last always is. debug: anomaly detection, one process. sharded: spread
    weights, gradients and optimizer state over the processes (FSDP). run: a folder for log, checkpoints and weights, with what
    is printed on the console; nothing is written without one. resume: take up the run that it holds. best: the metric that
    its best weights are chosen by.
    """

    def __repr__(self) -> str:
        """What has been registered, as a tree."""
        return "\n".join(tree_lines(trainer_tree(self)))

    # ---- the run ----

    def fit(self) -> list[dict[str, Any]]:
        """Train to the end, or from where a loaded state left off; the result is `history`, one entry for each round."""
        pieces = {"a model": self.model, "an optimizer": self.optimizer, "training batches": self.train_loader}
        missing = [name for name, piece in pieces.items() if piece is None]
        if missing:
            raise UsageError(
                f"register {' and '.join(missing)} before fit(): a training has all of {', '.join(pieces)}"
            )
        if self.val_loader is None and (self.evaluators or self.val_transform is not None):
            judges = ", ".join(evaluator.name for evaluator in self.evaluators) or "a transform"
            raise UsageError(
                f"{judges} for validation, and no validation batches: register_loader(train, val), or leave both out"
            )
        with run_outputs(self):
            return self._fit()

    def _fit(self) -> list[dict[str, Any]]:
        self.events = Events(self, self.hooks)
        self.stop_reason = ""
        anomaly = torch.autograd.set_detect_anomaly(True) if self.debug else nullcontext()
        self.rehearsed = False
        with StopSignal() as self.signal, anomaly:
            self.scalars.begin()
            try:
                self.emit("before_run")
                while not self.finished and not self.stop_reason:
                    self._round()
            except BaseException as error:
                self._break_off(error)
                raise
            finally:
                self.tensors.clear()
                self.scalars.end()
                for loader in (self.train_loader, *self.validation_sets.values()):
                    if isinstance(loader, Loader):
                        loader.close()
            self.emit("after_run")
        return self.history

    def _break_off(self, error: BaseException) -> None:
        """The end of a run that failed: what fails in it, too, is only noted."""
        self.stop_reason = type(error).__name__
        try:
            self.emit("after_run")
        except Exception as second:
            error.add_note(f"and after_run failed: {type(second).__name__}: {second}")

    @property
    def finished(self) -> bool:
        """Whether everything has been trained."""
        raise NotImplementedError

    @property
    def total_rounds(self) -> int:
        """Rounds of the whole run."""
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
            if not self.rehearsed:
                self.rehearsed = True
                self.emit("after_rehearsal", *rehearse(self, group[0]))
            self._update(group)
            if self._must_stop():
                return
        train = self.means.compute(reduce=self.over_all)
        self._check_finite(train)
        self._after_round()
        self.emit("after_train_epoch", train)
        self.means.clear()
        self.rounds, self.round_start = self.rounds + 1, self.iteration
        self._advance()
        val = self.validate() if self.val_loader is not None and self._validation_due() else {}
        self.scalars.add(
            {f"{part}/{name}": x for part, each in (("train", train), ("val", val)) for name, x in each.items()}
        )
        self.history.append({"epoch": self.epoch, "iteration": self.iteration, "train": train, "val": val})
        self.emit("after_epoch", train, val)
        self._must_stop()

    def _after_round(self) -> None:
        """Between the last update of a round and `after_train_epoch`."""

    def _advance(self) -> None:
        """Count the epoch, where a round is one."""

    def _validation_due(self) -> bool:
        due = self.rounds % self.validate_every == 0 and self._trained() >= self.validate_from
        return due or self.finished

    def _trained(self) -> int:
        """How much has been trained, in what the length of the run is counted in."""
        raise NotImplementedError

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
        shares = loss_shares(self, group)
        self.optimizer.zero_grad()
        self.tensors.begin()
        self.rates = self.learning_rates()
        self.logs_now = (self.iteration + 1) % self.log_every == 0
        self.update_means.begin()
        for number, (batch, share) in enumerate(zip(group, shares, strict=True)):
            last = number == len(group) - 1
            batch = self.prepare(batch)
            self.emit("before_train_step", batch)
            with self._batch_in_turn(share, last=last):
                output, result = self.emit("train_step", batch)
                loss = result["loss"]
                self._backward(loss if share.weight is None else loss * share.weight)
            result = {name: value.detach() if isinstance(value, Tensor) else value for name, value in result.items()}
            self.emit("after_backward", batch, output, result)
            if last:
                if self.scaler is not None:  # so that hooks and clipping see the gradients as they are
                    self.scaler.unscale_(self.optimizer)
                self.emit("optimizer_step")
                self.iteration += 1
            self.batch += 1
            self._add_results(result, share)
            self.emit("after_train_step", batch, output, result)
        if self.logs_now:
            self._log()
        self.tensors.clear()
        self._after_update()
        self.emit("after_update")

    @contextmanager
    def _batch_in_turn(self, share: Share, *, last: bool) -> Iterator[None]:
        """Gradients are shared with the last batch of an update; a batch that all processes have is one batch to batch norms."""
        together = nullcontext() if last or self.processes == 1 else self.accelerator.no_sync(self.model)
        with together, counted_once(self.processes if share.whole else 1):
            yield

    def _add_results(self, result: Mapping[str, Any], share: Share) -> None:
        if share.whole and not self.is_main:  # the first process counts it
            return
        self.means.add(result, samples=share.samples)
        if self.logs_now or self.update_means.window > 1:
            self.update_means.add(result, samples=share.samples)

    def _log(self) -> None:
        """Means over the whole update (or the last `log_window` of them): all batches, of all processes."""
        result = self.update_means.compute(reduce=self.over_all)
        self._check_finite(result)
        line = {**result, **self.extras}
        self.scalars.add({"lr": self.rates[0], **self.other_rates(), **line})
        self.emit("log", line)
        self.extras.clear()

    def _backward(self, loss: Tensor) -> None:
        if self.debug and self.scaler is None:  # which takes gradients that overflow for a part of its work
            checked_backward(loss, self.module)
            return
        (self.scaler.scale(loss) if self.scaler is not None else loss).backward()  # type: ignore[no-untyped-call]

    def _after_update(self) -> None:
        """Between an update and `after_update`."""

    def _check_finite(self, result: Mapping[str, Any]) -> None:
        loss = float(result.get("loss", 0.0))
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss} after {self.iteration} updates (learning rate {self.rates[0]:.4g}): lower the learning "
                "rate, warm up longer, or set train.clip_norm"
            )

    # ---- the events that do something ----

    def optimizer_step(self) -> None:
        """Clip and update."""
        if self.debug and self.scaler is None:
            check_gradients(self.module)
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

    def other_rates(self) -> dict[str, float]:
        """The learning rates of the parameter groups whose own are not the first group's, by `lr/NAME`: the patterns of a group,
        or its number.
        """
        groups = self.optimizer.param_groups
        first = groups[0].get("initial_lr", groups[0]["lr"])
        names = dict(enumerate(self.group_names))
        return {
            f"lr/{names.get(number) or number}": self.rates[number]
            for number, group in enumerate(groups)
            if group.get("initial_lr", group["lr"]) != first or self.rates[number] != self.rates[0]
        }
