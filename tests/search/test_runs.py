"""Kept runs: listed, shown, exported, compared, forked, merged."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.search import Rung, resume, search
from plainnet.search.runs.derived_runs import fork, merge
from plainnet.search.runs.driver import new_store
from plainnet.search.runs.kept_runs import diff
from tests.search.small import rows_of, small_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: one, and one of another seed."""
    folder = tmp_path_factory.mktemp("runs")
    search(small_config(candidates=2_400), folder / "one")
    search(small_config(candidates=2_400, seed=1), folder / "two")
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_and_show(folder: Path) -> None:
    (folder / "broken").mkdir(exist_ok=True)
    (folder / "broken" / "run.sqlite").write_text("no database")
    result = CliRunner().invoke(cli, ["runs", "list", str(folder)])
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [str(folder / name) for name in ("broken", "one", "two")]
    assert lines[2].split()[1:] == ["damaged"]
    assert "finished" in lines[3]
    assert "is damaged" in result.stderr
    shown = json.loads(run("runs", "show", folder / "one", "--json"))
    assert shown["state"] == "finished"
    assert shown["seed"] == 0
    assert shown["best"] in run("runs", "show", folder / "one")


def test_best_and_pareto_agree_with_the_table(folder: Path) -> None:
    rows = rows_of(folder / "one")["candidates"]
    best = [json.loads(line) for line in run("runs", "best", folder / "one", "-n", 3, "--json").splitlines()]
    assert [each["zen_leading"] for each in best] == sorted((row[-1] for row in rows), reverse=True)[:3]
    front = [json.loads(line) for line in run("runs", "pareto", folder / "one", "--json").splitlines()]
    points = {(row[-1], row[9]) for row in rows}
    assert front
    for each in front:
        assert not any(
            score >= each["zen_leading"]
            and macs <= each["macs"]
            and (score, macs) != (each["zen_leading"], each["macs"])
            for score, macs in points
        )


def test_pareto_names_its_columns(folder: Path) -> None:
    with pytest.raises(UsageError, match="did you mean params"):
        run("runs", "pareto", folder / "one", "--axis", "parms")


def test_export_holds_every_candidate(folder: Path, tmp_path: Path) -> None:
    rows = rows_of(folder / "one")["candidates"]
    run("runs", "export", folder / "one", "-o", tmp_path / "all.csv")
    with (tmp_path / "all.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [line["structure"] for line in table] == [row[4] for row in rows]
    lines = [json.loads(line) for line in run("runs", "export", folder / "one", "--format", "jsonl").splitlines()]
    assert [line["zen_leading"] for line in lines] == [row[-1] for row in rows]
    assert {line["operator"] for line in lines} <= {"start", "mutation", "crossover", "repair"}


def test_a_run_without_a_candidate_is_exported_as_its_header(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    new_store(tmp_path / "new", small_config()).close()
    empty, full = run("runs", "export", tmp_path / "new"), run("runs", "export", folder / "one")
    assert empty == full.splitlines(keepends=True)[0]


def test_diff_finds_the_first_difference(folder: Path) -> None:
    lines, same = diff(folder / "one", folder / "one")
    assert same
    assert lines[0] == "configuration: equal"
    lines, same = diff(folder / "one", folder / "two")
    assert not same
    assert "seed: 0 and 1" in lines
    assert CliRunner().invoke(cli, ["runs", "diff", str(folder / "one"), str(folder / "two")]).exit_code == 1


def test_a_fork_with_more_candidates_goes_on_as_a_longer_run_would(folder: Path, tmp_path: Path) -> None:
    fork(folder / "one", tmp_path / "longer", candidates=4_000)
    resume(tmp_path / "longer")
    search(small_config(), tmp_path / "whole")
    assert rows_of(tmp_path / "longer") == rows_of(tmp_path / "whole")


def test_a_fork_under_other_budgets_keeps_to_them(folder: Path, tmp_path: Path) -> None:
    fork(folder / "one", tmp_path / "smaller", candidates=4_000, seed=5, limits={"params": 1e5})
    resume(tmp_path / "smaller")
    rows = rows_of(tmp_path / "smaller")["candidates"]
    assert rows[: len(rows_of(folder / "one")["candidates"])] == rows_of(folder / "one")["candidates"]
    first = max(row[1] for row in rows_of(folder / "one")["candidates"]) + 1
    assert all(row[8] <= 1e5 for row in rows if row[1] >= first)
    assert any(row[1] >= first for row in rows)
    assert resume(tmp_path / "smaller").best.params <= 1e5


def test_a_fork_cannot_go_back(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has proposed 2,400"):
        fork(folder / "one", tmp_path / "run", candidates=100)
    with pytest.raises(RunError, match="already"):
        fork(folder / "one", folder / "two")


def test_merged_runs_hold_each_candidate_once(folder: Path, tmp_path: Path) -> None:
    count = merge([folder / "one", folder / "two", folder / "one"], tmp_path / "both")
    both = {row[3] for name in ("one", "two") for row in rows_of(folder / name)["candidates"]}
    assert count == len(both) == len(rows_of(tmp_path / "both")["candidates"])
    assert "merged" in run("runs", "list", tmp_path)
    with pytest.raises(RunError, match="nothing to resume"):
        resume(tmp_path / "both")


def test_a_merged_run_keeps_what_ladders_of_one_kind_measured(folder: Path, tmp_path: Path) -> None:
    ladder = (Rung("zen", 20, 1, 1),)
    for seed in (0, 1):
        search(small_config(candidates=800, seed=seed, ladder=ladder), tmp_path / str(seed))
    merge([tmp_path / "0", tmp_path / "1", folder / "one"], tmp_path / "all")
    measured = {row[2]: row[4] for seed in ("1", "0") for row in rows_of(tmp_path / seed)["measures"]}
    assert {row[2]: row[4] for row in rows_of(tmp_path / "all")["measures"]} == measured
    best = json.loads(run("runs", "best", tmp_path / "all", "-n", 1, "--json"))
    assert best["zen"] == max(measured.values())
    merge([folder / "one", tmp_path / "0"], tmp_path / "other")
    assert rows_of(tmp_path / "other")["measures"] == []


def test_runs_of_different_settings_cannot_be_merged(folder: Path, tmp_path: Path) -> None:
    search(small_config(candidates=800, resolution=16), tmp_path / "other")
    with pytest.raises(PlainnetError, match="other objectives, input, classes or"):
        merge([folder / "one", tmp_path / "other"], tmp_path / "both")


def test_the_file_is_a_plain_database(folder: Path) -> None:
    with sqlite3.connect(folder / "one" / "run.sqlite") as connection:
        query = "SELECT structure, zen_leading FROM candidates ORDER BY zen_leading DESC LIMIT 1"
        structure, score = connection.execute(query).fetchone()
    connection.close()
    best = resume(folder / "one").best
    assert (structure, score) == (best.structure, best.scores["zen_leading"])
