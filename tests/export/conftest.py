"""Exported folders, and how they are run: in a process of their own, outside of the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import plainnet
from plainnet.export import Network, export_network, model_source

TEXT = "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,2)SuperResIDWE2K3(32,48,2,16,1)SE(48)"

COUNT = """
def count(net, *shape):
    from torch.utils.flop_counter import FlopCounterMode
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net.eval()(torch.zeros(1, *shape))
    return {"params": sum(p.numel() for p in net.parameters()), "macs": counter.get_total_flops() // 2}
"""
"""Counts a module as torch does; for `probe`."""


@pytest.fixture(scope="session")
def network() -> Network:
    """A small network with every common kind of unit."""
    return Network(plainnet.parse(TEXT), resolution=16, num_classes=10, name="small-net")


@pytest.fixture(scope="session")
def trained(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of `network` that no initialisation gives, as a safetensors file."""
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("weights") / "trained.safetensors"
    save_file(scrambled(network.build()).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def export(network: Network, tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Callable[..., Path]:
    """Export the small network with its trained weights; one folder for each target."""
    folders: dict[tuple[str, bool], Path] = {}

    def exported(to: str, *, weights: bool = True) -> Path:
        if (to, weights) not in folders:
            folder = tmp_path_factory.mktemp("exported") / "folder"
            export_network(network, to=to, out=folder, weights=trained if weights else None)
            folders[to, weights] = folder
        return folders[to, weights]

    return exported


@pytest.fixture(scope="session")
def reference(network: Network, trained: Path) -> Any:
    """The small network with its trained weights, in evaluation mode."""
    from safetensors.torch import load_file

    module = network.build()
    module.load_state_dict(load_file(trained))
    return module.eval()


def scrambled(module: nn.Module, seed: int = 5) -> nn.Module:
    """The module with batch norms and biases that differ from channel to channel, so that every path counts."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        key: torch.rand(value.shape, generator=generator) + 0.5
        if value.dtype.is_floating_point and value.dim() == 1
        else value
        for key, value in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module


def net_class(network: Network) -> Any:
    """The module that `model.py` is."""
    module = types.ModuleType("exported_model")
    exec(compile(model_source(network), "model.py", "exec"), vars(module))
    return module


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def probe(folder: Path, code: str) -> Any:
    """Run Python in the folder, without the checkout on the path; what it prints last, read as JSON."""
    return json.loads(run(folder, "-c", code).splitlines()[-1])


def run(folder: Path, *args: str) -> str:
    """Run Python in the folder, without the checkout on the path; its standard output."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, *args], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
