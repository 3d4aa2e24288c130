"""Pictures of validation: what a network predicts, and what its layers see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from plainnet.engine.data.batch_parts import part_of_batch
from plainnet.engine.data.pipeline import Pipeline
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.parameters import modules_matching
from plainnet.engine.pictures.target_pictures import class_name, draw_targets
from plainnet.engine.pictures.visualizer import Visualizer, feature_picture
from plainnet.engine.tasks.task import Task
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.engine.data.source import Batch
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["ShowFeatures", "ShowPredictions"]

SIDE = 160
"""Pixels that the longer side of a small image is enlarged to, about."""


class _Showing(Hook):
    """The first `count` validation samples, every `every` validations, in the first process."""

    def __init__(self, *, count: int, every: int) -> None:
        if count < 1 or every < 1:
            raise UsageError(f"count is {count} and every {every}; accepted: 1 or more")
        self.count, self.every, self.left, self.validations = count, every, 0, 0

    def before_val_epoch(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Whether it is time."""
        self.left = self.count if self.validations % self.every == 0 else 0
        self.validations += 1

    def after_val_epoch(self, trainer: Trainer, summary: Mapping[str, float]) -> None:  # noqa: ARG002
        """Stop looking."""
        self.left = 0

    def state_dict(self) -> dict[str, Any]:
        """How many validations there were."""
        return {"validations": self.validations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        self.validations = state["validations"]


class ShowPredictions(_Showing):
    """Pictures `predictions/0`, `predictions/1`, ... of the first `count` validation samples: on the left with what they are, on
    the right with what the task says of them (`Task.draw`; the class of a classification as a text).

    every: validations from one picture to the next.
    """

    priority = 65

    def __init__(self, *, count: int = 4, every: int = 1) -> None:
        super().__init__(count=count, every=every)

    def after_val_step(self, trainer: Trainer, batch: Batch, output: Any, result: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Draw the samples of the batch, as long as some are wanted."""
        if not self.left or not trainer.writers.is_open:
            return
        task, size = trainer.evaluated, trainer.count_samples(batch)
        image = _image_of(trainer, batch)
        for number in range(min(size, self.left)):
            truth, found = (_picture(image[number]) for _ in range(2))
            draw_targets(truth, part_of_batch(batch, number, size), self.classes)
            own = part_of_batch(output, number, size)
            if not isinstance(task, Task) or not task.draw(found, own, self.classes):
                found.texts([_said(own, self.classes)], [(0, 0)], colors="#ffffff")
            both = np.concatenate([truth.image, found.image], axis=1)
            trainer.show(f"predictions/{self.count - self.left}", both)
            self.left -= 1


def _said(output: Any, classes: Any) -> str:
    """The class of one sample, and how probable it is."""
    logits = output.get("logits") if isinstance(output, Mapping) else output
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        held = ", ".join(map(str, output)) if isinstance(output, Mapping) else type(output).__name__
        raise UsageError(f"ShowPredictions draws classes, or what a task's draw() draws, and the outputs are {held}")
    share, number = logits.detach().float().softmax(1)[0].max(0)
    return f"{class_name(int(number), classes)} {100 * float(share):.0f} %"


class ShowFeatures(_Showing):
    """Pictures `features/MODULE/0`, ...: what modules put out for the first `count` validation samples, dark for a map's smallest
    value and yellow for its largest.

    modules: patterns of their names (`blocks.2`, `blocks.*`). reduce: "mean" or "max" over the channels, or "top", the `top`
    channels of the largest mean side by side. on_image: the opacity with which the map lies over the image; 0 for the map alone.
    With "top" the maps are always alone.
    """

    priority = 65

    def __init__(
        self,
        *,
        modules: list[str],
        reduce: str = "mean",
        top: int = 4,
        on_image: float = 0.5,
        count: int = 2,
        every: int = 1,
    ) -> None:
        super().__init__(count=count, every=every)
        if reduce not in ("mean", "max", "top") or not 0 <= on_image <= 1 or top < 1:
            raise UsageError(
                f"reduce is {reduce!r}, top {top}, on_image {on_image}; accepted: mean, max, top; 1 or more; 0 to 1"
            )
        self.modules, self.reduce, self.top, self.on_image = modules, reduce, top, on_image
        self.handles: list[Any] = []
        self.maps: dict[str, Tensor] = {}

    def before_run(self, trainer: Trainer) -> None:
        """Look the names up, before anything is trained."""
        modules_matching(trainer.evaluated, self.modules)

    def before_val_epoch(self, trainer: Trainer) -> None:
        """Listen to the modules."""
        super().before_val_epoch(trainer)
        if self.left and trainer.writers.is_open:
            for name, module in modules_matching(trainer.evaluated, self.modules).items():
                self.handles.append(module.register_forward_hook(self._keeps(name)))

    def _keeps(self, name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4:
                self.maps[name] = output.detach()

        return hook

    def after_val_step(self, trainer: Trainer, batch: Batch, output: Any, result: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Draw what was kept."""
        if not self.handles or not self.left:
            return
        if not self.maps:
            raise UsageError(f"none of the modules {', '.join(self.modules)} puts out maps (N, C, H, W)")
        image = _image_of(trainer, batch)
        some = min(len(image), self.left)
        for name, maps in self.maps.items():
            for number in range(some):
                trainer.show(
                    f"features/{name}/{self.count - self.left + number}", self._drawn(image[number], maps[number])
                )
        self.left -= some
        self.maps.clear()
        if not self.left:
            self._let_go()

    def _drawn(self, image: Tensor, maps: Tensor) -> Any:
        picture = _picture(image)
        size = (picture.picture.height, picture.picture.width)
        found = feature_picture(maps, reduce=self.reduce, top=self.top, size=size)
        if self.reduce == "top" or self.on_image == 0:
            return found
        return picture.overlay(found, opacity=self.on_image)

    def after_val_epoch(self, trainer: Trainer, summary: Mapping[str, float]) -> None:
        """Stop listening."""
        super().after_val_epoch(trainer, summary)
        self._let_go()

    def after_run(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Stop listening, where a validation was broken off."""
        self._let_go()

    def _let_go(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.maps.clear()


def _image_of(trainer: Trainer, batch: Batch) -> Tensor:
    """The images of a batch as they were before the normalisation, (N, 1 or 3, H, W)."""
    image = batch.get("image") if isinstance(batch, Mapping) else None
    if not isinstance(image, Tensor) or image.ndim != 4:
        held = ", ".join(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
        raise UsageError(f"there is no picture to show: a batch holds {held}; accepted: image (N, C, H, W)")
    if isinstance(trainer.val_transform, Pipeline):
        image = trainer.val_transform.before_normalization(image)
    return image[:, : 1 if image.shape[1] < 3 else 3].float().clamp(0, 1)


def _picture(image: Tensor) -> Visualizer:
    return Visualizer(image, scale=max(1, SIDE // max(image.shape[-2:])))
