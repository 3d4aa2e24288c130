"""Odd values of the options of `search`, `sweep` and `space`: each is refused with what is accepted, and nothing is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.search.runs.sweep import read_budgets
from tests.search.small import rows_of, small_config

SEARCH = "search zennas-resnet --max-layers 8 --candidates 200 --quiet --ladder none"


def call(command: str, *more: str) -> int:
    try:
        main([*command.split(), *more])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        *(
            ("--max-params", value, "no positive whole number")
            for value in ("0", "-1", "nan", "inf", "1e400", "1.5", "x", "")
        ),
        ("--candidates", "nan", "no positive whole number"),
        ("--epoch", "0", "no positive whole number"),
        ("--max-latency-ms", "nan", "latency_ms is nan; accepted: a positive number"),
        ("--max-latency-ms", "0", "not in the range"),
        ("--resolution", "0", "not in the range"),
        ("--resolution", "65537", "not in the range"),
        ("--num-classes", "-1", "not in the range"),
        ("--crossover", "nan", "accepted: a probability"),
        ("--population", "2", "not in the range"),
        ("--workers", "0", "not in the range"),
        ("--executor", "rey", "is not one of 'local', 'ray'"),
        ("--ladder", "zen", "is no rung"),
        ("--ladder", "zenn:5", "no proxy 'zenn'"),
        ("--objective", "zenn", "did you mean zen?"),
        ("--objective", ":", "a function is named FILE.py:FUNCTION"),
        ("--objective", "min:", "a function is named FILE.py:FUNCTION"),
        ("--objective", "nofile.py:f", "no file"),
        ("--strategy", "nsga3", "is not one of"),
    ],
)
def test_odd_values(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, said: str) -> None:
    assert call(SEARCH, option, value, "--out", str(tmp_path / "run")) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert not (tmp_path / "run").exists()


def test_an_objective_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(SEARCH, "--objective", "zen", "--objective", "max:zen", "--out", str(tmp_path / "run")) == 2
    assert "the objective zen is given twice" in capsys.readouterr().err
    with pytest.raises(UsageError, match="the objective zen is given twice"):
        small_config(objectives=("zen", "min:zen"), strategy="nsga2")


@pytest.mark.parametrize(
    "option", ["--candidates 400", "--max-params 1e5", "--seed 3", "--out x", "--strategy random", "--use-se"]
)
def test_a_run_that_is_taken_up_keeps_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert call(SEARCH, "--out", str(tmp_path / "run")) == 0
    before = rows_of(tmp_path / "run")
    assert call(f"search --resume {tmp_path / 'run'} {option}") == 2
    assert f"{option.split()[0]} does not go with --resume" in capsys.readouterr().err
    assert call(f"search --resume {tmp_path / 'run'} --workers 1 --quiet --json") == 0
    assert rows_of(tmp_path / "run") == before


@pytest.mark.parametrize(
    "limits", ["nan,1e5", "1e5:inf:3", "1e5:1e6:1e9", "1e5:1e6:1000000000", "1e6:1e5:3", "", "1e5,1e5", "-1,3", "1:2:1"]
)
def test_odd_limits_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str], limits: str) -> None:
    assert call(f"sweep zennas-resnet --vary params={limits} --out {tmp_path / 'sweep'}") == 2
    assert "are no limits; accepted" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_limits_that_are_no_whole_numbers() -> None:
    assert read_budgets("latency_ms=0.5:2:3") == ("latency_ms", [0.5, 1.0, 2.0])
    assert read_budgets("latency-ms=0.4,0.5") == ("latency_ms", [0.4, 0.5])


def test_limits_close_together_have_folders_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = f"sweep zennas-resnet --vary layers=6.2,6.4 --candidates 100 --ladder none --out {tmp_path}"
    assert call(command) == 0
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"layers-6.2", "layers-6.4"}
    first = capsys.readouterr().out.splitlines()
    assert call(command) == 0
    assert capsys.readouterr().out.splitlines()[:4] == first[:4]


SPACE = """\
name: mine
start: SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,1)
blocks:
  - names: [SuperResK3K3, SuperResK5K5]
    change:
      out_channels: {factors: [2, 0.5], minimum: 8, step: 8}
limits: {layers: 12}
objectives: [zen]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minimum: 8", "minimun: 8", "6:41: blocks.0.change.out_channels.minimun"),
        ("objectives:", "objektives:", "8:1: objektives: unknown key"),
        ("    change:", "   change:", "5:4: not valid YAML"),
        ("SuperResK5K5", "SuperResK5K6", "4:27: blocks.0.names.1: unknown block SuperResK5K6"),
        ("step: 8", "step: big", "6:59: blocks.0.change.out_channels.step: must be a valid integer"),
        ("layers: 12", "layer: 12", "7:10: limits.layer: is no budget"),
        ("layers: 12", "layers: -12", "7:18: limits.layers: is -12; accepted: a positive number"),
        ("layers: 12", "layers: .nan", "7:18: limits.layers: must be a finite number, got nan"),
        ("[zen]", "[zenn]", "8:14: objectives.0: no objective zenn"),
        ("name: mine", "name: my space", "1:7: name: a name is made of letters, digits"),
        ("name: mine", "name: ../mine", "1:7: name: a name is made of letters, digits"),
        ("out_channels:", "out_chanels:", "6:7: blocks.0.change.out_chanels: SuperResK3K3 has no such argument"),
    ],
)
def test_mistakes_in_a_space(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE)
    assert call(f"space check {path}") == 0
    path.write_text(SPACE.replace(old, new, 1))
    capsys.readouterr()
    assert call(f"space check {path}") == 2
    errors = capsys.readouterr().err
    assert f"{path}:{said}" in errors
    nearest = {
        "minimun": "minimum",
        "objektives": "objectives",
        "layer:": "layers",
        "[zenn]": "zen",
        "out_chanels": "out_channels",
    }
    for wrong, right in nearest.items():
        if wrong in new:
            assert f"did you mean {right}?" in errors


def test_an_empty_folder_of_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("runs list") == 0
    assert capsys.readouterr().out == "no run in runs; to make one: plainnet search SPACE\n"
    assert call("runs list nowhere") == 2
    assert "there is no folder nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("side", [0, -3, 65_537, 10**9])
def test_images_of_a_search_have_sides_that_images_have(side: int) -> None:
    with pytest.raises(UsageError, match=rf"resolution is {side}; accepted: 1 to 65,536"):
        small_config(resolution=side)
