"""Candidates of a search as training runs: their plan, their trainings, and a search from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plainnet.blocks.user import load_blocks
from plainnet.cli.main import main
from plainnet.engine.run.candidates import CandidateTrainer, Trained, training_plan
from plainnet.errors import PlainnetError, RunError, UsageError

EXAMPLES = Path(__file__).parents[2] / "examples"
NET = "SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,8,2,8,1)"
SHORT = (
    "train.by=iteration",
    "train.iterations=4",
    "train.validate_every=2",
    "schedule.warmup=0",
    "log.tensorboard=false",
)
KNOWN: dict[str, Any] = {"structure": NET, "input_shape": (1, 8, 8), "num_classes": 10, "use_se": False}
HOOK = """
import os, signal
from pathlib import Path
from plainnet.engine import Hook

class StopOnce(Hook):
    def __init__(self, flag: Path, at: int) -> None:
        self.flag, self.at = Path(flag), at

    def after_update(self, trainer) -> None:
        if trainer.iteration == self.at and not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGTERM)
"""

BLOCK = """
from plainnet import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels
from plainnet.blocks.rows.layers import Act, Conv, Norm

class TwiceOfOurs(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels

    def layers(self):
        return (Conv(self.out_channels, 3, 2), Norm(), Act(), Conv(self.out_channels, 3), Norm(), Act())
"""


def plan(*changes: str) -> dict[str, Any]:
    return training_plan("quick", overrides=[*SHORT, *changes])


def train(what: dict[str, Any], folder: Path, *, structure: str = NET, length: int | None = None) -> Trained:
    return CandidateTrainer().train(what, structure=structure, use_se=False, folder=folder, seed=7, length=length)


def test_a_plan_is_plain_data_without_network_seed_and_folder(tmp_path: Path) -> None:
    found = plan("model.norm_momentum=0.05")
    assert json.loads(json.dumps(found)) == found
    assert not {"run", "seed", "derived"} & set(found)
    assert found["model"] == {"norm_momentum": 0.05}
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps(found))
    assert training_plan(file) == found  # as the page of a run says
    file.write_text("model: {type: timm, name: resnet18, norm_momentum: 0.2}\n")  # its network is not the candidates'
    assert training_plan(file)["model"] == {"norm_momentum": 0.2}
    file.write_text("_base_: quick\ndata: {type: arrays, train: images.npz, val: images.npz}\n")
    assert training_plan(file)["data"]["train"] == str(tmp_path / "images.npz")
    with pytest.raises(PlainnetError, match=r"train\.epoch"):
        plan("train.epoch=3")


@pytest.mark.parametrize(
    ("changes", "known", "message"),
    [
        ((), {"input_shape": (1, 32, 32)}, r"images of 1x8x8, and the search is for 1x32x32; .*--resolution 8"),
        ((), {"input_shape": (3, 8, 8)}, r"images of 1x8x8"),
        ((), {"num_classes": 100}, r"--num-classes 10"),
        (("checkpoint.best=loss",), {}, r"checkpoint.best is loss, which is made small"),
        (("checkpoint.mode=min",), {}, r"is made small"),
    ],
)
def test_a_plan_that_trains_no_candidate_is_refused(
    changes: tuple[str, ...], known: dict[str, Any], message: str
) -> None:
    checked = {**KNOWN, "lengths": [1, None], **known}
    with pytest.raises(UsageError, match=message):
        CandidateTrainer().check(plan(*changes), **checked)
    CandidateTrainer().check(plan(), **{**KNOWN, "num_classes": 0}, lengths=[1])


def test_a_training_is_done_once_and_gives_its_result_again(tmp_path: Path) -> None:
    first = train(plan(), tmp_path / "c")
    assert first.value is not None
    assert 0 < first.value < 1
    assert first.seconds > 0
    before = (tmp_path / "c" / "best.safetensors").stat().st_mtime_ns
    assert train(plan(), tmp_path / "c") == first
    assert (tmp_path / "c" / "best.safetensors").stat().st_mtime_ns == before


def test_a_training_that_was_stopped_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    hook = tmp_path / "stop.py"
    hook.write_text(HOOK)
    flag = tmp_path / "flag"
    stopping = plan(f"hooks.+={{type: '{hook}:StopOnce', flag: {flag}, at: 3}}")
    stopped = train(stopping, tmp_path / "parts")
    assert (stopped.value, stopped.stopped_by, stopped.failure) == (None, "SIGTERM", "")
    parts = train(stopping, tmp_path / "parts")
    whole = train(stopping, tmp_path / "whole")
    assert parts.value == whole.value
    one, two = ((tmp_path / name / "best.safetensors").read_bytes() for name in ("parts", "whole"))
    assert one == two


def test_what_is_wrong_with_a_network_is_its_failure_and_what_is_wrong_here_ends_the_search(tmp_path: Path) -> None:
    diverged = train(plan("optim.lr=1e30", "log.every=1"), tmp_path / "a")
    assert diverged.value is None
    assert diverged.failure.startswith("DivergedError: the loss is ")
    small = train(plan(), tmp_path / "b", structure="SuperConvK3BNRELU(1,8,1,1)MaxPool(8,3,2)MaxPool(8,3,2)Nothing(8)")
    assert (small.value, small.failure.partition(":")[0]) == (None, "InvalidConfigError")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made: it is a file"):
        train(plan(), tmp_path / "file")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def ran(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return ran


def test_a_search_ends_with_a_trained_network(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    folder = tmp_path / "r"
    changes = [word for change in SHORT for word in ("--train-set", change)]
    search = ["search", EXAMPLES / "digits.yaml", "--candidates", 200, "--quiet", "--out", folder]
    code, out, err = run(*search, "--ladder", "train@2:2,train@4:1", "--train-config", "quick", *changes, "--json")
    assert code == 0, err
    result = json.loads(out.splitlines()[-1])
    trained = result["trained"]
    assert result["decided_by"] == "train@4"
    assert result["best"]["train@4"] == trained["accuracy"] > 0
    assert (Path(trained["folder"]) / "best.safetensors").is_file()
    code, out, err = run("runs", "trained", folder, "--json")
    table = [json.loads(line) for line in out.splitlines()]
    assert [each["name"] for each in table] == ["train@2", "train@2", "train@4"]
    assert table[2]["accuracy"] == trained["accuracy"]
    code, out, err = run("runs", "trained", folder)
    assert (code, out.count("train@")) == (0, 3)
    code, out, err = run("predict", folder, EXAMPLES / "data" / "digit-1.png", "--json")
    assert (code, trained["folder"] in err) == (0, True)
    code, out, err = run("export", folder, "--to", "plainnet", "--out", tmp_path / "e")
    assert (code, trained["folder"] in err) == (0, True)
    assert (tmp_path / "e" / "weights.safetensors").is_file() or list((tmp_path / "e").glob("*.safetensors"))
    code, out, err = run("calibrate", folder)
    assert (code, "2 different trained networks; a calibration needs at least 15" in err) == (2, True)
    code, out, err = run("report", folder)
    assert code == 0, err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ladder", "train:2"], "nothing says how; accepted: --train-config"),
        (["--train-config", "quick"], "are for a ladder that trains"),
        (["--ladder", "train:2", "--train-config", "quick"], "--resolution 8"),
        (["--ladder", "train:2", "--train-config", "quik"], "quik"),
        (["--train-rounds", "2"], "both --train-rounds N and --train-budget"),
        (["--train-budget", "2"], "both --train-rounds N and --train-budget"),
        (["--ladder", "train:2", "--train-rounds", "2", "--train-budget", "4"], "brings the rung that trains"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, options: list[str], message: str
) -> None:
    code, _, err = run("search", "zennas-resnet", "--max-params", "1e6", "--out", tmp_path / "r", "--quiet", *options)
    assert (code, message in err) == (2, True), err
    assert not (tmp_path / "r").exists()


def test_a_file_of_blocks_that_is_known_is_not_run_again(tmp_path: Path) -> None:
    """A search loads it, and then each of its trainings names it."""
    file = tmp_path / "twice.py"
    file.write_text(BLOCK)
    load_blocks(file)
    trained = CandidateTrainer().train(
        plan(), structure="TwiceOfOurs(1,8)", use_se=False, folder=tmp_path / "c", seed=1, length=2, blocks=(str(file),)
    )
    assert (trained.failure, trained.value is not None) == ("", True)
    assert str(file) in (tmp_path / "c" / "config.yaml").read_text()
