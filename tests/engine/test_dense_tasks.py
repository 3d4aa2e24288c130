"""Segmentation and detection: boxes, matching, losses and evaluators, each beside a slow twin or what must come out."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine import AveragePrecision, Detection, DetectionSample, InstanceData, MeanIoU, NamedLoss, Segmentation
from plainnet.engine.data.scenes import digits_scenes
from plainnet.engine.evaluators.evaluator import Evaluator
from plainnet.engine.tasks.anchor_free import NONE, boxes_at, centredness, distances_to, match, places_of
from plainnet.engine.tasks.boxes import area, generalized_iou, iou, non_maximum_suppression
from plainnet.engine.tasks.dense_losses import BoxLoss, CentreLoss, ClassLoss, Dice, PixelCrossEntropy, PixelFocal
from plainnet.errors import UsageError

CPU = torch.device("cpu")


def some_boxes(draw: random.Random, count: int, *, size: int = 32) -> Tensor:
    """Whole-numbered boxes of at least a pixel."""
    rows = []
    for _ in range(count):
        left, top = draw.randrange(size - 1), draw.randrange(size - 1)
        rows.append([left, top, draw.randint(left + 1, size), draw.randint(top + 1, size)])
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def pixels(box: Tensor, *, size: int = 32) -> Tensor:
    left, top, right, bottom = map(int, box)
    inside = torch.zeros(size, size, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    return inside


# Boxes. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_overlaps_are_those_of_the_pixels(seed: int) -> None:
    boxes = some_boxes(random.Random(seed), 12)
    drawn = [pixels(box) for box in boxes]
    for one in range(12):
        assert area(boxes[one]) == drawn[one].sum()
        for other in range(12):
            both, union = (drawn[one] & drawn[other]).sum(), (drawn[one] | drawn[other]).sum()
            assert iou(boxes[one : one + 1], boxes[other : other + 1]).item() == pytest.approx(float(both / union))
            corners = torch.cat(
                [torch.minimum(boxes[one], boxes[other])[:2], torch.maximum(boxes[one], boxes[other])[2:]]
            )
            hull = pixels(corners).sum()
            expected = float(both / union - (hull - union) / hull)
            assert generalized_iou(boxes[one], boxes[other]).item() == pytest.approx(expected, abs=1e-6)
    empty = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert iou(empty, empty).item() == 0
    assert generalized_iou(empty, empty).item() == 0


def slow_suppression(boxes: Tensor, scores: Tensor, classes: Tensor, overlap: float) -> list[int]:
    stays: list[int] = []
    for number in sorted(range(len(boxes)), key=lambda each: (-float(scores[each]), each)):
        if all(
            classes[number] != classes[better] or iou(boxes[number][None], boxes[better][None]).item() <= overlap
            for better in stays
        ):
            stays.append(number)
    return stays


@pytest.mark.parametrize("seed", range(3))
def test_suppression_is_the_slow_one(seed: int) -> None:
    draw = random.Random(seed)
    boxes = some_boxes(draw, 40, size=16)
    scores = torch.tensor([draw.choice([0.1, 0.5, draw.random()]) for _ in range(40)])  # with ties
    classes = torch.tensor([draw.randrange(3) for _ in range(40)])
    for overlap in (0.0, 0.3, 0.5, 1.0):
        found = non_maximum_suppression(boxes, scores, classes, overlap=overlap)
        assert found.tolist() == slow_suppression(boxes, scores, classes, overlap)
    assert non_maximum_suppression(boxes[:0], scores[:0], classes[:0]).tolist() == []
    with pytest.raises(UsageError, match="overlap is 2"):
        non_maximum_suppression(boxes, scores, classes, overlap=2)


# Matching. ------------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), count=st.integers(0, 6), flat=st.booleans())
@settings(max_examples=40, deadline=None)
def test_places_answer_for_boxes_that_hold_them(seed: int, count: int, flat: bool) -> None:
    draw = random.Random(seed)
    image = (32, 48) if flat else (32, 32)
    sizes = [(image[0] // stride, image[1] // stride) for stride in (4, 8)]
    places = places_of(sizes, image, CPU)
    boxes = some_boxes(draw, count)
    classes = torch.tensor([draw.choice([0, 1, NONE]) for _ in range(count)], dtype=torch.int64)
    answers = match(places, boxes, classes, scale=draw.choice([1.0, 3.0, 8.0]))
    for place, box in enumerate(answers.tolist()):
        if box != NONE:
            assert distances_to(boxes[box], places.points[place]).min() > 0
            assert classes[box] != NONE
    free = [place for place, box in enumerate(answers.tolist()) if box == NONE]
    for box in range(count):
        inside = distances_to(boxes[box], places.points).amin(-1) > 0
        if classes[box] != NONE and inside.any() and box not in answers:
            assert not any(inside[place] for place in free), "a box without a place, and a free place in it"
            owned = [int((answers == answers[place]).sum()) for place in inside.nonzero().flatten().tolist()]
            assert set(owned) == {1}, "a box without a place, and a place in it that another could spare"


@pytest.mark.parametrize("side", [7.9, 8.0, 8.1, 32.0, 63.9, 64.0, 64.1, 128.0, 500.0])
def test_a_box_of_any_size_has_a_place(side: float) -> None:
    """At the limit between two maps too, where distances of exactly 64 or 128 are nobody's elsewhere."""
    places = places_of([(64, 64), (32, 32), (16, 16)], (512, 512), CPU)
    boxes = torch.tensor([[4.0, 4.0, 4.0 + side, 4.0 + side]])
    assert (match(places, boxes, torch.tensor([0])) == 0).any()


def test_the_smallest_box_counts_and_maps_take_their_sizes() -> None:
    places = places_of([(8, 8), (4, 4)], (32, 32), CPU)
    boxes = torch.tensor([[0.0, 0.0, 32.0, 32.0], [10.0, 10.0, 22.0, 22.0]])
    answers = match(places, boxes, torch.tensor([0, 1]), scale=4.0)
    small = distances_to(boxes[1], places.points).amin(-1) > 0
    assert (answers[small & (places.levels == 0)] == 1).all()
    assert (answers[places.levels == 1] != 1).all()
    assert set(places.levels[answers == 0].tolist()) == {1}
    moved = boxes_at(places.points, distances_to(boxes[1], places.points))
    assert torch.allclose(moved, boxes[1].expand_as(moved))


def test_how_central_a_place_is() -> None:
    found = centredness(
        torch.tensor([[2.0, 3.0, 2.0, 3.0], [1.0, 3.0, 4.0, 3.0], [0.0, 3.0, 4.0, 3.0], [-1.0, 1.0, 5.0, 1.0]])
    )
    assert found.tolist() == pytest.approx([1.0, 0.5, 0.0, 0.0])


# Losses. --------------------------------------------------------------------------------------------------------------

LOGITS = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
MASK = torch.randint(0, 4, (3, 5, 6), generator=torch.Generator().manual_seed(2))
KNOWN = MASK.clone()
KNOWN[0, :2] = 255
KNOWN[1] = 255


def test_cross_entropy_of_pixels_is_torchs() -> None:
    torch.testing.assert_close(PixelCrossEntropy()(LOGITS, MASK), F.cross_entropy(LOGITS, MASK))
    images = [F.cross_entropy(LOGITS[n : n + 1], KNOWN[n : n + 1], ignore_index=255) for n in (0, 2)]
    torch.testing.assert_close(PixelCrossEntropy()(LOGITS, KNOWN), sum(images) / 3)
    torch.testing.assert_close(PixelFocal(gamma=0)(LOGITS, KNOWN), PixelCrossEntropy()(LOGITS, KNOWN))
    right = LOGITS.softmax(1).gather(1, MASK[:, None])
    torch.testing.assert_close(PixelFocal(gamma=2)(LOGITS, MASK), (-((1 - right) ** 2) * right.log()).mean())


def test_dice_by_hand() -> None:
    given, total = LOGITS.softmax(1), 0.0
    for image in range(3):
        shares = []
        for kind in range(4):
            known = KNOWN[image] != 255
            wanted = (KNOWN[image] == kind) & known
            if wanted.any():
                p = given[image, kind]
                shares.append(1 - 2 * float(p[wanted].sum()) / (float(p[known].sum()) + int(wanted.sum())))
        total += sum(shares) / max(len(shares), 1) / 3
    assert Dice()(LOGITS, KNOWN).item() == pytest.approx(total, abs=1e-6)
    sure = F.one_hot(MASK, 4).movedim(-1, 1) * 100.0
    assert Dice()(sure, MASK).item() == pytest.approx(0, abs=1e-6)


PLACES = {
    "class_logits": torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(3)),
    "centre_logits": torch.randn(3, 7, generator=torch.Generator().manual_seed(4)),
    "distances": torch.rand(3, 7, 4, generator=torch.Generator().manual_seed(5)) * 5 + 0.1,
    "target_distances": torch.rand(3, 7, 4, generator=torch.Generator().manual_seed(6)) * 5 + 0.1,
    "target_class": torch.tensor([[NONE, 0, 1, 2, 3, NONE, 0], [NONE] * 7, [1] + [NONE] * 6]),
}


def test_the_class_loss_by_hand() -> None:
    total = 0.0
    for image in range(3):
        lost = 0.0
        for place in range(7):
            for kind in range(4):
                p = float(PLACES["class_logits"][image, place, kind].sigmoid())
                hit = int(PLACES["target_class"][image, place]) == kind
                right, alpha = (p, 0.25) if hit else (1 - p, 0.75)
                lost -= alpha * (1 - right) ** 2 * float(torch.tensor(right).log())
        total += lost / max(1, int((PLACES["target_class"][image] != NONE).sum())) / 3
    assert ClassLoss()(PLACES["class_logits"], PLACES["target_class"]).item() == pytest.approx(total, rel=1e-5)


def test_places_that_answer_for_nothing_have_no_box() -> None:
    none = torch.full_like(PLACES["target_class"], NONE)
    same = {**PLACES, "distances": PLACES["target_distances"]}
    named = [NamedLoss("box", BoxLoss()), NamedLoss("centre", CentreLoss())]
    assert named[0](same).item() == pytest.approx(0, abs=1e-6)
    assert [loss({**PLACES, "target_class": none}).item() for loss in named] == [0, 0]


@pytest.mark.parametrize("loss", [PixelCrossEntropy(), PixelFocal(), Dice(), ClassLoss(), BoxLoss(), CentreLoss()])
def test_a_batch_is_the_mean_of_its_images(loss: nn.Module) -> None:
    """So several processes, and accumulated batches, give what one batch gives."""
    values = {**PLACES, "logits": LOGITS, "mask": KNOWN}
    named = NamedLoss("loss", loss)
    one_by_one = [named({name: value[n : n + 1] for name, value in values.items()}) for n in range(3)]
    torch.testing.assert_close(named(values), torch.stack(one_by_one).mean())


@pytest.mark.parametrize("loss", [PixelCrossEntropy(), PixelFocal(), Dice()])
def test_a_class_that_is_none_is_told(loss: nn.Module) -> None:
    with pytest.raises(UsageError, match="masks hold classes from 0 to 7, of 4"):
        loss(LOGITS, torch.full_like(MASK, 7).index_fill(0, torch.tensor([0]), 0))


# Evaluators. ----------------------------------------------------------------------------------------------------------


def computed(evaluator: Evaluator, batches: list[tuple[Any, Any]]) -> Any:
    evaluator.reset()
    for outputs, batch in batches:
        evaluator.update(outputs, batch)
    return evaluator.compute()


def test_mean_iou_is_that_of_all_pixels() -> None:
    logits = torch.cat([LOGITS, torch.full((3, 1, 5, 6), -9.0)], 1)  # a fifth class that nobody has
    evaluator = MeanIoU()
    evaluator.classes = "abcde"
    whole = computed(evaluator, [({"logits": logits}, {"mask": KNOWN})])
    given, known = logits.argmax(1), KNOWN != 255
    expected = {}
    for kind, name in enumerate("abcd"):
        hit, there = (given == kind) & known, kind == KNOWN
        expected[name] = float((hit & there).sum() / (hit | there).sum())
    assert whole == pytest.approx({"mean": sum(expected.values()) / 4, **expected})
    parts = [({"logits": logits[n : n + 1]}, {"mask": KNOWN[n : n + 1]}) for n in range(3)]
    assert computed(evaluator, parts) == whole
    for few in ("ab", "abcdefgh"):  # fewer names than channels, and more
        evaluator.classes = few
        found = computed(evaluator, [({"logits": logits}, {"mask": KNOWN})])
        assert list(found.values()) == list(whole.values())
        assert list(found)[1:] == [few[at] if at < len(few) else str(at) for at in range(4)]
    perfect = F.one_hot(MASK, 4).movedim(-1, 1).float()
    assert computed(MeanIoU(), [({"logits": perfect}, {"mask": MASK})])["mean"] == 1
    for logits, mask in ((LOGITS, MASK[:, :2]), (LOGITS[:, :2], MASK)):
        with pytest.raises(UsageError, match="iou: "):
            computed(MeanIoU(), [({"logits": logits}, {"mask": mask})])


def answers(boxes: Tensor, classes: Tensor, scores: Tensor) -> dict[str, Any]:
    return {
        "detections": [
            DetectionSample(predictions=InstanceData(boxes=b[k >= 0], scores=s[k >= 0], classes=k[k >= 0]))
            for b, k, s in zip(boxes, classes, scores, strict=True)
        ]
    }


def test_answers_in_crowds_are_neither_right_nor_wrong() -> None:
    """Two answers within a crowd score higher than the one that is right."""
    boxes = torch.tensor([[[2.0, 2, 12, 12], [20.0, 20, 30, 30], [25.0, 22, 33, 34]]])
    classes, scores = torch.tensor([[0, 0, 0]]), torch.tensor([[0.5, 0.9, 0.8]])
    batch = {"boxes": boxes[:, :1], "classes": classes[:, :1]}
    found = answers(boxes, classes, scores)
    assert computed(AveragePrecision(), [(found, batch)])["50"] == pytest.approx(1 / 3)
    crowds = torch.tensor([[[18.0, 18, 40, 40, 0], [0, 0, 0, 0, NONE]]])
    assert computed(AveragePrecision(), [(found, {**batch, "crowds": crowds})]) == pytest.approx(
        {"mean": 1, "50": 1, "75": 1}
    )
    crowds[..., 4] = torch.tensor([1.0, NONE])
    assert computed(AveragePrecision(), [(found, {**batch, "crowds": crowds})])["50"] == pytest.approx(1 / 3)


def test_average_precision() -> None:
    draw = random.Random(1)
    boxes = torch.stack([some_boxes(draw, 3) for _ in range(4)])
    classes = torch.tensor([[0, 1, NONE], [2, NONE, NONE], [NONE] * 3, [1, 1, 0]])
    scores = torch.rand(4, 3)
    batch = {"boxes": boxes, "classes": classes}
    assert computed(AveragePrecision(), [(answers(boxes, classes, scores), batch)]) == {"mean": 1, "50": 1, "75": 1}
    parts = [
        (
            answers(boxes[n : n + 1], classes[n : n + 1], scores[n : n + 1]),
            {name: v[n : n + 1] for name, v in batch.items()},
        )
        for n in range(4)
    ]
    assert computed(AveragePrecision(), parts)["mean"] == 1
    crowd = {"boxes": boxes.repeat(1, 50, 1), "classes": torch.full((4, 150), NONE)}  # filled up to more than others
    crowd["classes"][:, :3] = classes
    assert computed(AveragePrecision(), [parts[0], (answers(boxes, classes, scores), crowd)])["mean"] == 1
    missed = classes.clone()
    missed[0, 0] = NONE  # one of two objects of class 0
    found = computed(AveragePrecision(), [(answers(boxes, missed, scores), batch)])
    assert found["50"] == pytest.approx((51 / 101 + 1 + 1) / 3)  # 51 of the 101 recalls are reached
    none = torch.full_like(classes, NONE)
    assert computed(AveragePrecision(), [(answers(boxes, none, scores), batch)])["mean"] == 0
    assert computed(AveragePrecision(), [(answers(boxes, classes, scores), {**batch, "classes": none})]) == {}


# Tasks. ---------------------------------------------------------------------------------------------------------------


def test_scenes_hold_what_they_say() -> None:
    data = digits_scenes(train=6, val=3, size=40)
    again = digits_scenes(train=6, val=3, size=40, target="boxes")
    assert (len(data.classes), len(again.classes), len(data.train), len(data.val)) == (11, 10, 6, 3)
    batch = data.train.fetch([0, 3, 5], [1, 2, 3])
    assert all(torch.equal(value, again.train.fetch([0, 3, 5], [0, 0, 0])[name]) for name, value in batch.items())
    for image, boxes, classes, mask in zip(*batch.values(), strict=True):
        drawn = torch.zeros_like(mask)
        for box, kind in zip(boxes, classes, strict=True):
            if kind >= 0:
                held = pixels(box, size=40) & (mask == kind + 1)
                rows, columns = held.any(1).nonzero(), held.any(0).nonzero()
                tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert [int(side) for side in tight] == box.tolist()
                drawn[held] = kind + 1
        assert torch.equal(drawn, mask)
        assert (image[0][mask > 0] > 0.25).all()
    for wrong in ({"target": "mask"}, {"size": 10}, {"most": 0}, {"val": 0}):
        with pytest.raises(UsageError, match=f"{next(iter(wrong))} is"):
            digits_scenes(**wrong)  # type: ignore[arg-type]


def test_a_perfect_network_finds_everything() -> None:
    """Maps that say the truth give back the boxes and classes, to the last pixel."""
    data = digits_scenes(train=1, val=4, size=48, target="boxes")
    batch = data.val.fetch(range(4), [0] * 4)
    sizes = [(12, 12), (6, 6)]
    places = places_of(sizes, (48, 48), CPU)

    class Perfect(nn.Module):
        def forward(self, _image: Tensor) -> list[Tensor]:
            said = torch.full((4, len(places.points), 15), -20.0)
            for n in range(4):
                at = match(places, batch["boxes"][n], batch["classes"][n])
                for place in (at != NONE).nonzero().flatten().tolist():
                    away = distances_to(batch["boxes"][n][at[place]], places.points[place])
                    said[n, place, :4] = (away / places.strides[place]).log()
                    said[n, place, 4] = said[n, place, 5 + int(batch["classes"][n][at[place]])] = 20.0
            return [part.mT.reshape(4, 15, *size) for part, size in zip(said.split([144, 36], 1), sizes, strict=True)][
                ::-1
            ]

    task = Detection(Perfect(), losses=[NamedLoss("box", BoxLoss()), NamedLoss("class", ClassLoss())])
    outputs = task.infer_forward(batch)
    assert task.val_losses(outputs, batch)["loss"] < 1e-3
    for sample, boxes, classes in zip(outputs["detections"], batch["boxes"], batch["classes"], strict=True):
        real = classes >= 0
        order = sample.predictions.boxes[:, 0].argsort()
        wanted = boxes[real][:, 0].argsort()
        torch.testing.assert_close(sample.predictions.boxes[order], boxes[real][wanted])
        assert sample.predictions.classes[order].tolist() == classes[real][wanted].tolist()
    assert computed(AveragePrecision(), [(outputs, batch)])["mean"] == 1


@pytest.mark.parametrize(
    ("network", "said"),
    [(nn.Identity(), "(1, 1, 8, 8)"), (nn.Flatten(), "(1, 64)"), (nn.Conv2d(1, 5, 1), "(1, 5, 8, 8)")],
)
def test_a_network_without_places_is_told(network: nn.Module, said: str) -> None:
    with pytest.raises(UsageError, match="a detection takes maps") as caught:
        Detection(network, losses=[])({"image": torch.zeros(1, 1, 8, 8)})
    assert said in str(caught.value)


def test_a_segmentation_enlarges_its_map() -> None:
    task = Segmentation(nn.Conv2d(1, 3, 2, 2), losses=[NamedLoss("ce", PixelCrossEntropy())])
    batch = {"image": torch.rand(2, 1, 7, 10), "mask": torch.randint(0, 3, (2, 7, 10))}
    batch["mask"][0, 0] = 255
    outputs = task.infer_forward(batch)
    assert outputs["logits"].shape == (2, 3, 7, 10)
    assert torch.equal(outputs["segmentation"], outputs["logits"].argmax(1))
    assert task.metrics(outputs, batch)["pixel_accuracy"].count == 130
    assert task.losses(task(batch), batch)["loss"].requires_grad
    with pytest.raises(UsageError, match="one map of logits"):
        Segmentation(nn.Flatten(), losses=[])(batch)
