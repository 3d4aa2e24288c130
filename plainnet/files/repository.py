"""What git says of the repository that a folder is in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["ask_git"]

SECONDS = 10
"""That git has for an answer: repositories may lie on slow disks."""


def ask_git(*words: str, folder: Path | None = None) -> str | None:
    """git's answer; None where there is no git, no repository, or no answer in time. folder: None for the current one.

    Nothing is locked: a process that is killed while git answers would leave `index.lock`, and then git refuses its user's
    next command.
    """
    place = [] if folder is None else ["-C", str(folder)]
    try:
        done = subprocess.run(
            ["git", *place, *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
