"""Average precision against pycocotools called as COCO's own page calls it, mean IoU against counted pixels; at random."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from plainnet.engine import AveragePrecision, DetectionSample, InstanceData, MeanIoU
from plainnet.engine.evaluators.evaluator import Evaluator

Object = tuple[Any, int, float]
"""A box, its class, and whether it is a crowd, or how sure it is."""


def computed(evaluator: Evaluator, batches: list[tuple[Any, Any]]) -> Any:
    evaluator.reset()
    for outputs, batch in batches:
        evaluator.update(outputs, batch)
    return evaluator.compute()


def some_boxes(draw: Any, count: int) -> Any:
    corners = draw.random((count, 2)) * 50
    return np.concatenate([corners, corners + 1 + draw.random((count, 2)) * 25], 1).astype(np.float32)


def some_image(draw: Any, *, classes: int, many: bool, steps: int) -> tuple[list[Object], list[Object]]:
    """What is there, a quarter of it crowds, and what was found, best first: near ones, strange ones, and equal scores."""
    count = int(draw.integers(0, 7)) if draw.random() > 0.2 else 0
    boxes, kinds = some_boxes(draw, count), draw.integers(0, classes, count)
    there = [(box, int(kind), float(draw.random() < 0.25)) for box, kind in zip(boxes, kinds, strict=True)]
    near = [(box + draw.normal(0, 1, 4).astype(np.float32), kind) for box, kind, _ in there if draw.random() < 0.8]
    more = 130 if many else int(draw.integers(0, 6))
    strange = zip(some_boxes(draw, more), map(int, draw.integers(0, classes, more)), strict=True)
    shown = [(box, kind) for box, kind in (*near, *strange) if box[2] > box[0] and box[3] > box[1]]
    scores = np.round(draw.random(len(shown)) * steps) / steps
    found = [(box, kind, float(np.float32(score))) for (box, kind), score in zip(shown, scores, strict=True)]
    return there, sorted(found, key=lambda each: -each[2])


def by_coco(images: list[tuple[list[Object], list[Object]]]) -> dict[str, float]:
    def plain(image: int, box: Any, kind: int) -> dict[str, Any]:
        left, top, right, bottom = map(float, box)
        sides = [left, top, right - left, bottom - top]
        return {"image_id": image, "category_id": kind + 1, "bbox": sides, "area": sides[2] * sides[3]}

    there = [{**plain(at, box, kind), "iscrowd": int(c)} for at, (own, _) in enumerate(images) for box, kind, c in own]
    found = [{**plain(at, box, kind), "score": s} for at, (_, own) in enumerate(images) for box, kind, s in own]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(len(images))],
            "categories": [{"id": number + 1} for number in range(9)],
            "annotations": [{**entry, "id": number + 1} for number, entry in enumerate(there)],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = {name: float(evaluation.stats[at]) for name, at in (("mean", 0), ("50", 1), ("75", 2))}
    return {name: value for name, value in values.items() if value >= 0}


def as_batch(images: list[tuple[list[Object], list[Object]]]) -> tuple[Any, Any]:
    """What a task puts out, and the batch."""

    def together(of_images: list[list[Object]]) -> tuple[Any, Any]:
        most = max(1, *map(len, of_images))
        boxes, classes = torch.zeros(len(images), most, 4), torch.full((len(images), most), -1)
        for image, objects in enumerate(of_images):
            for at, (box, kind, _) in enumerate(objects):
                boxes[image, at], classes[image, at] = torch.tensor(box), kind
        return boxes, classes

    boxes, classes = together([[each for each in there if not each[2]] for there, _ in images])
    around, kinds = together([[each for each in there if each[2]] for there, _ in images])
    samples = [
        DetectionSample(
            predictions=InstanceData(
                boxes=torch.tensor(np.array([each[0] for each in found], np.float32).reshape(-1, 4)),
                scores=torch.tensor([each[2] for each in found], dtype=torch.float32),
                classes=torch.tensor([each[1] for each in found], dtype=torch.int64),
            )
        )
        for _, found in images
    ]
    crowds = torch.cat([around, kinds[..., None].float()], 2)
    return {"detections": samples}, {"boxes": boxes, "classes": classes, "crowds": crowds}


@pytest.mark.parametrize("many", [False, True])
def test_average_precision_is_cocos(many: bool) -> None:
    """Crowds, images that hold nothing, scores that are equal, and more answers than COCO counts of a class."""
    values = []
    for seed in range(8):
        draw, batches, images = np.random.default_rng(seed), [], []
        classes, steps = int(draw.integers(1, 4)), 4 if seed % 2 else 1000
        for _ in range(3):
            some = [some_image(draw, classes=classes, many=many, steps=steps) for _ in range(draw.integers(1, 5))]
            images += some
            batches.append(as_batch(some))
        found, wanted = computed(AveragePrecision(), batches), by_coco(images)
        assert found == wanted, seed
        values.append(found["50"])
    assert len(set(values)) == 8


def test_mean_iou_is_what_counted_pixels_say() -> None:
    for seed in range(40):
        draw = np.random.default_rng(seed)
        count = int(draw.integers(2, 7))
        held = np.flatnonzero((draw.random(count) < 0.7) | (np.arange(count) == 0))  # the others are absent
        masks, answers = (draw.choice(held, size=(5, 9, 7)) for _ in range(2))
        masks[draw.random(masks.shape) < 0.2] = 255
        logits = torch.tensor(np.moveaxis(np.eye(count)[answers], -1, 1))
        parts = [({"logits": logits[at]}, {"mask": torch.tensor(masks[at])}) for at in (slice(2), slice(2, 5))]
        wanted = {}
        for kind in range(count):
            there, given, known = masks == kind, answers == kind, masks != 255
            if ((there | given) & known).any():
                wanted[str(kind)] = (there & given & known).sum() / ((there | given) & known).sum()
        expected = {"mean": sum(wanted.values()) / len(wanted), **wanted}
        assert computed(MeanIoU(), parts) == pytest.approx(expected, abs=1e-12)
