"""Segmentations and detections that learn from a teacher, and are used without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from plainnet import PlainNet
from plainnet.engine import Detection, NamedLoss, Segmentation, train
from plainnet.engine.run.evaluation import evaluate
from plainnet.engine.run.predict import Predictor
from plainnet.engine.run.training_run import load_config
from plainnet.engine.tasks.boxes import generalized_iou
from plainnet.engine.tasks.dense_losses import ClassLoss, DistillBoxes, DistillClasses, PixelCrossEntropy
from plainnet.engine.tasks.distillation import DetectionDistillation, SegmentationDistillation
from plainnet.engine.tasks.losses import DistillFeatures, DistillLogits
from plainnet.errors import UsageError

NETS = {
    "segment": "ConvKXBNRELU(eye|1,{0},3,4)ConvKXBias(maps|{0},11,1,1)Outputs(maps)",
    "detect": "ConvKXBNRELU(eye|1,{0},3,4)ConvKXBias(maps|{0},15,1,1)Outputs(maps)",
}
TASKS: dict[str, Any] = {"segment": SegmentationDistillation, "detect": DetectionDistillation}
ALONE: dict[str, Any] = {"segment": Segmentation, "detect": Detection}
OWN: dict[str, dict[str, Any]] = {"segment": {"ignore_index": 254}, "detect": {"score": 0.0, "most": 7, "scale": 5.0}}


def net(recipe: str, width: int) -> PlainNet:
    return PlainNet(NETS[recipe].format(width), resolution=32, init="default")


def batch(recipe: str) -> dict[str, Any]:
    image = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    boxes = {"boxes": torch.tensor([[[2.0, 2, 14, 14]], [[8, 8, 30, 28]]]), "classes": torch.tensor([[1], [3]])}
    return {"image": image, **({"mask": torch.ones(2, 32, 32, dtype=torch.int64)} if recipe == "segment" else boxes)}


def losses(recipe: str) -> list[NamedLoss]:
    own: list[Any] = (
        [PixelCrossEntropy(), DistillLogits()]
        if recipe == "segment"
        else [ClassLoss(), DistillClasses(), DistillBoxes()]
    )
    return [NamedLoss(type(loss).__name__, loss) for loss in (*own, DistillFeatures())]


@pytest.mark.parametrize("recipe", NETS)
def test_a_student_of_maps_learns_from_its_teacher(recipe: str) -> None:
    torch.manual_seed(0)
    student, teacher = net(recipe, 8), net(recipe, 12)
    task = TASKS[recipe](
        student, losses=losses(recipe), teacher=teacher, shape=(1, 32, 32), features=[["blocks.0", "blocks.0"]]
    )
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    sample = batch(recipe)
    outputs = task.train()(sample)
    with torch.no_grad():
        said = ALONE[recipe](teacher, losses=[]).train_forward({"image": sample["image"]})
    assert said
    assert all(torch.equal(outputs[f"teacher_{name}"], value) for name, value in said.items())
    assert outputs["projected_features"][0].shape == outputs["teacher_features"][0].shape == (2, 12, 8, 8)
    results = task.losses(outputs, sample)
    results["loss"].backward()
    learned = {name for name, parameter in task.named_parameters() if parameter.grad is not None}
    assert "projections.0.weight" in learned
    assert any(name.startswith("model.blocks.0.") for name in learned)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not any("teacher" in name for name in task.state_dict())
    used = task.eval().infer_forward(sample)
    assert not any(name.startswith(("teacher", "projected")) for name in used)
    assert "DistillFeatures" not in task.val_losses(used, sample)


def test_logits_of_maps_are_compared_pixel_by_pixel() -> None:
    own, other = torch.randn(2, 2, 5, 3, 4).unbind()
    for temperature in (1.0, 3.0):
        loss = DistillLogits(temperature=temperature)
        q, p = ((x / temperature).softmax(1) for x in (own, other))
        pixels = (p * (p.log() - q.log())).sum(1) * temperature**2
        torch.testing.assert_close(loss(own, other), pixels.mean())
        flat, also = (x.movedim(1, -1).reshape(-1, 5) for x in (own, other))
        torch.testing.assert_close(loss(flat, also), pixels.mean())
        assert float(loss(own, own)) == pytest.approx(0, abs=1e-7)
    small = F.interpolate(other, size=(1, 1))
    with pytest.raises(
        UsageError, match=r"are \(2, 5, 3, 4\), the teacher's \(2, 5, 1, 1\); accepted: logits of one shape"
    ):
        DistillLogits()(own, small)


def places(seed: int, images: int = 3, count: int = 7, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Class logits (N, P, K) and distances (N, P, 4)."""
    draw = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, count, classes, generator=draw)
    return logits, 20 * torch.rand(images, count, 4, generator=draw)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_classes_of_places_are_compared_one_by_one(temperature: float) -> None:
    own, taught = places(0)[0], places(1)[0]
    found = DistillClasses(temperature=temperature)(own, taught)
    images = []
    for image in range(len(own)):
        total = weights = 0.0
        for place in range(own.shape[1]):
            given, wanted = (
                torch.stack([p, 1 - p])
                for p in ((each[image, place] / temperature).sigmoid() for each in (own, taught))
            )
            apart = float((wanted * (wanted.log() - given.log())).sum()) * temperature**2
            weight = float(taught[image, place].sigmoid().max())
            total, weights = total + weight * apart, weights + weight
        images.append(total / weights)
    assert float(found) == pytest.approx(sum(images) / len(images), rel=1e-5)
    assert float(DistillClasses(temperature=temperature)(own, own)) == pytest.approx(0, abs=1e-6)


def test_boxes_of_places_are_compared_where_the_teacher_is_sure() -> None:
    (_, own), (logits, taught) = places(0), places(1)
    at = torch.tensor([50.0, 50])
    boxes = [torch.cat([at - each[..., :2], at + each[..., 2:]], -1) for each in (own, taught)]
    weight = logits.sigmoid().amax(2)
    lost = ((1 - generalized_iou(*boxes)) * weight).sum(1) / weight.sum(1)
    torch.testing.assert_close(DistillBoxes()(own, taught, logits), lost.mean())
    assert float(DistillBoxes()(taught, taught, logits)) == pytest.approx(0, abs=1e-6)


def test_losses_of_places_are_means_over_images_and_bear_extremes() -> None:
    (own, near), (taught, far) = places(0, images=5), places(1, images=5)
    for loss, given in ((DistillClasses(), (own, taught)), (DistillBoxes(), (near, far, taught))):
        parts = [float(loss(*(each[at : at + 1] for each in given))) for at in range(5)]
        assert float(loss(*given)) == pytest.approx(sum(parts) / 5, rel=1e-5)
    wide = torch.tensor([[[1e4, -1e4], [-1e4, -1e4]]])
    for one, other in ((wide, -wide), (-wide, wide), (wide, wide), (wide.new_full((1, 2, 2), -1e4), -wide)):
        student = one.clone().requires_grad_()
        loss = DistillClasses()(student, other)
        (gradient,) = torch.autograd.grad(loss, student)
        assert bool(loss.isfinite())
        assert bool(gradient.isfinite().all())
        assert float(loss.detach()) >= 0


def test_a_student_comes_to_say_what_its_teacher_says() -> None:
    torch.manual_seed(0)
    student, teacher = net("detect", 8), net("detect", 8)
    learned = [NamedLoss("classes", DistillClasses()), NamedLoss("boxes", DistillBoxes())]
    task = DetectionDistillation(student, losses=learned, teacher=teacher, shape=(1, 32, 32)).train()
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    found = []
    for _ in range(40):
        results = task.losses(task(batch("detect")), batch("detect"))
        optimizer.zero_grad()
        results["loss"].backward()
        optimizer.step()
        found.append({name: float(value.detach()) for name, value in results.items()})
    assert all(found[-1][name] < 0.5 * found[0][name] for name in ("classes", "boxes"))


def test_a_teacher_of_other_places_is_refused() -> None:
    (own, near), (taught, far) = places(0, count=7), places(1, count=8)
    words = r"the student says \(3, 7, 4\).*the teacher \(3, 8, 4\); accepted: maps of one size"
    with pytest.raises(UsageError, match=words):
        DistillClasses()(own, taught)
    with pytest.raises(UsageError, match=words):
        DistillBoxes()(near, far, taught)
    with pytest.raises(UsageError, match="temperature is 0; accepted: above 0"):
        DistillClasses(temperature=0)


@pytest.mark.parametrize("name", ["Segmentation", "Detection"])
def test_a_task_over_a_distillation_is_used_as_itself(name: str) -> None:
    kind = TASKS[{"Segmentation": "segment", "Detection": "detect"}[name]]
    own = type("Own", (kind,), {})
    made = [each(net("detect", 4), losses=[], teacher=net("detect", 4), shape=(1, 32, 32)) for each in (kind, own)]
    assert [task.used_as for task in made] == [name, None]


@pytest.mark.parametrize("recipe", NETS)
def test_it_is_configured_and_used_without_the_teacher(recipe: str, tmp_path: Path) -> None:
    section = load_config({"_base_": recipe}).plain()["task"]["losses"]
    more = [
        {"type": name} for name in (["DistillLogits"] if recipe == "segment" else ["DistillClasses", "DistillBoxes"])
    ]
    task = {
        "_delete_": True,
        "type": TASKS[recipe].__name__,
        "teacher": {"structure": NETS[recipe].format(12), "init": "default"},
        "features": [["blocks.0", "blocks.0"]],
        "losses": [{"type": loss["type"]} for loss in section] + [*more, {"type": "DistillFeatures"}],
        **OWN[recipe],
    }
    source = {
        "_base_": recipe,
        "model": {"structure": NETS[recipe].format(8), "init": "default"},
        "task": task,
        "data": {"train": 12, "val": 5, "batch_size": 6},
        "train": {"epochs": 1, "ema": 0.9},
        "log": {"tensorboard": False},
        "device": "cpu",
        "run": str(tmp_path / "run"),
    }
    metrics = train(load_config(source)).metrics
    assert {f"train/{loss['type']}" for loss in task["losses"]} <= set(metrics)
    weights = tmp_path / "run" / "last.safetensors"
    used = Predictor(weights).task
    assert type(used).__name__ == ALONE[recipe].__name__
    assert {name: getattr(used, name) for name in OWN[recipe]} == OWN[recipe]
    found = evaluate(weights).metrics
    assert found["val/loss" if "val/loss" in found else "loss"] == pytest.approx(metrics["val/loss"], rel=1e-5)
