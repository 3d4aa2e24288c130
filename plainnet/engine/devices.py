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
        from accelerate.state import AcceleratorState, DistributedType
    except ImportError as error:
        raise MissingExtraError("accelerate", "train") from error
    if device not in DEVICES:
        raise UsageError(f"device is {device!r}; accepted: {', '.join(DEVICES)}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise UsageError(f"device is {device}, and this machine (or this build of torch) has none")
    data_parallel = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
    if not torch.distributed.is_initialized():  # accelerate keeps the first settings of a process otherwise
        AcceleratorState._reset_state(reset_partial_state=True)
    torch.backends.cudnn.deterministic = True
    try:
        accelerator = Accelerator(mixed_precision=precision, cpu=device == "cpu")
    except (ValueError, ImportError) as error:
        raise UsageError(f"precision {precision} on device {device}: {error}") from error
    if precision == "fp16" and accelerator.device.type == "cpu":
        raise UsageError("precision is fp16, which needs a GPU; accepted on a CPU: no, bf16")
    if accelerator.distributed_type not in data_parallel:
        raise UsageError(
            f"this engine trains with data parallelism, not with {accelerator.distributed_type.value}: "
            "start it with torchrun, or with an accelerate configuration without sharding"
        )
    return accelerator
