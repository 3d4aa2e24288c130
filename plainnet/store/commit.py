"""The commit that a network is added at."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["commit_of"]

SECONDS = 10
OID, NONE_YET = "# branch.oid ", "(initial)"
"""How git says the commit, and that there is none."""


def commit_of(folder: Path) -> tuple[str | None, bool | None]:
    """The commit of the repository that a folder is in, and whether anything in it was changed since; (None, None) outside of
    one, and without git.
    """
    said = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    lines = [] if said is None else said.splitlines()
    commit = next((line.removeprefix(OID) for line in lines if line.startswith(OID)), NONE_YET)
    return (None, None) if commit == NONE_YET else (commit, any(not line.startswith("#") for line in lines))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
