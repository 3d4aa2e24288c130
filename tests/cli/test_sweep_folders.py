"""Sweeps, reports and runs take each other's folders."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.main import cli
from plainnet.engine.tuning.tuning_folder import Asked, write_asked, write_line
from plainnet.errors import PlainnetError, UsageError
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


def test_limits_that_nothing_meets_are_told_by_all_that_reads_a_sweep(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    config = small_config(candidates=100, population=8, epoch=50, islands=1, limits={"layers": 20})
    told = sweep(config, "params", [10, 1e5], folder).as_dict()["sweep"]
    assert "nothing in this space is within the budgets" in told[0]["problem"]
    assert read_sweep(folder).as_dict()["sweep"] == told
    assert run("report", folder).exit_code == 0
    assert "--vary params=10,100000" in (folder / "sweep.html").read_text()
    assert "10 (nothing in this space is within the budgets), 100,000" in " ".join(
        run("runs", "show", folder).output.split()
    )
    again = run("sweep", folder, "--vary", "params=2e5", "--quiet", "--json")
    assert [each["limit"] for each in json.loads(again.stdout.splitlines()[-1])["sweep"]] == [10, 1e5, 2e5]


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


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of optima, one limit of which leaves nothing."""
    folder = tmp_path_factory.mktemp("runs") / "solved"
    words = ["--vary", "params=100,5e4,6e4", "--max-layers", "7", "--exact", "--quiet", "--out", folder]
    assert run("sweep", "zennas-resnet", *words).exit_code == 0 or (folder / "sweep.csv").is_file()
    return folder


def test_a_sweep_of_optima_is_taken_up_by_every_command(solved: Path, tmp_path: Path) -> None:
    """What `sweep --exact` told when it ended is told again: the page to the letter, and the table."""
    table = list(csv.DictReader((solved / "sweep.csv").read_text().splitlines()))
    page = (solved / "sweep.html").read_text()
    again = run("report", solved, "-o", tmp_path / "page.html")
    assert again.exit_code == 0, again.exception
    assert (tmp_path / "page.html").read_text() == page
    shown = run("runs", "show", solved)
    assert shown.exit_code == 0, shown.exception
    assert "varied       params" in shown.stdout
    best = lines("runs", "best", solved)
    assert [each["limit"] for each in best] == [5e4, 6e4]
    assert [each["structure"] for each in best] == [row["structure"] for row in table if row["structure"]]
    (listed,) = lines("runs", "list", solved.parent)
    assert (listed["kind"], listed["networks"], listed["of"]) == ("sweep of optima", 2, 3)
    assert (listed["winner"], listed["best"]) == (best[-1]["hash"], best[-1]["value"])
    searched = run("sweep", solved, "--vary", "params=6e4", "--candidates", "50", "--quiet", "--out", tmp_path / "s")
    assert searched.exit_code == 0, searched.exception
    optima = json.loads(run("runs", "show", solved, "--json").stdout)
    assert [each["optimum"]["reason"] for each in optima["sweep"]] == ["infeasible", "optimal", "optimal"]


OWN = """
from plainnet.blocks import Channels, Depth, PlainNetBasicBlockClass, Stride
from plainnet.blocks.rows.layers import Conv


class MineK1(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels
    stride: Stride
    depth: Depth

    def layers(self):
        return (Conv(self.out_channels, 1, self.stride),)
"""


@pytest.mark.parametrize("command", ["best", "show"])
def test_a_sweep_of_optima_of_ones_own_blocks_is_read_once_it_is_trusted(
    solved: Path, tmp_path: Path, command: str
) -> None:
    """The command that refuses has the option that it says."""
    values = json.loads((solved / "sweep.json").read_text())
    name = f"Mine{command}K1"
    (tmp_path / "mine.py").write_text(OWN.replace("MineK1", name))
    values["config"]["blocks"] = [str(tmp_path / "mine.py")]
    for _, found in values["solved"][1:]:
        found["best"]["structure"] = found["best"]["structure"].replace("SuperConvK1BNRELU", name)
    (tmp_path / "sweep.json").write_text(json.dumps(values))
    (listed,) = lines("runs", "list", tmp_path)  # which runs nothing
    assert (listed["state"], listed["networks"]) == ("finished", 2)
    refused = run("runs", command, tmp_path)
    assert isinstance(refused.exception, UsageError)
    assert "give --trust" in str(refused.exception)
    trusted = run("runs", command, tmp_path, "--trust")
    assert trusted.exit_code == 0, trusted.exception


def test_a_sweep_of_optima_has_no_second_best(solved: Path) -> None:
    assert run("runs", "best", solved, "-n", "1").exit_code == 0
    second = run("runs", "best", solved, "-n", "2")
    assert "keeps the best of each limit; accepted: -n 1" in str(second.exception)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "sweep.json"),
        ("[]", "is damaged: its schema is not plainnet.optima/1"),
        ('{"schema": "other"}', "is damaged: its schema is not plainnet.optima/1"),
        ('{"schema": "plainnet.optima/1"}', "the run's configuration cannot be read"),
        (("value", "none"), "is damaged: solved.1.1"),
        (("value", float("nan")), "NaN is no number of JSON"),
        (("costs", {"macs": 1.0}), "is damaged: a network does not say what it costs"),
        (("scores", {}), "is damaged: a network does not say what it costs of the budget, or what it is worth"),
        (("structure", "Nothing(1,2)"), "is damaged: unknown block"),
    ],
)
def test_a_damaged_sweep_of_optima_is_named(
    solved: Path, tmp_path: Path, change: str | tuple[str, Any], message: str
) -> None:
    if isinstance(change, tuple):
        values = json.loads((solved / "sweep.json").read_text())
        values["solved"][1][1]["best"][change[0]] = change[1]
        change = json.dumps(values)
    (tmp_path / "sweep.json").write_text(change)
    for command in (("runs", "show"), ("runs", "best"), ("report",)):
        error = run(*command, tmp_path).exception
        assert isinstance(error, PlainnetError)
        assert message in str(error)
    listed = run("runs", "list", tmp_path)
    assert listed.exit_code == 0
    assert "unreadable" in listed.stdout


def test_a_search_over_settings_is_listed_and_shown(tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    asked = Asked(("optim.lr=0.01:1",), 3, 0, "accuracy", False)
    write_asked(tmp_path / "tuned", asked, {"model": {"type": "PlainNet"}})
    write_line(tmp_path / "tuned", trial=0, begun={"optim.lr": 0.1})
    write_line(tmp_path / "tuned", trial=0, value=0.75, round=2)
    write_line(tmp_path / "tuned", trial=1, begun={"optim.lr": 0.5})
    (listed,) = lines("runs", "list", tmp_path)
    assert {key: listed[key] for key in ("kind", "trials", "of", "best", "by", "state")} == {
        "kind": "tuning", "trials": 1, "of": 3, "best": 0.75, "by": "accuracy", "state": "unfinished",
    }  # fmt: skip
    shown = run("runs", "show", tmp_path / "tuned")
    assert shown.exit_code == 0, shown.exception
    assert "0.7500" in shown.stdout
    assert "not over" in shown.stdout
    assert json.loads(run("runs", "show", tmp_path / "tuned", "--json").stdout)["best"] == 0
    (tmp_path / "tuned" / "tune.json").write_text("{}")
    assert "is damaged" in str(run("runs", "show", tmp_path / "tuned").exception)
    assert "unreadable" in run("runs", "list", tmp_path).stdout
