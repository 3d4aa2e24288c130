"""Losses, tasks, mixing, transforms, testers."""

# ruff: noqa: ARG002 (overrides take what they are given)
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_models import Plain
from torch import nn
from torch.nn import functional as F  # noqa: N812

from plainnet import PlainNet
from plainnet.engine import (
    BatchTester,
    Classification,
    Loader,
    NamedLoss,
    Predictor,
    Ratio,
    SingleTester,
    TensorSamples,
)
from plainnet.engine.data.draws import Draws
from plainnet.engine.data.pipeline import Mix, Normalize, Pipeline
from plainnet.engine.data.transforms import Flip, Kornia, Lighting, RandAugment, RandomCrop
from plainnet.engine.means import Means
from plainnet.engine.seeds import seeded
from plainnet.engine.tasks.distillation import Distillation
from plainnet.engine.tasks.losses import CrossEntropy, DistillFeatures, DistillLogits
from plainnet.errors import UsageError

GENERATOR = torch.Generator().manual_seed(0)
LOGITS, TEACHER = torch.randn(7, 5, generator=GENERATOR), torch.randn(7, 5, generator=GENERATOR)
LABEL = torch.randint(0, 5, (7,), generator=GENERATOR)
IMAGE = torch.rand(6, 3, 12, 10, generator=GENERATOR)
STUDENT = "SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)"


def test_cross_entropy_takes_classes_and_probabilities() -> None:
    loss = CrossEntropy(label_smoothing=0.1)
    target = F.one_hot(LABEL, 5).float()
    smoothed = target * 0.9 + 0.02
    expected = -(smoothed * LOGITS.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss(LOGITS, LABEL), expected)
    torch.testing.assert_close(loss(LOGITS, target), expected)
    loss.eval()
    torch.testing.assert_close(loss(LOGITS, LABEL), F.cross_entropy(LOGITS, LABEL))
    with pytest.raises(UsageError, match=r"label_smoothing is 1; accepted"):
        CrossEntropy(label_smoothing=1)


def test_distillation_losses_are_their_formulas() -> None:
    p, log_q = (TEACHER / 3).softmax(1), (LOGITS / 3).log_softmax(1)
    expected = 9 * (p * (p.log() - log_q)).sum(1).mean()
    torch.testing.assert_close(DistillLogits(temperature=3)(LOGITS, TEACHER), expected)
    maps = [torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 2, 2)], [torch.zeros(2, 3, 4, 4), torch.full((2, 3, 2, 2), 2.0)]
    assert float(DistillFeatures(distance="mse")(*maps)) == 1 + 4
    assert float(DistillFeatures()(*maps)) == 0.5 + 1.5
    with pytest.raises(UsageError, match=r"distance is 'l1'; accepted: smooth_l1, mse"):
        DistillFeatures(distance="l1")
    with pytest.raises(UsageError, match=r"the task names none: give it features"):
        DistillFeatures()([], [])


def test_several_losses_are_summed_and_named() -> None:
    losses = [
        NamedLoss("ce", CrossEntropy()),
        NamedLoss("size", nn.MSELoss(), weight=0.5, takes=["logits", "zeros"]),
    ]
    task = Classification(nn.Identity(), losses=losses)
    batch = {"image": LOGITS, "label": LABEL, "zeros": torch.zeros(7, 5)}
    results = task.losses(task(batch), batch)
    assert list(results) == ["loss", "ce", "size"]
    torch.testing.assert_close(results["loss"], results["ce"] + 0.5 * results["size"])


def test_a_loss_says_what_it_misses() -> None:
    task = Classification(nn.Identity(), losses=[NamedLoss("size", nn.MSELoss(), takes=["logits", "lable"])])
    with pytest.raises(UsageError, match=r"the loss size takes logits, lable, and there is no lable .*mean label"):
        task.losses({"logits": LOGITS}, {"label": LABEL})


def test_classification_counts() -> None:
    task = Classification(nn.Identity(), losses=[NamedLoss("ce", CrossEntropy())])
    metrics = task.metrics({"logits": LOGITS}, {"label": LABEL})
    assert metrics["accuracy"].count == 7
    assert int(metrics["accuracy"].total) == int((LOGITS.argmax(1) == LABEL).sum())
    wide = torch.randn(9, 20, generator=GENERATOR)
    top5 = task.metrics({"logits": wide}, {"label": torch.arange(9)})["top5"]
    expected = sum(int(label in row.topk(5).indices) for label, row in enumerate(wide))
    assert int(top5.total) == expected
    answer = task.infer_forward({"image": LOGITS})
    torch.testing.assert_close(answer["probabilities"].sum(1), torch.ones(7))


def test_means_are_sums_over_counts() -> None:
    means = Means()
    means.add({"a": Ratio(3, 4), "b": 1.0}, samples=4)
    means.add({"a": Ratio(torch.tensor(0), 1), "b": torch.tensor(6.0)}, samples=1)
    assert means.compute() == {"a": 0.6, "b": 2.0}
    other = Means()
    other.load_state_dict(means.state_dict())
    assert other.compute() == means.compute()


# ---- distillation ----


def distillation(features: Any = (("blocks.1", "blocks.1"), ("blocks.2", "blocks.3"))) -> Distillation:
    torch.manual_seed(0)
    teacher = (
        "SuperConvK3BNRELU(1,16,1,1)SuperResK3K3(16,32,2,16,1)SuperResK3K3(32,32,2,32,1)SuperConvK1BNRELU(32,64,1,1)"
    )
    losses = [
        NamedLoss("ce", CrossEntropy()),
        NamedLoss("logits", DistillLogits()),
        NamedLoss("features", DistillFeatures()),
    ]
    return Distillation(
        PlainNet(STUDENT, num_classes=10, in_channels=1),
        losses=losses if features else losses[:2],
        teacher=PlainNet(teacher, num_classes=10, in_channels=1),
        shape=(1, 8, 8),
        features=features,
    )


def test_a_student_learns_from_logits_and_features() -> None:
    task = distillation()
    batch = {"image": torch.randn(4, 1, 8, 8), "label": torch.arange(4)}
    task.train()
    before = {name: value.clone() for name, value in task.teacher.task.model.state_dict().items()}
    outputs = task(batch)
    assert [p.shape for p in outputs["projected_features"]] == [t.shape for t in outputs["teacher_features"]]
    results = task.losses(outputs, batch)
    assert list(results) == ["loss", "ce", "logits", "features"]
    results["loss"].backward()
    assert all(parameter.grad is not None for parameter in task.parameters())
    assert all(torch.equal(value, before[name]) for name, value in task.teacher.task.model.state_dict().items())
    assert not any("teacher" in name for name in task.state_dict())
    assert list(task.val_losses(task.infer_forward(batch), batch)) == ["loss", "ce"]


def test_distillation_says_what_is_wrong_with_its_features() -> None:
    with pytest.raises(UsageError, match=r"no module blocks\.9; did you mean blocks\.\d"):
        distillation([("blocks.9", "blocks.1")])
    with pytest.raises(UsageError, match=r"puts out no feature map"):
        distillation([("head", "head")])
    with pytest.raises(UsageError, match=r"accepted: pairs"):
        distillation(["blocks.1"])


def test_distillation_from_a_configuration(trained: Callable[..., Any]) -> None:
    teacher = "{structure: 'SuperConvK3BNRELU(1,16,1,1)SuperConvK1BNRELU(16,32,1,1)'}"
    losses = "[{type: CrossEntropy}, {type: DistillLogits, temperature: 2.0}, {type: DistillFeatures, weight: 0.5}]"
    task = f"task={{type: Distillation, teacher: {teacher}, losses: {losses}, features: [[blocks.2, blocks.1]]}}"
    summary = trained(task, "train.ema=0.9")
    assert {"train/DistillLogits", "train/DistillFeatures", "val/CrossEntropy"} <= set(summary.metrics)


def test_a_student_of_another_size_is_used_as_it_was_validated(trained: Callable[..., Any], tmp_path: Path) -> None:
    """Images are read in the data's size, and resized on the way into the network, in validation and in use."""
    teacher = "{structure: 'SuperConvK3BNRELU(1,16,1,1)SuperConvK1BNRELU(16,32,1,1)'}"
    sizes = "student_size: [12, 10], teacher_size: 9"
    task = f"task={{type: Distillation, teacher: {teacher}, {sizes}, losses: [{{type: CrossEntropy}}, {{type: DistillLogits}}]}}"
    trained(task, "train.epochs=1", "model.resolution=[12, 10]")
    predictor = Predictor(tmp_path / "run")
    assert (predictor.shape, predictor.read_shape[1:]) == ((1, 12, 10), (8, 8))
    image = torch.rand(3, 1, 8, 8, generator=GENERATOR)
    with torch.no_grad():
        small = F.interpolate(predictor.normalize(image), (12, 10), mode="bilinear")
        expected = predictor.model(small).softmax(1)
    torch.testing.assert_close(predictor(image), expected)


# ---- mixing and transforms ----


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixing_keeps_images_and_targets_in_step(mixup: float, cutmix: float) -> None:
    """Image i is filled with its label, so the mean of a mixed image must be the mean of its mixed target."""
    label = torch.arange(6)
    image = label.float().view(-1, 1, 1, 1).expand(6, 1, 8, 8).clone()
    kept = image.clone()
    mix = Mix(num_classes=6, mixup=mixup, cutmix=cutmix)
    torch.manual_seed(0)
    changed = 0
    for _ in range(20):
        mixed = mix({"image": image, "label": label})
        expected = (mixed["target"] * torch.arange(6.0)).sum(1)
        torch.testing.assert_close(mixed["image"].mean(dim=(1, 2, 3)), expected)
        torch.testing.assert_close(mixed["target"].sum(1), torch.ones(6))
        changed += int(not torch.equal(mixed["image"], kept))
    assert changed > 10
    assert torch.equal(image, kept)


def test_mixing_nothing_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"mixup or cutmix must be above 0"):
        Mix(num_classes=3)


def test_a_crop_is_a_shift() -> None:
    draws = Draws(torch.arange(6), 0)
    out = RandomCrop(padding=2)(IMAGE, draws)
    padded = F.pad(IMAGE, [2] * 4)
    for image, whole in zip(out, padded, strict=True):
        windows = [whole[:, y : y + 12, x : x + 10] for y in range(5) for x in range(5)]
        assert any(torch.equal(image, window) for window in windows)
    assert torch.equal(RandomCrop(padding=2)(IMAGE.flip(0), Draws(torch.arange(6).flip(0), 0)).flip(0), out)


def test_flips_and_lighting() -> None:
    draws = Draws(torch.arange(6), 3)
    out = Flip(p=0.5)(IMAGE, draws)
    kinds = [torch.equal(a, b) for a, b in zip(out, IMAGE, strict=True)]
    assert 0 < sum(kinds) < 6
    assert torch.equal(Flip(p=1.0)(IMAGE, draws), IMAGE.flip(3))
    shift = Lighting(std=0.1)(IMAGE, draws) - IMAGE
    assert float(shift.abs().max()) > 0
    torch.testing.assert_close(shift, shift[:, :, :1, :1].expand_as(shift), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "transform",
    [
        RandAugment(n=2, m=9, groups=3),
        Kornia(name="RandomGrayscale", p=1.0),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_kornias_transforms_depend_on_the_seed_alone(transform: Any) -> None:
    outs = []
    for seed in (1, 1, 2):
        with seeded(seed, torch.device("cpu")):
            outs.append(transform(IMAGE))
    assert outs[0].shape == IMAGE.shape
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], IMAGE)
    assert bool(torch.isfinite(outs[2]).all())


def test_transforms_that_cannot_work() -> None:
    with pytest.raises(UsageError, match=r"for images of 3 channels, these have 1"):
        RandAugment()(IMAGE[:, :1])
    with pytest.raises(UsageError, match=r"kornia.augmentation has no ColorJiter; did you mean ColorJitter"):
        Kornia(name="ColorJiter")
    with pytest.raises(UsageError, match=r"kornia's RandomGrayscale does not take that"):
        Kornia(name="RandomGrayscale", q=1)
    with pytest.raises(UsageError, match=r"RandAugment: Expect"):
        RandAugment(m=40)


def test_a_pipeline_leaves_its_batch_alone() -> None:
    batch = {"image": IMAGE.clone(), "label": torch.arange(6), "draw": torch.arange(6)}
    pipeline = Pipeline([RandomCrop(padding=1), Normalize((0.5,) * 3, (0.25,) * 3)])
    out = pipeline(batch)
    assert torch.equal(batch["image"], IMAGE)
    assert float(out["image"].min()) < -1
    with pytest.raises(UsageError, match=r"std above 0"):
        Normalize((0.5,), (0.0,))


# ---- testers ----


SAMPLES = TensorSamples(torch.rand(11, 1, 8, 8, generator=GENERATOR), torch.arange(11) % 10)


def expected_metrics(task: Classification) -> dict[str, float]:
    with torch.no_grad():
        logits = task.model(SAMPLES.images)
    loss = float(F.cross_entropy(logits, SAMPLES.labels))
    return {"loss": loss, "accuracy": int((logits.argmax(1) == SAMPLES.labels).sum()) / 11}


@pytest.mark.parametrize(("kind", "size", "cases"), [(SingleTester, 1, 11), (SingleTester, 4, 3), (BatchTester, 4, 11)])
def test_testers_judge_every_case(kind: Any, size: int, cases: int) -> None:
    torch.manual_seed(0)
    task = Classification(Plain(), losses=[NamedLoss("ce", CrossEntropy())])
    events: list[str] = []

    class Noting(kind):  # type: ignore[misc]
        def before_test_epoch(self) -> None:
            events.append("begin")

        def before_test_step(self, batch: Any) -> None:
            events.append("step")

        def after_test_step(self, batch: Any, output: Any, result: Mapping[str, Any]) -> None:
            events.append("case")

        def after_test_epoch(self, summary: Mapping[str, float]) -> None:
            events.append("end")

    tester = Noting(device="cpu")
    tester.register_model(task)
    tester.register_loader(Loader(SAMPLES, batch_size=size, shuffle=False))
    assert tester.run() == pytest.approx(expected_metrics(task), abs=1e-6)
    assert tester.index == cases == events.count("case")
    assert events.count("step") == math.ceil(11 / size)
    assert (events[0], events[-1]) == ("begin", "end")


def test_a_tester_of_your_own() -> None:
    class Mine(BatchTester):
        def eval_step(self, batch: Any, output: Any) -> dict[str, Any]:
            return {"largest": output.max()}

    tester = Mine(device="cpu")
    with pytest.raises(UsageError, match=r"register a model and a loader before run\(\): a test has both"):
        tester.run()
    torch.manual_seed(0)
    model = Plain()
    tester.register_model(nn.Sequential(_TakeImage(), model))
    tester.register_loader(Loader(SAMPLES, batch_size=4, shuffle=False))
    with torch.no_grad():
        assert tester.run()["largest"] == pytest.approx(float(model(SAMPLES.images).max(1).values.mean()), abs=1e-6)
    plain = SingleTester(device="cpu")
    plain.register_model(nn.Sequential(_TakeImage(), model))
    plain.register_loader(Loader(SAMPLES, batch_size=4, shuffle=False))
    with pytest.raises(UsageError, match=r"needs an eval_step: Sequential is no Task"):
        plain.run()


class _TakeImage(nn.Module):
    def forward(self, batch: Any) -> Any:
        return batch["image"]
