"""The module, the images and the labels that a proxy's function gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn

from plainnet.blocks.rows.shapes import as_input_shape
from plainnet.errors import UsageError
from plainnet.network.plain_net import PlainNet
from plainnet.network.undisturbed import restored_state
from plainnet.proxies.contract import Proxy
from plainnet.proxies.sampled.lent_module import untouched
from plainnet.proxies.sampled.tensor_devices import torch_device

if TYPE_CHECKING:
    from plainnet.proxies.subject import Request, Subject

__all__ = ["lent_tensors"]

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)

_LOW_PRECISION = (torch.float16, torch.bfloat16)


@contextmanager
def lent_tensors(
    subject: Subject, made: Proxy, request: Request, seed: int, inputs: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """`device`, and of `module`, `images` and `labels` what is asked for, drawn from `seed`.

    Afterwards a module that was given is as it was, and so are the random generators, the grad mode and the threads.
    """
    device = torch_device(subject.device_name(request))
    with ExitStack() as stack:
        stack.enter_context(restored_state(device=device))
        stack.enter_context(torch.enable_grad())
        _seed_generators(seed, device)
        found: dict[str, Any] = {"device": device}
        if "module" in inputs:
            found["module"] = _module(stack, subject, made, request, device)
        if "images" in inputs or "labels" in inputs:
            found.update(_batch(subject, made, request, seed, device, found.get("module")))
        yield found


def _seed_generators(seed: int, device: torch.device) -> None:
    """Seed the generators that are put back afterwards, and no others."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def _module(stack: ExitStack, subject: Subject, made: Proxy, request: Request, device: torch.device) -> nn.Module:
    if subject.module is not None:
        module = subject.module
        if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
            raise UsageError("a scripted or traced module cannot be scored; accepted: the module that it was made from")
        stack.enter_context(untouched(module))
        # gradients and small differences are lost in 8 or 11 bits
        module.to(device, torch.float32 if _dtype(module) in _LOW_PRECISION else None)
        if request.init is not None:
            from plainnet.network.initialization import initialize

            initialize(module, request.init)
    else:
        assert subject.structure is not None
        module = PlainNet(
            subject.structure, num_classes=subject.classes(request), in_channels=subject.in_channels,
            resolution=request.size, init=request.init or made.init, **subject.network.options(),  # type: ignore[arg-type]
        ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # fmt: skip
    module.train()
    for part in module.modules():
        if isinstance(part, _DROPOUTS):
            part.eval()
    return module


def _batch(
    subject: Subject, made: Proxy, request: Request, seed: int, device: torch.device, module: nn.Module | None
) -> dict[str, Tensor]:
    """Images and labels of one repeat."""
    generator = Generator().manual_seed(seed)
    number = request.batch * made.batches
    shape = as_input_shape(subject.in_channels, request.size)
    chosen = None
    if request.images is None:
        images = torch.randn(number, *shape, generator=generator)
    else:
        chosen = torch.randperm(len(request.images), generator=generator)[:number]
        images = request.images[chosen.to(request.images.device)].float()
        if images.shape[1] != subject.in_channels:
            raise UsageError(f"images have {images.shape[1]} channels, and the network takes {subject.in_channels}")
    found = {"images": images.to(device, _dtype(module), memory_format=torch.channels_last)}
    if request.labels is None:
        return found
    if isinstance(request.labels, str):
        classes = _classes(subject, request, found["images"], module)
        labels = torch.randint(classes, (number,), generator=generator)
    else:
        assert chosen is not None
        labels = request.labels[chosen.to(request.labels.device)].long()
    return {**found, "labels": labels.to(device)}


def _dtype(module: nn.Module | None) -> torch.dtype:
    """The type of a module's weights."""
    parameters = module.parameters() if module is not None else iter(())
    return next((p.dtype for p in parameters if p.is_floating_point()), torch.float32)


def _classes(subject: Subject, request: Request, images: Tensor, module: nn.Module | None) -> int:
    """How many classes there are: a module's outputs, found by running it on two images."""
    if isinstance(module, PlainNet) or module is None:
        return getattr(module, "num_classes", 0) or subject.classes(request)
    if request.num_classes is not None:
        return request.num_classes
    with torch.no_grad():
        out = module(images[:2])
    if not isinstance(out, Tensor) or out.dim() != 2:
        raise UsageError("random labels need a classifier, with an output of (N, classes), or num_classes")
    return out.shape[1]
