"""Names that cannot be, folders that go away, signals, clocks: one sentence and the right exit code, from every command."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import main
from plainnet.errors import RunError
from plainnet.search import Progress, resume, search
from plainnet.search.runs.kept_runs import describe, opened
from tests.search.small import rows_of, small_config
from tests.search.test_faults import COMMAND, SMALL, epochs_done

SEARCH = "search zennas-resnet --max-layers 6 --candidates 20 --ladder none --quiet --out"
COMMANDS = [
    f"{SEARCH} NAME",
    "search --resume NAME",
    "search NAME --max-layers 6",
    "sweep zennas-resnet --vary layers=6 --candidates 20 --ladder none --quiet --out NAME",
    "sweep NAME --vary layers=6",
    "runs list NAME",
    "runs show NAME",
    "runs best NAME",
    "runs pareto NAME",
    "runs export NAME",
    "runs export RUN -o NAME",
    "runs fork NAME new",
    "runs fork RUN NAME",
    "runs merge NAME --out new",
    "runs merge RUN --out NAME",
    "runs diff RUN NAME",
    "report NAME",
    "report RUN -o NAME",
    "space check NAME",
]
LONG = "x" * 300
NAMES = [LONG, f"{LONG}/x", "bad\udcff", "afile", "afile/x", "file:zz", "", "loop", "$(touch HACKED)"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    search(small_config(candidates=30), folder)
    return folder


@pytest.mark.parametrize(
    "name", NAMES, ids=["long", "long/x", "bytes", "file", "file/x", "uri", "empty", "loop", "shell"]
)
def test_names_that_cannot_be(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        Path("afile").touch()
        if not os.path.lexists("loop"):
            Path("loop").symlink_to("loop")
        before = set(os.listdir("."))
        words = [word.replace("RUN", str(run)).replace("NAME", name) for word in command.split()]
        code = 0
        try:
            main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        errors = capsys.readouterr().err
        assert code in (0, 1, 2), command
        assert errors or not code or command.startswith("runs diff"), command
        assert "Traceback" not in errors
        assert len(errors.splitlines()) <= 6, (command, errors)
        made = set(os.listdir(".")) - before
        assert "HACKED" not in made
        assert "zz" not in made, "a name is no URI"
        for each in made:
            shutil.rmtree(each) if os.path.isdir(each) else os.unlink(each)


@pytest.mark.parametrize("how", ["removed", "replaced", "moved"])
def test_a_folder_that_goes_away_is_said(run: Path, tmp_path: Path, how: str) -> None:
    folder, done = tmp_path / "run", []

    def meddle(progress: Progress) -> None:
        done.append(progress)
        if len(done) != 3:
            return
        if how == "moved":
            folder.rename(tmp_path / "other")
        else:
            shutil.rmtree(folder)
        if how == "replaced":
            shutil.copytree(run, folder)

    with pytest.raises(RunError, match="was removed or replaced while it was written"):
        search(small_config(), folder, watch=meddle)
    if how == "replaced":
        assert rows_of(folder) == rows_of(run)
    if how == "moved":
        resume(tmp_path / "other")
        search(small_config(), tmp_path / "whole")
        assert rows_of(tmp_path / "other") == rows_of(tmp_path / "whole")


def test_a_clock_that_jumps_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search(small_config(candidates=900), tmp_path / "whole")
    now = iter(range(2_000_000_000, 0, -86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    result = search(small_config(candidates=900), tmp_path / "run")
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")
    assert 0 < result.seconds < 600
    with opened(tmp_path / "run") as store:
        assert describe(store)["state"] == "finished"


@pytest.mark.parametrize("seconds", [1e-6, 0.05])
def test_a_search_ends_when_its_time_is_over_and_goes_on_later(tmp_path: Path, seconds: float) -> None:
    from plainnet.search import Rung

    config = small_config(ladder=(Rung("zen", 20, 1, 1),))
    result = search(config, tmp_path / "run", max_seconds=seconds)
    assert 0 < result.candidates < result.asked == 4_000
    assert "zen" in result.best.scores
    with opened(tmp_path / "run") as store:
        assert describe(store)["state"] == "unfinished"
        assert any(kind == "stopped" for _, kind, _, _ in store.events())
    said = CliRunner().invoke(*command("search --resume", tmp_path / "run", "--max-seconds 0.000001"))
    assert said.exit_code == 0
    assert "candidates are left: plainnet search --resume" in said.stdout
    whole = search(config, tmp_path / "whole")
    assert resume(tmp_path / "run").best == whole.best
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")


def command(*words: object) -> tuple[Any, list[str]]:
    from plainnet.cli.main import cli

    return cli, " ".join(map(str, words)).split()


def test_what_was_done_before_the_first_epochs_end_is_kept(tmp_path: Path) -> None:
    kept = []

    class NowError(Exception):
        pass

    def stop(progress: Progress) -> None:
        kept.append(progress.done)
        raise NowError

    with pytest.raises(NowError):
        search(small_config(epoch=2_500, islands=8, candidates=20_000), tmp_path / "run", watch=stop)
    assert 0 < kept[0] <= 20_000 // 64
    with opened(tmp_path / "run") as store:
        assert store.proposed == kept[0]
        assert store.best(1)


def test_an_early_ctrl_c_is_clean(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import plainnet.cli.main

    def interrupted(name: str) -> Any:  # noqa: ARG001
        raise KeyboardInterrupt

    monkeypatch.setattr(plainnet.cli.main, "import_module", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["search", "zennas-resnet"])
    assert end.value.code == 130
    assert capsys.readouterr().err.strip() == "stopped"


IMPORTING = """\
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.argv = [{program!r}, "list"]
sys.meta_path.insert(0, Interrupts())
from plainnet.cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["plainnet.errors", "click", "plainnet.cli.stopping"])
@pytest.mark.parametrize("program", ["/somewhere/bin/plainnet", "analyze_model.exe"])
def test_a_ctrl_c_while_the_command_line_is_imported_ends_silently(module: str, program: str) -> None:
    code = IMPORTING.format(module=module, program=program)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("ignored", [False, True])
def test_a_script_of_ones_own_keeps_its_handler(ignored: bool) -> None:
    handler = "SIG_IGN" if ignored else "default_int_handler"
    program = "plainnet" if ignored else "mine.py"
    code = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.{handler})
sys.argv[0] = {program!r}
import plainnet
assert signal.getsignal(signal.SIGINT) is signal.{handler}
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


DEAF = """\
import time


def score(structure, setting):
    while True:
        try:
            time.sleep(0.02)
        except BaseException:
            open({mark!r}, "w")
"""


@pytest.mark.slow
def test_sigterm_says_how_to_go_on_as_ctrl_c_does(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    with subprocess.Popen(
        [*COMMAND, *SMALL, "--candidates", "9e6", "--out", str(folder)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        while epochs_done(folder) < 1:
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"plainnet search --resume '{folder}'" in errors
    assert "Traceback" not in errors
    assert epochs_done(folder) > 0


@pytest.mark.slow
def test_a_second_signal_always_ends_the_process(tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "deaf.py"
    file.write_text(DEAF.format(mark=str(mark)))
    arguments = ["zennas-resnet", "--max-layers", "6", "--objective", f"{file}:score", "--ladder", "none"]
    with subprocess.Popen(
        [*COMMAND, *arguments, "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        while not (tmp_path / "run" / "run.sqlite").exists():
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1.0)
        process.terminate()
        while not mark.exists():
            time.sleep(0.05)
        assert process.poll() is None
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
