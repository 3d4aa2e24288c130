"""`plainnet train`, `plainnet config`, `plainnet predict`, as a user runs them."""

# ruff: noqa: ARG001 (the fixture `there` is where the test runs)
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.config import config_command
from plainnet.cli.predict import predict_command
from plainnet.cli.train import train_command
from plainnet.engine import Predictor
from plainnet.engine.run.failure_report import write_failure
from plainnet.engine.run.schema import recipes
from plainnet.errors import ConfigError, RunError, UsageError
from tests import forked

HERE = Path(__file__).parent
NET = "SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)"
FAST = ("train.epochs=2", "log.tensorboard=false", "device=cpu")


def run(command: Any, *args: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(command, list(args))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == expect, result.output
    return result


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def digit_files(folder: Path) -> list[Path]:
    """Three digits as image files: as scikit-learn has them, enlarged, and dark on white."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    paths = []
    for number, (size, inverted) in enumerate([(8, False), (64, False), (8, True)]):
        pixels = np.uint8(data.images[number] * 15.9)
        image = Image.fromarray(255 - pixels if inverted else pixels).resize((size, size), Image.Resampling.BICUBIC)
        paths.append(folder / f"digit-{number}.png")
        image.save(paths[-1])
    return paths


def test_a_structure_is_trained_and_used(there: Path) -> None:
    result = run(train_command, "quick", "train.epochs=8", *FAST[1:], "--out", "out", "--json")
    summary = json.loads(result.stdout)
    assert summary["run"] == "out"
    assert summary["complete"]
    assert summary["best"]["value"] > 0.9
    assert "epoch 8/8" in result.stderr
    assert "use it with: plainnet predict out" not in result.stdout
    assert {path.name for path in (there / "out").iterdir()} == {
        "best.safetensors",
        "checkpoints",
        "config.yaml",
        "last.safetensors",
        "lock",
        "log.jsonl",
        "log.txt",
        "summary.json",
    }
    paths = digit_files(there)
    lines = run(predict_command, "out", *map(str, paths), "--json").stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["classes"][0] for answer in answers] == ["0", "1", "2"]
    assert all(sum(answer["probabilities"]) <= 1 + 1e-6 for answer in answers)
    text = run(predict_command, "out/last.safetensors", str(paths[0]), "--top", "1").stdout
    assert text.startswith(f"{paths[0]}: 0 ")
    assert text.count("%") == 1


def test_runs_get_fresh_folders_and_a_table(there: Path) -> None:
    for expected in ("runs/quick", "runs/quick-2"):
        result = run(train_command, "quick", f"model.structure={NET}", "train.epochs=1", *FAST[1:])
        assert f"run {expected}: " in result.stderr
        assert f"plainnet predict {expected} IMAGE..." in result.stderr
        assert "accuracy" in result.stderr


def test_a_three_channel_structure_gets_three_channel_digits(there: Path) -> None:
    result = run(train_command, NET.replace("(1,8", "(3,8"), *FAST, "--json")
    assert json.loads(result.stdout)["complete"]
    result = run(train_command, "zennet_cifar_model_size05M_res32", "train.epochs=1", *FAST[1:], "--json")
    assert json.loads(result.stdout)["params"] == 500466


def test_a_finished_run_is_shown_again(there: Path) -> None:
    first = json.loads(run(train_command, NET, *FAST, "--out", "out", "--json").stdout)
    again = json.loads(run(train_command, "out", "--json").stdout)
    assert again["metrics"] == first["metrics"]
    with pytest.raises(RunError, match=r"out holds a run already"):
        run(train_command, NET, *FAST, "--out", "out")
    assert run(train_command, NET, *FAST, "--out", "out", "--resume").exit_code == 0


def test_unknown_things_are_named(there: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no structure, no file and no published network.*did you mean the recipe quick\?"
    ):
        run(train_command, "quik")
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        run(train_command, "none.yaml")
    with pytest.raises(UsageError, match=r"there is no recipe quik; did you mean quick"):
        run(train_command, NET, "--recipe", "quik")
    with pytest.raises(ConfigError, match=r"command line:1:1: optim.lrr: SGD has no argument lrr"):
        run(train_command, "quick", "optim.lrr=1")
    with pytest.raises(UsageError, match=r"'nowhere' is no structure, no file and no published network"):
        run(predict_command, "nowhere", "x.png")


def test_an_error_in_a_run_stands_out_and_is_kept(there: Path) -> None:
    hook = f"hooks=[{{type: '{HERE}/engine_models.py:FailAfter', updates: 3}}]"
    result = run(train_command, NET, *FAST, hook, "--out", "out", expect=1)
    assert "the run broke off" in result.stderr
    assert "ZeroDivisionError: the test divides by zero" in result.stderr
    (report,) = (there / "out").glob("error-*.txt")
    assert report.name in result.stderr.replace("\n", "").replace("│", "").replace(" ", "")
    with pytest.raises(ZeroDivisionError):
        run(train_command, NET, *FAST, hook, "--out", "debugged", "--debug")


def test_an_error_before_the_first_update_is_kept_too(there: Path) -> None:
    (there / "mine.py").write_text("def broken():\n    raise KeyError('inside')\n")
    result = run(train_command, "quick", "data={_delete_: true, type: 'mine.py:broken'}", "--out", "out", expect=1)
    assert "KeyError: 'inside'" in result.stderr
    (report,) = (there / "out").glob("error-*.txt")
    text = report.read_text()
    assert "the run could not be built" in text
    assert "mine.py" in text
    with pytest.raises(ConfigError, match=r"the optimizer SGD does not take that: Invalid learning rate: -1"):
        run(train_command, "quick", "optim.lr=-1", "--out", "other")
    assert not (there / "other").exists()


def test_a_trace_that_cannot_be_written_does_not_hide_the_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    error = ValueError("the first")
    write_failure(tmp_path / "run", error, None)
    (note,) = error.__notes__
    assert note.startswith(f"the trace could not be written to {tmp_path / 'run'}")


def test_a_broken_image_does_not_cost_the_answers_before_it(there: Path) -> None:
    run(train_command, NET, *FAST, "--out", "out")
    paths = digit_files(there)
    result = CliRunner().invoke(predict_command, ["out", str(paths[0]), "missing.png", str(paths[1])])
    assert isinstance(result.exception, RunError)
    assert "cannot read missing.png: there is no such file" in str(result.exception)
    assert result.stdout.startswith(f"{paths[0]}: ")
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 0), (signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_signal_stops_cleanly_and_says_how_to_go_on(there: Path, number: signal.Signals, workers: int) -> None:
    """Ctrl-C and a cluster's SIGTERM reach every process of the group, workers too."""
    command = [str(HERE / "launched.py"), NET, "train.epochs=400", f"data.workers={workers}"]
    process = forked.start([*command, *FAST[1:], "--out", "out", "--json"], folder=there)
    for _ in range(2400):
        if (there / "out" / "checkpoints").is_dir():
            break
        time.sleep(0.1)
    assert process.pid is not None
    os.killpg(process.pid, number)
    process.join(240)
    stdout, stderr = forked.printed(there)
    assert process.exitcode == 128 + number, stderr
    summary = json.loads(stdout)
    assert summary["stopped_by"] == number.name
    assert (there / "out" / "checkpoints" / f"{summary['iterations']:09d}").is_dir()
    assert "Traceback" not in stderr


def test_the_message_of_a_stopped_run(there: Path) -> None:
    hook = f"hooks=[{{type: '{HERE}/engine_models.py:StopAfter', updates: 3}}]"
    result = run(train_command, NET, *FAST, hook, "--out", "out", expect=130)
    assert "stopped after 3 updates; continue with: plainnet train out" in result.stderr


def test_configurations_are_shown_checked_explained_and_begun(there: Path) -> None:
    shown = run(config_command, "show", "quick", "optim.lr=0.5").stdout
    assert "lr: 0.5  # command line: optim.lr=0.5" in shown
    assert "keep: 2  # default" in shown
    assert json.loads(run(config_command, "show", "quick", "--json").stdout)["optim"]["lr"] == 0.1
    explained = run(config_command, "explain", "quick", "optim.lr=0.5", "optim.lr", "data.batch_size").stdout
    assert "optim.lr = 0.5\n    from command line: optim.lr=0.5" in explained
    assert "Images in a batch over all processes together." in explained
    assert "seed" not in explained
    with pytest.raises(UsageError, match=r"there is no key optim.lrr; did you mean optim.lr"):
        run(config_command, "explain", "quick", "optim.lrr")
    with pytest.raises(UsageError, match=r"there is no configuration quik; did you mean quick"):
        run(config_command, "check", "quik")
    run(config_command, "new", "mine.yaml")
    assert run(config_command, "check", "mine.yaml").stdout == "mine.yaml is fine\n"
    with pytest.raises(UsageError, match=r"exists already"):
        run(config_command, "new", "mine.yaml")
    mine, quick = (json.loads(run(config_command, "show", what, "--json").stdout) for what in ("mine.yaml", "quick"))
    assert mine == quick
    assert run(config_command, "list").stdout.count("\n") >= 3


def test_the_example_of_the_documentation_is_a_good_configuration(there: Path) -> None:
    text = (HERE.parent.parent / "docs" / "engine.md").read_text()
    (there / "mine.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    (there / "common.yaml").write_text("data: {batch_size: 32}\n")
    run(config_command, "check", "mine.yaml")
    shown = json.loads(run(config_command, "show", "mine.yaml", "--json").stdout)
    assert (shown["run"], shown["data"]["batch_size"]) == ("runs/AdamW-0", 32)


@pytest.mark.parametrize("recipe", recipes())
def test_every_recipe_is_a_good_configuration(recipe: str) -> None:
    run(config_command, "check", recipe)


def test_a_predictor_rebuilds_your_own_network(there: Path) -> None:
    model = f"model={{_delete_: true, type: '{HERE}/engine_models.py:Dropping'}}"
    run(train_command, "quick", model, *FAST, "--out", "out")
    with pytest.raises(UsageError, match=r"a file cannot name code: if you know it, say --import .*engine_models.py"):
        Predictor(there / "out")
    answers = Predictor(there / "out", imports=[f"{HERE}/engine_models.py"]).predict(digit_files(there), top=20)
    assert all(len(answer.classes) == 10 for answer in answers)


def test_torch_stays_out_of_looking_at_configurations() -> None:
    code = (
        "import sys\nfrom plainnet.cli.config import config_command\n"
        "config_command(['show', 'quick'], standalone_mode=False)\nassert 'torch' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=HERE.parent.parent
    )
    assert result.returncode == 0, result.stderr
