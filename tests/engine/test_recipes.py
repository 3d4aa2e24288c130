"""The shipped recipes against the settings that were published."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet import PlainNet
from plainnet.engine import NamedLoss
from plainnet.engine.data.auto_augment import AutoAugment
from plainnet.engine.data.draws import Draws
from plainnet.engine.data.images import random_resized_crop
from plainnet.engine.data.transforms import RandomErasing
from plainnet.engine.loop.schedules import cosine
from plainnet.engine.run.network_arguments import network_arguments
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import TrainConfig, recipes
from plainnet.engine.run.training_run import load_config
from plainnet.engine.tasks.distillation import Distillation
from plainnet.engine.tasks.losses import CrossEntropy, DistillFeatures, DistillLogits
from plainnet.errors import UsageError
from plainnet.network.published import published_networks

ZENNAS = [name for name in recipes() if name.startswith("zennas")]


def recipe(name: str) -> TrainConfig:
    return load_config({"_base_": name}).value


@pytest.mark.parametrize("name", ZENNAS)
def test_the_published_settings(name: str) -> None:
    value = recipe(name)
    is_cifar = name == "zennas-cifar"
    assert value.optim.model_dump(exclude={"groups"}) == {
        "type": "SGD", "lr": 0.1 * 64 / 256, "momentum": 0.9, "nesterov": True, "lr_for_batch": None,
        "weight_decay": 5e-4 if is_cifar else 4e-5,
    }  # fmt: skip
    assert [group.model_dump() for group in value.optim.groups] == [{"match": "@no_decay", "weight_decay": 0}]
    assert (value.schedule.type, value.schedule.warmup, value.schedule.per) == ("cosine", 5, "iteration")
    assert value.train.epochs == (1440 if is_cifar else 480)
    assert (value.data.batch_size, value.data.drop_last, value.data.mixup) == (64, True, 0.2)
    assert value.model.norm_momentum == 0.01
    assert value.task.losses[0].model_dump()["label_smoothing"] == 0.1
    registry = Registry()
    augment = {spec.type: registry.find("transform", spec.type)(**spec.arguments) for spec in value.data.augment}
    assert list(augment) == (["RandomCrop", "Flip", "AutoAugment"] if is_cifar else ["Flip", "AutoAugment", "Lighting"])
    policy = augment["AutoAugment"]
    assert isinstance(policy, AutoAugment)
    assert policy.steps == AutoAugment(policy="cifar10" if is_cifar else "imagenet").steps
    assert "rotate" not in policy.signed
    (erasing,) = (registry.find("transform", spec.type)(**spec.arguments) for spec in value.data.late_augment)
    assert (erasing.p, erasing.scale, erasing.ratio, erasing.value) == (0.5, (0.02, 0.33), (0.3, 3.3), 0)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("zennas-cifar", "zennet_cifar_model_size1M_res32"),
        ("zennas-imagenet", "zennet_imagenet1k_flops400M_res224"),
        ("zennas-imagenet-distilled", "zennet_imagenet1k_flops400M_res224"),
    ],
)
def test_the_network_is_the_published_one_with_its_gates(name: str, network: str) -> None:
    value, published = recipe(name), published_networks()[network]
    assert value.model.arguments["structure"] == published.text
    assert value.model.arguments.get("use_se", False) == published.use_se
    arguments = network_arguments("PlainNet", value.model.arguments, shape=(3, 320, 320), num_classes=1000)
    with torch.device("meta"):
        built = PlainNet(**arguments)
    assert any(isinstance(part, nn.Sigmoid) for part in built.modules()) == published.use_se


@pytest.mark.parametrize(
    ("images", "epochs", "in_warmup", "after"), [(50_000, 1440, 2.1e-4, 1.5e-6), (1_281_167, 480, 8.2e-6, 1.7e-7)]
)
def test_the_learning_rate_is_as_near_as_the_recipe_says(
    images: int, epochs: int, in_warmup: float, after: float
) -> None:
    """The published rate counts images, and 64 (k + 1) + 1 of them after update k of an epoch."""
    updates = images // 64
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    factor: Any = cosine(optimizer, steps=updates * epochs, warmup=5 * updates).lr_lambdas[0]

    def published(seen: int) -> float:
        if seen < 5 * images:
            return (seen + 1) / (5 * images)
        share = (seen - 5 * images + 1) / (images * (epochs - 5))
        return 1 - (1 - math.cos(math.pi * share)) / 2

    worst = [0.0, 0.0]
    for epoch in [*range(6), *range(6, epochs, 61), epochs // 2, epochs - 1]:
        for update in [*range(0, updates, 50), updates - 1]:
            difference = abs(published(epoch * images + 64 * (update + 1)) - factor(epoch * updates + update))
            worst[epoch >= 5] = max(worst[epoch >= 5], difference)
    assert worst[0] <= in_warmup < 1.2 * worst[0]
    assert worst[1] <= after < 1.2 * worst[1]


# ---- random erasing ----


def rectangles(transform: RandomErasing, count: int, height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of what is erased in each image; nothing erased is left out."""
    erased = transform(torch.ones(count, 1, height, width), Draws(torch.arange(count), 5))[:, 0] == 0
    found = []
    for mask in erased:
        rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        if len(rows):
            box = int(rows[0]), int(columns[0]), len(rows), len(columns)
            assert int(mask.sum()) == box[2] * box[3]
            found.append(box)
    return found


def test_erasing_has_the_published_distribution() -> None:
    """Against the published algorithm with another generator: chance, sides, aspect and place, within 5 deviations."""
    count, height, width = 4000, 60, 50
    generator = np.random.default_rng(0)
    expected = []
    for _ in range(count):
        for _attempt in range(10):
            area = generator.uniform(0.02, 0.33) * height * width
            aspect = generator.uniform(0.3, 3.3)
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < height and w < width:
                top, left = generator.integers(0, height - h + 1), generator.integers(0, width - w + 1)
                expected.append((top, left, h, w))
                break
    found = rectangles(RandomErasing(p=0.5), 2 * count, height, width)
    assert abs(len(found) - count) < 5 * (count / 2) ** 0.5
    for columns in zip(np.array(found, dtype=float).T, np.array(expected, dtype=float).T, strict=True):
        spread = columns[1].std() * (2 / count) ** 0.5
        assert abs(columns[0].mean() - columns[1].mean()) < 5 * spread
    aspects = [np.array(boxes, dtype=float)[:, 2] / np.array(boxes, dtype=float)[:, 3] for boxes in (found, expected)]
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(aspects[0], share) == pytest.approx(np.quantile(aspects[1], share), rel=0.08)


def test_erasing_what_does_not_fit_erases_nothing() -> None:
    assert rectangles(RandomErasing(p=1, scale=(1, 1), ratio=(1, 1)), 50, 8, 8) == []
    assert rectangles(RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1)), 50, 8, 8)[0][2:] == (4, 4)
    assert len(rectangles(RandomErasing(p=0), 50, 8, 8)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 2}, r"p is 2; accepted: 0 to 1"),
        ({"scale": [0.5, 0.1]}, r"scale is \[0.5, 0.1\]; accepted: two numbers above 0 to 1, the smaller one first"),
        ({"scale": [0.5, 1.1]}, r"scale is"),
        ({"ratio": [0, 1]}, r"ratio is \[0, 1\]; accepted: two numbers above 0, the smaller one first"),
        ({"ratio": [1]}, r"ratio is"),
    ],
)
def test_erasing_says_what_it_takes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RandomErasing(**arguments)


# ---- random crops of files ----


class Fixed:
    """A generator that gives what a test wants."""

    def __init__(self, area: float) -> None:
        self.area = area

    def uniform(self, low: float, high: float) -> float:  # noqa: ARG002
        return self.area if low > 0 else 0.0

    def integers(self, low: int, high: int) -> int:
        return (low + high - 1) // 2


def test_a_crop_is_cut_before_it_is_resized() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = random_resized_crop(Image.fromarray(pixels), Fixed(0.25), size=(16, 16), scale=(0.08, 1))  # type: ignore[arg-type]
    side = round((0.25 * 2400) ** 0.5)
    left, top = (60 - side) // 2, (40 - side) // 2
    window = Image.fromarray(pixels[top : top + side, left : left + side])
    assert np.array_equal(np.asarray(found), np.asarray(window.resize((16, 16), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize(("height", "width", "kept"), [(10, 90, (10, 13)), (90, 10, (13, 10)), (12, 15, (12, 15))])
def test_a_crop_that_never_fits_is_the_largest_of_a_usual_aspect(
    height: int, width: int, kept: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = random_resized_crop(Image.fromarray(pixels), Fixed(4.0), size=(16, 16), scale=(0.08, 1))  # type: ignore[arg-type]
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    window = Image.fromarray(pixels[top : top + kept[0], left : left + kept[1]])
    assert np.array_equal(np.asarray(found), np.asarray(window.resize((16, 16), Image.Resampling.BICUBIC)))


# ---- the published distillation ----

STUDENT = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,12,2,8,1)SuperConvK1BNRELU(12,16,1,1)"


class Teacher(nn.Module):
    """Maps at 1/2 and 1/4; an activation writes over the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.second = nn.Conv2d(6, 10, 3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(10, 7)

    def forward(self, image: Tensor) -> Tensor:
        self.seen = tuple(image.shape[2:])
        return self.head(self.act(self.second(self.first(image))).mean(dim=(2, 3)))


def published_losses(task: Distillation, teacher: Teacher, student: PlainNet, image: Tensor) -> tuple[Tensor, Tensor]:
    """The authors' formulas, written again."""
    large, small = F.interpolate(image, 40, mode="bilinear"), F.interpolate(image, 28, mode="bilinear")
    first = teacher.first(large)
    maps = [first, teacher.second(first)]
    own = [student.blocks[0](small), student.blocks[1](student.blocks[0](small))]
    features = torch.zeros(())
    for projection, feature, target in zip(task.projections, own, maps, strict=True):
        target = F.interpolate(target, feature.shape[2], mode="bilinear")
        difference = (projection(feature) - target).abs()
        features = features + torch.where(difference < 1, difference**2 / 2, difference - 0.5).mean()
    probabilities = teacher(large).softmax(1)
    return features, -(probabilities * student(small).log_softmax(1)).sum(1).mean()


def test_distillation_is_the_published_one() -> None:
    torch.manual_seed(0)
    teacher, student = Teacher(), PlainNet(STUDENT, num_classes=7, resolution=28)
    losses = [
        NamedLoss("ce", CrossEntropy()),
        NamedLoss("logits", DistillLogits()),
        NamedLoss("features", DistillFeatures()),
    ]
    task = Distillation(
        student, losses=losses, teacher=teacher, shape=(3, 36, 36), student_size=28, teacher_size=40,
        features=[["blocks.0", "first"], ["blocks.1", "second"]],
    )  # fmt: skip
    batch = {"image": 10 * torch.randn(3, 3, 36, 36), "label": torch.arange(3)}
    student.eval()
    found = task.losses(task.train_forward(batch), batch)
    assert teacher.seen == (40, 40)
    with torch.no_grad():
        features, crossed = published_losses(task, teacher, student, batch["image"])
        probabilities = teacher(F.interpolate(batch["image"], 40, mode="bilinear")).softmax(1)
        entropy = -(probabilities * probabilities.log()).sum(1).mean()
        small = F.interpolate(batch["image"], 28, mode="bilinear")
        torch.testing.assert_close(found["features"], features)
        torch.testing.assert_close(found["logits"], crossed - entropy)
        torch.testing.assert_close(task.infer_forward(batch)["logits"], student(small))
    assert task.network_shape((3, 36, 36)) == (3, 28, 28)


def test_projections_begin_small() -> None:
    torch.manual_seed(0)
    task = Distillation(
        nn.Sequential(nn.Conv2d(3, 64, 1), nn.Flatten()), losses=[], teacher=nn.Sequential(nn.Conv2d(3, 400, 1)),
        shape=(3, 4, 4), features=[["0", "0"]],
    )  # fmt: skip
    (projection,) = task.projections
    assert isinstance(projection, nn.Conv2d)
    assert float(projection.weight.detach().std()) == pytest.approx(1e-4 / 20, rel=0.05)
    assert projection.bias is not None
    assert not projection.bias.any()


@pytest.mark.parametrize("size", [0, [4], [4, 0], "4"])
def test_distillation_says_which_sizes_it_takes(size: Any) -> None:
    with pytest.raises(UsageError, match=r"student_size is .*; accepted: a side in pixels, or \[height, width\]"):
        Distillation(nn.Identity(), losses=[], teacher=nn.Identity(), shape=(3, 4, 4), student_size=size)


def test_the_distilled_recipe_is_the_published_one() -> None:
    value = recipe("zennas-imagenet-distilled")
    arguments = value.task.arguments
    assert (value.data.arguments["size"], arguments["student_size"], arguments["teacher_size"]) == (320, 224, 320)
    assert [(loss.type, loss.weight) for loss in value.task.losses] == [
        ("CrossEntropy", 1), ("DistillLogits", 1), ("DistillFeatures", 1),
    ]  # fmt: skip
    assert value.task.losses[2].arguments == {"distance": "smooth_l1"}
    assert value.task.teacher is not None
    assert value.task.teacher.arguments == {"name": "tf_efficientnet_b3.ns_jft_in1k", "pretrained": True}
    student = PlainNet(value.model.arguments["structure"], use_se=True, init="default")
    shapes: dict[str, tuple[int, ...]] = {}
    for name, _ in arguments["features"]:
        module = student.get_submodule(name)
        module.register_forward_hook(lambda _m, _i, out, name=name: shapes.update({name: tuple(out.shape)}))
    with torch.no_grad():
        student.eval()(torch.zeros(1, 3, 224, 224))
    assert shapes == {"blocks.3": (1, 96, 14, 14), "blocks.4": (1, 224, 7, 7)}


def test_a_network_of_timm_needs_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    build = Registry().find("model", "timm")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"timm is needed here, and a torchvision that fits your torch"):
        build(name="resnet18")
    known = ModuleType("timm")

    def create_model(name: str, *, pretrained: bool, **arguments: Any) -> nn.Module:
        if name != "linear":
            raise RuntimeError(f"Unknown model ({name})")
        return nn.Linear(int(pretrained) + 1, arguments["num_classes"])

    known.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", known)
    assert build(name="linear", pretrained=True, num_classes=3).weight.shape == (3, 2)
    with pytest.raises(UsageError, match=r"timm makes no resnet81 of that: Unknown model"):
        build(name="resnet81")
