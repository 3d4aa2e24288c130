"""Losses. Each says by its parameters' names what it takes from the outputs and the batch; each is a mean over the batch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.errors import PlainnetError, UsageError, nearest

__all__ = [
    "BaseLoss",
    "CrossEntropy",
    "DistillFeatures",
    "DistillLogits",
    "NamedLoss",
    "check_loss_names",
    "smooth_targets",
]


def smooth_targets(target: Tensor, *, smoothing: float) -> Tensor:
    """Probabilities (N, K) mixed with the uniform ones: (1 - smoothing) target + smoothing / K."""
    return target * (1 - smoothing) + smoothing / target.shape[1]


class CrossEntropy(nn.Module):
    """-sum(target log softmax(logits)), mean over the batch; `label_smoothing` mixes the target with the uniform one.

    `target` holds class numbers (N,) or probabilities (N, K), as mixup and CutMix make them.
    """

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise UsageError(f"label_smoothing is {label_smoothing}; accepted: 0 to below 1")
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits (N, K) and target to a scalar; validation is not smoothed."""
        return F.cross_entropy(logits, target, label_smoothing=self.label_smoothing if self.training else 0.0)


class DistillLogits(nn.Module):
    """T^2 KL(softmax(teacher_logits / T) || softmax(logits / T)), mean over the batch, and over the pixels of maps.

    Source: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network (2015), section 2.
    """

    def __init__(self, *, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise UsageError(f"temperature is {temperature}; accepted: above 0")
        self.temperature = temperature

    def forward(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Logits of the student and of the teacher, (N, K) or (N, K, H, W) each, to a scalar."""
        if logits.shape != teacher_logits.shape:
            own, other = tuple(logits.shape), tuple(teacher_logits.shape)
            raise UsageError(f"the student's logits are {own}, the teacher's {other}; accepted: logits of one shape")
        student = F.log_softmax(logits / self.temperature, dim=1)
        teacher = F.log_softmax(teacher_logits / self.temperature, dim=1)
        return F.kl_div(student, teacher, reduction="none", log_target=True).sum(1).mean() * self.temperature**2


class DistillFeatures(nn.Module):
    """The difference of the student's projected feature maps and the teacher's: a mean over each level, summed over levels.

    distance: "smooth_l1" (d^2 / 2 for |d| < 1, |d| - 1/2 beyond; as the published ZenNets were trained), or "mse" (d^2;
    Romero et al., FitNets, 2015).
    """

    DISTANCES = {"smooth_l1": F.smooth_l1_loss, "mse": F.mse_loss}

    def __init__(self, *, distance: str = "smooth_l1") -> None:
        super().__init__()
        if distance not in self.DISTANCES:
            near = nearest(distance, self.DISTANCES)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"distance is {distance!r}; accepted: {', '.join(self.DISTANCES)}{hint}")
        self.distance = distance

    def forward(self, projected_features: Sequence[Tensor], teacher_features: Sequence[Tensor]) -> Tensor:
        """Pairs of maps (N, C, H, W) to a scalar."""
        pairs = list(zip(projected_features, teacher_features, strict=True))
        if not pairs:
            raise UsageError("DistillFeatures compares feature maps, and the task names none: give it features")
        losses = [self.DISTANCES[self.distance](student, teacher) for student, teacher in pairs]
        return sum(losses[1:], losses[0])


class BaseLoss(nn.Module):
    """The base of a loss that takes everything: `forward(model_outputs, model_inputs)` is given the task's outputs and the batch,
    each as one mapping, and gives a scalar, the mean over the batch.

    name: what it is called in the logs; its class by default. A task takes such losses as they are, a configuration by `type`.

        class Margin(BaseLoss):
            def forward(self, model_outputs, model_inputs):
                return multi_margin_loss(model_outputs["logits"], model_inputs["label"])
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        self.name = name or type(self).__name__

    def forward(self, model_outputs: Mapping[str, Any], model_inputs: Mapping[str, Any]) -> Tensor:
        """The loss of a batch."""
        raise NotImplementedError


@dataclass
class NamedLoss:
    """A loss with its name in the logs, its weight in the sum, and the keys it is called with: those given, or those that the
    module names itself (`takes`), or the names of its parameters. `model_outputs` and `model_inputs` mean all of them.
    """

    name: str
    module: nn.Module
    weight: float = 1.0
    takes: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise UsageError(f"the weight of the loss {self.name} is {self.weight}; accepted: finite numbers")
        if not self.takes:
            self.takes = tuple(getattr(self.module, "takes", ()) or inspect.signature(self.module.forward).parameters)

    def __call__(self, values: Mapping[str, Any]) -> Tensor:
        """The loss on the outputs and the batch, merged into one mapping."""
        try:
            arguments = [values[key] for key in self.takes]
        except KeyError as error:
            key = str(error.args[0])
            near = nearest(key, values)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(
                f"the loss {self.name} takes {', '.join(self.takes)}, and there is no {key} among {', '.join(values)}{hint}"
            ) from None
        try:
            loss: Tensor = self.module(*arguments)
        except (TypeError, ValueError, IndexError, RuntimeError) as error:
            if isinstance(error, PlainnetError | torch.OutOfMemoryError):
                raise
            given = " and ".join(f"{key} {_described(value)}" for key, value in zip(self.takes, arguments, strict=True))
            raise UsageError(f"the loss {self.name} cannot take {given}: {str(error).partition(chr(10))[0]}") from error
        return loss


def check_loss_names(names: Sequence[str]) -> None:
    """Raise `UsageError` unless each loss has a name of its own: they are logged, and summed up, by it."""
    wrong = sorted({name for name in names if names.count(name) > 1 or name in ("loss", "")})
    if wrong:
        raise UsageError(
            f"losses need names of their own, other than loss: {', '.join(name or repr(name) for name in wrong)}"
        )


def _described(value: Any) -> str:
    return (
        f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        if isinstance(value, Tensor)
        else repr(value)[:60]
    )
