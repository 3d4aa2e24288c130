"""Other counters, asked for what they say of a built network, each on a network of its own and kept quiet."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure

if TYPE_CHECKING:
    from torch import Tensor

    from plainnet.network.plain_net import PlainNet

__all__ = ["COUNTERS", "Counter", "Subject"]


@dataclass(frozen=True)
class Subject:
    """A network to be counted: it is built anew for every counter, as some of them leave traces."""

    structure: Structure
    shape: Shape
    num_classes: int | None
    variant: Variant

    def network(self) -> PlainNet:
        """The network in evaluation mode, its tensors with shapes and no contents."""
        import torch

        from plainnet.network.plain_net import PlainNet

        with torch.device("meta"):
            net = PlainNet(
                self.structure,
                num_classes=self.num_classes,
                in_channels=self.shape.channels,
                resolution=(self.shape.height, self.shape.width),
                init="default",
                use_se=self.variant.use_se,
                no_reslink=self.variant.no_reslink,
                no_bn=self.variant.no_bn,
                activation=self.variant.activation,
            )
        return net.eval()

    def image(self, device: str = "meta") -> Tensor:
        """A batch of one image, of zeros."""
        import torch

        return torch.zeros(1, *self.shape.as_list(), device=device)

    def built_output_shape(self) -> Any:
        """The shape that the built network puts out for one image, or the shapes by name."""
        import torch

        with torch.no_grad():
            found = self.network()(self.image())
        if isinstance(found, dict):
            return {name: list(value.shape[1:]) for name, value in found.items()}
        return list(found.shape[1:])


Counter = Callable[[Subject], dict[str, int]]


def _module(subject: Subject) -> dict[str, int]:
    """The tensors that the module holds."""
    return {"params": sum(parameter.numel() for parameter in subject.network().parameters())}


def _operators(subject: Subject) -> dict[str, int]:
    """The operators that torch executes, by `count_module`."""
    from plainnet.network.counting.module_counts import count_module
    from plainnet.network.counting.operator_rules import OPERATION_COLUMNS

    counts = count_module(subject.network(), (1, *subject.shape.as_list()))
    return {name: getattr(counts, name) for name in OPERATION_COLUMNS if name != "other_ops"}


def _flop_counter_mode(subject: Subject) -> dict[str, int]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        subject.network()(subject.image())
    return {"macs": counter.get_total_flops()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings and log messages of a third party."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _fvcore(subject: Subject) -> dict[str, int]:
    """fvcore traces a real run; the weights are zeros, since only shapes are counted."""
    import torch

    net = subject.network().to_empty(device="cpu")
    with _quiet(), torch.no_grad():
        for tensor in [*net.parameters(), *net.buffers()]:
            tensor.zero_()
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis, parameter_count

        image = subject.image("cpu")
        return {
            "params": int(parameter_count(net)[""]),
            "macs": int(FlopCountAnalysis(net, image).tracer_warnings("none").total()),
            "activations": int(ActivationCountAnalysis(net, image).tracer_warnings("none").total()),
        }


def _thop(subject: Subject) -> dict[str, int]:
    with _quiet():
        from thop import profile

        macs, params = profile(subject.network(), (subject.image(),), verbose=False)
    return {"params": int(params), "macs": int(macs)}


COUNTERS: dict[str, Counter] = {
    "module": _module,
    "operators": _operators,
    "FlopCounterMode": _flop_counter_mode,
    "fvcore": _fvcore,
    "thop": _thop,
}
"""The counters that `verify_counts` asks, by name."""
