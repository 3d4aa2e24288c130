"""What a run tells: lines, the bar, JSON lines, TensorBoard, statistics, traces."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plainnet.engine.hooks.console import clock, shown
from plainnet.engine.run.training_run import resume, train
from plainnet.errors import UsageError
from plainnet.files.tensor_files import read_tensors


def printed(configured: Callable[..., Any], *overrides: str, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120, color_system=None)
    train(configured(*overrides), console=console)
    return stream.getvalue()


def test_a_line_for_each_epoch(configured: Callable[..., Any]) -> None:
    first, *lines = printed(configured, terminal=False).splitlines()
    assert first.startswith("PlainNet of ")
    assert " on digits (1,437 training and 360 validation images), cpu, run " in first
    assert len(lines) == 2
    for number, line in enumerate(lines, start=1):
        assert line.startswith(f"epoch {number}/2  loss ")
        for word in ("accuracy 0.", "| val", "| lr", "left 0:0"):
            assert word in line
        assert "%" not in line


def test_a_long_epoch_says_where_it_is(configured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plainnet.engine.hooks.console.SILENCE", 0.0)
    text = printed(configured, "log.every=10", terminal=False)
    assert [line.split("  ")[1] for line in text.splitlines() if "update " in line] == [
        "update 10/46",
        "update 20/46",
        "update 30/46",
        "update 40/46",
    ]


def test_a_clock_that_jumps_back_changes_nothing(
    trained: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained("train.epochs=1", run="sound")
    now = iter(range(2_000_000_000, 0, -86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    trained("train.epochs=1", run="jumping")
    found = [read_tensors(tmp_path / run / "best.safetensors", ours=True)[0] for run in ("sound", "jumping")]
    assert all(value.equal(found[1][name]) for name, value in found[0].items())
    lines = [json.loads(line) for line in (tmp_path / "jumping" / "log.jsonl").read_text().splitlines()]
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] < 600


def test_a_bar_on_a_terminal(configured: Callable[..., Any]) -> None:
    text = printed(configured, "train.epochs=6", terminal=True)
    assert "/138" in text
    assert "epoch 6/6" in text


def test_rounds_of_an_iteration_run(configured: Callable[..., Any]) -> None:
    text = printed(configured, "train={by: iteration, iterations: 25, validate_every: 10}", terminal=False)
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == ["round 1/3", "round 2/3", "round 3/3"]


def test_json_lines_hold_every_logged_update_and_epoch(trained: Callable[..., Any], tmp_path: Path) -> None:
    trained("log.every=10", "hooks=[{type: GradientStatistics}, {type: StepTimer}]", "log.watch=[blocks.*]")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["event"] == "train"] == [10, 20, 30, 40]
    first = lines[0]
    assert {"epoch", "lr", "loss", "accuracy", "seconds"} <= set(first)
    assert first["gradient/norm"] >= first["gradient/largest"] >= first["gradient/smallest"] >= 0
    assert first["time/update_ms"] > 0
    assert first["watch/blocks.1"] > 0
    assert first["watch/blocks.1.grad"] > 0
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert {"train/loss", "train/accuracy", "val/loss", "val/accuracy"} <= set(epochs[0])


def test_tensorboard_events(trained: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained("log.tensorboard=true", "log.every=10")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("step/loss")] == [10, 20, 30, 40]
    assert [event.step for event in events.Scalars("val/accuracy")] == [23, 46]


def test_a_run_that_begins_anew_leaves_no_points_of_before(
    trained: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    """It broke off before its first checkpoint, and then once more after one."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def fail(updates: int) -> str:
        return f"hooks=[{{type: '{Path(__file__).parent}/engine_models.py:FailAfter', updates: {updates}}}]"

    options = ("log.tensorboard=true", "log.every=1")
    with pytest.raises(ZeroDivisionError):
        trained(*options, fail(9))
    with pytest.raises(ZeroDivisionError):
        resume(tmp_path / "run", overrides=[fail(30)], console=quiet)
    resume(tmp_path / "run", overrides=["hooks=[]"], console=quiet)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("step/loss")] == list(range(1, 47))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["event"] == "train"] == list(range(1, 47))
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def test_what_is_not_finite_is_null_and_counted(trained: Callable[..., Any], tmp_path: Path) -> None:
    hook = f"hooks=[{{type: '{Path(__file__).parent}/engine_models.py:LogNotFinite'}}]"
    trained(hook, "log.every=20", "train.epochs=1")
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert (first["odd/nan"], first["odd/inf"], first["not_finite"]) == (None, None, 2)
    assert first["loss"] > 0


def test_a_profile_is_written(trained: Callable[..., Any], tmp_path: Path) -> None:
    trained(f"hooks=[{{type: Profiler, file: {tmp_path / 'trace.json'}, skip: 2, updates: 1}}]", "train.epochs=1")
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_a_profile_that_is_there_already_stays(trained: Callable[..., Any], tmp_path: Path) -> None:
    kept = tmp_path / "trace.json.gz"
    kept.write_text("kept")
    (tmp_path / "trace-2.json.gz").symlink_to("nowhere")
    trained(f"hooks=[{{type: Profiler, file: {kept}, skip: 2, updates: 1}}]", "train.epochs=1")
    assert kept.read_text() == "kept"
    assert json.loads(gzip.decompress((tmp_path / "trace-3.json.gz").read_bytes()))["traceEvents"]


def test_the_best_is_chosen_by_any_metric(trained: Callable[..., Any], tmp_path: Path) -> None:
    summary = trained("checkpoint.best=loss", "train.epochs=4")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [line["val/loss"] for line in lines if line["event"] == "epoch"]
    assert summary.best["value"] == pytest.approx(min(losses), abs=1e-7)
    with pytest.raises(UsageError, match=r"checkpoint.best is acuracy, .*; did you mean accuracy\?"):
        trained("checkpoint.best=acuracy", run="other")


def test_the_last_checkpoints_are_kept(trained: Callable[..., Any], tmp_path: Path) -> None:
    trained("train.epochs=4", "checkpoint.keep=3")
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["000000046", "000000069", "000000092"]


def test_a_network_with_too_few_outputs_is_refused(trained: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"the network has 7 outputs, and the data have 10 classes"):
        trained("model.num_classes=7")


def test_times_and_metrics_as_a_person_reads_them() -> None:
    assert [clock(seconds) for seconds in (0, 61, 3725)] == ["0:00", "1:01", "1:02:05"]
    assert shown("accuracy", 0.5) == "accuracy 0.5"
    assert shown("loss", 0.123456) == "loss 0.1235"
