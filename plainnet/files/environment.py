"""Where something ran: versions, the machine, the state of the sources, the command line."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version

from plainnet.files.repository import ask_git

__all__ = ["environment_lines"]

PACKAGES = ("plainnet", "torch", "numpy", "accelerate")


def environment_lines() -> list[str]:
    """What a reader of a log needs to make the same again, a fact a line; torch is not imported for it."""
    return [
        f"command: {shlex.join([os.path.basename(sys.argv[0] or 'python'), *sys.argv[1:]])}",
        f"folder: {os.getcwd()}",
        f"versions: Python {platform.python_version()}, {', '.join(_versions())}",
        f"machine: {platform.platform()}, {platform.machine()}, {os.cpu_count()} cores",
        f"git: {git_state()}",
    ]


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return found


def git_state() -> str:
    """The commit of the repository that the current folder is in, and how many files differ from it; "none" without one."""
    commit = ask_git("rev-parse", "HEAD")
    if not commit:
        return "none"
    changes = ask_git("status", "--porcelain")
    count = len(changes.splitlines()) if changes is not None else None
    said = "unknown changes" if count is None else f"{count} changed files" if count else "clean"
    return f"{commit.strip()}, {said}"
