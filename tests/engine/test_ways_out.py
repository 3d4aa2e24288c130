"""Every wait has a way out: signals, loader processes that cannot hand over, hooks that do not end."""

# ruff: noqa: ARG002 (hooks take what they are given)
from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from small import SAMPLES, make_trainer

from plainnet.engine import Hook, Loader
from plainnet.engine.data.workers import delivered
from plainnet.engine.processes import interruption
from plainnet.engine.processes.interruption import StopSignal
from plainnet.errors import RunError


class Unsendable:
    """Samples whose batches no process can send to another."""

    def __len__(self) -> int:
        return 10

    def fetch(self, indices: Any, draws: Any) -> Any:
        return {"image": torch.zeros(len(indices), 1), "odd": lambda: None}


def test_a_batch_that_a_process_cannot_hand_over_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    """Python's queue prints a trace and drops the batch, for which the trainer would wait for ever."""
    loader = Loader(Unsendable(), batch_size=2, shuffle=False, workers=1)
    with pytest.raises(
        RunError, match=r"the processes that load the data cannot go on: .*open \(here \d+; ulimit -n\)"
    ):
        next(loader.at(0))
    loader.close()
    assert "a loader process cannot hand over a batch: " in capfd.readouterr().err


@pytest.mark.tail
def test_few_open_files_end_a_training_with_the_reason(tmp_path: Path) -> None:
    """As a user meets it: before, the trainer waited ten minutes and heard no signal."""
    words = ["train", "quick", "train.epochs=1", "data.workers=2", "device=cpu", f"run={tmp_path / 'run'}"]
    command = ["bash", "-c", 'ulimit -n 20; exec "$@"', "bash", sys.executable, "-m", "plainnet", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 1
    assert "Too many open files" in result.stderr
    assert "(here 20; ulimit -n)" in result.stderr
    assert "Traceback" not in result.stderr


def test_half_made_processes_leave_no_trace_below_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of open files that is met while torch makes the second of two processes; a warning from clearing up is an error."""
    made, real = [], torch.multiprocessing.Queue

    def few(*arguments: Any) -> Any:
        made.append(1)
        if len(made) == 3:  # one for the results, one for each process
            raise OSError(24, "Too many open files")
        return real(*arguments)

    monkeypatch.setattr(torch.multiprocessing, "Queue", few)
    loader = Loader(Unsendable(), batch_size=2, shuffle=False, workers=2)
    with pytest.raises(RunError, match="Too many open files"):
        next(loader.at(0))
    assert len(made) == 3
    loader.close()
    gc.collect()


def test_processes_that_cannot_begin_are_an_error() -> None:
    class Full:
        def __iter__(self) -> Any:
            raise OSError(24, "Too many open files")

    with pytest.raises(RunError, match=r"cannot go on: \[Errno 24\] Too many open files"):
        next(delivered(Full()))


def test_the_processes_of_a_loader_end_with_the_run() -> None:
    trainer = make_trainer(epochs=1)
    trainer.register_loader(Loader(SAMPLES, batch_size=25, shuffle=True, workers=1))
    trainer.fit()
    assert trainer.train_loader.loader._iterator is None
    trainer.epochs = 2
    assert len(trainer.fit()) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_after_the_update(number: int) -> None:
    class Send(Hook):
        def after_backward(self, trainer: Any, batch: Any, output: Any, result: Any) -> None:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    trainer = make_trainer(hooks=[Send()])
    trainer.fit()
    assert (trainer.iteration, trainer.stop_reason, trainer.finished) == (1, signal.Signals(number).name, False)
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_a_hook_that_does_not() -> None:
    class Endless(Hook):
        def after_update(self, trainer: Any) -> None:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    trainer = make_trainer(hooks=[Endless()])
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    assert time.monotonic() - began < 30
    assert trainer.stop_reason == "KeyboardInterrupt"


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_second_signal_ends_the_process_in_any_case(stubborn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A main thread that is not to be interrupted: the process ends after the grace, with the code of the signal."""
    ended, codes = threading.Event(), list[int]()

    def note(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(interruption, "GRACE", 0.2)
    monkeypatch.setattr(interruption.os, "_exit", note)
    with StopSignal() as stop:
        for _ in range(2):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)
            except KeyboardInterrupt:
                pass
        assert stop.name == "SIGTERM"
        if stubborn:
            assert ended.wait(20)
    assert ended.wait(0.5) is stubborn
    assert codes == ([128 + signal.SIGTERM] if stubborn else [])


def test_signals_are_left_to_an_event_loop_around() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    try:
        with StopSignal() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
        assert stop.name == "SIGTERM"
        assert signal.set_wakeup_fd(-1) == writer
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reader)
        os.close(writer)
