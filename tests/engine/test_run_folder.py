"""The folder of a run: one training at a time, a failed start may be made again, bad places are told in a sentence."""

# ruff: noqa: ARG001 (the fixture `there` is where the test runs)
from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plainnet.cli.main import main
from plainnet.engine.run.training_run import resume, train
from plainnet.errors import RunError
from plainnet.files.lock import RunLock

HERE = Path(__file__).parent
NET = "SuperConvK3BNRELU(1,4,2,1)"
FAST = ("train.epochs=1", "log.tensorboard=false", "device=cpu", "data.batch_size=512")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and what came on standard error."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    code = caught.value.code
    return (code if isinstance(code, int) else 0), capsys.readouterr().err


def test_two_trainings_do_not_share_a_folder(configured: Callable[..., Any], quiet: Console, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with RunLock(tmp_path / "run"):
        with pytest.raises(RunError, match=r"run is in use by process \d+ on "):
            train(configured(), console=quiet)
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]
    train(configured("train.epochs=1"), console=quiet)
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    with RunLock(tmp_path / "run"), pytest.raises(RunError, match=r"run is in use"):
        resume(tmp_path / "run", overrides=["train.epochs=2"], console=quiet)
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before


def test_a_clock_that_jumps_back_changes_no_training(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (f"model.structure={NET}", "data.batch_size=719", "train.epochs=1")
    whole = trained(*options, run="whole")
    now = iter(range(2_000_000_000, 0, -86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    trained(*options, run="part")
    summary = resume(tmp_path / "part", overrides=["train.epochs=1"], console=Console(quiet=True))
    assert summary.complete
    assert summary.metrics == whole.metrics
    assert summary.seconds > 0
    one, other = ((tmp_path / name / "best.safetensors").read_bytes() for name in ("whole", "part"))
    assert one == other


@pytest.mark.parametrize("breaking", ["data={_delete_: true, type: 'mine.py:broken'}", "hooks=[{type: 'mine.py:Bad'}]"])
def test_a_start_that_failed_may_be_made_again(there: Path, quiet: Console, configured: Any, breaking: str) -> None:
    """While the pieces are built, and in the first update; also with another configuration."""
    (there / "mine.py").write_text(
        "from plainnet.engine import Hook\ndef broken():\n    raise KeyError('inside')\n"
        "class Bad(Hook):\n    def before_train_epoch(self, trainer):\n        raise KeyError('inside')\n"
    )
    with pytest.raises(KeyError):
        train(configured(breaking), console=quiet)
    summary = train(configured("train.epochs=1", "seed=3"), console=quiet)
    assert summary.complete
    assert "seed: 3" in (there / "run" / "config.yaml").read_text()
    with pytest.raises(RunError, match=r"holds a run already"):
        train(configured("train.epochs=1"), console=quiet)


def test_a_disk_that_is_full_at_the_start_leaves_nothing(
    there: Path, quiet: Console, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(RunError, match=r"lock cannot be written: No space left"):
            train(configured("train.epochs=1"), console=quiet)
    assert not (there / "run").exists()


def test_what_interrupted_writes_left_is_cleared_by_the_next_start(
    configured: Callable[..., Any], quiet: Console, tmp_path: Path
) -> None:
    folder = tmp_path / "run" / "checkpoints"
    (folder / ".writing-99-5").mkdir(parents=True)
    (tmp_path / "run" / ".writing-99-best.safetensors").touch()
    train(configured("train.epochs=1"), console=quiet)
    assert not list((tmp_path / "run").rglob(".writing*"))


LONG = "x" * 300
BAD = [
    # arguments of `plainnet`, exit code, what is said
    (("train", NET, *FAST, "--out", "file"), 2, "the run folder file cannot be made: it is a file"),
    (("train", NET, *FAST, "--out", "file/inside"), 2, "file/inside"),
    (("train", NET, *FAST, "--out", LONG), 2, "File name too long"),
    (("train", NET, *FAST, "--out", f"runs/{LONG}/a"), 2, "File name too long"),
    (("train", NET, *FAST, "--out", "closed/run"), 1, "closed/run cannot be made: Permission denied"),
    (("train", NET, *FAST, "--out", "odd\udcff"), 2, r"odd\udcff is no UTF-8 text"),
    (("train", "odd\udcff.yaml"), 2, r"odd\udcff.yaml is no UTF-8 text"),
    (("train", NET, "run=odd\udcff"), 2, "is no UTF-8 text"),
    (("train", "file"), 2, ""),
    (("train", "folder"), 2, ""),
    (("train", LONG), 2, ""),
    (("train", f"{LONG}.yaml"), 2, "File name too long"),
    (("predict", "file", "file"), 2, "file: "),
    (("predict", "folder", "file"), 2, "folder is a directory; accepted: a folder with a search run, a training run"),
    (("predict", LONG, "file"), 2, "is no structure, no file and no published network"),
    (("predict", "odd\udcff", "file"), 2, "is no structure, no file and no published network"),
    (("predict", "resnet18", "file"), 2, "names a network without trained weights"),
    (("config", "check", LONG), 2, "there is no configuration"),
    (("config", "check", "~nosuch/x.yaml"), 2, "there is no configuration"),
    (("train", NET, *FAST, "data={type: folder, root: ~nosuch/x}"), 1, "~nosuch/x"),
    (("config", "check", "folder"), 2, "there is no configuration folder"),
    (("config", "check", "odd\udcff"), 2, "there is no configuration"),
    (("config", "new", "closed/x.yaml"), 1, "Permission denied"),
    (("config", "new", f"{LONG}.yaml"), 2, "File name too long"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), BAD, ids=map(str, range(len(BAD))))
def test_a_place_that_cannot_be_used_is_a_sentence(
    there: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    text: str,
) -> None:
    (there / "file").write_text("nothing")
    (there / "folder").mkdir()
    (there / "closed").mkdir()
    real_mkdir = os.mkdir

    def refused(path: Any) -> bool:  # tests may run as root, whom no permission stops
        return "closed/" in str(path)

    def mkdir(path: Any, *rest: Any, **options: Any) -> None:
        if refused(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        real_mkdir(path, *rest, **options)

    monkeypatch.setattr(os, "mkdir", mkdir)
    real_write = Path.write_text

    def write_text(self: Path, *rest: Any, **options: Any) -> int:
        if refused(self):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real_write(self, *rest, **options)

    monkeypatch.setattr(Path, "write_text", write_text)
    real_open = Path.open

    def opened(self: Path, *rest: Any, **options: Any) -> Any:
        if refused(self):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real_open(self, *rest, **options)

    monkeypatch.setattr(Path, "open", opened)
    found, message = said(capsys, *arguments)
    assert found == code, message
    assert text in message
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) <= 6
    assert sorted(path.name for path in there.iterdir() if path.name != "runs") == ["closed", "file", "folder"]


@pytest.mark.parametrize("name", ["config.yaml", "log.jsonl", "summary.json"])
def test_a_full_disk_is_a_sentence(
    there: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if name == "log.jsonl":
        monkeypatch.setattr("plainnet.engine.hooks.recording.json.dumps", _raise(full, only="event"))
    else:
        real = Path.write_text

        def write_text(self: Path, *rest: Any, **options: Any) -> int:
            if self.name.endswith(name):
                raise full
            return real(self, *rest, **options)

        monkeypatch.setattr(Path, "write_text", write_text)
    code, message = said(capsys, "train", NET, *FAST, "log.every=1", "--out", "out")
    assert code == 1
    assert f"{name}: No space left on device" in message.replace("\n", " ")
    assert "Traceback" not in message


def _raise(error: OSError, *, only: str) -> Callable[..., str]:
    import json

    real = json.dumps

    def dumps(value: Any, **options: Any) -> str:
        if isinstance(value, dict) and only in value:
            raise error
        return real(value, **options)

    return dumps


def test_a_run_goes_on_in_its_own_folder(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = said(capsys, "train", NET, *FAST, "--out", "out")
    assert code == 0, message
    for more in (("--out", "other"), ("run=other",)):
        code, message = said(capsys, "train", "out", *more)
        assert code == 2
        assert "out is a run, which goes on in its own folder" in message


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_while_everything_is_imported_is_clean(there: Path, number: signal.Signals, code: int) -> None:
    """The signal comes while torch is imported (a second and more)."""
    command = [sys.executable, "-m", "plainnet", "train", NET, *FAST, "--out", "out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    maps = Path(f"/proc/{process.pid}/maps")
    for _ in range(600):
        if not maps.exists() or "libtorch" in maps.read_text():
            break
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert stderr == "stopped at once; what was saved before is whole\n"
    assert not (there / "out").exists()
