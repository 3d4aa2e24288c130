"""Boxes around objects, without anchors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.engine.counts import check_counts
from plainnet.engine.data.source import Batch
from plainnet.engine.elements.data_sample import DataSample
from plainnet.engine.elements.instances import InstanceData
from plainnet.engine.pictures.visualizer import color_of
from plainnet.engine.tasks.anchor_free import NONE, Places, boxes_at, distances_to, match, places_of
from plainnet.engine.tasks.boxes import non_maximum_suppression
from plainnet.engine.tasks.losses import NamedLoss
from plainnet.engine.tasks.task import Said, Task
from plainnet.errors import UsageError
from plainnet.templates.necks import FOR_A_PLACE

__all__ = ["Detection", "DetectionSample"]

PRIOR = math.log((1 - 0.01) / 0.01)
"""Taken off the class logits, so that an untrained network finds an object at one place of a hundred (Lin et al. 2017, 4.1)."""
LARGEST = 6.0
"""A distance is at most exp(6) = 403 strides."""
SURE = 0.3
"""The least score of an object that is told in words, and drawn."""


class DetectionSample(DataSample):
    """What was found in an image: `predictions` with `boxes` (M, 4) in pixels, `scores` (M,) and `classes` (M,), best first."""

    predictions: InstanceData


class Detection(Task):
    """Objects in images (N, C, H, W), found at the places of one or several maps (N, 5 + K, h, w) that the network puts out.

    The numbers of a place: the logarithms of its distances, in strides, to the left, top, right and bottom side of the object;
    the logit of how central it is there; K logits of the classes. Batches hold `boxes` (N, M, 4), left, top, right, bottom in
    pixels, and `classes` (N, M), -1 for none. Losses take `class_logits` (N, P, K), `distances` (N, P, 4), `centre_logits` (N,
    P) over the P places of all maps, and `target_class`, `target_distances`, of what they answer for. The evaluator
    `AveragePrecision` goes with it.

    scale, radius: see `match`. score: what is less sure than that is not reported. overlap: see `non_maximum_suppression`.
    most: objects reported for an image.

    Experimental: what tasks of maps and boxes take may still change.
    """

    takes_maps = True

    def __init__(
        self,
        model: nn.Module,
        *,
        losses: Sequence[NamedLoss],
        scale: float = 8.0,
        radius: float = 1.5,
        score: float = 0.05,
        overlap: float = 0.5,
        most: int = 100,
    ) -> None:
        super().__init__(model, losses=losses)
        for name, value, high in (("score", score, 1.0), ("overlap", overlap, 1.0)):
            if not 0 <= value <= high:
                raise UsageError(f"{name} is {value}; accepted: 0 to {high:g}")
        if not (scale > 0 and radius > 0):
            raise UsageError(f"scale is {scale}, radius {radius}; accepted: above 0")
        check_counts(most=most)
        self.scale, self.radius, self.score, self.overlap, self.most = scale, radius, score, overlap, most

    def train_forward(self, batch: Batch) -> dict[str, Any]:
        """What the network says of each place, and where the batch holds boxes what each answers for."""
        image = batch["image"]
        maps = self._maps(self.model(image))
        places = places_of([tuple(each.shape[-2:]) for each in maps], tuple(image.shape[-2:]), image.device)  # type: ignore[misc]
        said = torch.cat([each.flatten(2).mT for each in maps], 1)  # (N, P, 5 + K)
        outputs = {
            "distances": said[..., :4].clamp_max(LARGEST).exp() * places.strides[None, :, None],
            "centre_logits": said[..., 4],
            "class_logits": said[..., FOR_A_PLACE:] - PRIOR,
            "points": places.points,
        }
        return {**outputs, **(self._targets(places, batch) if "boxes" in batch else {})}

    def infer_forward(self, batch: Batch) -> dict[str, Any]:
        """The same, and `detections`: a `DetectionSample` for each image."""
        outputs = self.train_forward(batch)
        return {**outputs, **self.postprocess(outputs)}

    @staticmethod
    def _maps(found: Any) -> list[Tensor]:
        maps = (
            list(found.values())
            if isinstance(found, Mapping)
            else list(found)
            if isinstance(found, Sequence)
            else [found]
        )
        widths = {each.shape[1] for each in maps if isinstance(each, Tensor) and each.ndim == 4}
        if len(widths) != 1 or min(widths) <= FOR_A_PLACE or any(each.ndim != 4 for each in maps):
            shapes = ", ".join(
                str(tuple(each.shape)) if isinstance(each, Tensor) else type(each).__name__ for each in maps
            )
            raise UsageError(
                f"a detection takes maps (N, {FOR_A_PLACE} + classes, h, w) of its network, and it puts out {shapes}; a "
                "structure that ends with its maps is built with num_classes=0"
            )
        return sorted(maps, key=lambda each: -each.shape[-2] * each.shape[-1])

    @torch.no_grad()
    def _targets(self, places: Places, batch: Batch) -> dict[str, Tensor]:
        kinds, distances = [], []
        for boxes, classes in zip(batch["boxes"], batch["classes"], strict=True):
            answers = match(places, boxes, classes, scale=self.scale, radius=self.radius)
            if not len(classes):  # a batch without any object
                kinds.append(answers)
                distances.append(torch.ones(len(answers), 4, device=answers.device))
                continue
            at = answers.clamp_min(0)
            kinds.append(torch.where(answers == NONE, NONE, classes[at]))
            known = distances_to(boxes[at], places.points)
            distances.append(torch.where(answers[:, None] == NONE, torch.ones_like(known), known))
        return {"target_class": torch.stack(kinds), "target_distances": torch.stack(distances)}

    @torch.no_grad()
    def postprocess(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """`detections`: the score is sqrt(p(class) p(central))."""
        scores = (outputs["class_logits"].sigmoid() * outputs["centre_logits"].sigmoid()[..., None]).sqrt()
        boxes = boxes_at(outputs["points"], outputs["distances"])
        return {"detections": [self._found(*pair) for pair in zip(scores, boxes, strict=True)]}

    def say(self, outputs: Mapping[str, Any], classes: Sequence[str], to_image: Callable[[Tensor], Tensor]) -> Said:
        """The objects, surest first: class, score and box in pixels of the image; in words those that are sure."""
        found = outputs["detections"][0].predictions
        boxes = to_image(found.boxes.cpu()).tolist() if len(found) else []
        objects = [
            {"class": _name(classes, kind), "score": score, "box": [round(side, 2) for side in box]}
            for kind, score, box in zip(found.classes.tolist(), found.scores.tolist(), boxes, strict=True)
        ]
        shown = self._sure(found)
        places = to_image(shown.boxes.cpu()).tolist() if len(shown) else []
        words = [
            f"{_name(classes, kind)} {100 * score:.0f} % at {'{:.0f},{:.0f} to {:.0f},{:.0f}'.format(*box)}"
            for kind, score, box in zip(shown.classes.tolist(), shown.scores.tolist(), places, strict=True)
        ]
        return Said({"objects": objects}, "; ".join(words) or "nothing")

    def _sure(self, found: InstanceData) -> InstanceData:
        """What is worth telling a person: what is sure, and one class at a place."""
        found = found[found.scores >= SURE]
        alike = torch.zeros_like(found.classes)
        return found[non_maximum_suppression(found.boxes, found.scores, alike, overlap=self.overlap)]

    def draw(self, picture: Any, outputs: Mapping[str, Any], classes: Sequence[str]) -> bool:
        """Boxes with classes and scores of the objects that are sure."""
        found = self._sure(outputs["detections"][0].predictions)
        kinds = found.classes.tolist()
        texts = [
            f"{_name(classes, kind)} {100 * score:.0f} %"
            for kind, score in zip(kinds, found.scores.tolist(), strict=True)
        ]
        picture.boxes(found.boxes, colors=[color_of(kind) for kind in kinds], texts=texts)
        return True

    def _found(self, scores: Tensor, boxes: Tensor) -> DetectionSample:
        """The objects of one image: scores (P, K), boxes (P, 4)."""
        places, classes = (scores >= self.score).nonzero().unbind(1)
        values = scores[places, classes]
        best = values.argsort(descending=True, stable=True)[: 10 * self.most]
        places, classes, values = places[best], classes[best], values[best]
        stays = non_maximum_suppression(boxes[places], values, classes, overlap=self.overlap)[: self.most]
        found = InstanceData(boxes=boxes[places][stays], scores=values[stays], classes=classes[stays])
        return DetectionSample(predictions=found)


def _name(classes: Sequence[str], kind: int) -> str:
    return classes[kind] if kind < len(classes) else f"output {kind}"
