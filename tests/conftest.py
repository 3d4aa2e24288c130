"""Fixtures that every room's tests use."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """With two threads and another process on the machine OpenMP spins."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
