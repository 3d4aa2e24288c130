"""The house: who may import whom, and what stays cheap (see docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import plainnet

PACKAGE = Path(plainnet.__file__).parent
ROOMS = ("blocks", "configs", "profiler", "validation", "search", "export", "engine", "cli", "testing")
ALLOWED = {
    "blocks": {"blocks", "errors"},
    "configs": {"configs", "errors"},
    "": {
        "",
        "blocks",
        "errors",
        "modules",
        "initialization",
        "net",
        "published",
        "torchvision_weights",
        "zennas_weights",
    },
    "profiler": {"", "blocks", "configs", "profiler"},
    "validation": {"", "blocks", "configs", "profiler", "validation"},
    "search": {"", "blocks", "configs", "profiler", "search"},
    "export": {"", "blocks", "configs", "profiler", "search", "export"},
    "engine": {"", "blocks", "configs", "profiler", "search", "export", "engine"},
    "testing": {"", "blocks", "profiler", "search", "export", "testing"},
    "cli": {"", *ROOMS},
}
LAZY_NAMES = "__init__.py"


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else ""


def imports(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_downward(file: Path) -> None:
    relative = file.relative_to(PACKAGE)
    room = relative.parts[0] if relative.parts[0] in ROOMS else ""
    if relative == Path(LAZY_NAMES) or relative == Path("__main__.py"):
        return
    for module in imports(file):
        if module.split(".")[0] != "plainnet":
            continue
        target = room_of(module)
        exact = module.split(".")[1] if len(module.split(".")) > 1 else ""
        if (relative.as_posix(), module) == ("blocks/base.py", "plainnet"):
            continue  # build() asks the package for the builder, a lazy public name
        assert target in ALLOWED[room] or exact in ALLOWED[room], f"{relative} imports {module}"


def imported_modules(file: Path) -> set[str]:
    """The modules of the package that a file imports anywhere, also inside functions; for types alone does not count."""
    skipped: set[ast.AST] = set()
    found = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        elif isinstance(node, ast.ImportFrom) and node not in skipped and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
            found.add(node.module)
        elif isinstance(node, ast.Import) and node not in skipped:
            found.update(alias.name for alias in node.names)
    return found


def test_no_file_imports_itself_in_a_circle() -> None:
    """Imports inside functions count: what hides a circle is one."""
    files = [file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py"]
    names = {".".join(("plainnet", *file.relative_to(PACKAGE).with_suffix("").parts)): file for file in files}
    graph = {name: imported_modules(file) & names.keys() - {name} for name, file in names.items()}
    assert sum(map(len, graph.values())) > len(graph)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(
    "statement",
    [
        "import plainnet",
        "import plainnet.blocks",
        "import plainnet.search",
        "import plainnet.configs",
        "from plainnet import parse, Structure, StructureError, analyze_model",
        "import plainnet.cli.main",
        "import plainnet.cli.main; plainnet.cli.main.main(['--help'])",
    ],
)
def test_torch_stays_out(statement: str) -> None:
    code = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\nassert 'torch' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_public_name_is_there_and_every_room_says_what_is_public() -> None:
    for name in plainnet.__all__:
        assert getattr(plainnet, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = plainnet.nothing
    assert "PlainNet" in dir(plainnet)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_stay_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 350


def test_every_family_of_blocks_is_registered_by_importing_the_room() -> None:
    """A file with block classes that `plainnet/blocks/__init__.py` forgets would not be read by anything."""
    code = (
        "import pkgutil, importlib, plainnet.blocks as room; from plainnet.blocks.registry import block_classes\n"
        "before = set(block_classes())\n"
        "for module in pkgutil.iter_modules(room.__path__): importlib.import_module(f'plainnet.blocks.{module.name}')\n"
        "assert len(before) > 20 and set(block_classes()) == before, set(block_classes()) - before"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
