"""The commit that a network is added at."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["commit_of"]

SECONDS = 10


def commit_of(folder: Path) -> tuple[str | None, bool | None]:
    """The commit of the repository that a folder is in, and whether anything in it was changed since; (None, None) outside of
    one, and without git.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None, None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
