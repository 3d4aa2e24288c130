"""Evaluators of a detection."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.source import Batch
from plainnet.engine.evaluators.evaluator import Evaluator
from plainnet.errors import MissingExtraError

__all__ = ["AveragePrecision"]


class AveragePrecision(Evaluator):
    """COCO's average precision: `ap/mean` over the overlaps .50, .55, ... .95, `ap/50` and `ap/75`; the 100 surest objects of a
    class in an image.

    Computed by pycocotools. A value is left out where there is no object to find. Where a batch has `crowds` (N, K, 5), an answer
    that lies in one of its class counts neither as right nor as wrong.
    """

    name = "ap"
    SHOWN = {"mean": 0, "50": 1, "75": 2}
    """Our names -> places in COCOeval's `stats`."""

    def update(self, outputs: Any, batch: Batch) -> None:
        """Keep what was found and what is there, as rows: (N, L, 6) and (N, M, 6); L and M may differ from batch to batch."""
        answers = [sample.predictions for sample in outputs["detections"]]
        found = torch.full((len(answers), max(map(len, answers), default=0), 6), -1.0, dtype=torch.float64)
        for rows, own in zip(found, answers, strict=True):
            rows[: len(own)] = torch.cat([own.boxes, own.scores[:, None], own.classes[:, None]], 1)
        self.keep("found", found)
        wanted = F.pad(torch.cat([batch["boxes"].double(), batch["classes"].double()[..., None]], 2), (0, 1))
        if "crowds" in batch:
            wanted = torch.cat([wanted, F.pad(batch["crowds"].double(), (0, 1), value=1.0)], 1)
        self.keep("wanted", wanted.cpu())

    def compute(self) -> Mapping[str, float | Tensor]:
        """`ap/mean`, `ap/50`, `ap/75`."""
        try:
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval
        except ImportError as error:
            raise MissingExtraError("pycocotools", "detect") from error
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = _dataset(self.parts["wanted"])
            truth.createIndex()
            answers = COCO()
            answers.dataset = {**truth.dataset, "annotations": _answers(self.parts["found"])}
            answers.createIndex()
            evaluation = COCOeval(truth, answers, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        values = {name: float(evaluation.stats[at]) for name, at in self.SHOWN.items()}
        return {name: value for name, value in values.items() if value >= 0}


def _rows(parts: Sequence[Tensor], column: int) -> list[tuple[int, list[float]]]:
    """Each object with the number of its image; those whose class, in `column`, is none only fill up a batch."""
    images = [objects for part in parts for objects in part.tolist()]
    return [(image, row) for image, objects in enumerate(images) for row in objects if row[column] >= 0]


def _dataset(wanted: Sequence[Tensor]) -> dict[str, Any]:
    rows = _rows(wanted, 4)
    kinds = sorted({int(row[4]) for _, row in rows})
    return {
        "images": [{"id": image + 1} for image in range(sum(map(len, wanted)))],
        "categories": [{"id": kind + 1} for kind in kinds],
        "annotations": [
            _annotation(number, image, row[:4], row[4], is_crowd=row[5] == 1)
            for number, (image, row) in enumerate(rows)
        ],
    }


def _answers(found: Sequence[Tensor]) -> list[dict[str, Any]]:
    rows = enumerate(_rows(found, 5))
    return [{**_annotation(number, image, row[:4], row[5]), "score": row[4]} for number, (image, row) in rows]


def _annotation(number: int, image: int, box: list[float], kind: float, *, is_crowd: bool = False) -> dict[str, Any]:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    size = {"bbox": [left, top, width, height], "area": width * height, "iscrowd": int(is_crowd)}
    return {"id": number + 1, "image_id": image + 1, "category_id": int(kind) + 1, **size}
