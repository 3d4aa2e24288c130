"""torch itself: `model.safetensors`, and the network made of its string."""

from __future__ import annotations

from pathlib import Path

from plainnet.platforms.graphs import torch_runner
from plainnet.platforms.platform import Platform, Runner
from plainnet.platforms.rebuilding import BINARY, rebuilt, write_network

__all__ = ["PLATFORM"]


def _load(folder: Path) -> Runner:
    return torch_runner(rebuilt(folder))


PLATFORM = Platform(
    "torch", "torch on the CPU, operator by operator", BINARY, write_network, _load, lambda module: module
)
