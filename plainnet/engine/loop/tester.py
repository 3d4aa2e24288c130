"""Testing: a model over a loader, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from plainnet.engine.data.batch_parts import part_of_batch
from plainnet.engine.data.loader import as_batches
from plainnet.engine.data.source import Batch
from plainnet.engine.evaluators.evaluator import Evaluator, evaluate, register, reset, update
from plainnet.engine.loop.batch_size import samples_in
from plainnet.engine.means import Means
from plainnet.engine.misspelled_methods import check_methods
from plainnet.engine.processes.devices import make_accelerator
from plainnet.engine.tasks.task import Task, check_task
from plainnet.errors import RunError, UsageError

__all__ = ["BaseTester", "BatchTester", "SingleTester"]

STEPS = (
    "before_test_epoch",
    "before_test_step",
    "test_step",
    "eval_step",
    "split_batch_dict",
    "after_test_step",
    "after_test_epoch",
    "count_samples",
)


class BaseTester:
    """What both testers share: registration, the loop, exact means and evaluators over all processes."""

    def __init__(self, *, device: str = "auto", seed: int = 0) -> None:
        self.accelerator = make_accelerator(precision="no", device=device)
        self.seed, self.means, self.index = seed, Means(), 0
        self.model: nn.Module | None = None
        self.loader: Any = None
        self.transform: Any = None
        self.evaluators: list[Evaluator] = []
        self.tables: dict[str, list[Any]] = {}

    def register_model(self, model: nn.Module) -> None:
        """The model or task to test."""
        check_task(model)
        self.model = model.to(self.accelerator.device)

    def register_loader(self, loader: Any, transform: Any = None) -> None:
        """The batches, and what happens to them on the device."""
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        self.loader = as_batches(loader, seed=self.seed, rank=rank, processes=processes)
        self.transform = transform

    def register_evaluator(self, evaluator: Any, *, name: str | None = None) -> None:
        """Add an `Evaluator` (or a metric of torchmetrics), which sees every case; `name` replaces its own."""
        register(self.evaluators, evaluator, name=name)

    def count_samples(self, batch: Batch) -> int:
        """How many samples a batch holds: what it says itself (an entry `samples`), or what its entries agree on."""
        return samples_in(batch)

    @torch.no_grad()
    def run(self) -> dict[str, float]:
        """Test everything; the result is the mean of each result over the samples, and what the evaluators say."""
        pieces = {"a model": self.model, "a loader": self.loader}
        if missing := [name for name, piece in pieces.items() if piece is None]:
            raise UsageError(f"register {' and '.join(missing)} before run(): a test has both of {', '.join(pieces)}")
        assert self.model is not None
        check_methods(self, STEPS, called="method of a tester")
        self.model.eval()
        self.means.clear()
        reset(self.evaluators)
        self.index = 0
        self.before_test_epoch()
        for batch in self.loader.at(0):
            batch = send_to_device(batch, self.accelerator.device)
            batch = self.transform(batch) if self.transform else batch
            self.before_test_step(batch)
            self._test(batch, self.test_step(batch))
        processes = self.accelerator.num_processes
        summary = self.means.compute(reduce=self._add_up if processes > 1 else None)
        numbers, self.tables = evaluate(self.evaluators, known=summary, processes=processes)
        summary |= numbers
        self.after_test_epoch(summary)
        return summary

    def _add_up(self, tensor: Tensor) -> Tensor:
        summed: Tensor = self.accelerator.reduce(tensor.to(self.accelerator.device), "sum")
        return summed.to(tensor.device)

    def _judge(self, batch: Batch, output: Any, samples: int) -> None:
        """A case: its results, counted for so many samples."""
        result = self.eval_step(batch, output)
        self.means.add(result, samples=samples)
        update(self.evaluators, output, batch)
        self.after_test_step(batch, output, result)
        self.index += 1

    def _test(self, batch: Batch, output: Any) -> None:
        raise NotImplementedError

    def test_step(self, batch: Batch) -> Any:
        """The model's output for a batch; a `Task` answers with `infer_forward`."""
        assert self.model is not None
        return self.model.infer_forward(batch) if isinstance(self.model, Task) else self.model(batch)

    def eval_step(self, batch: Batch, output: Any) -> dict[str, Any]:
        """The results of a case; those of a `Task` unless overridden."""
        if not isinstance(self.model, Task):
            raise UsageError(f"{type(self).__name__} needs an eval_step: {type(self.model).__name__} is no Task")
        return {**self.model.val_losses(output, batch), **self.model.metrics(output, batch)}

    def before_test_epoch(self) -> None: ...
    def before_test_step(self, batch: Batch) -> None: ...
    def after_test_step(self, batch: Batch, output: Any, result: Mapping[str, Any]) -> None: ...
    def after_test_epoch(self, summary: Mapping[str, float]) -> None: ...


class SingleTester(BaseTester):
    """A batch is a case: `test_step`, `eval_step` and `after_test_step` see it whole (a loader of batches of one)."""

    def _test(self, batch: Batch, output: Any) -> None:
        self._judge(batch, output, self.count_samples(batch))


class BatchTester(BaseTester):
    """Computes batches and judges each case alone: `split_batch_dict` takes a batch and its output apart."""

    def split_batch_dict(self, batch: Batch, output: Any) -> list[tuple[Batch, Any]]:
        """The cases with their outputs; tensors are cut along the batch, and every case keeps a batch of one."""
        size = self.count_samples(batch)
        uncut = [key for key, value in batch.items() if isinstance(value, Tensor) and value.ndim and len(value) != size]
        if uncut:
            raise RunError(
                f"a batch of {size} cases cannot be split: {uncut[0]} has {len(batch[uncut[0]])} rows; override split_batch_dict"
            )
        return [(part_of_batch(batch, number, size), part_of_batch(output, number, size)) for number in range(size)]

    def _test(self, batch: Batch, output: Any) -> None:
        for case, case_output in self.split_batch_dict(batch, output):
            self._judge(case, case_output, 1)
