"""What a sample is, drawn on its image."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.engine.data.source import Batch
from plainnet.engine.data.targets import NONE
from plainnet.engine.pictures.visualizer import Visualizer, color_of

__all__ = ["class_name", "draw_targets"]


def draw_targets(picture: Visualizer, batch: Batch, classes: Sequence[str], *, target: str | None = None) -> None:
    """Draw on the image of the first sample of a batch what it is: boxes with their classes, a mask in the colours of classes, or
    the label as a text. target: the entry that says so; the first of boxes, mask and label that there is by default.
    """
    if target is None:
        target = next((name for name in ("boxes", "mask", "label") if name in batch), "")
    if target == "boxes":
        real = batch["classes"][0] != NONE
        numbers = batch["classes"][0][real].tolist()
        names, colors = [class_name(n, classes) for n in numbers], [color_of(n) for n in numbers]
        picture.boxes(batch["boxes"][0][real], colors=colors, texts=names)
    elif target == "mask":
        picture.classes(batch["mask"][0])
    elif target == "label" and batch["label"].ndim == 1:
        picture.texts([class_name(int(batch["label"][0]), classes)], [(0, 0)], colors="#ffffff")


def class_name(number: int, classes: Sequence[str]) -> str:
    """The name of a class."""
    return classes[number] if 0 <= number < len(classes) else f"no class {number}"
