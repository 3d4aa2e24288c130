"""Fixtures that every room's tests use."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from plainnet.blocks import registry

settings.register_profile("same", derandomize=True, database=None)
settings.load_profile("same")  # the same examples each time; `make fuzz` looks for others
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """With two threads and another process on the machine OpenMP spins."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Random weights do not depend on which tests ran before."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that a test declares are gone after it."""
    for name in ("_names", "_aliases"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    monkeypatch.setattr(registry, "_open", list(registry._open))
