"""The base of every task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from plainnet.engine.data.source import Batch
from plainnet.engine.misspelled_methods import check_methods
from plainnet.engine.tasks.losses import BaseLoss, NamedLoss, check_loss_names

__all__ = ["Said", "Task", "check_task"]

STEPS = (
    "train_forward",
    "infer_forward",
    "postprocess",
    "metrics",
    "losses",
    "val_losses",
    "deployable",
    "say",
    "draw",
)


@dataclass(frozen=True)
class Said:
    """What a task says about one image: as data, and in words."""

    plain: Mapping[str, Any]
    text: str


class Task(nn.Module):
    """A model, its losses and what its outputs mean.

    A task of yours overrides `train_forward` (outputs that the losses take), `metrics` (numbers for validation) and
    `postprocess` (what a user wants to know). Calling the task is `train_forward`, so that it can be wrapped for several
    processes.
    """

    takes_maps = False
    """Whether the network ends in maps, not in one number for each class."""

    trained_with: Sequence[str] = ()
    """Arguments that the trained network is not used with, where it is used as another task."""

    @property
    def used_as(self) -> str | None:
        """The name of the task that the trained network is used with, where that is not this one."""
        return None

    def __init__(self, model: nn.Module, *, losses: Sequence[NamedLoss | BaseLoss]) -> None:
        super().__init__()
        self.model = model
        self.named_losses = tuple(
            loss if isinstance(loss, NamedLoss) else NamedLoss(loss.name, loss) for loss in losses
        )
        check_loss_names([loss.name for loss in self.named_losses])
        self.loss_modules = nn.ModuleList([loss.module for loss in self.named_losses])

    def forward(self, batch: Batch) -> dict[str, Any]:
        """`train_forward`."""
        return self.train_forward(batch)

    def train_forward(self, batch: Batch) -> dict[str, Any]:
        """The outputs that losses and metrics take."""
        return {"logits": self.model(batch["image"])}

    def infer_forward(self, batch: Batch) -> dict[str, Any]:
        """The outputs of a model in use, with what `postprocess` adds."""
        outputs = {"logits": self.model(batch["image"])}
        return {**outputs, **self.postprocess(outputs)}

    def postprocess(self, outputs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """What the outputs mean."""
        return {}

    def metrics(self, outputs: Mapping[str, Any], batch: Batch) -> dict[str, Any]:  # noqa: ARG002
        """Numbers by name: a `Ratio`, or the mean over the batch."""
        return {}

    def losses(self, outputs: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
        """Each loss by name, and `loss`, their weighted sum."""
        return self._summed(_values(outputs, batch), required=True)

    def _summed(self, values: dict[str, Any], *, required: bool) -> dict[str, Tensor]:
        if "target" not in values and "label" in values:
            values["target"] = values["label"]
        losses = [loss for loss in self.named_losses if required or all(key in values for key in loss.takes)]
        if not losses:
            return {}
        results = {loss.name: loss(values) for loss in losses}
        weighted = [results[loss.name] * loss.weight if loss.weight != 1.0 else results[loss.name] for loss in losses]
        total = sum(weighted[1:], weighted[0])
        return {"loss": total, **results} if len(self.named_losses) > 1 else {"loss": total}

    def val_losses(self, outputs: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
        """The losses of validation: those whose inputs exist there (a teacher's outputs do not), and their sum."""
        return self._summed(_values(outputs, batch), required=False)

    def say(
        self,
        outputs: Mapping[str, Any],  # noqa: ARG002
        classes: Sequence[str],  # noqa: ARG002
        to_image: Callable[[Tensor], Tensor],  # noqa: ARG002
    ) -> Said | None:
        """What the outputs for one image (a batch of one) mean; None where they show themselves: `plainnet predict` then
        prints classes, or the outputs that are a few numbers.

        to_image: boxes (N, 4) in pixels of the network's input -> in those of the image that was given.
        """
        return None

    def draw(self, picture: Any, outputs: Mapping[str, Any], classes: Sequence[str]) -> bool:  # noqa: ARG002
        """Draw what the outputs for one image mean on it, as the network saw it (a `Visualizer`); False where there is nothing
        to draw.
        """
        return False

    def network_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """What the deployable network takes, (C, H, W), where the data's images are of `shape`."""
        return shape

    def deployable(self) -> nn.Module:
        """The module whose weights are what the training is for."""
        return self.model


def _values(outputs: Mapping[str, Any], batch: Batch) -> dict[str, Any]:
    """What losses are called with: everything by its name, and all outputs and the whole batch under a name each."""
    return {"model_outputs": outputs, "model_inputs": batch, **batch, **outputs}


def check_task(model: nn.Module) -> None:
    """Raise `UsageError` for a task with a misspelt method, which would never be called."""
    if isinstance(model, Task):
        check_methods(model, STEPS, called="method of a task")
