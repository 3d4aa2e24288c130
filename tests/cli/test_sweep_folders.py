"""Sweeps, reports and runs take each other's folders."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.main import cli
from plainnet.cli.sweep_exact import _table
from plainnet.errors import PlainnetError, UsageError
from plainnet.results.tables import csv_table
from plainnet.search.runs.kept_sweeps import is_sweep, read_sweep, runs_of_sweep
from plainnet.search.runs.sweep import sweep
from tests.search.small import small_config

LIMITS = [1e5, 200_000.5]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept") / "sweep"
    sweep(
        small_config(candidates=300, population=8, epoch=50, islands=1, limits={"layers": 20}), "params", LIMITS, folder
    )
    return folder


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


def lines(*arguments: Any) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_sweep_is_read_as_it_was_written(swept: Path) -> None:
    assert [(budget, limit) for _, budget, limit in runs_of_sweep(swept)] == [("params", limit) for limit in LIMITS]
    assert not is_sweep(swept / "params-100000")
    assert not is_sweep(swept.parent)
    found = read_sweep(swept)
    assert [each.limit for each in found] == LIMITS
    assert all(each.result and each.result["best"]["params"] <= each.limit for each in found)


def test_the_best_of_a_sweep_are_those_of_its_runs(swept: Path) -> None:
    found = lines("runs", "best", swept, "-n", "2")
    alone = [line for path, _, _ in runs_of_sweep(swept) for line in lines("runs", "best", path, "-n", "2")]
    assert [each["hash"] for each in found] == [each["hash"] for each in alone]
    assert [each["limit"] for each in found] == [limit for limit in LIMITS for _ in range(2)]
    assert [each["limit"] for each in lines("runs", "best", swept)] == LIMITS


def test_a_sweep_is_shown(swept: Path) -> None:
    (shown,) = lines("runs", "show", swept)
    assert (shown["kind"], shown["varied"], shown["runs"], shown["budgets"]) == (
        "sweep",
        "params",
        {"finished": 2},
        {"layers": 20},
    )
    assert "100,000, 200,000.5" in run("runs", "show", swept).output


def test_a_report_of_a_sweep_is_a_page_for_each_run_and_one_for_all(swept: Path, tmp_path: Path) -> None:
    printed = run("report", swept, "-o", tmp_path / "page.html")
    assert printed.exit_code == 0, printed.output
    pages = [Path(line) for line in printed.stdout.splitlines()]
    assert pages == [*(path / "report.html" for path, _, _ in runs_of_sweep(swept)), tmp_path / "page.html"]
    assert all(page.is_file() for page in pages)


def test_a_sweep_takes_a_sweep_and_gets_limits_in_addition(swept: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    shutil.copytree(swept, more)  # the other tests' sweep keeps its limits
    before = lines("runs", "best", more)
    result = run("sweep", more, "--vary", "params=1.5e5", "--quiet", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout.splitlines()[-1])["sweep"]
    assert [each["limit"] for each in record] == [1e5, 1.5e5, 200_000.5]
    after = lines("runs", "best", more)
    assert [each for each in after if each["limit"] != 1.5e5] == before
    assert len((more / "sweep.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_optima_under_the_limits_of_a_sweep_leave_its_table_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep(
        small_config(candidates=100, population=8, epoch=50, islands=1, limits={"layers": 7}),
        "params",
        [1e5],
        Path("s"),
    )
    Path("s/sweep.csv").write_text("mine")
    result = run("sweep", "s", "--vary", "params=1e4", "--exact", "--quiet")
    assert result.exit_code == 0, result.output
    assert (Path("s/sweep.csv").read_text(), len(list(tmp_path.rglob("sweep.csv")))) == ("mine", 2)


@pytest.mark.parametrize("words", [["--exact"], ["--candidates", "50"]])
def test_the_table_of_another_sweep_is_not_written_over(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "sweep.csv").write_text("mine")
    result = run("sweep", "zennas-resnet", "--vary", "params=1e4", *words, "--quiet", "--out", tmp_path)
    assert isinstance(result.exception, UsageError)
    assert "is the table of another sweep; accepted: another --out" in str(result.exception)
    assert ((tmp_path / "sweep.csv").read_text(), len(list(tmp_path.iterdir()))) == ("mine", 1)


def test_optima_do_not_go_into_the_folder_of_a_sweep_that_was_searched(swept: Path) -> None:
    before = {path.name for path in swept.iterdir()}
    result = run("sweep", "zennas-resnet", "--vary", "params=1e4", "--exact", "--quiet", "--out", swept)
    assert isinstance(result.exception, UsageError)
    assert "holds a sweep that was searched" in str(result.exception)
    assert {path.name for path in swept.iterdir()} == before


def test_a_sweep_takes_a_run_with_all_that_it_was_asked_for(swept: Path, tmp_path: Path) -> None:
    first = swept / "params-100000"
    result = run("sweep", first, "--vary", "macs=3e6", "--out", tmp_path / "new", "--quiet", "--json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout.splitlines()[-1])["sweep"]
    assert (found["candidates"], found["best"]["params"] <= 1e5, found["best"]["macs"] <= 3e6) == (300, True, True)
    again = run("sweep", first, "--vary", "params=1e5", "--out", tmp_path / "again", "--quiet", "--json")
    assert (
        json.loads(again.stdout.splitlines()[-1])["sweep"][0]["best"]["hash"] == lines("runs", "best", first)[0]["hash"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "SWEEP", "--vary", "macs=3e6"), "is a sweep over params; accepted: --vary params="),
        (("sweep", "SWEEP", "--vary", "params=3e6", "--seed", "1"), "--seed does not go with"),
        (("runs", "pareto", "SWEEP"), "it holds"),
        (("runs", "trained", "SWEEP"), "params-100000"),
        (("search", "--resume", "SWEEP"), "params-100000"),
        (("runs", "best", "EMPTY"), "run.sqlite is missing"),
    ],
)
def test_what_a_sweep_is_not(swept: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    named = {"SWEEP": str(swept), "EMPTY": str(tmp_path)}
    result = run(*(named.get(each, each) for each in arguments))
    assert isinstance(result.exception, PlainnetError)
    assert message in str(result.exception)


@pytest.mark.parametrize("name", ["params-x", "params-nan", "params-inf", "paramsx-1", "other-1", "params"])
def test_folders_of_other_names_are_no_sweep(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "run.sqlite").write_bytes(b"")
    assert not is_sweep(tmp_path)


def test_links_of_a_page_lead_to_pages(swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a link is from the page on, wherever the command was called
    found = {
        name: re.findall(r'<a href="([^"]*)"', Path(page).read_text())
        for name, page in (
            ("in the sweep", run("report", swept).stdout.splitlines()[-1]),
            ("elsewhere", run("report", swept, "-o", tmp_path / "page.html").stdout.splitlines()[-1]),
        )
    }
    assert len(found["in the sweep"]) == len(LIMITS)
    assert all((swept / link).is_file() for link in found["in the sweep"])
    assert found["elsewhere"] == []


@pytest.mark.parametrize(("command", "lacks"), [(("runs", "show"), "runs"), (("report",), "sweep.json, of which")])
def test_a_folder_of_optima_says_where_they_are(command: tuple[str, ...], lacks: str, tmp_path: Path) -> None:
    table = _table("params", [])
    (tmp_path / "sweep.csv").write_text(csv_table(table.columns, table.rows))
    error = run(*command, tmp_path).exception
    assert isinstance(error, PlainnetError)
    assert f"holds the optima of a sweep (plainnet sweep --exact), and no {lacks}" in str(error)
    assert f"their table is {tmp_path}" in str(error)
    (tmp_path / "sweep.csv").write_text("mine\n")
    assert "run.sqlite is missing" in str(run(*command, tmp_path).exception)


@pytest.fixture(scope="module")
def optima(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("optima") / "solved"
    done = run("sweep", "zennas-resnet", "--vary", "params=1e4,3e4", "--max-layers", 6, "--exact", "--out", folder)
    assert "2 budgets solved" in done.output, done.output
    return folder


def test_a_sweep_of_optima_is_reported_again_as_it_was_when_it_was_solved(optima: Path, tmp_path: Path) -> None:
    first = (optima / "sweep.html").read_text()
    assert "Space <b>zennas-resnet</b>" in first
    assert run("report", optima).stdout.split() == [str(optima / "sweep.html")]
    assert (optima / "sweep.html").read_text() == first
    run("report", optima, "-o", tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text() == first
    assert json.loads(run("report", optima, "--json").stdout)["about"] == "sweep"


@pytest.mark.parametrize("damage", list("abcdefg"))
def test_facts_of_optima_that_cannot_be_are_said_to_be_damaged(optima: Path, tmp_path: Path, damage: str) -> None:
    kept = json.loads((optima / "sweep.json").read_text())
    line = kept["told"]["lines"][0]
    values: dict[str, Any] = {
        "a": [],
        "b": kept | {"schema": "other"},
        "c": kept | {"told": kept["told"] | {"lines": []}},
        "d": kept | {"told": kept["told"] | {"lines": [line | {"cost": "x"}]}},
        "e": kept | {"told": kept["told"] | {"lines": [line | {"blocks": [{}]}]}},
        "f": kept | {"told": kept["told"] | {"bounds": [[1]]}},
        "g": kept | {"told": kept["told"] | {"seconds": float("nan")}},
    }
    (tmp_path / "sweep.csv").write_text((optima / "sweep.csv").read_text())
    (tmp_path / "sweep.json").write_text(json.dumps(values[damage]))
    error = run("report", tmp_path).exception
    assert isinstance(error, PlainnetError)
    assert f"{tmp_path / 'sweep.json'} is damaged" in str(error)


def test_a_search_over_settings_says_what_shows_it(tmp_path: Path) -> None:
    (tmp_path / "tune.json").write_text("{}")
    error = run("runs", "show", tmp_path).exception
    assert isinstance(error, UsageError)
    assert (
        f"is a search over settings (plainnet tune), and no run; its trainings: plainnet runs list {tmp_path}"
        in str(error)
    )
