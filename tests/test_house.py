"""The house: who may import whom, and what stays cheap (see docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import plainnet
from plainnet.cli.main import COMMANDS

PACKAGE = Path(plainnet.__file__).parent
PAGE = PACKAGE.parent / "docs" / "architecture.md"
ROW = re.compile(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", re.MULTILINE)
ABOVE_ALL = {"__init__.py", "__main__.py"}
"""The lazy public names, and the way to the command line."""

LAZY_NAMES = {("blocks/base.py", "plainnet"), ("network/plain_net.py", "plainnet")}
"""`build()` and `to_platform()` ask the package for a function, a lazy public name."""


def allowed() -> dict[str, set[str]]:
    """Room -> the rooms that it may import, as docs/architecture.md says."""
    rooms = dict(ROW.findall(PAGE.read_text(encoding="utf-8")))
    return {
        room: {room}
        | (set(rooms) if may.strip() == "everything" else set(filter(None, re.split(r",\s*", may.strip()))))
        for room, may in rooms.items()
    }


def sources() -> list[Path]:
    """The files of the package; those that are copied into exported folders belong to these."""
    return [file for file in sorted(PACKAGE.rglob("*.py")) if "export/templates" not in file.as_posix()]


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(file: Path) -> set[str]:
    """The names that a file imports from the package anywhere, also inside functions; for types alone does not count."""
    skipped: set[ast.AST] = set()
    found = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        elif isinstance(node, ast.ImportFrom) and node not in skipped and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
            found.update({node.module} - {"plainnet"})
        elif isinstance(node, ast.Import) and node not in skipped:
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.split(".")[0] == "plainnet"}


def test_the_page_names_every_room() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert rooms - {"__init__", "__main__"} == allowed().keys()


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_downward(file: Path) -> None:
    where = file.relative_to(PACKAGE).as_posix()
    if where in ABOVE_ALL:
        return
    may = allowed()[room_of(file)]
    for module in imported_modules(file) - {"plainnet.__version__"}:
        if (where, module) not in LAZY_NAMES:
            assert module.split(".")[1:2] in [[room] for room in may], f"{where} imports {module}"


def without_circle(graph: dict[str, set[str]]) -> None:
    assert sum(map(len, graph.values())) > len(graph) / 2
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def imports_of_files() -> dict[str, set[str]]:
    files = [file for file in sources() if file.name != "__init__.py"]
    names = {".".join(("plainnet", *file.relative_to(PACKAGE).with_suffix("").parts)): file for file in files}
    return {name: imported_modules(file) & names.keys() - {name} for name, file in names.items()}


def test_no_file_imports_itself_in_a_circle() -> None:
    """Imports inside functions count: what hides a circle is one."""
    without_circle(imports_of_files())


def test_no_folder_imports_itself_in_a_circle() -> None:
    """A file that stands directly in a room counts as a folder of its own."""

    def folder(module: str) -> str:
        parts = module.split(".")
        return module if len(parts) <= 3 else ".".join(parts[:-1])

    graph: dict[str, set[str]] = {}
    for module, imported in imports_of_files().items():
        graph.setdefault(folder(module), set()).update({folder(other) for other in imported} - {folder(module)})
    without_circle(graph)


@pytest.mark.parametrize(
    "statement",
    [
        "import plainnet",
        "import plainnet.blocks",
        "import plainnet.search",
        "import plainnet.configs",
        "from plainnet import parse, Structure, StructureError, analyze_model",
        "import plainnet.cli.main",
        "import plainnet.dashboard.app",
        "import plainnet.reports",
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


def test_old_import_paths_lead_to_the_same_modules_and_warn() -> None:
    code = (
        "import importlib, warnings, sys\n"
        "from plainnet.moved import MOVED\n"
        "for old, new in MOVED.items():\n"
        "    with warnings.catch_warnings(record=True) as said:\n"
        "        warnings.simplefilter('always')\n"
        "        assert importlib.import_module(old) is importlib.import_module(new), old\n"
        "    assert [w for w in said if w.category is DeprecationWarning and new in str(w.message)], old\n"
        "from plainnet.profiler.proxies.zen import zen_score\n"
        "import plainnet.profiler.proxies.catalogue as old, plainnet.proxies.catalogue as new\n"
        "assert old is new and sys.modules['plainnet.proxies.catalogue'].__spec__.name == 'plainnet.proxies.catalogue'\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_rooms_are_there_after_importing_the_package() -> None:
    code = "import plainnet; plainnet.search.search, plainnet.engine.train, plainnet.export.export_network, plainnet.proxies"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


LONGEST = 40
"""Lines of a function without its signature and docstring."""


def test_functions_are_short() -> None:
    """A longer one says several things, each of which has a name."""
    long = []
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                if lines > LONGEST:
                    long.append(f"{file.relative_to(PACKAGE)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


SHOWN_COMMAND = re.compile(r"plainnet (?:{})\b[^;,()`'\n]*$".format("|".join(COMMANDS)))
NO_COMMAND = {"search/evolution/islands.py"}
"""What reads like a command there is the name of a seed."""


def unquoted_in_commands(tree: ast.AST) -> Iterator[str]:
    """What is put into the text of a command that a person may copy, and is not quoted for a shell."""
    for node in ast.walk(tree):
        said = ""
        for part in node.values if isinstance(node, ast.JoinedStr) else ():
            if isinstance(part, ast.Constant):
                said += str(part.value)
                continue
            assert isinstance(part, ast.FormattedValue)
            text = ast.unparse(part.value)
            if SHOWN_COMMAND.search(said) and not text.startswith("quote(") and text != "quoted":
                yield text
            said += "?"


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_commands_that_are_shown_can_be_copied(file: Path) -> None:
    """A folder may be called anything: `plainnet train {folder}` names another one, or several, where it is not quoted."""
    if file.relative_to(PACKAGE).as_posix() not in NO_COMMAND:
        assert list(unquoted_in_commands(ast.parse(file.read_text(encoding="utf-8")))) == []


def test_a_command_that_is_not_quoted_is_found() -> None:
    wrong = ast.parse('f"go on: plainnet train {run} x, or {this}"')
    assert list(unquoted_in_commands(wrong)) == ["run"]
    assert list(unquoted_in_commands(ast.parse('f"plainnet train {quote(str(run))} IMAGE"'))) == []


def test_every_file_of_tests_holds_some() -> None:
    """An empty file passes, and is counted as a place where something is tested."""
    tests = PACKAGE.parent / "tests"
    assert [
        f for f in tests.rglob("test_*.py") if not re.search(r"^\s*def test_", f.read_text(encoding="utf-8"), re.M)
    ] == []


def test_no_two_files_of_tests_have_one_name() -> None:
    """Else pytest takes one for the other."""
    names = Counter(file.name for file in (PACKAGE.parent / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_torch_writes_into_memory() -> None:
    """Its own writer ends the process where the disk is full: `plainnet.files.whole_files.write_saved`."""
    writes = re.compile(r"\b(torch|jit|torch\.jit|torch\.export)\.save\(")
    assert [file for file in sources() if writes.search(file.read_text("utf-8"))] == []


OWN_TEXTS = {
    "cli/config.py": "of the package",
    "engine/checkpoints/checkpoint.py": "compared with its digest",
    "engine/data/coco.py": "annotations have hundreds of MB",
    "engine/run/candidates.py": "of a training that it began",
    "engine/run/failure_report.py": "of its own processes",
    "engine/run/resuming.py": "of the run that it writes",
    "engine/tuning/tuning_folder.py": "of the tuning that it writes",
    "export/job.py": "of the package",
    "network/published.py": "of the package",
    "pages/shell.py": "of the package",
    "profiler/machine.py": "of the system",
    "registries.py": "of the package",
    "search/ladder/trainings.py": "of a training that it began",
    "validation/trust.py": "of the package",
}
"""Files that read texts without a bound, and why those are none that somebody else gives."""


def test_texts_of_others_are_read_with_a_bound() -> None:
    """By `plainnet.files.text_files`: a device without an end, a pipe without a writer and what is no UTF-8 are said."""
    reads = {file.relative_to(PACKAGE).as_posix() for file in sources() if ".read_text(" in file.read_text("utf-8")}
    assert reads - {"files/text_files.py", "starters.py"} == OWN_TEXTS.keys()
