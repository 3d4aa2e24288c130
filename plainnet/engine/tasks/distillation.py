"""A small network taught by a large one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.hooks import RemovableHandle

from plainnet.engine.data.source import Batch
from plainnet.engine.tasks.classification import Classification
from plainnet.engine.tasks.losses import NamedLoss
from plainnet.errors import UsageError, nearest

__all__ = ["Distillation"]


class _Teacher:
    """A frozen network that belongs to no module, so that checkpoints and averages leave it out."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.requires_grad_(False).eval()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def on(self, device: torch.device) -> nn.Module:
        return self.network.to(device)


class Distillation(Classification):
    """Classification with `teacher_logits` and features of a frozen teacher for the losses, as the published ZenNets were
    trained.

    features: pairs [module of the model, module of the teacher]. Each student map is projected to the teacher's channels by
    a trained 1x1 convolution (no norm, no activation; it starts at N(0, 1e-4 / sqrt(C)) for C channels of the teacher), and
    the teacher's map is resized to the student's; the losses take them as `projected_features` and `teacher_features`.
    student_size, teacher_size: R or [H, W] that the images are resized to for each of the two, in training and validation;
    none: as the data are. Everything is resized bilinearly.
    Source: Lin et al., Zen-NAS (2021), the authors' published training code.
    """

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
        self.teacher = _Teacher(teacher)
        self.sizes = _size("student_size", student_size), _size("teacher_size", teacher_size)
        self.pairs = [(pair[0], pair[1]) for pair in features if _is_pair(pair)]
        self.projections = nn.ModuleList()
        if self.pairs:
            image = torch.zeros(2, *shape)
            was_training = model.training
            model.eval()
            with torch.no_grad():
                student, _ = _features(model, [pair[0] for pair in self.pairs], _resized(image, self.sizes[0]))
                taught, _ = _features(teacher, [pair[1] for pair in self.pairs], _resized(image, self.sizes[1]))
            model.train(was_training)
            for own, other in zip(student, taught, strict=True):
                self.projections.append(_projection(own.shape[1], other.shape[1]))

    @property
    def used_as(self) -> str | None:
        """Nothing but a classification, without its teacher."""
        return "Classification" if type(self) is Distillation else None

    def train_forward(self, batch: Batch) -> dict[str, Any]:
        """Logits of both, and the pairs of feature maps."""
        image = batch["image"]
        own, logits = _features(self.model, [pair[0] for pair in self.pairs], _resized(image, self.sizes[0]))
        with torch.no_grad():
            teacher = self.teacher.on(image.device)
            taught, teacher_logits = _features(
                teacher, [pair[1] for pair in self.pairs], _resized(image, self.sizes[1])
            )
            taught = [_resized(target, tuple(feature.shape[-2:])) for target, feature in zip(taught, own, strict=True)]
        return {
            "logits": logits,
            "teacher_logits": teacher_logits,
            "projected_features": [
                projection(feature) for projection, feature in zip(self.projections, own, strict=True)
            ],
            "teacher_features": taught,
        }

    def infer_forward(self, batch: Batch) -> dict[str, Any]:
        """The student's outputs on images of its size."""
        return super().infer_forward({**batch, "image": _resized(batch["image"], self.sizes[0])})

    def network_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The student's input."""
        return shape if self.sizes[0] is None else (shape[0], *self.sizes[0])


Size = tuple[int, int] | None


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


def _is_pair(pair: Sequence[str]) -> bool:
    if isinstance(pair, str) or len(pair) != 2:
        raise UsageError(f"features holds {pair!r}; accepted: pairs [module of the model, module of the teacher]")
    return True


def _resized(image: Tensor, size: Size | tuple[int, ...]) -> Tensor:
    if size is None or image.shape[-2:] == size:
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)


def _features(network: nn.Module, names: Sequence[str], image: Tensor) -> tuple[list[Tensor], Tensor]:
    """The outputs of the named modules in a forward pass, and the network's own."""
    found: dict[str, Tensor] = {}
    handles = [_capture(network, name, found) for name in dict.fromkeys(names)]
    try:
        logits = network(image)
    finally:
        for handle in handles:
            handle.remove()
    for name in names:
        if not isinstance(found.get(name), Tensor) or found[name].ndim != 4:
            raise UsageError(f"the module {name} puts out no feature map (N, C, H, W)")
    return [found[name] for name in names], logits


def _capture(network: nn.Module, name: str, found: dict[str, Tensor]) -> RemovableHandle:
    modules: Mapping[str, nn.Module] = dict(network.named_modules())
    if name not in modules or not name:
        near = nearest(name, modules)
        raise UsageError(f"the network has no module {name}" + (f"; did you mean {near}?" if near else ""))

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            found[name] = output.clone()  # what comes next may write over it

    return modules[name].register_forward_hook(keep)
