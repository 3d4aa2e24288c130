"""Where a run computes, through accelerate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from plainnet.engine.processes.process_group import join_launcher, process_count, process_number
from plainnet.errors import MissingExtraError, UsageError, nearest

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["DEVICES", "check_device", "launched_for_sharding", "make_accelerator"]

DEVICES = ("auto", "cpu", "cuda", "mps")
SHARDING = "ACCELERATE_USE_FSDP"
"""What `accelerate launch --use_fsdp` sets."""


def launched_for_sharding() -> bool:
    """Whether the launcher asked for FSDP."""
    wanted = os.environ.get(SHARDING, "false").lower() == "true"
    if wanted and os.environ.get("FSDP_OFFLOAD_PARAMS", "false").lower() == "true":
        raise UsageError("this engine does not offload sharded weights to the CPU: set fsdp_offload_params to false")
    return wanted


@contextmanager
def _without(variable: str) -> Iterator[None]:
    """The environment without a variable."""
    value = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[variable] = value


def check_device(device: str, *, precision: str = "no") -> None:
    """Raise `UsageError` for a device that this machine has not, or that cannot compute with that precision."""
    if device not in DEVICES:
        near = nearest(device, DEVICES)
        raise UsageError(
            f"device is {device!r}; accepted: {', '.join(DEVICES)}" + (f"; did you mean {near}?" if near else "")
        )
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise UsageError(f"device is {device}, and this machine (or this build of torch) has none")
    if precision == "fp16" and (device == "cpu" or (device == "auto" and not any(available.values()))):
        raise UsageError("precision is fp16, which needs a GPU; accepted on a CPU: no, bf16")


def make_accelerator(*, precision: str, device: str) -> Accelerator:
    """An accelerator for this process; under torchrun or `accelerate launch` it joins the others (gloo on CPUs, else NCCL)."""
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState, DistributedType
    except ImportError as error:
        raise MissingExtraError("accelerate", "train") from error
    check_device(device, precision=precision)
    join_launcher()
    started = process_count()
    # with "auto" accelerate would not join the processes of a machine without GPUs
    on_cpu = device == "cpu" or (device == "auto" and started > 1 and not torch.cuda.is_available())
    data_parallel = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
    if not torch.distributed.is_initialized():  # accelerate keeps the first settings of a process otherwise
        AcceleratorState._reset_state(reset_partial_state=True)
    local = os.environ.get("LOCAL_RANK", str(process_number()))
    if started > 1 and not on_cpu and local.isdecimal() and int(local) >= torch.cuda.device_count() > 0:
        raise UsageError(
            f"this machine has {torch.cuda.device_count()} GPUs, and process {local} (from 0) would have none; accepted: one "
            "process for each of them, or device=cpu"
        )
    torch.backends.cudnn.deterministic = True
    try:
        with _without(
            SHARDING
        ):  # the engine shards models itself, on CPUs too: see `plainnet.engine.processes.sharding`
            accelerator = Accelerator(mixed_precision=precision, cpu=on_cpu)
    except (ValueError, ImportError) as error:
        raise UsageError(f"precision {precision} on device {device}: {error}") from error
    if accelerator.num_processes != started:
        raise UsageError(f"{started} processes were started, and they cannot work together on device {device}")
    if accelerator.distributed_type not in data_parallel:
        raise UsageError(
            f"this engine trains with data parallelism (DDP, FSDP), not with {accelerator.distributed_type.value}: "
            "start it with torchrun, or with another accelerate configuration"
        )
    return accelerator
