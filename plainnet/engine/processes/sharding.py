"""A model spread over processes (FSDP): each keeps a part of the weights, of their gradients and of the optimizer's state.

torch's `fully_shard` does the work: a layer's weights are gathered when it computes and let go after it. What a checkpoint
holds is gathered to whole tensors, so that it is the file that a single process would write, and any number of processes
can take it up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from plainnet.engine.data.source import Batch
from plainnet.errors import RunError, UsageError

__all__ = [
    "check_optimizer",
    "check_state",
    "gathered",
    "in_step",
    "let_go",
    "load_module",
    "load_optimizer",
    "shard",
    "units",
]

LISTS = (nn.ModuleList, nn.ModuleDict)


def units(module: nn.Module) -> Iterator[nn.Module]:
    """The modules whose weights are gathered together: the members of the outermost sequences (a network's blocks)."""
    if not isinstance(module, (nn.Sequential, *LISTS)):
        for child in module.children():
            yield from units(child)
        return
    for member in module.children():
        if isinstance(member, LISTS):  # is never called itself
            yield from units(member)
        elif any(True for _ in member.parameters()):
            yield member


def shard(module: nn.Module, *, device: torch.device, share_buffers: bool) -> nn.Module:
    """Spread a module over all processes, in place; its parameters become other objects. It begins as the first process's.

    share_buffers: take the first process's buffers in each training step, as DDP does; not needed where they are the same.
    """
    if device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
        raise UsageError(
            f"train.sharded on the CPU needs a newer torch than {torch.__version__}; accepted: train.sharded: false, or a GPU"
        )
    for tensor in (*module.parameters(), *module.buffers()):
        torch.distributed.broadcast(tensor.detach(), 0)
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for unit in dict.fromkeys(units(module)):
        fully_shard(unit, mesh=mesh)
    fully_shard(module, mesh=mesh)
    if hasattr(module, "infer_forward"):
        register_fsdp_forward_method(module, "infer_forward")
    if share_buffers:
        module.register_forward_pre_hook(_share_buffers)
    return module


def let_go(module: nn.Module) -> None:
    """Let go of weights that were gathered for a pass without a backward pass, which would have done it."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


@torch.no_grad()
def _share_buffers(module: nn.Module, _inputs: Any) -> None:
    if module.training:
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, 0)


def gathered(value: Any, *, keep: bool) -> Any:
    """A state with whole tensors on the CPU in place of sharded ones. Every process takes part; only `keep` has a result."""
    if isinstance(value, DTensor):
        whole = value.full_tensor().detach()
        return whole.cpu() if keep else None
    if isinstance(value, Mapping):
        return {key: gathered(item, keep=keep) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(gathered(item, keep=keep) for item in value)
    return value


def check_optimizer(optimizer: torch.optim.Optimizer, module: nn.Module) -> None:
    """Raise `UsageError` if the optimizer's parameters are not the module's: sharding has replaced them."""
    known = {id(parameter) for parameter in module.parameters()}
    if any(id(parameter) not in known for group in optimizer.param_groups for parameter in group["params"]):
        raise UsageError("make the optimizer after register_model: sharding replaces the model's parameters")


def check_state(optimizer: torch.optim.Optimizer) -> None:
    """Raise `RunError` if a sharded state cannot be told apart again from what a checkpoint holds."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, DTensor) and value.shape != parameter.shape:
                raise RunError(
                    f"{type(optimizer).__name__} keeps {name} of {tuple(value.shape)} for a parameter of "
                    f"{tuple(parameter.shape)}, which cannot be saved from sharded training: take another optimizer"
                )


def _spread_like(value: Any, other: Any) -> Any:
    """A whole tensor in parts, as `other` is, where that is sharded; anything else as it is."""
    if not isinstance(other, DTensor) or not isinstance(value, Tensor) or value.shape != other.shape:
        return value
    value = value.to(other.device)
    return distribute_tensor(value, other.device_mesh, other.placements, src_data_rank=None)


def load_module(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load whole weights, which every process has, into a module that may be sharded."""
    own = module.state_dict()
    module.load_state_dict({name: _spread_like(value, own.get(name)) for name, value in weights.items()})


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load a whole state, which every process has, into an optimizer whose parameters may be sharded."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    spread = {
        number: {name: _spread_like(value, parameters[number]) for name, value in values.items()}
        for number, values in state["state"].items()
        if number < len(parameters)
    }
    optimizer.load_state_dict({**state, "state": spread})


def in_step(batches: Iterator[Batch], *, add_up: Callable[[Tensor], Tensor]) -> Iterator[tuple[Batch, bool]]:
    """Each batch with whether it counts. A sharded model computes only where all processes do, so that one that has no more
    batches repeats its last until no process has any.
    """
    batch: Batch | None = None
    while True:
        found = next(batches, None)
        if not float(add_up(torch.tensor(float(found is not None)))):
            return
        batch = found if found is not None else batch
        if batch is None:
            raise UsageError(
                "a process has no validation images, and a sharded model needs all processes: let data.val_batch_size (and "
                "the number of images) be at least the number of processes"
            )
        yield batch, found is not None
