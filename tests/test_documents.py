"""What the README and the docs show is run; generated parts are up to date; every example runs."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from plainnet.validation.trust import mean_rank_correlation
from tests import forked

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONG = ("reuse_a_backbone.py",)
"""What takes half a minute; `tests/store/test_reuse_example.py` runs a short form of it."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


def fences(language: str) -> list[tuple[Path, int, str]]:
    return [
        (document, number, match.group(2))
        for document in DOCUMENTS
        for number, match in enumerate(FENCE.finditer(document.read_text(encoding="utf-8")))
        if match.group(1) == language
    ]


WITH_CODE = sorted({document for document, _, _ in fences("python")})


@pytest.mark.parametrize("document", WITH_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_run(document: Path, tmp_path: Path) -> None:
    """The Python blocks of one document, one after the other, as one script."""
    code = "\n".join(text for where, _, text in fences("python") if where == document)
    script = tmp_path / "document.py"
    script.write_text(code)
    result = forked.run([str(script)], cwd=tmp_path, environment=ENVIRONMENT)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("document", "number", "text"),
    [
        pytest.param(*each, marks=[pytest.mark.slow] if "$ plainnet train" in each[2] else [])
        for each in fences("console")
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_console_blocks_print_what_they_show(document: Path, number: int, text: str, tmp_path: Path) -> None:  # noqa: ARG001
    """Lines after `$ ` are run; what follows is compared, where `...` stands for anything and numbers with ~ are measured."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for command, expected in re.findall(r"^\$ (.+(?:\\\n.+)*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        words = shlex.split(command.replace("\\\n", " "))
        if words[0] not in ("plainnet", "analyze_model"):
            continue
        program = ["-m", "plainnet"] if words[0] == "plainnet" else ["-m", "plainnet", "analyze"]
        result = forked.run([*program, *words[1:]], cwd=tmp_path, environment=ENVIRONMENT)
        assert result.returncode in (0, 1, 2)
        orders = (
            result.stderr + result.stdout,
            result.stdout + result.stderr,
        )  # a terminal shows what comes first first
        pattern = re.escape(" ".join(expected.split())).replace(r"\.\.\.", ".*?")
        assert any(re.fullmatch(pattern, " ".join(printed.split()), re.DOTALL) for printed in orders), (
            f"{command}\nprinted\n{result.stdout}{result.stderr}\nexpected\n{expected}"
        )


def test_generated_parts_are_up_to_date() -> None:
    result = forked.run([str(ROOT / "docs/generate.py"), "--check"], environment=ENVIRONMENT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "example", [pytest.param(path, marks=[pytest.mark.tail] * (path.name in LONG), id=path.name) for path in EXAMPLES]
)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    result = forked.run([str(example)], cwd=tmp_path, environment=ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_relative_links_lead_somewhere() -> None:
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_first_page_says_what_scores_are_worth_as_it_was_measured() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    text = (
        text[text.index("the Spearman correlation is") :]
        .partition(", which is")[0]
        .replace("`, which published searches use", "`")
    )
    said = re.findall(r"(0\.\d\d) for `(\w+)`", text)
    assert [name for _, name in said] == ["zen", "macs", "depth", "composite"]
    for value, name in said:
        assert f"{mean_rank_correlation(name):.2f}" == value


def test_the_tests_that_are_said_to_show_a_promise_exist() -> None:
    """A name behind `::` is a test of the file that was named last."""
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    everything, where, problems, found = "".join(written.values()), "", [], 0
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    for folder, file, colons, test in re.findall(r"`(tests/(?:\w+/)*)?(test_\w+\.py)?(::)?(test_\w+)?`", text):
        found += bool(file or test)
        where = file or where
        there = not file or (file in written and (not folder or (ROOT / folder / file).is_file()))
        if not there or (test and f"def {test}(" not in (written[where] if colons else everything)):
            problems.append(f"{where}::{test}")
    assert found > 100
    assert not problems
