"""What a trainer is made of: its settings and the pieces that are registered with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import convert_outputs_to_fp32
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from plainnet.engine.counts import check_counts
from plainnet.engine.data.loader import Batches, Loader, as_batches
from plainnet.engine.data.source import Batch
from plainnet.engine.evaluators.evaluator import Evaluator, register
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.loop.scalars import Scalars
from plainnet.engine.loop.step_tensors import StepTensors
from plainnet.engine.means import Means, RecentMeans
from plainnet.engine.parameters import check_optimizer_kind
from plainnet.engine.pictures.visualizer import Visualizer
from plainnet.engine.processes.devices import launched_for_sharding, make_accelerator
from plainnet.engine.processes.sync_norm import synchronize_batch_norm
from plainnet.engine.seeds import derive, seed_everything
from plainnet.engine.tasks.task import check_task
from plainnet.engine.writers.writer import Writer, Writers
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from plainnet.engine.hooks.event_calls import Events

__all__ = ["OwnEvents", "Pieces"]

Transform = Callable[[Batch], Batch]


class OwnEvents:
    """The events that do nothing unless a subclass says what; see `Hook` for when each comes."""

    def before_run(self) -> None: ...
    def before_train_epoch(self) -> None: ...
    def after_rehearsal(self, train: Mapping[str, float], val: Mapping[str, float] | None) -> None: ...
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


class Pieces(OwnEvents):
    """Settings and registration; `Trainer` says what they mean."""

    def __init__(
        self,
        *,
        seed: int = 0,
        validate_every: int = 1,
        validate_from: int = 1,
        accumulate: int = 1,
        clip_norm: float | None = None,
        precision: str = "no",
        device: str = "auto",
        sync_batch_norm: bool = True,
        sharded: bool = False,
        log_every: int = 20,
        log_window: int = 1,
        debug: bool = False,
        hooks: Sequence[Hook] = (),
        run: str | Path | None = None,
        resume: bool = False,
        best: str = "loss",
    ) -> None:
        check_counts(
            validate_every=validate_every,
            validate_from=validate_from,
            accumulate=accumulate,
            log_every=log_every,
            log_window=log_window,
        )
        if clip_norm is not None and not clip_norm > 0:
            raise UsageError(f"clip_norm is {clip_norm}; accepted: a norm above 0, or None for none")
        self.accelerator: Accelerator = make_accelerator(precision=precision, device=device)
        self.scaler: torch.amp.GradScaler | None = self.accelerator.scaler
        self.seed, self.validate_every, self.validate_from = seed, validate_every, validate_from
        self.accumulate, self.clip_norm = accumulate, clip_norm
        self.log_every, self.debug, self.sync_batch_norm = log_every, debug, sync_batch_norm
        self.rank, self.processes = self.accelerator.process_index, self.accelerator.num_processes
        self.sharded = self.processes > 1 and (sharded or launched_for_sharding())
        if debug and self.processes > 1:
            raise UsageError("debug mode is for one process: start without torchrun or accelerate launch")
        self.hooks = list(hooks)
        self.writers = Writers()
        self.run, self.resume, self.best = None if run is None else Path(run), resume, best
        self.epoch = self.batch = self.iteration = self.rounds = self.round_start = 0
        self.means, self.val_means, self.tensors = Means(), Means(), StepTensors()
        self.update_means, self.scalars = RecentMeans(log_window), Scalars()
        self.rates: list[float] = []
        self.group_names: list[str] = []
        self.tables: dict[str, list[Any]] = {}
        self.history: list[dict[str, Any]] = []
        self._begin_empty()
        self.events: Events | None = None
        self.averaged: nn.Module | None = None
        self.extras = self.scalars.extras
        self.logs_now = self.rehearsed = False
        self.stop_reason = ""
        self.ended = ""
        seed_everything(derive(seed, "run", self.rank))

    def _begin_empty(self) -> None:
        """Nothing is registered."""
        self.evaluators: list[Evaluator] = []
        self.model: nn.Module | None = None
        self.optimizer: Any = None
        self.scheduler: LRScheduler | None = None
        self.train_loader: Batches | None = None
        self.val_loader: Batches | None = None
        self.further_sets: dict[str, Batches] = {}
        self.train_transform: Transform | None = None
        self.val_transform: Transform | None = None

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
        """The model or task to train; it is moved to the device, and with `sharded` spread over the processes."""
        check_task(model)
        self.module = self.placed(model)
        if not self.sharded:
            self.model = self.accelerator.prepare_model(self.module)
            return
        self.model = self.module
        if self.accelerator.native_amp:  # what prepare_model does, without DDP
            compute = self.accelerator.autocast()(self.model.forward)
            self.model.forward = convert_outputs_to_fp32(compute)

    def placed(self, model: nn.Module) -> nn.Module:
        """A model where and as this trainer computes it: on the device, batch norms synchronised, sharded."""
        if self.processes > 1 and self.sync_batch_norm:
            model = synchronize_batch_norm(model, self.device)
        model = model.to(self.device)
        if not self.sharded:
            return model
        from plainnet.engine.processes.sharding import shard

        return shard(model, device=self.device, share_buffers=not self.sync_batch_norm)

    def whole(self, state: Any, *, keep: bool = True) -> Any:
        """A state with whole tensors (on the CPU) where training is sharded: every process takes part, and those with `keep`
        have the result.
        """
        if not self.sharded:
            return state
        from plainnet.engine.processes.sharding import gathered

        return gathered(state, keep=keep)

    def register_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimizer of the registered model's parameters."""
        check_optimizer_kind(type(optimizer))
        if self.sharded:
            from plainnet.engine.processes.sharding import check_optimizer

            check_optimizer(optimizer, self.module)
        self.optimizer = optimizer

    def register_scheduler(self, scheduler: LRScheduler) -> None:
        """The scheduler, stepped once an epoch or once an update, as the trainer is."""
        self.scheduler = scheduler

    def register_loader(self, train: Any, val: Any = None, **further: Any) -> None:
        """Training and validation batches: a `Loader`, a torch `DataLoader`, or any sized iterable of batches. To validate alone,
        the training batches may be None. further: more validation sets by name, whose metrics are called NAME/METRIC.
        """
        options: dict[str, Any] = {"seed": self.seed, "rank": self.rank, "processes": self.processes}
        if train is None and val is None:
            raise UsageError(
                "there are no batches to register; accepted: training batches, validation batches, or both"
            )
        if further and val is None:
            raise UsageError(f"{', '.join(further)} are further validation sets, and there is no first one")
        if val is train and isinstance(val, Loader):
            val = val.twin()
        self.train_loader = as_batches(train, training=True, **options) if train is not None else None
        self.val_loader = as_batches(val, **options) if val is not None else None
        self.further_sets = {name: as_batches(loader, **options) for name, loader in further.items()}

    @property
    def validation_sets(self) -> dict[str, Batches]:
        """What is validated on, by name; the first set, whose metrics have no name in front, is called ""."""
        return {"": self.val_loader, **self.further_sets} if self.val_loader is not None else {}

    def register_transform(self, train: Transform | None, val: Transform | None = None) -> None:
        """What happens to batches on the device; the training transform draws from a generator seeded for each batch."""
        self.train_transform, self.val_transform = train, val

    def register_evaluator(self, evaluator: Any, *, name: str | None = None) -> None:
        """Add an `Evaluator` (or a metric of torchmetrics), whose results are validation metrics; `name` replaces its own."""
        register(self.evaluators, evaluator, name=name)

    def register_writer(self, writer: Writer) -> None:
        """Add what takes numbers and pictures; it is opened with the run folder's log, and without a `run` never."""
        self.writers.add(writer)

    def show(self, name: str, image: Any) -> None:
        """A picture for the writers, in the first process: a `Visualizer`, or an image as a `Visualizer` takes it."""
        if self.writers.is_open:
            picture = image if isinstance(image, Visualizer) else Visualizer(image)
            self.writers.picture(name, picture.image, self.iteration)

    def register_hook(self, hook: Hook) -> None:
        """Add a hook object."""
        self.hooks.append(hook)
