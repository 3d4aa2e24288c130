"""A run's file may come from anywhere: whatever stands in it, a command reads it or says that it is damaged, and runs
nothing.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.errors import PlainnetError
from plainnet.naming import resolve
from plainnet.pages.search_page import search_page
from plainnet.search import Rung, resume, search
from plainnet.search.ladder.fronts import front_of
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs.derived_runs import fork, merge
from plainnet.search.runs.kept_runs import best_of, describe, diff, exported, find_runs, opened
from plainnet.search.store import UnusableRunError
from tests.search.resealed import reseal
from tests.search.small import small_config
from tests.search.test_session import InterruptedSearchError, interrupt_after


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "sound"
    config = small_config(candidates=120, islands=2, population=4, epoch=20, ladder=(Rung("zen", 5, 1, 1),))
    search(config, folder)
    return folder


def read_everything(run: Path, out: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that reads a run."""

    def of_store(action: Callable[[Any], object]) -> Callable[[], object]:
        def act() -> object:
            with opened(run) as store:
                return action(store)

        return act

    yield "show", of_store(describe)
    yield "events", of_store(lambda store: list(store.events()))
    yield "best", of_store(lambda store: best_of(store, 20))
    yield "front", of_store(lambda store: front_of(store, ["max:zen", "min:params"]))
    yield "export", of_store(lambda store: list(exported(store)))
    yield "page", of_store(lambda store: search_page(search_facts(store)))
    yield "rank", lambda: resolve(f"{run}:2")
    yield "diff", lambda: diff(run, run)
    yield "fork", lambda: fork(run, out / "fork", candidates=400, limits={"rho": 5.0})
    yield "merge", lambda: merge([run, run], out / "merged")
    yield "resume", lambda: resume(run)


def check(run: Path, out: Path) -> list[str]:
    """What ended in another error than ours, or in one that does not say which run is meant."""
    wrong = []
    for name, action in read_everything(run, out):
        try:
            action()
        except PlainnetError as error:
            if str(run) not in str(error) and "no candidate within the budgets was evaluated" not in str(error):
                wrong.append(f"{name}: the error does not say which run: {error}")
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}")
        shutil.rmtree(out, ignore_errors=True)
    assert [path for path, _ in find_runs(run.parent)] == [run]
    return wrong


VALUES: list[Any] = [
    -1,
    0,
    1 << 40,
    (1 << 62) + 1,
    3.5,
    float("inf"),
    "",
    "x",
    "NaN",
    "[]",
    "{}",
    '{"a": 1}',
    "[[1]]",
    b"\xff\x00",
    None,
]


def columns_of(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(table, row[1]) for table in tables for row in connection.execute(f"PRAGMA table_info({table})")]


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from nodes(each, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


JSON_VALUES: list[Any] = [None, -1, 0, 10**12, 3.5, 1e999, "", "x", [], {}, [1], {"a": 1}, True]
JSON_FIELDS = [
    ("run", "value", "key = 'config'"),
    ("run", "value", "key = 'columns'"),
    ("run", "value", "key = 'directions'"),
    ("islands", "state", "island = 0"),
    ("islands", "arrivals", "island = 0"),
    ("epochs", "tally", "epoch = 1"),
    ("measures", "scores", "1"),
]


def crafted(sound: Path, run: Path, draw: random.Random) -> str:
    """Make a run with one thing in it changed; what was changed."""
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(sound, run)
    kind = draw.choice(["field", "field", "json", "json", "json", "bytes"])
    file = run / "run.sqlite"
    if kind == "bytes":
        data = bytearray(file.read_bytes())
        places = [draw.randrange(100, len(data)) for _ in range(draw.choice([1, 1, 4]))]
        for place in places:
            data[place] ^= 1 << draw.randrange(8)
        file.write_bytes(data)
        return f"bytes {places}"
    with closing(sqlite3.connect(file)) as connection:
        if kind == "field":
            table, column = draw.choice(columns_of(file))
            value = draw.choice(VALUES)
            where = (
                draw.choice(["1", f"rowid = (SELECT max(rowid) FROM {table})"])
                if table not in ("run", "measures")
                else "1"
            )
            where = "key = 'created'" if table == "run" else where
            what = f"{table}.{column} = {value!r} where {where}"
            try:
                connection.execute(f'UPDATE OR REPLACE {table} SET "{column}" = ? WHERE {where}', (value,))
            except sqlite3.Error:
                return f"{what} (refused by SQLite)"
        else:
            table, column, where = draw.choice(JSON_FIELDS)
            text = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()[0]
            value = json.loads(text)
            path, new = draw.choice(list(nodes(value))), draw.choice(JSON_VALUES)
            what = f"{table}.{column} {path} = {new!r}"
            text = json.dumps(replaced(value, path, new))
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (text,))
        connection.commit()
    reseal(file)
    return what


@pytest.mark.parametrize(
    "seed",
    [
        *range(24),
        31_013_000,
        61_009_001,
        92_006_000,
        *(pytest.param(seed, marks=pytest.mark.tail) for seed in range(24, 200)),
    ],
)
def test_a_crafted_run_is_read_or_refused(sound: Path, tmp_path: Path, seed: int) -> None:
    what = crafted(sound, tmp_path / "runs" / "run", random.Random(seed))
    assert check(tmp_path / "runs" / "run", tmp_path / "out") == [], what


@pytest.mark.parametrize("workers", [1, 2])
def test_a_state_that_no_worker_takes_up_is_of_the_runs_file(tmp_path: Path, workers: int) -> None:
    with pytest.raises(InterruptedSearchError):
        search(small_config(candidates=240, islands=2, epoch=40), tmp_path / "run", watch=interrupt_after(2))
    file = tmp_path / "run" / "run.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE islands SET state = json_set(state, '$.members', json('[true]')) WHERE island = 1")
        connection.commit()
    reseal(file)
    with pytest.raises(UnusableRunError) as caught:
        resume(tmp_path / "run", workers=workers)
    assert str(caught.value).startswith(f"{file} is damaged (the state of island 1: TypeError")
    with pytest.raises(UnusableRunError, match="the state of island 1"):
        fork(tmp_path / "run", tmp_path / "forked")


SCHEMES = [
    "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM candidates; END",
    "CREATE VIEW v AS SELECT * FROM candidates",
    "CREATE INDEX i ON candidates (hash)",
    "CREATE TABLE more (value)",
    "ALTER TABLE candidates ADD COLUMN more TEXT",
    "ALTER TABLE events RENAME TO e; CREATE VIEW events AS SELECT * FROM e",
    "DROP TABLE epochs; CREATE TABLE epochs (epoch, proposed, evaluated, tally, best, best_hash)",
    "DROP TABLE measures; CREATE VIRTUAL TABLE measures USING fts5(rung, proxy, hash, repeats, mean, stderr, seed, scores)",
]


@pytest.mark.parametrize("statements", SCHEMES)
def test_what_sqlite_would_run_is_refused(sound: Path, tmp_path: Path, statements: str) -> None:
    run = tmp_path / "runs" / "run"
    shutil.copytree(sound, run)
    with closing(sqlite3.connect(run / "run.sqlite")) as connection:
        connection.executescript(statements)
    before = (run / "run.sqlite").read_bytes()
    for name, action in read_everything(run, tmp_path / "out"):
        with pytest.raises(UnusableRunError, match=r"damaged|incomplete"):
            action()
        assert name
    assert (run / "run.sqlite").read_bytes() == before


def test_one_damaged_run_hides_no_other(sound: Path, tmp_path: Path) -> None:
    for number in range(8):
        crafted(sound, tmp_path / str(number), random.Random(number))
    shutil.copytree(sound, tmp_path / "sound")
    lines = (
        CliRunner().invoke(cli, ["runs", "list", str(tmp_path), "--json"], catch_exceptions=False).stdout.splitlines()
    )
    found = {Path(json.loads(line)["run"]).name: json.loads(line)["state"] for line in lines}
    assert len(found) == 9
    assert found["sound"] == "finished"


CODE = """\
from pathlib import Path
Path({mark!r}).touch()
from plainnet.blocks import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels
from plainnet.blocks.rows.layers import Act, Conv


class {name}(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels

    def layers(self):
        return (Conv(self.out_channels, 3), Act("relu"))


def score(structure, setting):
    return len(structure.blocks)
"""


@pytest.mark.parametrize("kind", ["blocks", "objectives"])
def test_code_that_a_run_names_runs_only_when_it_is_trusted(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from plainnet.blocks import registry
    from plainnet.blocks.user import load_blocks
    from plainnet.search import load_space

    mark, file = tmp_path / "mark", tmp_path / "code.py"
    file.write_text(CODE.format(mark=str(mark), name=f"Trusted{kind.title()}"))
    config = small_config(candidates=60)
    if kind == "blocks":
        load_blocks(file)
        start = f"Trusted{kind.title()}(3,16)SuperResK3K3(16,16,1,8,1)"
        space = load_space("zennas-resnet").model_copy(update={"start": [start], "name": "mine"})
        config = replace(config, space=space, blocks=(str(file),))
    else:
        config = replace(config, objectives=(f"{file}:score",))
    with pytest.raises(InterruptedSearchError):
        search(config, tmp_path / "run", watch=interrupt_after(2))
    mark.unlink()
    if kind == "blocks":  # as in another process
        monkeypatch.delitem(registry._names, f"Trusted{kind.title()}")
        for listener in registry._listeners:
            listener()
    for command in (["search", "--resume", "RUN", "--quiet"], ["runs", "fork", "RUN", str(tmp_path / "new")]):
        words = [word.replace("RUN", str(tmp_path / "run")) for word in command]
        refused = CliRunner().invoke(cli, words)
        assert refused.exit_code
        assert str(file) in str(refused.exception)
        assert "--trust" in str(refused.exception)
        assert not mark.exists()
    export = ["export", "RUN", "--to", "plainnet", "--out", str(tmp_path / "out")]
    for command in (["report", "RUN"], export, ["runs", "best", "RUN"], ["runs", "show", "RUN"]):
        said = CliRunner().invoke(cli, [word.replace("RUN", str(tmp_path / "run")) for word in command])
        assert not mark.exists()
        if kind == "blocks" and command[0] != "runs":
            assert str(file) in str(said.exception)
        else:
            assert said.exit_code == 0, said.output
    trusted = CliRunner().invoke(cli, ["search", "--resume", str(tmp_path / "run"), "--quiet", "--trust"])
    assert trusted.exit_code == 0, trusted.output
    assert mark.exists()
    if kind == "blocks":
        assert CliRunner().invoke(cli, ["report", str(tmp_path / "run"), "--trust"]).exit_code == 0
        words = [word.replace("RUN", str(tmp_path / "run")) for word in export]
        assert CliRunner().invoke(cli, [*words, "--trust"]).exit_code == 0
