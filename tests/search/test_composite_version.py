"""A search goes on with the composite that it began with."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from plainnet.errors import RunError, UsageError
from plainnet.proxies.closed.composite import VERSION, composite
from plainnet.search import SearchConfig, resume, search
from plainnet.search.report.reproduce import reproduction
from plainnet.search.runs.derived_runs import fork, merge
from plainnet.search.settings.rungs import Rung
from plainnet.search.store import RunStore
from tests.search.resealed import reseal
from tests.search.small import small_config


def run_of_before(folder: Path, **changes: object) -> Path:
    """A run as it was stored before the composite had versions: its configuration says nothing of them."""
    search(small_config(objectives=("composite",), candidates=400, composite_version=1, **changes), folder)
    connection = sqlite3.connect(folder / "run.sqlite")
    with connection:
        ((text,),) = connection.execute("SELECT value FROM run WHERE key = 'config'").fetchall()
        values = json.loads(text)
        assert values.pop("composite_version") == 1
        connection.execute("UPDATE run SET value = ? WHERE key = 'config'", (json.dumps(values),))
    connection.close()
    reseal(folder / "run.sqlite")
    return folder


def scores(folder: Path, version: int) -> tuple[list[float], list[float]]:
    """The stored scores of candidates, and what a version says of them."""
    with_scores = list(RunStore.open(folder).select())
    return (
        [each.scores["composite"] for each in with_scores],
        [composite(each.structure, 32, version=version) for each in with_scores],
    )


def test_a_run_of_before_means_version_1(tmp_path: Path) -> None:
    folder = run_of_before(tmp_path / "old", ladder=(Rung("composite", 5),))
    store = RunStore.open(folder)
    assert store.config.composite_version == store.config.composite == 1
    stored, expected = scores(folder, 1)
    assert stored == pytest.approx(expected)
    assert {round(measure.mean, 9) for measure in store.measures()} <= {round(value, 9) for value in expected}
    assert len(list(store.measures())) >= 5
    made = reproduction(store)
    assert "'composite(version=1)'" in made["command"]
    assert any("version 1" in note for note in made["notes"])


def test_it_goes_on_and_is_forked_with_version_1(tmp_path: Path) -> None:
    folder = run_of_before(tmp_path / "old")
    fork(folder, tmp_path / "fork", candidates=800)
    resume(tmp_path / "fork")
    stored, expected = scores(tmp_path / "fork", 1)
    assert len(stored) > len(scores(folder, 1)[0])
    assert stored == pytest.approx(expected)


def test_a_new_run_means_todays_version(tmp_path: Path) -> None:
    search(small_config(objectives=("composite",), candidates=400), tmp_path / "new")
    assert RunStore.open(tmp_path / "new").config.composite == VERSION
    stored, expected = scores(tmp_path / "new", VERSION)
    assert stored == pytest.approx(expected)
    with pytest.raises(UsageError, match="another version of the composite"):
        merge([tmp_path / "new", run_of_before(tmp_path / "old")], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_the_command_that_makes_an_old_run_again_makes_its_scores(tmp_path: Path) -> None:
    search(small_config(objectives=("composite(version=1)",), candidates=400), tmp_path / "again")
    assert RunStore.open(tmp_path / "again").config.composite == 1
    stored, expected = scores(tmp_path / "again", 1)
    assert stored == pytest.approx(expected)
    old, _ = scores(run_of_before(tmp_path / "old"), 1)
    assert old == pytest.approx(stored)


def test_runs_without_a_composite_have_no_version_of_it() -> None:
    assert small_config().composite is None
    assert small_config(ladder=(Rung("composite", 5),)).composite == VERSION


@pytest.mark.parametrize("version", [0, 3, "1"])
def test_a_version_that_there_is_not_is_refused(version: object) -> None:
    with pytest.raises(UsageError, match="the composite has no version"):
        small_config(composite_version=version)
    values = json.loads(small_config().to_json()) | {"composite_version": version}
    with pytest.raises((RunError, UsageError)):
        SearchConfig.from_json(json.dumps(values))
