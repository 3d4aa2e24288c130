"""The commit that a network is added at."""

from __future__ import annotations

from pathlib import Path

from plainnet.files.repository import ask_git

__all__ = ["commit_of"]

OID, NONE_YET = "# branch.oid ", "(initial)"
"""How git says the commit, and that there is none."""


def commit_of(folder: Path) -> tuple[str | None, bool | None]:
    """The commit of the repository that a folder is in, and whether anything in it was changed since; (None, None) outside of
    one, and without git.
    """
    said = ask_git("status", "--porcelain=v2", "--branch", "--untracked-files=no", folder=folder)
    lines = [] if said is None else said.splitlines()
    commit = next((line.removeprefix(OID) for line in lines if line.startswith(OID)), NONE_YET)
    return (None, None) if commit == NONE_YET else (commit, any(not line.startswith("#") for line in lines))
