"""Scalars for TensorBoard: written by a search, read back by TensorBoard itself."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.search import Progress, RunStore, search
from tests.search.small import rows_of, small_config

pytest.importorskip("tensorboard", reason="the extra train is not installed")

TAGS = {"failed", "best_score", "candidates_per_second", "evaluated", "rejected", "duplicates"}
REASONS = {"over_params", "over_layers", "repaired"}


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """tag -> (step, value) of every event."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    assert all(
        abs(each.wall_time - time.time()) < 600 for tag in events.Tags()["scalars"] for each in events.Scalars(tag)
    )
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_scalars_are_those_of_the_run(tmp_path: Path) -> None:
    arguments = ["search", "zennas-resnet", "--max-params", "2e5", "--max-layers", "10", "--islands", "4"]
    arguments += ["--population", "16", "--epoch", "200", "--candidates", "4000", "--ladder", "zen:20:1:1"]
    arguments += ["--out", str(tmp_path / "run"), "--tensorboard", str(tmp_path / "events"), "--json", "--quiet"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    scalars = read(tmp_path / "events")
    assert set(scalars) == {f"search/{tag}" for tag in TAGS | REASONS} | {"best/params", "best/macs", "best/layers"}
    store = RunStore.open(tmp_path / "run")
    proposed, evaluated, duplicates, best = 0, 0, 0, float("-inf")
    expected: dict[str, list[tuple[int, float]]] = {tag: [] for tag in TAGS - {"candidates_per_second"}}
    for each, scored, tally, score in store.query("SELECT proposed, evaluated, tally, best FROM epochs ORDER BY epoch"):
        proposed, evaluated, best = proposed + each, evaluated + scored, max(best, score)
        duplicates += json.loads(tally).get("duplicates", 0)
        expected["best_score"].append((proposed, best))
        expected["evaluated"].append((proposed, evaluated / proposed))
        expected["duplicates"].append((proposed, duplicates / proposed))
        expected["failed"].append((proposed, 0.0))
        expected["rejected"].append((proposed, 1 - (evaluated + duplicates) / proposed))
    store.close()
    assert [step for step, _ in expected["evaluated"]] == [12, 24, 48, 100, 200, 400, 800, 1600, 2400, 3200, 4000]
    for tag, pairs in expected.items():
        found = scalars[f"search/{tag}"]
        assert [step for step, _ in found] == [step for step, _ in pairs]
        assert [value for _, value in found] == pytest.approx([value for _, value in pairs], rel=1e-6)
    assert all(rate > 0 for _, rate in scalars["search/candidates_per_second"])
    over = scalars["search/over_params"][-1][1] + scalars["search/over_layers"][-1][1]
    assert over == pytest.approx(scalars["search/rejected"][-1][1])
    leader = max(rows_of(tmp_path / "run")["candidates"], key=lambda row: row[-1])
    assert [scalars[f"best/{name}"][-1][1] for name in ("params", "macs", "layers")] == list(leader[8:11])
    summary = json.loads(result.stdout)
    assert scalars["search/best_score"][-1][1] >= summary["best"]["zen_leading"] - 1e-4


def test_a_run_that_is_taken_up_writes_on(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done >= 1_600:
            raise StopError

    with pytest.raises(StopError):
        search(small_config(), tmp_path / "run", watch=stop)
    arguments = ["search", "--resume", str(tmp_path / "run"), "--tensorboard", str(tmp_path / "events"), "--quiet"]
    assert CliRunner().invoke(cli, arguments, catch_exceptions=False).exit_code == 0
    assert [step for step, _ in read(tmp_path / "events")["search/evaluated"]] == [2400, 3200, 4000]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["search", "zennas-resnet", "--max-layers", "6", "--candidates", "100", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, [*arguments, "--tensorboard", str(tmp_path / "file" / "events"), "--quiet"])
    assert "events cannot be made: Not a directory" in str(result.exception)
    assert not (tmp_path / "run").exists()
