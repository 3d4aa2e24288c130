"""A PlainNet as a file of weights that says which network it is, and the network of such a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.blocks.rows.variants import Variant
from plainnet.errors import RunError, StructureError, UsageError
from plainnet.files.tensor_files import read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from plainnet.network.plain_net import PlainNet
    from plainnet.platforms.platform import Axes

__all__ = ["BINARY", "rebuilt", "write_network"]

BINARY = "model.safetensors"


def write_network(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:  # noqa: ARG001 - all are free
    """Write a PlainNet's weights, the conversion of platforms that rebuild it; `UsageError` for a module that is none."""
    from plainnet.network.plain_net import PlainNet

    if not isinstance(module, PlainNet):
        raise UsageError(
            f"a {type(module).__name__} is made by code of yours; accepted here: a PlainNet, which is a string"
        )
    about = {
        "structure": str(module.structure),
        "network": json.dumps(
            {
                "num_classes": module.num_classes,
                "norm_eps": module.norm_eps,
                "variant": module.variant.options(),
                "resolution": list(sample.shape[-2:]),
            }
        ),
    }
    write_tensors(folder / BINARY, module.state_dict(), metadata=about)


def rebuilt(folder: Path) -> PlainNet:
    """The network of such a folder, in evaluation mode."""
    from plainnet.network.plain_net import PlainNet

    path = folder / BINARY
    tensors, about = read_tensors(path, ours=True)
    try:
        said = json.loads(about["network"])
        net = PlainNet(
            about["structure"],
            num_classes=said["num_classes"],
            norm_eps=said["norm_eps"],
            variant=Variant(**said["variant"]),
            resolution=tuple(said["resolution"]),
            init="default",
        )
        net.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, StructureError) as error:
        raise RunError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    return net.eval()
