"""A number of a run's file that is another than the one that was written is noticed, whoever reads the file."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plainnet.errors import RunError
from plainnet.search import Rung, resume, search
from plainnet.search.runs.derived_runs import fork, merge
from plainnet.search.runs.kept_runs import find_runs, opened
from plainnet.search.store import UnusableRunError
from tests.search.resealed import reseal
from tests.search.small import rows_of, small_config
from tests.search.test_session import InterruptedSearchError, interrupt_after
from tests.search.test_unusable_runs import COMMANDS, call, execute

CONFIG = small_config(candidates=240, islands=2, population=4, epoch=20, ladder=(Rung("zen", 5, 1, 1),))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "sound"
    search(CONFIG, folder)
    return folder


def content(run: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a file holds."""
    with closing(sqlite3.connect(run / "run.sqlite")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


CHANGES = {
    "UPDATE candidates SET params = params + 1 WHERE epoch = 3": "epoch 3 is not what was written",
    "UPDATE candidates SET zen_leading = zen_leading + 1e-12 WHERE id = 1": "epoch 0 is not",
    "UPDATE candidates SET parent = parent + 1 WHERE epoch IN (1, 2)": "epoch 1, epoch 2 are not",
    "UPDATE candidates SET island = 1 - island": "epoch 0, epoch 1, epoch 2 and N more are not",
    "UPDATE candidates SET epoch = 77 WHERE epoch = 4": "epoch 4, epoch 77 are not",
    "DELETE FROM candidates WHERE id = (SELECT min(id) FROM candidates WHERE epoch = 5)": "epoch 5 is not",
    "UPDATE epochs SET tally = replace(tally, '1', '2') WHERE epoch = 2": "epoch 2 is not",
    "UPDATE epochs SET best = NULL WHERE epoch = 2": "epoch 2 is not",
    "DELETE FROM epochs WHERE epoch = 5": "epoch 5 is not",
    "UPDATE measures SET mean = -mean": "rung 1 is not",
    "DELETE FROM measures": "rung 1 is not",
    "UPDATE islands SET arrivals = '[]', state = replace(state, '1', '2')": "islands are not",
    "UPDATE events SET seconds = seconds + 1 WHERE id = 1": "events are not",
    "DELETE FROM events WHERE id = (SELECT max(id) FROM events)": "events are not",
    "UPDATE run SET value = '1.5' WHERE key = 'created'": "run is not",
    "UPDATE digests SET digest = '' WHERE part = 'epoch 1'": "epoch 1 is not",
    "DELETE FROM digests": "run, islands, epoch 0 and N more are not",
    "INSERT INTO digests VALUES ('epoch 99', '')": "epoch 99 is not",
}


@pytest.mark.parametrize("statement", CHANGES, ids=range(len(CHANGES)))
def test_what_is_not_what_was_written_is_named(sound: Path, tmp_path: Path, statement: str) -> None:
    shutil.copytree(sound, tmp_path / "run")
    assert content(tmp_path / "run") == content(sound)
    execute(tmp_path / "run" / "run.sqlite", statement)
    assert content(tmp_path / "run") != content(sound)
    for reads in (lambda: opened(tmp_path / "run").__enter__(), lambda: resume(tmp_path / "run")):
        with pytest.raises(UnusableRunError) as caught:
            reads()
        said = re.sub(r"\d+ more", "N more", str(caught.value))
        assert f"run.sqlite is damaged ({CHANGES[statement]}" in said
    ((_, about),) = find_runs(tmp_path / "run")
    assert isinstance(about, UnusableRunError)
    assert about.state == "damaged"


@pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))
def test_every_command_notices(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    shutil.copytree(sound, tmp_path / "run")
    execute(tmp_path / "run" / "run.sqlite", "UPDATE candidates SET macs = macs + 1 WHERE epoch = 2")
    assert call(command, RUN=tmp_path / "run", SOUND=sound, OUT=tmp_path / "out") == 1
    assert "(epoch 2 is not what was written)" in capsys.readouterr().err


def check_flips(sound: Path, run: Path, seed: int, count: int) -> int:
    """A file with a flipped bit is refused, or all that it holds is what was written; how many were refused."""
    draw, whole, before, refused = random.Random(seed), (sound / "run.sqlite").read_bytes(), content(sound), 0
    run.mkdir(exist_ok=True)
    for _ in range(count):
        data = bytearray(whole)
        place, bit = draw.randrange(len(data)), draw.randrange(8)
        data[place] ^= 1 << bit
        (run / "run.sqlite").write_bytes(data)
        try:
            with opened(run):
                pass
        except RunError as error:
            assert str(run) in str(error), (place, bit)
            refused += 1
            continue
        assert content(run) == before, (place, bit)
    return refused


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.tail) for seed in range(1, 20))])
def test_no_flipped_byte_goes_unnoticed(sound: Path, tmp_path: Path, seed: int) -> None:
    assert check_flips(sound, tmp_path / "run", seed, 60) > 20


def test_digests_are_kept_as_a_run_goes_on(sound: Path, tmp_path: Path) -> None:
    """Searched, stopped and taken up, forked, merged: the digests are those of what is there."""
    with pytest.raises(InterruptedSearchError):
        search(CONFIG, tmp_path / "stopped", watch=interrupt_after(3))
    resume(tmp_path / "stopped")
    fork(sound, tmp_path / "forked", candidates=400, limits={"rho": 5.0})
    resume(tmp_path / "forked")
    fork(sound, tmp_path / "again", seed=3, limits={"peak_activation": 1e9})
    merge([sound, tmp_path / "forked"], tmp_path / "merged", limits={"convolutions": 50})
    for name in ("stopped", "forked", "again", "merged"):
        before = content(tmp_path / name)
        assert len(before["digests"]) >= 5
        reseal(tmp_path / name / "run.sqlite")
        assert content(tmp_path / name) == before
    assert rows_of(tmp_path / "stopped") == rows_of(sound)


def as_format_2(run: Path) -> None:
    execute(run / "run.sqlite", "DROP TABLE digests", "PRAGMA user_version = 2")


def test_a_run_of_the_format_before_is_read_and_gone_on_with(sound: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(InterruptedSearchError):
        search(CONFIG, run, watch=interrupt_after(3))
    as_format_2(run)
    before = content(run)
    with opened(run) as store:
        assert store.epochs_done >= 2
    fork(run, tmp_path / "forked", seed=7)
    assert content(run) == before
    resume(run)
    assert rows_of(run) == rows_of(sound)
    for each in (run, tmp_path / "forked"):
        with opened(each) as store:
            assert any(kind == "format" and "format 2 had no digests" in text for _, kind, _, text in store.events())
        assert len(content(each)["digests"]) >= 4


def test_a_file_that_says_it_is_of_the_format_before_is_looked_at(sound: Path, tmp_path: Path) -> None:
    """A single flipped bit would do away with all digests."""
    shutil.copytree(sound, tmp_path / "run")
    execute(tmp_path / "run" / "run.sqlite", "PRAGMA user_version = 2")
    with (
        pytest.raises(UnusableRunError, match="it holds the table digests, which is not of a run"),
        opened(tmp_path / "run"),
    ):
        pass


def test_a_schema_that_is_no_text_is_damage(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound, tmp_path / "run")
    file = tmp_path / "run" / "run.sqlite"
    data = file.read_bytes()
    for old in (b"CREATE TABLE measures", b"(rung, hash)", b"candidates (", b"island INTEGER"):
        assert old in data
        file.write_bytes(data.replace(old, old[:-3] + b"\xee" + old[-2:]))
        with pytest.raises(UnusableRunError, match="is damaged"), opened(tmp_path / "run"):
            pass
