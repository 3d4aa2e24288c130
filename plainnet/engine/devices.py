"""Where a run computes, through accelerate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from plainnet.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["DEVICES", "make_accelerator"]

DEVICES = ("auto", "cpu", "cuda", "mps")


def make_accelerator(*, precision: str, device: str) -> Accelerator:
    """An accelerator for this process; under torchrun or `accelerate launch` it joins the others (gloo on CPUs, else NCCL)."""
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError as error:
        raise MissingExtraError("accelerate", "train") from error
    if device not in DEVICES:
        raise UsageError(f"device is {device!r}; accepted: {', '.join(DEVICES)}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise UsageError(f"device is {device}, and this machine (or this build of torch) has none")
    if not torch.distributed.is_initialized():  # accelerate keeps the first settings of a process otherwise
        AcceleratorState._reset_state(reset_partial_state=True)
    torch.backends.cudnn.deterministic = True
    return Accelerator(mixed_precision=precision, cpu=device == "cpu")
