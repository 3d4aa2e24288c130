"""Losses say what they take: by parameters, by `takes`, or as `forward(model_outputs, model_inputs)`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.configs import InvalidConfigError
from plainnet.engine import BaseLoss, Classification, NamedLoss
from plainnet.engine.tasks.losses import CrossEntropy
from plainnet.errors import UsageError

HERE = str(Path(__file__))
LOGITS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
BATCH = {"image": torch.zeros(4, 1, 2, 2), "label": torch.tensor([0, 1, 2, 0])}


class Entropy(BaseLoss):
    """Cross-entropy, written as elsewhere."""

    def __init__(self, name: str, *, factor: float = 1.0) -> None:
        super().__init__(name)
        self.factor = factor

    def forward(self, model_outputs: Any, model_inputs: Any) -> Tensor:
        return self.factor * F.cross_entropy(model_outputs["logits"], model_inputs["label"])


class Declared(nn.Module):
    """A loss of anything, which says itself what it is called with."""

    takes = ("logits", "label")

    def forward(self, *values: Tensor) -> Tensor:
        return F.cross_entropy(*values)


def losses_of(*losses: Any) -> dict[str, float]:
    task = Classification(nn.Identity(), losses=losses)
    return {name: float(value) for name, value in task.losses({"logits": LOGITS}, BATCH).items()}


@pytest.mark.parametrize("loss", [Entropy("entropy"), NamedLoss("entropy", Entropy("x")), NamedLoss("d", Declared())])
def test_each_way_is_the_same_loss(loss: Any) -> None:
    assert losses_of(loss) == losses_of(NamedLoss("entropy", CrossEntropy()))


def test_several_are_logged_by_their_names() -> None:
    found = losses_of(Entropy("one"), Entropy("two", factor=2.0))
    assert found.keys() == {"loss", "one", "two"}
    assert found["loss"] == pytest.approx(3 * found["one"])


def test_the_name_is_the_class_where_none_is_said() -> None:
    class Nameless(BaseLoss):
        pass

    assert Nameless().name == "Nameless"


def test_a_configuration_gives_the_name(configured: Callable[..., Any], trained: Callable[..., Any]) -> None:
    losses = f"[{{type: CrossEntropy}}, {{type: '{HERE}:Entropy', name: own, factor: 0.5, weight: 2}}]"
    summary = trained(f"task.losses={losses}", "train.epochs=1", "data.batch_size=512")
    assert summary.metrics["val/own"] == pytest.approx(summary.metrics["val/CrossEntropy"] / 2, rel=1e-5)
    assert summary.metrics["val/loss"] == pytest.approx(2 * summary.metrics["val/CrossEntropy"], rel=1e-5)
    with pytest.raises(InvalidConfigError, match="did you mean factor"):
        configured(f"task.losses=[{{type: '{HERE}:Entropy', facto: 1}}]")


def test_what_is_missing_is_told_with_the_loss() -> None:
    with pytest.raises(UsageError, match="the loss d takes logits, label, and there is no label"):
        Classification(nn.Identity(), losses=[NamedLoss("d", Declared())]).losses({"logits": LOGITS}, {})


@pytest.mark.parametrize("names", [["a", "b", "a"], ["loss"], ["a", "loss"], [""]])
def test_losses_have_names_of_their_own(names: list[str]) -> None:
    """Results are summed up by name: of two that are called alike one would count twice, and `loss` would be the sum itself."""
    with pytest.raises(UsageError, match="losses need names of their own, other than loss: "):
        Classification(nn.Identity(), losses=[NamedLoss(name, nn.MSELoss()) for name in names])


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_is_a_number(weight: float) -> None:
    with pytest.raises(UsageError, match=r"the weight of the loss a is .*; accepted: finite numbers"):
        NamedLoss("a", nn.MSELoss(), weight=weight)
