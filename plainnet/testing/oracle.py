"""What torch itself counts on a module: the slow twin that the closed forms are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from plainnet.blocks.rows.shapes import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TorchCounts", "torch_counts"]


class TorchCounts(NamedTuple):
    """Counts of a built module on one image, found by running it."""

    params: int
    macs: int
    """half of what FlopCounterMode counts"""
    activations: int
    """elements that Conv2d, ConvTranspose2d and Linear modules put out, seen by hooks"""
    convolutions: int
    out_shape: Shape


def torch_counts(module: nn.Module, shape: Shape) -> TorchCounts:
    """Count a module on the device that it is on (the meta device costs no memory), for one image of `shape`.

    The module must be free to be used up: it is put in evaluation mode.
    """
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    tally = {"activations": 0, "convolutions": 0}

    def note(part: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
        tally["activations"] += output.numel()
        tally["convolutions"] += isinstance(part, (nn.Conv2d, nn.ConvTranspose2d))

    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            part.register_forward_hook(note)
    device = next((parameter.device for parameter in module.parameters()), torch.device("meta"))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        out = module.eval()(torch.empty(1, *shape.as_list(), device=device))
    flops = counter.get_total_flops()
    assert flops % 2 == 0, "FlopCounterMode counts two for each multiply-accumulate"
    _, channels, *sides = out.shape
    return TorchCounts(
        params=sum(parameter.numel() for parameter in module.parameters()),
        macs=flops // 2,
        activations=tally["activations"],
        convolutions=tally["convolutions"],
        out_shape=Shape(channels, *(sides or (0, 0))),
    )
