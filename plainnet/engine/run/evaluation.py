"""A trained network on a data set, without a trainer: its metrics."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.loader import Loader
from plainnet.engine.data.source import Batch, DataSource
from plainnet.engine.data.target_makers import TargetMaker, with_targets
from plainnet.engine.loop.tester import BaseTester, BatchTester, SingleTester
from plainnet.engine.means import Ratio
from plainnet.engine.run.build import build_losses
from plainnet.engine.run.data_sources import build_data, section_named, target_makers
from plainnet.engine.run.predict import Predictor
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.run_files import CONFIG
from plainnet.engine.run.schema import EvaluatorSpec, TrainConfig
from plainnet.engine.run.stored_data import recorded_config
from plainnet.engine.run.training_run import load_config
from plainnet.engine.run.typed_values import make
from plainnet.errors import UsageError
from plainnet.files.text_files import printable
from plainnet.results.result import Result, View
from plainnet.results.tables import Table
from plainnet.store.layout import RECORD, is_stored
from plainnet.store.record import read_record

__all__ = ["Evaluation", "evaluate"]

FROM_WEIGHTS = ("size", "channels")
"""Arguments of data sets that follow from the weights where nobody says them."""
SAID = "--data KIND (digits, folder, ...) or --data FOLDER"
ENTRIES = {"boxes": "classes"}
"""The entry of a batch that holds the numbers of the classes, where it is not called as the target."""


@dataclass(frozen=True)
class Evaluation(Result):
    """What a trained network is worth on a data set.

    metrics: means over the samples, and what the evaluators say; None for what is not finite, which `not_finite` counts.
    data: the section of the configuration that names the images. source: where it came from. split: "val" or "train".
    """

    weights: str
    data: Mapping[str, Any]
    source: str
    split: str
    samples: int
    metrics: Mapping[str, float | None]
    not_finite: int = 0
    tables: Mapping[str, list[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"schema": "plainnet.evaluation/1", **vars(self), "notes": list(self.notes)}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each metric: its name, its value (None for what is not finite)."""
        return [{"metric": name, "value": value} for name, value in self.metrics.items()]

    def view(self) -> View:
        """The metrics, and a table for each evaluator that has one."""
        kind = printable(str(self.data.get("type", "digits")))
        before = [("", f"data {kind} ({self.source}), {self.split}: {self.samples:,} images")]
        before += [("", f"note: {printable(note)}") for note in self.notes]
        rows = [[name, "not finite" if value is None else f"{value:.4f}"] for name, value in self.metrics.items()]
        tables = [Table(["metric", "value"], rows)]
        tables += [_numbered(name, table) for name, table in self.tables.items()]
        return View(before, tables)


def _numbered(name: str, table: Sequence[Any]) -> Table:
    """An evaluator's table, its rows and columns numbered from 0: classes, for a confusion matrix."""
    rows = [list(row) if isinstance(row, (list, tuple)) else [row] for row in table]
    count = max(map(len, rows), default=0)
    cells = [[str(index), *map(str, row), *[""] * (count - len(row))] for index, row in enumerate(rows)]
    return Table([name, *map(str, range(count))], cells)


class _AsTrained(BaseTester):
    """Sees images as the network does: normalised as in training, resized once more where training did that."""

    def __init__(self, predictor: Predictor, labels: Sequence[int] | None, target: str, device: str) -> None:
        super().__init__(device=device)
        self.predictor, self.new_labels, self.target = predictor, labels, target
        self.samples, self.makers = 0, list[TargetMaker]()
        self.cases: list[dict[str, Any]] = []

    def test_step(self, batch: Batch) -> Any:
        """The outputs of the task in use."""
        if not self.predictor.shape:
            return self.predictor.task.infer_forward(batch)
        image = self.predictor.normalize(batch["image"])
        if image.shape[-2:] != self.predictor.shape[1:]:
            image = F.interpolate(image, size=self.predictor.shape[1:], mode="bilinear", align_corners=False)
        return self.predictor.task.infer_forward({**batch, "image": image})

    def eval_step(self, batch: Batch, output: Any) -> dict[str, Any]:
        """The task's own losses and metrics."""
        self.samples += self.count_samples(batch)
        return super().eval_step(batch, output)

    def relabel(self, batch: Batch) -> Batch:
        """The batch with the labels that the network knows the classes by, and the targets that are made of it."""
        if self.new_labels is None:
            return with_targets(batch, self.makers)
        entry = ENTRIES.get(self.target, self.target)
        batch = {**batch, entry: self._renamed(batch[entry])}
        if "crowds" in batch:
            boxes, classes = batch["crowds"].split([4, 1], -1)
            batch["crowds"] = torch.cat([boxes, self._renamed(classes.long()).to(boxes)], -1)
        return with_targets(batch, self.makers)

    def _renamed(self, old: Tensor) -> Tensor:
        """Numbers of classes as the network has them; others say that there is no object, or that a pixel's class is unknown."""
        table = torch.tensor(self.new_labels, device=old.device)
        is_known = (old >= 0) & (old < len(table))
        return torch.where(is_known, table[old.where(is_known, 0)], old)


class _Tester(_AsTrained, SingleTester):
    """Judges batches."""


class _CaseTester(_AsTrained, BatchTester):
    """Judges each sample alone, and keeps what there is to say of it."""

    def after_test_step(self, batch: Batch, output: Any, result: Mapping[str, Any]) -> None:
        """Its number, its class, what the network says, and its losses and metrics."""
        case: dict[str, Any] = {"sample": self.index}
        classes, label = self.predictor.classes, batch.get("label")
        if isinstance(label, Tensor) and label.numel() == 1 and not label.is_floating_point():
            case["label"] = classes[int(label)]
        said = self.predictor.task.say(output, classes, lambda boxes: boxes)
        if said is not None:
            case |= said.plain
        elif "probabilities" in output:
            probability, number = output["probabilities"][0].max(0)
            case |= {"answer": classes[int(number)], "probability": float(probability)}
        self.cases.append({**case, **{name: _or_none(float(_mean(value))) for name, value in result.items()}})


def _mean(value: Any) -> Any:
    """A result as a number: what is a sum and a count is its mean."""
    return value.total / value.count if isinstance(value, Ratio) else value


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def evaluate(
    weights: str | Path,
    *,
    data: str | None = None,
    values: Sequence[str] = (),
    split: str = "val",
    evaluators: Sequence[str] = (),
    imports: Sequence[str] = (),
    batch_size: int | None = None,
    device: str = "cpu",
    cases: Callable[[list[dict[str, Any]]], object] | None = None,
) -> Evaluation:
    """The metrics of trained weights on a data set.

        evaluate("runs/mine/best.safetensors")                      # on the validation images that it was trained with
        evaluate("runs/mine/best.safetensors", data="folder", values=["root=photos"])

    weights: a safetensors file of a training run. data: the kind of a data set ("digits", "mine.py:images"), or a folder
        of images; None for what the run's config.yaml beside the weights says, or the record of a stored network. values:
        `KEY=VALUE` of its arguments; size and channels follow from the weights where they are not said.
    split: "val" or "train"; the other images are not read where the data set can do without them.
    evaluators: further metrics by name ("F1"); those of the run are computed, too.
    cases: is given a mapping for each sample, in their order: its number, its label, what the network says, losses and metrics.

    Images are normalised as in training. Classes are matched by their names. With the run's configuration its losses are
    computed as well. Raises `UsageError` for images of another size, or classes that the network does not know.
    """
    if split not in ("val", "train"):
        raise UsageError(f"split is {split!r}; accepted: val, train")
    path = Path(weights)
    predictor = Predictor(path, imports=imports, device=device)
    own = path.parent / CONFIG
    of_run = load_config(own, imports=imports, begun=True).value if own.is_file() else None
    if data is None and of_run is None and is_stored(path.parent):
        config = of_run = _recorded(path.parent, values, imports)
        source = "as its record says" if not values else "as its record says, but for what is said"
    else:
        config, source = _config(predictor, of_run, data, values, imports, own)
    registry = Registry(config.imports)
    images = build_data(config.data, registry, only="val" if split == "val" else "train")
    _check_size(images, predictor)
    labels, notes = _labels(images, predictor)
    _give_losses(predictor, of_run)
    tester = (_Tester if cases is None else _CaseTester)(predictor, labels, images.target or "label", device)
    tester.register_model(predictor.task)
    tester.makers = target_makers((of_run or config).data, Registry((of_run or config).imports))
    samples = images.val if split == "val" else images.train
    loader = Loader(
        samples, batch_size=batch_size or config.data.val_batch_size, shuffle=False, workers=config.data.workers
    )
    tester.register_loader(loader, tester.relabel)
    _register(tester, of_run, evaluators, registry, predictor.classes)
    metrics = tester.run()
    if cases is not None:
        cases(tester.cases)
    finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
    odd = sum(value is None for value in finite.values())
    said = config.data.model_dump(exclude_unset=True)
    return Evaluation(
        str(path), said, source, split, tester.samples, finite, odd, dict(tester.tables), (*images.notes, *notes)
    )


def _give_losses(predictor: Predictor, of_run: TrainConfig | None) -> None:
    """The losses of the run, which weights do not hold."""
    if of_run is None:
        return
    losses = build_losses(of_run.task.losses, Registry(of_run.imports))
    predictor.task.named_losses = tuple(losses)
    predictor.task.loss_modules = nn.ModuleList([loss.module for loss in losses])


def _recorded(folder: Path, values: Sequence[str], imports: Sequence[str]) -> TrainConfig:
    """Data, losses and evaluators as the record of a stored network says them."""
    try:
        return recorded_config(read_record(folder / RECORD), imports=imports, values=values)
    except UsageError as error:
        raise UsageError(f"{error}; accepted: {SAID}") from None


def _config(
    predictor: Predictor,
    of_run: TrainConfig | None,
    data: str | None,
    values: Sequence[str],
    imports: Sequence[str],
    own: Path,
) -> tuple[TrainConfig, str]:
    """The configuration that names the images, and where it came from."""
    if data is None:
        if of_run is None:
            raise UsageError(f"there is no {own} to say which images; accepted: {SAID}")
        overrides = [f"data.{value}" for value in values]
        changed = load_config(own, overrides=overrides, imports=imports, begun=True).value if values else of_run
        return changed, "as trained" if not values else "as trained, but for what is said"
    section = section_named(data, values)
    said = {value.partition("=")[0].strip() for value in values}
    section |= {name: value for name, value in _from_weights(section["type"], predictor, imports) if name not in said}
    code = [*imports, *(of_run.imports if of_run is not None else ())]
    source = {"_base_": "quick", "data": section}
    overrides = [f"data.{value}" for value in values]
    return load_config(source, overrides=overrides, imports=code, called="--data").value, "said"


def _from_weights(kind: str, predictor: Predictor, imports: Iterable[str]) -> Iterable[tuple[str, Any]]:
    """The size and the channels that the network reads, where a data set takes them."""
    try:
        parameters = inspect.signature(Registry(imports).find("data", kind)).parameters
    except UsageError:  # is reported with its place when the configuration is read
        return
    if not predictor.shape:
        return
    channels, height, width = predictor.read_shape
    known = {"size": height if height == width else [height, width], "channels": channels}
    yield from ((name, known[name]) for name in FROM_WEIGHTS if name in parameters)


def _check_size(images: DataSource, predictor: Predictor) -> None:
    known = predictor.read_shape if predictor.shape else ()
    if tuple(images.shape) != known:
        raise UsageError(
            f"the images are {tuple(images.shape)} and the network was trained on {known} (C, H, W); "
            "accepted: images of that size (size=... and channels=... of the data set, where it has them)"
        )


def _labels(images: DataSource, predictor: Predictor) -> tuple[list[int] | None, list[str]]:
    """The network's number of each class of the images; None where they are the same."""
    known = list(predictor.classes)
    if list(images.classes) == known:
        return None, []
    strange = [name for name in images.classes if name not in known]
    if strange:
        shown, others = (", ".join(names[:5]) + (", ..." if len(names) > 5 else "") for names in (strange, known))
        raise UsageError(
            f"the images have classes that the network does not know: {shown}; accepted: those of {others}"
        )
    return [known.index(name) for name in images.classes], [
        f"classes are matched by name: {len(images.classes)} of the network's {len(known)}"
    ]


def _register(
    tester: _AsTrained, of_run: TrainConfig | None, names: Sequence[str], registry: Registry, classes: Sequence[str]
) -> None:
    for spec in of_run.evaluators if of_run is not None else ():
        tester.register_evaluator(make(Registry(of_run.imports if of_run else ()), "evaluator", spec), name=spec.name)
    for name in names:
        tester.register_evaluator(make(registry, "evaluator", EvaluatorSpec(type=name)))
    for evaluator in tester.evaluators:
        evaluator.classes = classes
