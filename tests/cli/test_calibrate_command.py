"""`plainnet calibrate`: tables, refusals, and the score that comes out."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from plainnet.cli.main import main
from plainnet.proxies.calibrated.features import FEATURES, Features, network_features
from plainnet.templates.nas_bench_macro import network_of_code, trained_networks
from plainnet.validation.ranking import rank_correlations

DRAWN = random.Random(3).sample([each for each in trained_networks() if each.code[0] != "0"], 40)
STRUCTURES = [str(network_of_code(each.code)) for each in DRAWN]
FOUND = [network_features(text, 32) for text in STRUCTURES]


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    def ran(*arguments: Any, command: str = "calibrate") -> Result:
        with pytest.raises(SystemExit) as ended:
            main([command, *map(str, arguments)])
        return Result(int(ended.value.code or 0), *capsys.readouterr())

    return ran


def own_accuracy(features: Features) -> float:
    """Of a space of its own, in which no single score says much."""
    return 80 + 4 * features.entropy - 3 * features.params - features.octave_slope


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def table(path: Path, count: int = 20) -> Path:
    rows = [{"structure": text, "accuracy": own_accuracy(found)} for text, found in zip(STRUCTURES, FOUND, strict=True)]
    return written(path, rows[:count])


def test_a_calibration_ranks_the_rest_of_the_space(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run(table(tmp_path / "t.csv"), "--resolution", 32, "--out", tmp_path / "c.json")
    assert result.exit_code == 0, result.output
    for said in ("20 trained networks of t.csv", "calibrated, left out", "params", "macs", "depth", "composite", "zen",
                 "not promised: the very best network", "calibrated:"):  # fmt: skip
        assert said in result.output
    name = f"calibrated:{tmp_path / 'c.json'}"
    scored = run(*STRUCTURES[20:], "--proxy", name, "--resolution", 32, "--json", command="score")
    assert scored.exit_code == 0, scored.output
    found = {each["structure"]: each["mean"] for each in json.loads(scored.stdout)["proxies"][0]["networks"]}
    wanted = {text: own_accuracy(each) for text, each in zip(STRUCTURES[20:], FOUND[20:], strict=True)}
    assert rank_correlations(*(np.array([each[text] for text in wanted]) for each in (found, wanted)))[0] > 0.9


def test_a_table_of_features_gives_the_same_model_as_one_of_structures(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    rows = [{**found._asdict(), "accuracy": own_accuracy(found)} for found in FOUND[:20]]
    first = run(table(tmp_path / "t.csv"), "--resolution", 32, "--json")
    second = run(written(tmp_path / "f.csv", rows), "--resolution", 32, "--json")
    assert (first.exit_code, second.exit_code) == (0, 0)
    one, two = json.loads(first.stdout), json.loads(second.stdout)
    assert one["left_out"] == two["left_out"]
    assert {**two["singles"], "zen": one["singles"]["zen"]} == one["singles"]


def test_a_model_that_is_no_better_is_refused(run: Callable[..., Result], tmp_path: Path) -> None:
    rows = [{"structure": text, "accuracy": 90 + found.params} for text, found in zip(STRUCTURES, FOUND, strict=True)]
    result = run(written(tmp_path / "t.csv", rows[:18]), "--resolution", 32, "--out", tmp_path / "c.json")
    assert result.exit_code == 1
    assert "no better than params alone" in result.output
    assert "nothing is written" in result.output
    assert not (tmp_path / "c.json").exists()


def test_what_cannot_be_calibrated_is_said(run: Callable[..., Result], tmp_path: Path) -> None:
    few = run(table(tmp_path / "few.csv", 14), "--resolution", 32)
    assert (few.exit_code, "14 different trained networks" in few.output) == (2, True)
    twice = tmp_path / "twice.csv"
    text = table(tmp_path / "t.csv", 10).read_text()
    twice.write_text(text + "".join(text.splitlines(keepends=True)[1:]))
    again = run(twice, "--resolution", 32)
    assert (again.exit_code, "10 different trained networks" in again.output) == (2, True)
    blind = run(table(tmp_path / "t.csv"))
    assert (blind.exit_code, "give --resolution" in blind.output) == (2, True)
    alike = run(
        written(tmp_path / "a.csv", [{"structure": text, "accuracy": 50} for text in STRUCTURES]), "--resolution", 32
    )
    assert (alike.exit_code, "more than half of the accuracies are the same" in alike.output) == (2, True)
    folder = run(tmp_path, "--resolution", 32)
    assert (folder.exit_code, "knows the size" in folder.output) == (2, True)
    assert run(tmp_path).exit_code in (1, 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"params": "many"}, ":2: params 'many' is no number within 1e+100"),
        ({"depth": "inf"}, ":2: depth 'inf' is no number within 1e+100"),
        ({"accuracy": ""}, ":2: no accuracy"),
    ],
)
def test_a_table_of_features_is_checked(
    run: Callable[..., Result], tmp_path: Path, change: dict[str, str], said: str
) -> None:
    rows: list[dict[str, Any]] = [{**found._asdict(), "accuracy": 1.0} for found in FOUND]
    rows[0] |= change
    result = run(written(tmp_path / "f.csv", rows), "--resolution", 32)
    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_a_table_of_some_features_says_which_are_missing(run: Callable[..., Result], tmp_path: Path) -> None:
    rows = [{name: 1.0 for name in FEATURES if name != "kernel"}]
    result = run(written(tmp_path / "f.csv", rows), "--resolution", 32)
    assert (result.exit_code, "lacks the columns kernel" in result.output) == (2, True), result.output
