"""A search over settings: what may be varied, what is tried next, and that an interruption changes nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from plainnet.cli.tune import tune_command
from plainnet.configs import InvalidConfigError
from plainnet.engine.run.run_summary import RunSummary
from plainnet.engine.tuning import tuning
from plainnet.engine.tuning.tuning_folder import read_trials
from plainnet.engine.tuning.varied_keys import Varied
from plainnet.errors import DivergedError, MissingExtraError, PlainnetError, RunError, UsageError

pytest.importorskip("optuna")
COMMON = ("train.epochs=1", "device=cpu", "log.tensorboard=false")
LR = "optim.lr=1e-3:1:log"


@pytest.mark.parametrize(
    ("text", "first", "last", "distribution"),
    [
        (LR, 1e-3, 1, "FloatDistribution(high=1.0, log=True, low=0.001, step=None)"),
        ("x=0.5:1", 0.5, 1, "FloatDistribution(high=1.0, log=False, low=0.5, step=None)"),
        ("x=0:1:0.25", 0, 1, "FloatDistribution(high=1.0, log=False, low=0.0, step=0.25)"),
        ("x=3:10", 3, 10, "IntDistribution(high=10, log=False, low=3, step=1)"),
        ("x=8:64:8", 8, 64, "IntDistribution(high=64, log=False, low=8, step=8)"),
        ("x=1:1024:log", 1, 1024, "IntDistribution(high=1024, log=True, low=1, step=1)"),
        ("x=SGD, AdamW", "SGD", "AdamW", "CategoricalDistribution(choices=('SGD', 'AdamW'))"),
        ("x=1e-3,true,null,a.py:B", 1e-3, "a.py:B", "CategoricalDistribution(choices=(0.001, True, None, 'a.py:B'))"),
    ],
)
def test_what_is_varied(text: str, first: Any, last: Any, distribution: str) -> None:
    varied = Varied.read(text)
    assert (varied.key, varied.ends[0], varied.ends[-1]) == (text.partition("=")[0], first, last)
    assert str(varied.distribution()) == distribution


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optim.lr", "accepted: KEY=LOW:HIGH"),
        ("=1:2", "accepted: KEY=LOW:HIGH"),
        ("x=2:1", "no range from a number to a larger one"),
        ("x=1:1", "no range from a number to a larger one"),
        ("x=0:inf", "no range from a number to a larger one"),
        ("x=1:2:3:4", "no range from a number to a larger one"),
        ("x=0:1:log", "the logarithm of 0 is none; accepted: ends above 0"),
        ("x=a:1", "a is no number"),
        ("x=1:2:lin", "lin is no number"),
        ("x=0:1:0.3", "no whole steps of 0.3"),
        ("x=0:1:-1", "the step is -1"),
        ("x=0:1:2", "no whole steps of 2"),
        ("x=one", "two or more alternatives, all different"),
        ("x=1,1", "two or more alternatives, all different"),
        ("x=1,,2", "nothing is no number and no word"),
        ("x={a,b}", "is no number and no word"),
    ],
)
def test_what_cannot_be_varied(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"accepted: ") as caught:
        Varied.read(text)
    assert said in str(caught.value)


class Fake:
    """In place of a training: the nearer the rate is to .1, the better; some diverge, one is stopped by a signal."""

    def __init__(self, stop_at: int = -1, kill_at: int = -1) -> None:
        self.rates: list[float] = []
        self.stop_at, self.kill_at = stop_at, kill_at

    def __call__(self, config: Any, *, console: Any, continue_existing: bool) -> RunSummary:
        assert continue_existing
        assert isinstance(console, Console)
        rate = dict(config.value.optim.model_extra)["lr"]
        self.rates.append(rate)
        if len(self.rates) == self.kill_at:
            raise KeyboardInterrupt
        stopped = "SIGINT" if len(self.rates) == self.stop_at else ""
        if rate > 0.9 and not stopped:
            raise DivergedError("the loss is nan")
        value = 1 / (1 + abs(rate - 0.1))
        return RunSummary(config.value.run, not stopped, stopped, 1, 1, 1, best={"value": value, "round": 1})


@pytest.mark.parametrize(
    ("text", "taken", "refused"),
    [
        (LR, (1e-3, 0.5, 1), (1e-4, 2, True, "0.5", None)),
        ("x=0:1:0.1", (0, 0.3, 1), (0.35, -0.1)),
        ("x=8:64:8", (8, 56), (12, 8.0, 72)),
        ("x=1:1024:log", (3, 1024), (0, 3.5)),
        ("x=SGD,AdamW,1,true", ("SGD", 1, True), ("SGDSGD", 1.0, 0, None)),
    ],
)
def test_what_is_among_the_values(text: str, taken: tuple[Any, ...], refused: tuple[Any, ...]) -> None:
    varied = Varied.read(text)
    assert [value for value in taken if not varied.takes(value)] == []
    assert [value for value in refused if varied.takes(value)] == []


def tuned(monkeypatch: pytest.MonkeyPatch, fake: Fake, *words: str, expect: int = 0) -> dict[str, Any]:
    monkeypatch.setattr(tuning, "train", fake)
    result = CliRunner().invoke(tune_command, [*words, "--json"], catch_exceptions=False, standalone_mode=False)
    assert (result.return_value if result.exit_code == 0 else result.exit_code) in (None, expect), result.output
    found: dict[str, Any] = json.loads(result.stdout) if result.stdout else {}
    return found


def test_a_search_finds_what_is_good_and_goes_on_as_if_nothing_had_been(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("quick", *COMMON, "--vary", LR, "--trials", "6")
    monkeypatch.setattr(tuning, "FIRST", 3)
    whole = Fake()
    found = tuned(monkeypatch, whole, *words, "--out", "whole")
    assert (found["schema"], found["metric"], found["is_small"], found["asked"]) == (
        *("plainnet.tuning/1", "accuracy", False),
        6,
    )
    values = {trial["number"]: trial["value"] for trial in found["trials"]}
    known = {number: value for number, value in values.items() if value is not None}
    assert len(values) == 6
    assert found["best"] == max(known, key=lambda number: known[number])
    parts = Fake(stop_at=3)
    assert tuned(monkeypatch, parts, *words, "--out", "parts", expect=130)["stopped_by"] == "SIGINT"
    trials = read_trials(Path("parts"), [Varied.read(LR)])
    assert (len(trials), trials[-1].is_over, trials[-1].value) == (3, False, None)
    killed = Fake(kill_at=3)
    tuned(monkeypatch, killed, "parts", expect=130)
    rest = Fake()
    again = tuned(monkeypatch, rest, "parts")
    assert [*parts.rates[:2], *killed.rates[:2], *rest.rates] == whole.rates, "the one that was stopped is trained on"
    assert [trial["value"] for trial in again["trials"]] == list(values.values())
    more = tuned(monkeypatch, Fake(), "parts", "--trials", "7")
    assert len(more["trials"]) == 7
    assert tuned(monkeypatch, other := Fake(), *words[:-1], "2", "--seed", "1", "--out", "other")["best"] is not None
    assert other.rates[0] != whole.rates[0]


def test_trials_that_diverge_are_tried_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("quick", *COMMON, "--vary", "optim.lr=0.05,0.95", "--trials", "6", "--out", "tuned")
    found = tuned(monkeypatch, Fake(), *words)
    values = [trial["value"] for trial in found["trials"]]
    assert None in values
    assert [trial["is_over"] for trial in found["trials"]] == [True] * 6
    result = CliRunner().invoke(tune_command, ["tuned"], catch_exceptions=False, standalone_mode=False)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["trial", "optim.lr", "accuracy", "round"]
    assert lines[2].split()[1:] == ["0.05", "0.9524", "1"]
    assert any("diverged" in line for line in lines)
    assert "plainnet train tuned/best.yaml" in result.stdout
    assert max(map(len, lines)) <= 80


def test_losses_are_made_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("quick", *COMMON, "checkpoint.best=loss", "--vary", "optim.lr=0.01:0.5", "--trials", "3", "--out", "tuned")
    found = tuned(monkeypatch, Fake(), *words)
    values = [trial["value"] for trial in found["trials"]]
    assert found["is_small"]
    assert values[found["best"]] == min(values)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("quick",), UsageError, "nothing is varied"),
        (("quick", "--vary", "optim.lrr=1:2"), InvalidConfigError, "has no argument lrr"),
        (("quick", "--vary", "train.epochs=0:3"), InvalidConfigError, "train.epochs"),
        (("quick", "--vary", "optim.type=SGD,Adamm"), InvalidConfigError, "did you mean Adam"),
        (("quick", "--vary", LR, "--vary", LR), UsageError, "optim.lr is varied twice"),
        (("quick", "--vary", "run=a,b"), UsageError, "run cannot be varied"),
        (("quick", "--vary", "checkpoint.best=a,b"), UsageError, "checkpoint.best cannot be varied"),
        (("quick", "--vary", LR, "--out", "full"), RunError, "full is not empty; choose another folder"),
        (("quick", "--vary", LR, "--out", "begun"), RunError, "go on with: plainnet tune begun"),
        (("begun", "--vary", LR), UsageError, "--vary belongs to a new search"),
        (("a run", "--vary", LR), UsageError, "a run is a run; for its settings: plainnet tune 'a run/config.yaml'"),
        (("damaged",), RunError, "damaged/tune.json is damaged: schema: Field required"),
    ],
)
def test_misuse_is_told_before_anything_is_trained(
    words: tuple[str, ...],
    error: type[PlainnetError],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("full", "begun", "damaged"):
        Path(folder).mkdir()
        (Path(folder) / "tune.json").write_text('{"trials": "many"}')
    Path("full/tune.json").rename("full/other")
    Path("a run").mkdir()
    Path("a run/config.yaml").touch()
    with pytest.raises(error, match=said):
        CliRunner().invoke(tune_command, words, catch_exceptions=False, standalone_mode=False)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"trial": 1, "begun": {"optim.lr": 0.1}}',
        '{"trial": 0, "begun": {"model.type": "evil.py:Net"}}',
        '{"trial": 0, "begun": {"optim.lr": [1]}}',
        '{"trial": 0, "value": 0.5}',
        '{"trial": 0, "begun": {"optim.lr": 0.1}}\n{"trial": 0, "value": "best"}',
        '{"trial": 0, "begun": {"optim.lr": 0.1}}\n{"trial": 1, "begun": {"optim.lr": 0.1}}',
    ],
)
def test_damaged_trials_are_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text(line + "\n")
    with pytest.raises(RunError, match=r"trials.jsonl is damaged: line \d: "):
        read_trials(tmp_path, [Varied.read(LR)])


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'plainnet\[tune\]'"):
        CliRunner().invoke(tune_command, ["quick", "--vary", LR], catch_exceptions=False, standalone_mode=False)
    assert not list(tmp_path.iterdir())


def test_trials_are_runs_and_the_best_can_be_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With real trainings: each trial's folder is a run, whose summary says what the trial is worth."""
    from plainnet.engine.run.training_run import load_config

    monkeypatch.chdir(tmp_path)
    structure = "model.structure=SuperConvK3BNRELU(1,4,4,1)"
    words = ["quick", *COMMON, structure, "--vary", LR, "--vary", "data.batch_size=128,512", "--trials", "2"]
    result = CliRunner().invoke(
        tune_command, [*words, "--out", "tuned", "--json"], catch_exceptions=False, standalone_mode=False
    )
    found = json.loads(result.stdout)
    for trial in found["trials"]:
        summary = json.loads((Path(trial["run"]) / "summary.json").read_text())
        assert summary["best"]["value"] == trial["value"]
        config = load_config(Path(trial["run"]) / "config.yaml").value
        assert dict(config.optim.model_extra or {})["lr"] == trial["values"]["optim.lr"]
        assert config.data.batch_size == trial["values"]["data.batch_size"]
    best = load_config(tmp_path / "tuned/best.yaml").value
    assert Path(best.run) == tmp_path / "tuned/best"
    assert dict(best.optim.model_extra or {})["lr"] == found["trials"][found["best"]]["values"]["optim.lr"]
