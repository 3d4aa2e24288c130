"""Ways to initialise a network's weights, by name."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError, nearest
from plainnet.network.channel_modules import ChannelScale, LayerNorm
from plainnet.network.modules import Residual, ResidualPart
from plainnet.network.published import INIT_GAIN

__all__ = ["INITIALIZATIONS", "initialize"]


def _norms_to_identity(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)) and part.affine:
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, (LayerNorm, ChannelScale)):
            part.reset_parameters()


def _weights(module: nn.Module, draw: Callable[[Tensor], object]) -> None:
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            draw(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    _norms_to_identity(module)


def zennas(module: nn.Module) -> None:
    """As the Zen-NAS authors trained their networks: Xavier normal with gain 3.26033, and 0 for the last batch norm of
    every residual branch.
    """
    _weights(module, _xavier)
    for part in module.modules():
        if isinstance(part, (Residual, ResidualPart)) and hasattr(part, "main"):
            last = next(reversed(list(part.main.modules())))
            if isinstance(last, nn.BatchNorm2d):
                nn.init.zeros_(last.weight)


def _xavier(weight: Tensor) -> None:
    if weight.dim() == 2:
        nn.init.normal_(weight, 0.0, INIT_GAIN * math.sqrt(2 / sum(weight.shape)))
    else:
        nn.init.xavier_normal_(weight, gain=INIT_GAIN)


def kaiming(module: nn.Module) -> None:
    """He normal (He et al. 2015), fan-out for convolutions, and N(0, 0.01) for linear layers."""
    _weights(
        module,
        lambda w: (
            nn.init.normal_(w, 0.0, 0.01)
            if w.dim() == 2
            else nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu")
        ),
    )


def gaussian(module: nn.Module) -> None:
    """Every weight from N(0, 1), without any scaling: what the Zen-score is defined on."""
    _weights(module, lambda weight: nn.init.normal_(weight))


def default(module: nn.Module) -> None:
    """What torch's layers start with."""
    for part in module.modules():
        reset = getattr(part, "reset_parameters", None)
        if callable(reset):
            reset()


INITIALIZATIONS: dict[str, Callable[[nn.Module], None]] = {
    "zennas": zennas,
    "kaiming": kaiming,
    "gaussian": gaussian,
    "default": default,
}


@torch.no_grad()
def initialize(module: nn.Module, name: str = "zennas") -> None:
    """Initialise a module in place by the name of a way; draws from torch's global generator."""
    if name not in INITIALIZATIONS:
        near = nearest(name, INITIALIZATIONS)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"unknown initialisation {name!r}; accepted: {', '.join(INITIALIZATIONS)}{hint}")
    INITIALIZATIONS[name](module)
