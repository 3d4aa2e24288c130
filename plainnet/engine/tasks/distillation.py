"""A small network taught by a large one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.hooks import RemovableHandle

from plainnet.engine.data.source import Batch
from plainnet.engine.tasks.classification import Classification
from plainnet.engine.tasks.detection import Detection
from plainnet.engine.tasks.losses import NamedLoss
from plainnet.engine.tasks.segmentation import Segmentation
from plainnet.engine.tasks.task import Task
from plainnet.errors import UsageError, nearest

__all__ = ["DetectionDistillation", "Distillation", "SegmentationDistillation"]


Size = tuple[int, int] | None


class _Teacher:
    """A task around a frozen network that belongs to no module, so that checkpoints and averages leave it out."""

    def __init__(self, task: Task) -> None:
        self.task = task.requires_grad_(False).eval()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def on(self, device: torch.device) -> Task:
        return self.task.to(device)


class _Taught(Task):
    """What learns from a teacher, laid over the task that both have: losses are given the teacher's outputs as `teacher_...`, and
    pairs of feature maps. Used is the student alone.
    """

    trained_with: Sequence[str] = ("features",)
    without_teacher: str
    """The name of the task that the student is used with, of each class that is nothing more than this one over it."""

    def _learn_from(
        self,
        teacher: Task,
        features: Sequence[Sequence[str]],
        shape: tuple[int, int, int],
        sizes: tuple[Size, Size] = (None, None),
    ) -> None:
        self.teacher, self.pairs, self.sizes = _Teacher(teacher), _pairs(features), sizes
        self.projections = _projections(self.pairs, self.model, teacher.model, shape, sizes)

    @property
    def used_as(self) -> str | None:
        """The task without its teacher; a subclass is used as itself."""
        return type(self).__dict__.get("without_teacher")

    def train_forward(self, batch: Batch) -> dict[str, Any]:
        """The student's outputs, the teacher's (`teacher_...`), and the pairs of feature maps."""
        image = batch["image"]
        with _captured(self.model, [own for own, _ in self.pairs]) as own:
            outputs = super().train_forward({**batch, "image": _resized(image, self.sizes[0])})
        teacher = self.teacher.on(image.device)
        with torch.no_grad(), _captured(teacher.model, [other for _, other in self.pairs]) as taught:
            said = teacher.train_forward({"image": _resized(image, self.sizes[1])})
        outputs |= {f"teacher_{name}": value for name, value in said.items()}
        return outputs | _compared(self.projections, own, taught)

    def infer_forward(self, batch: Batch) -> dict[str, Any]:
        """The student's outputs, on images of its size."""
        outputs = super().train_forward({**batch, "image": _resized(batch["image"], self.sizes[0])})
        return {**outputs, **self.postprocess(outputs)}

    def network_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The student's input."""
        return shape if self.sizes[0] is None else (shape[0], *self.sizes[0])


class Distillation(_Taught, Classification):
    """Classification with `teacher_logits` and features of a frozen teacher for the losses, as the published ZenNets were
    trained.

    features: pairs [module of the model, module of the teacher]. Each student map is projected to the teacher's channels by
    a trained 1x1 convolution (no norm, no activation; it starts at N(0, 1e-4 / sqrt(C)) for C channels of the teacher), and
    the teacher's map is resized to the student's; the losses take them as `projected_features` and `teacher_features`.
    student_size, teacher_size: R or [H, W] that the images are resized to for each of the two, in training and validation;
    none: as the data are. Everything is resized bilinearly.
    Source: Lin et al., Zen-NAS (2021), the authors' published training code.
    """

    trained_with = ("features", "student_size", "teacher_size")
    without_teacher = "Classification"

    def __init__(
        self,
        model: nn.Module,
        *,
        losses: Sequence[NamedLoss],
        teacher: nn.Module,
        shape: tuple[int, int, int],
        features: Sequence[Sequence[str]] = (),
        student_size: int | Sequence[int] | None = None,
        teacher_size: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__(model, losses=losses)
        sizes = _size("student_size", student_size), _size("teacher_size", teacher_size)
        self._learn_from(Classification(teacher, losses=[]), features, shape, sizes)


class SegmentationDistillation(_Taught, Segmentation):
    """Segmentation with `teacher_logits` (N, K, H, W) of a frozen teacher for the losses, and pairs of feature maps as
    `Distillation` has them. Both see the images as the data are, so that each pixel has an answer of both.

    Experimental: what tasks of maps and boxes take may still change.
    """

    without_teacher = "Segmentation"

    def __init__(
        self,
        model: nn.Module,
        *,
        losses: Sequence[NamedLoss],
        teacher: nn.Module,
        shape: tuple[int, int, int],
        features: Sequence[Sequence[str]] = (),
        ignore_index: int = 255,
    ) -> None:
        super().__init__(model, losses=losses, ignore_index=ignore_index)
        self._learn_from(Segmentation(teacher, losses=[]), features, shape)


class DetectionDistillation(_Taught, Detection):
    """Detection with `teacher_class_logits`, `teacher_distances` and `teacher_centre_logits` of a frozen teacher for the losses
    (`DistillClasses`, `DistillBoxes`), where its maps have the places of the student's, and pairs of feature maps as
    `Distillation` has them.

    Experimental: what tasks of maps and boxes take may still change.
    """

    without_teacher = "Detection"

    def __init__(
        self,
        model: nn.Module,
        *,
        losses: Sequence[NamedLoss],
        teacher: nn.Module,
        shape: tuple[int, int, int],
        features: Sequence[Sequence[str]] = (),
        scale: float = 8.0,
        radius: float = 1.5,
        score: float = 0.05,
        overlap: float = 0.5,
        most: int = 100,
    ) -> None:
        super().__init__(model, losses=losses, scale=scale, radius=radius, score=score, overlap=overlap, most=most)
        self._learn_from(Detection(teacher, losses=[]), features, shape)


def _size(name: str, given: int | Sequence[int] | None) -> Size:
    sides = (given, given) if isinstance(given, int) else None if given is None else tuple(given)
    if sides is not None and (len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides)):
        raise UsageError(f"{name} is {given}; accepted: a side in pixels, or [height, width]")
    return None if sides is None else (sides[0], sides[1])


def _projection(channels: int, wanted: int) -> nn.Conv2d:
    """A 1x1 convolution that puts out nearly nothing at first."""
    convolution = nn.Conv2d(channels, wanted, 1)
    nn.init.normal_(convolution.weight, std=1e-4 / math.sqrt(wanted))
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # there is one
    return convolution


def _pairs(features: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    for pair in features:
        if isinstance(pair, str) or len(pair) != 2:
            raise UsageError(f"features holds {pair!r}; accepted: pairs [module of the model, module of the teacher]")
    return [(pair[0], pair[1]) for pair in features]


def _projections(
    pairs: Sequence[tuple[str, str]],
    model: nn.Module,
    teacher: nn.Module,
    shape: tuple[int, int, int],
    sizes: tuple[Size, Size] = (None, None),
) -> nn.ModuleList:
    """A projection for each pair, whose channels two empty images of `shape` show."""
    if not pairs:
        return nn.ModuleList()
    found, image, was_training = [], torch.zeros(2, *shape), model.training
    for network, size, names in zip((model, teacher), sizes, zip(*pairs, strict=True), strict=True):
        network.eval()
        with torch.no_grad(), _captured(network, names) as maps:
            network(_resized(image, size))
        found.append(maps)
    model.train(was_training)
    return nn.ModuleList(_projection(own.shape[1], other.shape[1]) for own, other in zip(*found, strict=True))


def _compared(projections: nn.ModuleList, own: Sequence[Tensor], taught: Sequence[Tensor]) -> dict[str, Any]:
    """The feature maps of both, as losses compare them: the teacher's in the student's size."""
    resized = [_resized(target, tuple(feature.shape[-2:])) for target, feature in zip(taught, own, strict=True)]
    projected = [projection(feature) for projection, feature in zip(projections, own, strict=True)]
    return {"projected_features": projected, "teacher_features": resized}


def _resized(image: Tensor, size: Size | tuple[int, ...]) -> Tensor:
    if size is None or image.shape[-2:] == size:
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)


@contextmanager
def _captured(network: nn.Module, names: Sequence[str]) -> Iterator[list[Tensor]]:
    """A list that holds what the named modules put out in the forward pass inside, once that is over."""
    found: dict[str, Tensor] = {}
    maps: list[Tensor] = []
    handles = [_capture(network, name, found) for name in dict.fromkeys(names)]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
    for name in names:
        if not isinstance(found.get(name), Tensor) or found[name].ndim != 4:
            raise UsageError(f"the module {name} puts out no feature map (N, C, H, W)")
    maps += [found[name] for name in names]


def _capture(network: nn.Module, name: str, found: dict[str, Tensor]) -> RemovableHandle:
    modules: Mapping[str, nn.Module] = dict(network.named_modules())
    if name not in modules or not name:
        near, first = nearest(name, modules), [each for each in modules if each.count(".") == 1]
        hint = f"did you mean {near}?" if near else f"accepted: {', '.join(first)}"
        raise UsageError(f"the network has no module {name}; {hint}")

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            found[name] = output.clone()  # what comes next may write over it

    return modules[name].register_forward_hook(keep)
