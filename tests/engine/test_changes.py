"""A run that is taken up with something changed: it is applied from there on, or refused; and the folder says what is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from plainnet.configs import InvalidConfigError
from plainnet.engine.run.training_run import load_config, resume
from plainnet.errors import RunError, UsageError
from plainnet.files.tensor_files import read_tensors

MODELS = Path(__file__).parent / "engine_models.py"
FEW = ("data.batch_size=512", "data.augment=[]")
"""Three updates an epoch."""
EACH = ("log.every=1", "train.epochs=3", *FEW)
STEPS = "schedule={_delete_: true, type: MultiStepLR, milestones: [1, 2], gamma: 0.5}"


def stopping(updates: int) -> str:
    return f"hooks=[{{type: '{MODELS}:StopAfter', updates: {updates}}}]"


def rates(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["lr"] for line in lines if line["event"] == "train"]


@pytest.mark.parametrize(
    ("updates", "before", "change"),
    [
        (2, (), ("optim.lr=0.003",)),
        (3, (), ("train.epochs=5",)),
        (4, (), ("schedule.type=constant",)),
        (2, (), (STEPS,)),
        (3, (STEPS,), ("schedule.milestones=[2]", "optim.lr=1")),
        (4, (STEPS,), ("schedule.gamma=0.1", "schedule.warmup=2")),
        (2, ("schedule.per=iteration",), ("schedule.warmup=2.5", "train.epochs=4")),
        (3, ("schedule.per=iteration",), ("train.accumulate=2",)),
        (4, ("train={by: iteration, iterations: 6, validate_every: 3}",), ("train.iterations=9", "optim.lr=0.02")),
        (
            2,
            ("schedule={_delete_: true, type: OneCycleLR, max_lr: 0.5, epochs: 3, steps_per_epoch: 3}",),
            ("schedule.max_lr=1",),
        ),
    ],
)
def test_the_learning_rates_are_those_of_a_run_that_began_so(
    trained: Callable[..., Any],
    quiet: Console,
    tmp_path: Path,
    before: tuple[str, ...],
    change: tuple[str, ...],
    updates: int,
) -> None:
    """From the place of the checkpoint on, whatever the schedule; the rates before stay what they were."""
    trained(*EACH, *before, *change, run="other")
    trained(*EACH, *before, stopping(updates), run="run")
    done = len(rates(tmp_path / "run"))
    resume(tmp_path / "run", overrides=["hooks=[]", *change], console=quiet)
    found, expected = rates(tmp_path / "run"), rates(tmp_path / "other")
    if "train.accumulate=2" in change:  # fewer updates: compared from the end
        rest = len(found) - done
        assert found[-rest + 1 :] == pytest.approx(expected[-rest + 1 :], rel=1e-9)
    else:
        assert len(found) == len(expected)
        assert found[done:] == pytest.approx(expected[done:], rel=1e-9)


@pytest.mark.parametrize(("option", "value"), [("lr", 0.01), ("momentum", 0.5), ("weight_decay", 0.3), ("lr", 1)])
def test_an_option_changes_where_the_run_is_taken_up(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path, option: str, value: float
) -> None:
    """As if someone had set it in the optimizer after that update: the momenta stay."""
    options = ("schedule={_delete_: true, type: constant}", "optim.weight_decay=0.0001", "optim.groups=[]", *FEW)
    at_once = f"hooks=[{{type: '{MODELS}:SetOption', updates: 4, option: {option}, value: {json.dumps(value)}}}]"
    trained(*options, at_once, run="at_once")
    trained(*options, stopping(4), run="run")
    resume(tmp_path / "run", overrides=["hooks=[]", f"optim.{option}={json.dumps(value)}"], console=quiet)
    one, other = (read_tensors(tmp_path / name / "last.safetensors")[0] for name in ("at_once", "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("updates", "change", "reason"),
    [
        (30, "seed=1", "seed 0 -> 1: the order of the images"),
        (30, "train={_delete_: true, by: iteration, iterations: 90}", 'train.by "epoch" -> "iteration"'),
        (
            30,
            "optim={_delete_: true, type: AdamW, lr: 0.1}",
            'optim.type "SGD" -> "AdamW": what the optimizer remembers',
        ),
        (30, "model.weights=other/last.safetensors", "weights are loaded when a run begins"),
        (
            30,
            "data.batch_size=32",
            r"data.batch_size 64 -> 32: the checkpoint is inside an epoch, after 7 batches of it",
        ),
        (30, "data.drop_last=true", "inside an epoch"),
        (30, "optim.groups=[{match: '@norm', weight_decay: 0}]", "which parameter is in which group cannot change"),
        (30, "train.epochs=1", "train.epochs 1: 2 epochs have been trained or begun"),
        (46, "train.epochs=1", "train.epochs 1: 2 epochs have been trained or begun"),
        (23, "data.size=9", r"the data: shape \[1, 8, 8\] -> \[1, 9, 9\]"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_the_reason(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path, updates: int, change: str, reason: str
) -> None:
    trained(stopping(updates), "train.epochs=3")
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(UsageError, match=reason):
        resume(tmp_path / "run", overrides=["hooks=[]", change], console=quiet)
    assert (tmp_path / "run" / "config.yaml").read_text() == before
    assert not (tmp_path / "run" / "changes.jsonl").exists()


def test_an_option_that_needs_another_state_is_refused(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    """Adam keeps the largest second moments only with amsgrad, RMSprop the mean gradient only with centered."""
    trained("optim={_delete_: true, type: Adam, lr: 0.01}", "train.epochs=1")
    more = ["train.epochs=2", "optim.amsgrad=true"]
    with pytest.raises(UsageError, match=r"has remembered no max_exp_avg_sq\n  optim.amsgrad .*true"):
        resume(tmp_path / "run", overrides=more, console=quiet)
    assert resume(tmp_path / "run", overrides=["train.epochs=2", "optim.betas=[0.8, 0.9]"], console=quiet).rounds == 2


def test_between_epochs_the_batches_may_change(trained: Callable[..., Any], quiet: Console, tmp_path: Path) -> None:
    trained("schedule.per=iteration", "train.epochs=1")
    longer = resume(tmp_path / "run", overrides=["data.batch_size=128", "train.epochs=3"], console=quiet)
    assert longer.iterations == 23 + 2 * 12


def test_an_extended_run_goes_on_as_it_was_extended(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    """Stopped in its extension, it is what it was made, not what it began as; also killed before its next checkpoint."""
    folder = tmp_path / "run"
    trained()
    stopped = resume(folder, overrides=["train.epochs=5", "optim.weight_decay=0", stopping(50)], console=quiet)
    assert not stopped.complete
    (folder / "checkpoints" / "000000050").rename(tmp_path / "killed before it was written")
    again = resume(folder, overrides=["hooks=[]"], console=quiet)
    assert (again.complete, again.rounds) == (True, 5)
    config = load_config(folder / "config.yaml").value
    assert (config.train.epochs, config.optim.arguments["weight_decay"]) == (5, 0)
    text = (folder / "config.yaml").read_text()
    assert "epochs: 5  # command line: train.epochs=5" in text
    assert "every: 1  # default" in text
    first, second = [json.loads(line) for line in (folder / "changes.jsonl").read_text().splitlines()]
    assert first["after_update"] == second["after_update"] == 46
    assert first["changed"]["train.epochs"] == {"from": 2, "to": 5}
    assert first["changed"].keys() == {"train.epochs", "optim.weight_decay", "hooks"}
    assert second["changed"].keys() == {"train.epochs", "optim.weight_decay"}
    resume(folder, console=quiet)
    assert (folder / "config.yaml").read_text() == text
    assert len((folder / "changes.jsonl").read_text().splitlines()) == 2


def test_what_is_changed_in_the_file_is_changed(trained: Callable[..., Any], quiet: Console, tmp_path: Path) -> None:
    trained("log.every=1", "schedule={_delete_: true, type: constant}", stopping(10))
    file = tmp_path / "run" / "config.yaml"
    file.write_text(file.read_text().replace("lr: 0.1 ", "lr: 0.02 "))
    resume(tmp_path / "run", overrides=["hooks=[]"], console=quiet)
    assert rates(tmp_path / "run")[9:12] == [0.1, 0.02, 0.02]
    entry = json.loads((tmp_path / "run" / "changes.jsonl").read_text())
    assert entry["changed"]["optim.lr"] == {"from": 0.1, "to": 0.02}


def test_a_job_script_that_says_something_else_changes_the_run(trained: Callable[..., Any], tmp_path: Path) -> None:
    trained()
    assert trained("train.epochs=3", continue_existing=True).rounds == 3
    assert load_config(tmp_path / "run" / "config.yaml").value.train.epochs == 3
    with pytest.raises(UsageError, match=r"train.epochs 2: 3 epochs"):
        trained(continue_existing=True)


@pytest.mark.parametrize("change", ["train.ema=0.5", "train.ema=null"])
def test_an_average_may_begin_and_end(trained: Callable[..., Any], quiet: Console, tmp_path: Path, change: str) -> None:
    """Where there was none it begins with the weights of the checkpoint, as one that a hook begins there."""
    trained("train.ema=0.9" if "null" in change else "train.ema=null", "train.epochs=1", "schedule.type=constant")
    assert resume(tmp_path / "run", overrides=[change, "train.epochs=2"], console=quiet).complete


def test_an_average_that_begins_is_of_the_weights_from_there_on(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    options = ("schedule.type=constant", "optim.lr=0")
    trained("train.epochs=1", "schedule.type=constant")
    resume(tmp_path / "run", overrides=[*options, "train.ema=0.9", "train.epochs=2"], console=quiet)
    weights = read_tensors(tmp_path / "run" / "last.safetensors")[0]
    trained("train.epochs=1", "schedule.type=constant", run="other")
    resume(tmp_path / "other", overrides=[*options, "train.epochs=2"], console=quiet)
    for name, tensor in read_tensors(tmp_path / "other" / "last.safetensors")[0].items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-5, atol=1e-6)


def test_the_best_is_chosen_anew_by_another_metric(trained: Callable[..., Any], quiet: Console, tmp_path: Path) -> None:
    trained("schedule.type=constant")
    summary = resume(tmp_path / "run", overrides=["checkpoint.best=loss", "train.epochs=4"], console=quiet)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [line["val/loss"] for line in lines if line["event"] == "epoch"]
    assert summary.best["value"] == pytest.approx(min(losses[2:]), abs=1e-7)


def test_equal_runs_are_equal_files(trained: Callable[..., Any], quiet: Console, tmp_path: Path) -> None:
    """Everything but times, whatever the folder: one in one piece, one twice stopped."""
    trained("train.ema=0.9", run="one")
    trained("train.ema=0.9", stopping(5), run="two")
    resume(tmp_path / "two", overrides=["hooks=[]"], console=quiet)
    names = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.safetensors")]
    names += [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("state.json")]
    assert len(names) >= 5
    for name in names:
        if name.parts[-2:] == ("000000023", name.name):
            continue
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_an_unknown_key_is_refused_before_anything_is_read(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    trained("train.epochs=1")
    with pytest.raises(InvalidConfigError, match=r"did you mean lr\?|lrr"):
        resume(tmp_path / "run", overrides=["optim.lrr=1"], console=quiet)


def test_a_checkpoint_without_its_configuration_is_refused(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint, save_checkpoint

    trained("train.epochs=1")
    path = checkpoints(tmp_path / "run" / "checkpoints")[-1]
    weights, state = load_checkpoint(path)
    del state["hooks"]["ConfigHook.0"]
    save_checkpoint(path.parent, 24, model=weights, state=state)
    with pytest.raises(RunError, match=r"does not say which configuration it was made under"):
        resume(tmp_path / "run", console=quiet)
