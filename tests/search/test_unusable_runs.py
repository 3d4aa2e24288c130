"""A run's file that is old, new, foreign or damaged: every command refuses it, says why, and leaves it as it is."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plainnet.cli.main import main
from plainnet.errors import PlainnetError, RunError
from plainnet.search import resume, search
from plainnet.search.runs.derived_runs import fork, merge
from plainnet.search.runs.kept_runs import find_runs, opened
from plainnet.search.store import UnusableRunError
from tests.search.resealed import reseal
from tests.search.small import rows_of, small_config


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "sound"
    search(small_config(candidates=800), folder)
    return folder


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def changed(path: Path, *statements: str) -> None:
    """Changed by somebody who knows of digests."""
    execute(path, *statements)
    reseal(path)


def older(path: Path) -> None:
    execute(path, "PRAGMA user_version = 0")


def newer(path: Path) -> None:
    execute(path, "PRAGMA user_version = 7")


def foreign(path: Path) -> None:
    path.unlink()
    execute(path, "CREATE TABLE run (key, value)", "INSERT INTO run VALUES ('config', '{}')")


def text(path: Path) -> None:
    path.write_text("no database\n" * 1000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10_000])


def overwritten(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 512] = bytes(range(256)) * 2
    path.write_bytes(data)


def without_a_table(path: Path) -> None:
    execute(path, "DROP TABLE measures")


def without_a_column(path: Path) -> None:
    changed(path, "ALTER TABLE candidates DROP COLUMN zen_leading")


def without_configuration(path: Path) -> None:
    changed(path, "DELETE FROM run WHERE key = 'config'")


def with_half_a_configuration(path: Path) -> None:
    changed(path, "UPDATE run SET value = substr(value, 1, 100) WHERE key = 'config'")


def with_an_unknown_setting(path: Path) -> None:
    changed(path, """UPDATE run SET value = json_set(value, '$.temperature', 1) WHERE key = 'config'""")


def with_wrong_columns(path: Path) -> None:
    changed(path, "UPDATE run SET value = 'zen' WHERE key = 'columns'")


DAMAGES: list[tuple[Callable[[Path], None], str, str]] = [
    (older, "format 0", "has format 0, this version of plainnet reads formats 2 and 3; use the older version"),
    (newer, "format 7", "has format 7, this version of plainnet reads formats 2 and 3; use the newer version"),
    (foreign, "foreign", "is no run of plainnet"),
    (text, "damaged", "is damaged (it is no database)"),
    (empty, "damaged", "is damaged (it is no database)"),
    (cut_short, "damaged", "is damaged (it is cut short: 10,000 of "),
    (overwritten, "damaged", "is damaged"),
    (without_a_table, "damaged", "is incomplete: its tables are candidates, digests, epochs, events, islands, run"),
    (without_a_column, "damaged", "is damaged (no such column"),
    (without_configuration, "damaged", "is damaged (config is missing)"),
    (with_half_a_configuration, "damaged", "the run's configuration cannot be read"),
    (with_an_unknown_setting, "damaged", "config.temperature: Unexpected"),
    (with_wrong_columns, "damaged", "is damaged (columns: Invalid JSON"),
]
NAMES = [damage.__name__ for damage, _, _ in DAMAGES]

COMMANDS = {
    "resume": "search --resume RUN",
    "show": "runs show RUN",
    "best": "runs best RUN",
    "pareto": "runs pareto RUN",
    "export": "runs export RUN -o OUT/file.csv",
    "fork": "runs fork RUN OUT/new",
    "merge": "runs merge SOUND RUN --out OUT/new",
    "merge first": "runs merge RUN SOUND --out OUT/new",
    "diff": "runs diff SOUND RUN",
    "diff first": "runs diff RUN SOUND",
    "report": "report RUN -o OUT/report.html",
    "export a network": "export RUN --to plainnet --out OUT/folder",
    "a rank": "export RUN:1 --to plainnet --out OUT/folder",
}


def call(command: str, **places: Path) -> int:
    """The exit code of a command."""
    for name, path in places.items():
        command = command.replace(name, str(path))
    try:
        main(command.split())
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


@pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))
@pytest.mark.parametrize(("damage", "state", "message"), DAMAGES, ids=NAMES)
def test_every_command_refuses(
    sound: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    state: str,
    message: str,
    command: str,
) -> None:
    broken, out = tmp_path / "broken", tmp_path / "out"
    shutil.copytree(sound, broken)
    damage(broken / "run.sqlite")
    before = contents(broken)
    assert call(command, RUN=broken, SOUND=sound, OUT=out) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert str(broken / "run.sqlite") in captured.err
    assert "Traceback" not in captured.err
    assert contents(broken) == before
    assert not list(out.rglob("run.sqlite")), "nothing half made is left"
    assert state


@pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))
def test_the_same_commands_take_a_sound_run(sound: Path, tmp_path: Path, command: str) -> None:
    """Otherwise the refusals above would prove nothing."""
    shutil.copytree(sound, tmp_path / "run")
    (tmp_path / "out").mkdir()
    assert call(command, RUN=tmp_path / "run", SOUND=sound, OUT=tmp_path / "out") == 0


@pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))
def test_every_command_says_that_there_is_no_run(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "empty").mkdir()
    for missing, said in ((tmp_path / "empty", "run.sqlite is missing"), (tmp_path / "none", "no such folder")):
        code = call(command, RUN=missing, SOUND=sound, OUT=tmp_path / "out")
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        if command.startswith("export"):
            assert code == 2, "these take any structure, and this is none"
        else:
            assert code == 1
            assert said in errors


def test_the_list_shows_what_cannot_be_read_as_what_it_is(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sound, tmp_path / "sound")
    for damage, _, _ in DAMAGES:
        shutil.copytree(sound, tmp_path / damage.__name__)
        damage(tmp_path / damage.__name__ / "run.sqlite")
    assert call("runs list FOLDER", FOLDER=tmp_path) == 0
    captured = capsys.readouterr()
    lines = {line.split()[0].removeprefix(f"{tmp_path}/"): line for line in captured.out.splitlines()[2:]}
    assert set(lines) == {"sound", *NAMES}
    assert lines["sound"].endswith("finished")
    for damage, state, message in DAMAGES:
        assert lines[damage.__name__].endswith(f" {state}")
        (said,) = [line for line in captured.err.splitlines() if line.startswith(f"{tmp_path / damage.__name__}: ")]
        assert message in said
    assert call("runs list FOLDER --json", FOLDER=tmp_path) == 0
    values = {Path(line["run"]).name: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert values["sound"]["candidates"] == 800
    assert values["sound"]["state"] == "finished"
    assert "problem" not in values["sound"]
    assert {name: values[name]["state"] for name in NAMES} == {damage.__name__: state for damage, state, _ in DAMAGES}
    assert all(values[name]["problem"] for name in NAMES)


def test_what_sqlite_cannot_see_is_found_before_a_run_goes_on(sound: Path, tmp_path: Path) -> None:
    """A structure that is not the one that was written: all pages are sound."""
    folder = tmp_path / "run"
    shutil.copytree(sound, folder)
    changed(folder / "run.sqlite", "UPDATE candidates SET structure = replace(structure, 'K3K3', 'K5K5') WHERE id = 7")
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with pytest.raises(UnusableRunError, match="candidate 7 is not what was written"):
        resume(folder)


def test_states_and_measures_that_are_no_json_are_damage(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(sound, folder)
    with opened(folder) as store:
        total = store.config.candidates
    changed(folder / "run.sqlite", "UPDATE islands SET state = '{' WHERE island = 2")
    with pytest.raises(UnusableRunError, match="is damaged"):
        fork(folder, tmp_path / "new", candidates=2 * total)
    assert not (tmp_path / "new").exists()


def test_a_merge_and_a_fork_that_fail_leave_nothing(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound, tmp_path / "broken")
    overwritten(tmp_path / "broken" / "run.sqlite")
    with pytest.raises(PlainnetError):
        merge([sound, tmp_path / "broken"], tmp_path / "new")
    with pytest.raises(PlainnetError, match="the closest found"):
        fork(sound, tmp_path / "new", candidates=1_600, limits={"params": 10})
    assert not (tmp_path / "new").exists()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("keep")
    with pytest.raises(PlainnetError):
        merge([sound, tmp_path / "broken"], tmp_path / "new")
    assert (tmp_path / "new" / "mine.txt").read_text() == "keep"
    assert merge([sound, sound], tmp_path / "new") == len(rows_of(sound)["candidates"])
    assert [path for path, _ in find_runs(tmp_path / "new")] == [tmp_path / "new"]


@pytest.fixture
def read_only(sound: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with a run in which nothing can be made; root may write anywhere but to a read-only file system."""
    folder = tmp_path / "frozen"
    folder.mkdir()
    mounted = os.geteuid() == 0
    if (
        mounted
        and subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False).returncode
    ):
        pytest.skip("root writes everywhere, and may not mount here")
    shutil.copytree(sound, folder / "run")
    if mounted:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    else:
        (folder / "run").chmod(0o555)
        folder.chmod(0o555)
    yield folder
    if mounted:
        subprocess.run(["umount", folder], check=True)
    else:
        folder.chmod(0o755)
        (folder / "run").chmod(0o755)


def test_a_run_that_cannot_be_written_is_read(
    sound: Path, read_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = read_only / "run"
    (tmp_path / "out").mkdir()
    for name in ("show", "best", "pareto", "export", "fork", "diff", "report"):
        (tmp_path / name).mkdir()
        assert call(COMMANDS[name], RUN=run, SOUND=sound, OUT=tmp_path / name) == 0, name
    assert call("runs list FOLDER", FOLDER=read_only) == 0
    assert "finished" in capsys.readouterr().out.splitlines()[-1]


def test_a_search_in_python_says_that_nothing_can_be_written(read_only: Path) -> None:
    for action in (lambda: search(small_config(), read_only / "run"), lambda: resume(read_only / "run")):
        with pytest.raises(RunError, match="cannot be"):
            action()


@pytest.mark.parametrize(
    "command",
    [
        "search --resume RUN",
        "search zennas-resnet --max-layers 6 --candidates 100 --out RUN/new",
        "search zennas-resnet --max-layers 6 --candidates 100 --out RUN",
        "sweep zennas-resnet --max-layers 6 --vary params=1e5,2e5 --candidates 100 --out RUN/new",
        "runs fork RUN RUN/new",
        "runs merge RUN --out RUN/new",
        "runs export RUN -o RUN/all.csv",
        "report RUN",
    ],
)
def test_what_would_be_written_there_is_refused(
    read_only: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert call(command, RUN=read_only / "run") in (1, 2)
    errors = capsys.readouterr().err
    assert "cannot be" in errors or "cannot be made" in errors
    assert "Traceback" not in errors
