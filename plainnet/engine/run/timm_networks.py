"""Networks of timm by name, as models and teachers of a configuration."""

from __future__ import annotations

from typing import Any

from torch import nn

from plainnet.errors import UsageError

__all__ = ["timm"]


def timm(*, name: str, pretrained: bool = False, **arguments: Any) -> nn.Module:
    """The network that timm knows by this name, with timm's own arguments (num_classes, in_chans, ...).

    pretrained: with the weights that timm fetches. Raises `UsageError` for what timm does not make.
    """
    try:
        from timm import create_model
    except ImportError as error:
        # no extra of ours: timm brings torchvision, which has to fit the torch that is there
        raise UsageError(
            "timm is needed here, and a torchvision that fits your torch: pip install timm torchvision"
        ) from error
    try:
        network: nn.Module = create_model(name, pretrained=pretrained, **arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"timm makes no {name} of that: {error}") from error
    return network
