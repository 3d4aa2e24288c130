"""Blocks of the user's own, from a Python file."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from plainnet.errors import PlainnetError, UsageError

__all__ = ["load_blocks", "load_python_file"]


def load_python_file(path: str | Path, prefix: str = "plainnet_user") -> ModuleType:
    """Import a Python file under a name of its own; `UsageError` if that fails. A file that is loaded again runs again."""
    file = Path(path).resolve()
    if not file.is_file():
        raise UsageError(f"no file {path}")
    name = f"{prefix}_{file.stem}_{hashlib.blake2b(str(file).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        # not through the loader: its bytecode cache takes a file that was changed within a second for the old one
        exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), vars(module))
    except PlainnetError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def load_blocks(path: str | Path) -> ModuleType:
    """Import a file with blocks: its classes are then read, counted, built and searched like any other block."""
    return load_python_file(path, "plainnet_user_blocks")
