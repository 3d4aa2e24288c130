"""Whatever happens to a run, what was acknowledged is kept and the end is the same."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from plainnet.errors import RunError
from plainnet.files.lock import RunLock
from plainnet.search import Progress, RunStore, resume, search
from tests import forked
from tests.search.small import rows_of, small_config

COMMAND = [sys.executable, "-m", "plainnet", "search", "--workers", "1"]
SMALL = ["zennas-resnet", "--max-params", "2e5", "--max-layers", "10", "--islands", "4", "--population", "16"]
SMALL += ["--epoch", "200", "--candidates", "16000", "--ladder", "none"]


def start(printed: Path, *arguments: str) -> BaseProcess:
    return forked.start([*COMMAND[1:], "--quiet", *arguments], folder=printed)


def epochs_done(folder: Path) -> int:
    """How many epochs a run's file holds; 0 while there is none, or none with a configuration."""
    try:
        store = RunStore.open(folder)
    except RunError:
        return 0
    try:
        return store.epochs_done
    finally:
        store.close()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "reference"
    process = start(folder.parent, *SMALL, "--out", str(folder))
    process.join()
    assert process.exitcode == 0
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [15, pytest.param(50, marks=pytest.mark.tail)])
def test_kills_lose_nothing(count: int, reference: Path, tmp_path: Path) -> None:
    draw, kills, finished = random.Random(count), 0, 0
    folder = tmp_path / "run"
    while kills < count or not finished:
        known = (folder / "run.sqlite").exists()
        acknowledged = epochs_done(folder)
        process = start(tmp_path, *(["--resume", str(folder)] if known else [*SMALL, "--out", str(folder)]))
        process.join(draw.uniform(0.02, 0.6) if kills < count else None)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
            assert epochs_done(folder) >= acknowledged
            continue
        assert process.exitcode == 0
        assert rows_of(folder) == rows_of(reference)
        finished += 1
        shutil.rmtree(folder)


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    search(small_config(), tmp_path / "whole")
    seen = []

    def kill_one(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 2:
            multiprocessing.active_children()[0].kill()

    search(small_config(), tmp_path / "run", workers=2, watch=kill_one)
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")
    notes = [text for _, kind, _, text in RunStore.open(tmp_path / "run").events() if kind == "worker"]
    assert len(notes) == 1
    assert "was replaced" in notes[0]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["search", "sweep"])
def test_nothing_goes_on_without_its_parent(tmp_path: Path, command: str) -> None:
    """Whatever the processes of a killed command are at: an epoch here takes minutes."""
    psutil = pytest.importorskip("psutil", reason="the extra train is not installed")
    arguments = [command, "zennas-resnet", "--epoch", "2000000", "--candidates", "9e6", "--islands", "2"]
    arguments += ["--ladder", "none", "--workers", "2", "--out", str(tmp_path)]
    arguments += ["--vary", "layers=8,9"] if command == "sweep" else ["--max-layers", "9"]
    with subprocess.Popen([sys.executable, "-m", "plainnet", *arguments], stderr=subprocess.DEVNULL) as process:
        workers = []
        while len([each for each in workers if each.cpu_times().user > 1.5]) < 2:
            assert process.poll() is None
            time.sleep(0.1)
            workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []


def test_a_full_disk_is_said_and_loses_nothing(reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    size = (reference / "run.sqlite").stat().st_size // 3

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    process = subprocess.run(
        [*COMMAND, *SMALL, "--out", str(folder)], capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert process.returncode == 1
    assert "no room to write" in process.stderr
    assert f"plainnet search --resume {folder}" in process.stderr
    assert "Traceback" not in process.stderr
    assert epochs_done(folder) > 0
    resume(folder)
    assert rows_of(folder) == rows_of(reference)


def test_a_second_process_is_refused(reference: Path) -> None:
    with RunLock(reference):
        process = subprocess.run([*COMMAND, "--resume", str(reference)], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert f"in use by process {os.getpid()} on" in process.stderr


def test_control_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, *SMALL, "--candidates", "9e6", "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # a shell starts what runs in the background with Ctrl-C ignored, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while epochs_done(folder) < 1:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"plainnet search --resume {folder}" in errors
    assert "Traceback" not in errors
    assert epochs_done(folder) > 0


def damage_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 512] = os.urandom(512)
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10_000])


def replace_by_text(path: Path) -> None:
    path.write_text("no database\n" * 1000)


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE run (key, value)")


def of_the_future(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_middle, "is damaged"),
        (cut_short, "is damaged"),
        (replace_by_text, "is damaged"),
        (of_another_program, "is no run of plainnet"),
        (of_the_future, "has format 99, this version of plainnet reads formats 2 and 3"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(reference: Path, tmp_path: Path, damage, message: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(reference, folder)
    damage(folder / "run.sqlite")
    with pytest.raises(RunError, match=message):
        resume(folder)


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        resume(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="missing"):
        resume(tmp_path / "empty")
