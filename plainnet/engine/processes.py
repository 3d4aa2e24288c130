"""Which of several processes this is, without asking torch."""

from __future__ import annotations

import os

__all__ = ["is_main_process"]


def is_main_process() -> bool:
    """Whether this is the only process, or the first of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"
