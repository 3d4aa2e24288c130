"""A small network taught by a large one."""

from __future__ import annotations

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
    """Classification with `teacher_logits` and features of a frozen teacher for the losses.

    features: pairs [module of the model, module of the teacher]. Each student map is projected to the teacher's channels by
    a trained 1x1 convolution (no norm, no activation) and resized to the teacher's map; the losses take them as
    `projected_features` and `teacher_features`. As the published ZenNets were trained, with logits and features.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        losses: Sequence[NamedLoss],
        teacher: nn.Module,
        shape: tuple[int, int, int],
        features: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__(model, losses=losses)
        self.teacher = _Teacher(teacher)
        self.pairs = [(pair[0], pair[1]) for pair in features if _is_pair(pair)]
        self.projections = nn.ModuleList()
        if self.pairs:
            image = torch.zeros(2, *shape)
            was_training = model.training
            model.eval()
            with torch.no_grad():
                student, _ = _features(model, [pair[0] for pair in self.pairs], image)
                taught, _ = _features(teacher, [pair[1] for pair in self.pairs], image)
            model.train(was_training)
            for own, other in zip(student, taught, strict=True):
                self.projections.append(nn.Conv2d(own.shape[1], other.shape[1], 1))

    @property
    def used_as(self) -> str | None:
        """Nothing but a classification, without its teacher."""
        return "Classification" if type(self) is Distillation else None

    def train_forward(self, batch: Batch) -> dict[str, Any]:
        """Logits of both, and the pairs of feature maps."""
        image = batch["image"]
        own, logits = _features(self.model, [pair[0] for pair in self.pairs], image)
        with torch.no_grad():
            teacher = self.teacher.on(image.device)
            taught, teacher_logits = _features(teacher, [pair[1] for pair in self.pairs], image)
        projected = [
            _resized(projection(feature), target)
            for projection, feature, target in zip(self.projections, own, taught, strict=True)
        ]
        return {
            "logits": logits,
            "teacher_logits": teacher_logits,
            "projected_features": projected,
            "teacher_features": taught,
        }


def _is_pair(pair: Sequence[str]) -> bool:
    if isinstance(pair, str) or len(pair) != 2:
        raise UsageError(f"features holds {pair!r}; accepted: pairs [module of the model, module of the teacher]")
    return True


def _resized(feature: Tensor, target: Tensor) -> Tensor:
    if feature.shape[-2:] == target.shape[-2:]:
        return feature
    return F.interpolate(feature, size=target.shape[-2:], mode="bilinear", align_corners=False)


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

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        found[name] = output

    return modules[name].register_forward_hook(keep)
