"""Code of the user's own, from Python files."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from plainnet.blocks.user_imports import imports_beside, own_imports
from plainnet.errors import PlainnetError, UsageError

__all__ = ["load_blocks", "load_python_file", "why_not_imported"]


def load_python_file(path: str | Path, prefix: str = "plainnet_user") -> ModuleType:
    """Import a Python file under a name of its own; `UsageError` if that fails. A file that is loaded again runs again.

    It may import the files beside it, as a script may.
    """
    file = Path(path).resolve()
    if not os.path.isfile(file):  # also of a text that is too long for a path
        raise UsageError(f"no file {path}")
    name = f"{prefix}_{file.stem}_{hashlib.blake2b(str(file).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module, before = importlib.util.module_from_spec(spec), sys.modules.get(spec.name)
    sys.modules[spec.name] = module
    try:
        own_imports(module, file)
        with imports_beside(file):
            # not through the loader: its bytecode cache takes a file that was changed within a second for the old one
            exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), vars(module))
    except BaseException as error:
        sys.modules.pop(spec.name, None)  # nobody is to find one that broke off in the middle
        if before is not None:
            sys.modules[spec.name] = before
        if isinstance(error, PlainnetError) or not isinstance(error, (Exception, SystemExit)):
            raise
        raise UsageError(f"{path} cannot be imported: {why_not_imported(error, file)}") from error
    return module


def load_blocks(path: str | Path) -> ModuleType:
    """Import a file with blocks: its classes are then read, counted, built and searched like any other block."""
    return load_python_file(path, "plainnet_user_blocks")


def why_not_imported(error: BaseException, file: Path) -> str:
    """What broke an import; where a module of that name is another's, which."""
    why = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.lineno:
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    top = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    other = getattr(sys.modules.get(top), "__file__", None)
    if top and other and (file.parent / f"{top}.py").is_file() and Path(other).parent != file.parent:
        why += f" ({top} is {other}; give the file beside {file.name} another name)"
    return why
