"""Where the package runs what a name says: the places are few, each with who may have written the name, and no data is among
those.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import plainnet
from plainnet.engine.run.registry import CodeInDataError, Registry
from tests.mutations import TRAPS, fault_of

PACKAGE = Path(plainnet.__file__).parent
BUILTINS = {"exec", "eval", "compile", "__import__"}
FUNCTIONS = {
    *("import_module", "spec_from_file_location", "exec_module", "run_path", "run_module", "load", "loads", "unsafe_load"),
    *("Unpickler", "system", "popen", "spawnv", "execv", "import_object", "load_python_file", "load_blocks"),
}  # fmt: skip
"""Names of functions that run what they are given, or import it."""
HARMLESS = re.compile(r"json\.loads?|platform\.system|re\.compile|torch\.compile|self\._compile|image\.load|safe_load")
OURS = re.compile(r"import_module\((['\"]plainnet\.|f['\"](plainnet\.|\{(room|folder)\.__name__\}\.))")
"""What imports a module of the package's own, whatever the rest of the name is."""
PLACES = {
    "__init__.py": "public names, from a table",
    "blocks/registry.py": "entry points of installed packages",
    "blocks/user.py": "a Python file that the command line, a configuration, or a trusted run names",
    "blocks/user_imports.py": "what such a file imports",
    "cli/main.py": "commands, from a table",
    "cli/store.py": "commands, from a table",
    "engine/__init__.py": "public names, from a table",
    "engine/data/pickled.py": "a reader of pickles that makes nothing that they name",
    "engine/data/arrays.py": "without pickles",
    "engine/run/arguments.py": "what a module that is loaded already imports for type checkers",
    "engine/run/registry.py": "names of a configuration; of data only what is in a table, or was imported by name",
    "cli/network_options.py": "--import",
    "cli/search_options.py": "--blocks",
    "engine/tuning/varied_keys.py": "YAML without tags",
    "export/config_text.py": "YAML without tags",
    "network/counting/user_modules.py": "the same",
    "search/executors/workers.py": "files of a run that its searching process trusts",
    "search/runs/optimum_run.py": "files of a run, after --trust",
    "search/runs/optimum_start.py": "files of a search that its command line or configuration names",
    "search/runs/trusting.py": "files of a run, after --trust",
    "export/source/check.py": "source that was just written, after it was parsed",
    "export/source/definitions.py": "a name in source that was just written",
    "export/targets/torchscript.py": "a file that was just written",
    "files/pickled_tensors.py": "weights_only",
    "moved.py": "old names of modules, from a table",
    "platforms/graphs.py": "a graph that was just written, or the binary of a conversion, a program of its platform",
    "platforms/adapters/torchscript.py": "the binary of a conversion, a program of its platform",
    "platforms/adapters/litert.py": "without pickles",
    "platforms/litert_outside.py": "a graph that was just written, and arrays without pickles",
    "platforms/conversion.py": "the binary of a conversion, a program of its platform",
    "platforms/platform.py": "entry points of installed packages",
    "profiler/latency_platform.py": "a conversion that was just made",
    "proxies/catalogue.py": "shipped names from a table, and entry points of installed packages",
    "proxies/sampled/data_file.py": "without pickles",
    "search/candidates/user_objectives.py": "an objective of the command line, or of a trusted run",
}
"""File -> what its calls run, and who may have written the name."""


def calls_that_run(tree: ast.AST) -> Iterator[str]:
    """The calls that run or import what they are given, but for the package's own modules."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        is_builtin = isinstance(node.func, ast.Name) and node.func.id in BUILTINS
        last = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if is_builtin or last in FUNCTIONS:
            text, name = ast.unparse(node), ast.unparse(node.func)
            if not HARMLESS.fullmatch(name) and not OURS.match(text.removeprefix("importlib.")):
                yield text


def test_what_runs_named_code_is_known() -> None:
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        calls = list(calls_that_run(ast.parse(file.read_text(encoding="utf-8"))))
        if calls and "export/templates" not in file.as_posix():
            found[file.relative_to(PACKAGE).as_posix()] = calls
    assert {name: calls for name, calls in found.items() if name not in PLACES} == {}
    assert sorted(set(PLACES) - set(found)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import_module(name)",
        "importlib.import_module(about['type'])",
        "importlib.import_module('os.' + name)",
        "exec(text)",
        "pickle.load(file)",
        "torch.load(path)",
        "yaml.unsafe_load(text)",
        "os.system(command)",
        "import_object(record.constructor)",
    ],
)
def test_a_call_that_runs_what_it_is_given_is_found(text: str) -> None:
    assert list(calls_that_run(ast.parse(text))) == [text]


@pytest.mark.parametrize("kind", ["model", "task", "loss", "data", "part", "hook", "optimizer"])
@pytest.mark.parametrize("name", [*TRAPS, "tests.nothing:Trap", "tests..x:y", "tests:", ".tests:Trap", "\0:x", "a.b.c"])
def test_names_in_data_import_nothing(kind: str, name: str) -> None:
    def find() -> None:
        with pytest.raises(CodeInDataError):
            Registry().find_from_data(kind, name)

    assert fault_of(find) == ""


def test_a_shell_is_never_asked() -> None:
    assert [file for file in PACKAGE.rglob("*.py") if "shell=" in file.read_text(encoding="utf-8")] == []
