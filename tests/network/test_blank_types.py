"""A module that does not run on inputs of a type is not counted on them either, though torch does not notice without contents."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.network.counting.module_counts import count_module
from plainnet.network.counting.training_counts import count_training
from plainnet.profiler.memory import measure_memory

TYPES = (torch.int64, torch.uint8, torch.bool, torch.float64, torch.bfloat16)
MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(8, 4), (2, 8)),
    "linear without bias": (lambda: nn.Linear(8, 4, bias=False), (2, 8)),
    "linear of sequences": (lambda: nn.Linear(8, 4), (2, 3, 8)),
    "convolution": (lambda: nn.Conv2d(3, 4, 3), (1, 3, 8, 8)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3), (1, 3, 8, 8)),
    "batch norm": (lambda: nn.BatchNorm2d(3), (1, 3, 8, 8)),
    "gelu": (nn.GELU, (2, 8)),
    "silu": (nn.SiLU, (2, 8)),
    "hardswish": (nn.Hardswish, (2, 8)),
    "softmax": (lambda: nn.Softmax(1), (2, 8)),
    "relu": (nn.ReLU, (2, 8)),
    "pooling": (lambda: nn.AvgPool2d(2), (1, 3, 8, 8)),
}


def runs(call: Callable[[], Any]) -> bool:
    try:
        with torch.no_grad():
            call()
    except (UsageError, RuntimeError, NotImplementedError):
        return False
    return True


def refused(name: str) -> list[torch.dtype]:
    """The types that torch itself refuses, with contents; as a check of the check, float32 is not one of them."""
    build, shape = MODULES[name]
    module = build().eval()
    assert runs(lambda: module(torch.ones(shape)))
    return [kind for kind in TYPES if not runs(lambda kind=kind: module(torch.ones(shape, dtype=kind)))]


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ("relu", "pooling", "batch norm")])
def test_what_torch_refuses_is_refused_in_torchs_words(name: str) -> None:
    build, shape = MODULES[name]
    kinds = refused(name)
    assert torch.int64 in kinds
    for kind in kinds:
        image = torch.ones(shape, dtype=kind)
        for measure in (count_module, measure_memory):
            with pytest.raises(UsageError, match="does not run"):
                measure(build(), inputs=[image])


@pytest.mark.parametrize("name", MODULES)
def test_what_torch_runs_is_counted(name: str) -> None:
    build, shape = MODULES[name]
    taken = [kind for kind in (*TYPES, torch.float32) if kind not in refused(name)]
    assert all(count_module(build(), inputs=[torch.ones(shape, dtype=kind)]).operators for kind in taken)


def test_a_module_in_half_precision_and_autocast_are_counted() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 4)

        def forward(self, value: Tensor) -> Any:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.linear(value)

    assert count_module(nn.Linear(8, 4).bfloat16(), (2, 8)).macs == 64
    assert count_module(Mixed(), (2, 8)).macs == 64


def test_a_step_of_training_on_whole_numbers_is_refused() -> None:
    with pytest.raises(UsageError, match="does not run"):
        count_training(nn.Linear(8, 4), inputs=[torch.ones(2, 8, dtype=torch.int64)])
