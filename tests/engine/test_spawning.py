"""Processes that one command starts: they end together, whoever ends first, and what each of them says comes through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.train import train_command
from plainnet.engine.processes import spawning
from plainnet.engine.processes.spawning import run_together
from plainnet.errors import UsageError

WITH_PARENT = """
import os, sys, time
from plainnet.engine.processes.spawning import run_together
sys.exit(run_together([sys.executable, "-c", sys.argv[1]], 2))
"""
WAIT = "import os, time; open(f'up{os.environ[\"RANK\"]}', 'w').close(); time.sleep(60)"
FOLLOW = "from plainnet.engine.processes.spawning import follow_parent; follow_parent();"
"""Imports no torch."""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def parent(code: str, folder: Path) -> subprocess.Popen[bytes]:
    """A process that has started two of such code, both of which are up."""
    process = subprocess.Popen([*python(WITH_PARENT), code], cwd=folder, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not all((folder / f"up{rank}").exists() for rank in range(2)):
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


def test_each_is_told_who_it_is(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    names = "'RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR OMP_NUM_THREADS'.split()"
    code = f"import os; print(*(os.environ[n] for n in {names})); print(os.environ['MASTER_PORT'] > '')"
    assert run_together(python(code), 3) == 0
    out, err = capfd.readouterr()
    assert out == "0 0 3 3 127.0.0.1 1\nTrue\n", "the first one's output is the command's"
    lines = [f"process {n}: {text}" for n in (1, 2) for text in (f"{n} {n} 3 3 127.0.0.1 1", "True")]
    assert sorted(err.splitlines()) == sorted(lines)


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("import os, time; (os.environ['RANK'] == '1' and os._exit(7)) or time.sleep(60)", 7),
        ("import os, time; (os.environ['RANK'] == '1' and os.kill(os.getpid(), 9)) or time.sleep(60)", 137),
        (
            "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "(os.environ['RANK'] == '0' and os._exit(3)) or time.sleep(60)",
            3,
        ),
    ],
    ids=["failed", "killed", "stubborn"],
)
def test_one_that_ends_ends_the_others(
    code: str, ended: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning, "PATIENCE", 0.2)
    monkeypatch.setattr(spawning, "GRACE", 0.2)
    began = time.monotonic()
    assert run_together(python(code), 2) == ended
    assert time.monotonic() - began < 30
    assert f"process {0 if ended == 3 else 1} of 2 ended with {ended}" in capfd.readouterr().err


def test_misuse_is_told_by_the_first_alone(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_together(python("import sys; print('wrong', file=sys.stderr); sys.exit(2)"), 2) == 2
    assert capfd.readouterr().err == "wrong\n"
    code = "import os, sys; print('mine', file=sys.stderr); sys.exit(2 * int(os.environ['RANK']))"
    assert run_together(python(code), 2) == 2
    assert "process 1: mine" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_each_of_them_once(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, time\n"
        "seen = []\n"
        f"signal.signal({int(number)}, lambda *_: seen.append(1))\n"
        f"{WAIT.replace('time.sleep(60)', '')}\n"
        "while not seen: time.sleep(0.02)\n"
        "time.sleep(0.3)\n"
        f"sys.exit({128 + number} if len(seen) == 1 else 1)"
    )
    process = parent(code, tmp_path)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (128 + number, b"")


def test_they_do_not_outlive_their_parent(tmp_path: Path) -> None:
    code = f"{FOLLOW} {WAIT}".replace("'w').close()", "'w').write(str(os.getpid()))")
    process = parent(code, tmp_path)
    time.sleep(0.1)
    numbers = [int((tmp_path / f"up{rank}").read_text() or 0) for rank in range(2)]
    assert all(numbers)
    process.kill()
    process.communicate()
    until = time.monotonic() + 30
    while any(map(_is_there, numbers)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_command_is_started_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was said, and nothing that was not."""
    started: list[tuple[list[str], int]] = []

    def note(command: list[str], count: int) -> int:
        started.append((command, count))
        return 5

    monkeypatch.setattr(spawning, "run_together", note)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    words = ["-weird.yaml", "optim.lr=1", "--import", "a.py", "--import", "b.py", "--json", "--verbose", "--out", "x y"]
    result = CliRunner().invoke(train_command, [*words[1:], "--processes", "3", "--", words[0]], prog_name="train")
    assert result.exit_code == 5, result.output
    ((command, count),) = started
    assert (command[-3:], count) == (["--", "optim.lr=1", "-weird.yaml"], 3)
    given = command[command.index("train") + 1 : -3]
    assert given == ["--out", "x y", "--import", "a.py", "--import", "b.py", "--verbose", "--json"]
    assert command[0] == sys.executable
    for words, said in (
        (["--debug"], "--debug is for one process"),
        ([], "4 processes were started by a launcher already"),
    ):
        if not words:
            monkeypatch.setenv("WORLD_SIZE", "4")
        with pytest.raises(UsageError, match=said):
            CliRunner().invoke(
                train_command, ["quick", "--processes", "2", *words], catch_exceptions=False, standalone_mode=False
            )
    assert len(started) == 1


def _is_there(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        pass
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
