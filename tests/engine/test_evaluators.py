"""Metrics that are no means, against scikit-learn, over batches of any size."""

# ruff: noqa: ARG002 (evaluators take what they are given)
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn import metrics
from small import IMAGES, LABELS, make_trainer, task_of
from torch import Tensor, nn

from plainnet.engine import (
    AUC,
    F1,
    Accuracy,
    BatchTester,
    ClassAccuracy,
    ConfusionMatrix,
    Evaluator,
    Loader,
    SingleTester,
)
from plainnet.engine.evaluators.evaluator import _in_order, as_evaluator, evaluate, update
from plainnet.errors import UsageError

GENERATOR = torch.Generator().manual_seed(5)


def result_of(evaluator: Evaluator, logits: Tensor, label: Tensor, *, batch_size: int = 7) -> Any:
    evaluator.reset()
    for part, own in zip(logits.split(batch_size), label.split(batch_size), strict=True):
        evaluator.update({"logits": part}, {"label": own})
    return evaluator.compute()


def table(name: str) -> tuple[Tensor, Tensor]:
    """Logits and labels: all classes, a class that does not occur, ties, two classes, a sample each."""
    count, classes = {"two": (60, 2), "few": (5, 5)}.get(name, (101, 5))
    logits = torch.randn(count, classes, generator=GENERATOR)
    label = torch.randint(0, classes, (count,), generator=GENERATOR)
    if name == "absent":
        label[label == 3] = 1
        logits[:, 3] -= 100
    if name == "ties":
        logits = logits.round()
    if name == "few":
        label = torch.arange(5)
    return logits, label


@pytest.mark.parametrize("name", ["all", "absent", "ties", "two", "few"])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_shipped_evaluators_are_scikit_learns(name: str, batch_size: int) -> None:
    logits, label = table(name)
    classes, answer, wanted = logits.shape[1], logits.argmax(1).numpy(), label.numpy()

    def ours(evaluator: Evaluator) -> Any:
        return result_of(evaluator, logits, label, batch_size=batch_size)

    assert ours(Accuracy()) == pytest.approx(metrics.accuracy_score(wanted, answer), abs=1e-12)
    expected = metrics.confusion_matrix(wanted, answer, labels=range(classes))
    assert torch.equal(ours(ConfusionMatrix()), torch.from_numpy(expected))
    for average in ("macro", "micro", "weighted", *(("binary",) if classes == 2 else ())):
        assert ours(F1(average=average)) == pytest.approx(metrics.f1_score(wanted, answer, average=average), abs=1e-12)
    each = metrics.f1_score(wanted, answer, average=None, labels=range(classes), zero_division=float("nan"))
    torch.testing.assert_close(ours(F1(average="none")), torch.from_numpy(each), equal_nan=True)
    recall = metrics.recall_score(wanted, answer, average=None, labels=range(classes), zero_division=float("nan"))
    torch.testing.assert_close(ours(ClassAccuracy()), torch.from_numpy(recall), equal_nan=True)
    probability = logits.double().softmax(1)
    areas = [
        float("nan") if not (label == k).any() else metrics.roc_auc_score(wanted == k, probability[:, k].numpy())
        for k in range(classes)
    ]
    torch.testing.assert_close(ours(AUC(average="none")), torch.tensor(areas, dtype=torch.float64), equal_nan=True)
    found = [area for area in areas if area == area]
    assert ours(AUC()) == pytest.approx(sum(found) / len(found), abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_top_k(k: int) -> None:
    logits, label = table("all")
    expected = metrics.top_k_accuracy_score(label, logits, k=k)
    assert result_of(Accuracy(top_k=k), logits, label) == pytest.approx(expected)
    assert Accuracy(top_k=k).name == ("accuracy" if k == 1 else f"top{k}")


def test_one_logit_is_two_classes() -> None:
    logit, label = torch.randn(40, generator=GENERATOR), torch.randint(0, 2, (40,), generator=GENERATOR)
    for shape in ((40,), (40, 1)):
        assert result_of(AUC(), logit.view(shape), label) == pytest.approx(metrics.roc_auc_score(label, logit))
        assert result_of(F1(average="binary"), logit.view(shape), label) == pytest.approx(
            metrics.f1_score(label.numpy(), (logit > 0).numpy())
        )


def test_what_cannot_be_computed_is_nan_or_an_error() -> None:
    one_class = torch.zeros(4, dtype=torch.int64)
    logits = torch.randn(4, 2, generator=GENERATOR)
    assert result_of(AUC(), logits, one_class) != result_of(AUC(), logits, one_class)
    nan = torch.full((4, 2), float("nan"))
    assert result_of(F1(average="binary"), logits - logits, one_class) != 0  # neither in labels nor in answers
    assert result_of(AUC(), nan, torch.tensor([0, 1, 0, 1])) != 0.5
    for evaluator, label, message in [
        (F1(), torch.zeros(4), r"f1: logits are \(4, 2\), label \(4,\) of torch.float32; accepted"),
        (F1(), torch.zeros(4, 2, dtype=torch.int64), r"label \(4, 2\)"),
        (F1(label="target"), one_class, r"f1 takes target, and the batch are label"),
        (Accuracy(top_k=3), one_class, r"top_k is 3, and there are 2 classes"),
        (ConfusionMatrix(), one_class + 2, r"labels go from 2 to 2, of 2 classes"),
    ]:
        with pytest.raises(UsageError, match=message):
            result_of(evaluator, logits, label)
    with pytest.raises(UsageError, match=r"average is 'mean'; accepted"):
        F1(average="mean")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"average is binary, and there are 5 classes"):
        result_of(F1(average="binary"), *table("all"))


# ---- in trainers and testers ----


class Largest(Evaluator):
    """One of a user."""

    name = "largest"

    def update(self, outputs: Any, batch: Any) -> None:
        self.keep("logit", outputs["logits"].amax(dim=1))

    def compute(self) -> Tensor:
        return self.kept("logit").max()


def test_a_trainer_validates_with_evaluators() -> None:
    trainer = make_trainer(epochs=2)
    for evaluator in (F1(), ClassAccuracy(), ConfusionMatrix(), Largest()):
        trainer.register_evaluator(evaluator)
    trainer.register_evaluator(F1(average="micro"), name="micro")
    trainer.fit()
    with torch.no_grad():
        logits = trainer.module.model(IMAGES)
    val = trainer.history[-1]["val"]
    assert val["f1"] == pytest.approx(metrics.f1_score(LABELS, logits.argmax(1), average="macro"))
    assert val["micro"] == val["accuracy"]
    assert val["largest"] == pytest.approx(float(logits.max()))
    assert val["class_accuracy/3"] == pytest.approx(float((logits.argmax(1) == LABELS)[LABELS == 3].float().mean()))
    assert trainer.tables["confusion"] == metrics.confusion_matrix(LABELS, logits.argmax(1), labels=range(10)).tolist()


@pytest.mark.parametrize("kind", [SingleTester, BatchTester])
def test_testers_take_evaluators(kind: Any) -> None:
    trainer = make_trainer()
    tester = kind(device="cpu")
    tester.register_model(trainer.module)
    tester.register_loader(Loader(trainer.val_loader.samples, batch_size=8, shuffle=False))
    tester.register_evaluator(AUC())
    tester.register_evaluator(ConfusionMatrix())
    summary = tester.run()
    with torch.no_grad():
        probability = trainer.module.model(IMAGES).double().softmax(1)
    expected = metrics.roc_auc_score(LABELS, probability / probability.sum(1, keepdim=True), multi_class="ovr")
    assert summary["auc"] == pytest.approx(expected)
    assert sum(map(sum, tester.tables["confusion"])) == 50


@pytest.mark.parametrize(
    "answer", ["x", {"a": torch.ones(3)}, torch.ones(3), None], ids=["word", "vectors", "classes", "none"]
)
def test_an_evaluator_that_fails_is_named(answer: Any) -> None:
    class Odd(Evaluator):
        name, classes = "odd", ("one", "two")

        def update(self, outputs: Any, batch: Any) -> None:
            self.add("n", batch["label"].sum())

        def compute(self) -> Any:
            return answer

    class Blind(Odd):
        def update(self, outputs: Any, batch: Any) -> None:
            self.keep("x", outputs["nope"])

    def whole(evaluator: Evaluator) -> None:
        evaluator.reset()
        update([evaluator], {"logits": torch.ones(4, 2)}, {"label": torch.ones(4)})
        evaluate([evaluator], known={}, processes=1)

    for evaluator, step in ((Odd(), "compute"), (Blind(), "update")):
        with pytest.raises((ValueError, TypeError, LookupError)) as caught:
            whole(evaluator)
        assert f"raised by the evaluator odd in {step}()" in caught.value.__notes__


def test_names_of_evaluators_are_their_own() -> None:
    trainer = make_trainer()
    trainer.register_evaluator(F1())
    with pytest.raises(UsageError, match=r"two evaluators are called f1"):
        trainer.register_evaluator(F1(average="micro"))
    with pytest.raises(UsageError, match=r"a float is no Evaluator"):
        trainer.register_evaluator(0.5)
    trainer.register_evaluator(Accuracy())
    with pytest.raises(UsageError, match=r"accuracy is a metric already: give the evaluator another name"):
        trainer.validate()


def test_a_metric_of_torchmetrics_is_an_evaluator() -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    logits, label = table("all")
    kappa = as_evaluator(classification.MulticlassCohenKappa(num_classes=5), name="kappa")
    assert kappa.name == "kappa"
    expected = metrics.cohen_kappa_score(label, logits.argmax(1))
    assert float(result_of(kappa, logits, label)) == pytest.approx(expected, abs=1e-6)


def test_evaluators_of_a_configuration(trained: Callable[..., Any], tmp_path: Path) -> None:
    evaluators = "[{type: F1}, {type: F1, average: none, name: each}, {type: ConfusionMatrix}, {type: AUC}]"
    summary = trained(f"evaluators={evaluators}", "checkpoint.best=f1", "train.epochs=3")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert summary.best["value"] == pytest.approx(max(line["val/f1"] for line in epochs), abs=1e-7)
    each = [epochs[-1][f"val/each/{number}"] for number in range(10)]
    assert sum(each) / 10 == pytest.approx(epochs[-1]["val/f1"], abs=1e-6)
    assert sum(map(sum, epochs[-1]["val/confusion"])) == 360
    assert summary.metrics["val/auc"] > 0.9


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{type: F2}", r"there is no evaluator F2"),
        ("{type: F1, avrage: micro}", r"F1 has no argument avrage"),
        ("{type: F1, average: mean}", r"F1 takes Literal"),
        ("{type: torch.nn.ReLU}", r"a ReLU is no Evaluator"),
    ],
)
def test_what_is_wrong_with_an_evaluator_of_a_configuration(
    trained: Callable[..., Any], spec: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trained(f"evaluators=[{spec}]")


def test_parts_of_processes_are_put_in_the_order_of_the_samples() -> None:
    """Batches of 5, 5 and 1 over two processes; the second has nothing of the last."""
    numbers = torch.arange(11)
    first = [numbers[0:3], numbers[5:8], numbers[10:11]]
    second = [numbers[3:5], numbers[8:10]]
    assert torch.equal(torch.cat(_in_order([first, second])), numbers)


def test_a_model_that_answers_with_a_tensor() -> None:
    class Whole(SingleTester):
        def eval_step(self, batch: Any, output: Any) -> dict[str, Any]:
            return {}

    task = task_of(nn.Flatten())
    tester = Whole(device="cpu")
    tester.register_model(nn.Sequential(Take(), task.model))
    tester.register_loader([{"image": torch.eye(4).view(4, 1, 2, 2), "label": torch.tensor([0, 1, 2, 0])}])
    tester.register_evaluator(Accuracy())
    assert tester.run() == {"accuracy": 0.75}


class Take(nn.Module):
    def forward(self, batch: Any) -> Any:
        return batch["image"]
