"""Exact searches as runs: kept, killed, taken up, listed, shown, named, and put on a page."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.errors import RunError, UsageError
from plainnet.naming import resolve
from plainnet.search import resume, resume_optimum
from plainnet.search.exact import optimum as exact
from plainnet.search.exact.asking import exact_config
from plainnet.search.exact.result import Optimum
from plainnet.search.runs.derived_runs import fork
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.optimum_run import begin_optimum
from plainnet.search.runs.optimum_state import FACT, read_state
from plainnet.search.store import RunStore
from tests.search.exact.test_optimum import LIMITS, SMALL

GAP = 1e-4


class KilledError(BaseException):
    """In place of a signal that no program can answer."""


def solve(folder: Path | None, watch: Any = lambda _: None) -> Optimum:
    return begin_optimum(exact_config(SMALL, limits=LIMITS), folder, gap=GAP, watch=watch).result()


@pytest.fixture(scope="module")
def whole() -> Optimum:
    """What a search gives that nothing disturbs."""
    return solve(None)


@pytest.fixture(autouse=True)
def _always_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "KEPT_EVERY", 0.0)


def after(number: int, error: type[BaseException]) -> Any:
    """A watcher that raises an error when it is told something for the so manieth time with a network at hand."""
    told = 0

    def watch(standing: exact.Standing) -> None:
        nonlocal told
        told += standing.value is not None
        if told >= number and standing.phase != "done":
            raise error

    return watch


@pytest.mark.parametrize("number", [1, 4])
def test_killed_and_taken_up_it_ends_where_it_would_have(
    number: int, whole: Optimum, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "perf_counter", iter(0.2 * step for step in range(100_000)).__next__)  # tells every time
    with pytest.raises(KilledError):
        solve(tmp_path, after(number, KilledError))
    with opened(tmp_path) as store:
        begun = read_state(store)
        assert not begun.is_finished
        assert begun.result is not None
        assert begun.result.value is not None
    found = resume_optimum(tmp_path).result()
    assert (found.reason, found.value, found.best) == ("optimal", whole.value, whole.best)
    assert found.bound is not None
    assert found.value is not None
    assert found.value <= found.bound <= found.value * (1 + GAP)
    bounds = [bound for _, _, bound in found.history if bound is not None]
    assert bounds == sorted(bounds, reverse=True)
    assert found.seconds > begun.seconds
    with opened(tmp_path) as store:
        structures = [text for (text,) in store.lines(("structure",))]
        assert read_state(store).result == dataclasses.replace(found, seconds=read_state(store).result.seconds)  # type: ignore[union-attr]
    assert len(structures) == len(set(structures))


def test_stopped_it_is_kept_and_a_smaller_gap_goes_on(whole: Optimum, tmp_path: Path) -> None:
    found = solve(tmp_path, after(1, KeyboardInterrupt))
    with opened(tmp_path) as store:
        state = read_state(store)
    assert state.result is not None
    assert (state.result.limit, state.result.value) == (found.limit, found.value)
    assert resume_optimum(tmp_path, gap=0.0).result().value == whole.value


def test_another_version_proves_the_bound_anew(whole: Optimum, tmp_path: Path) -> None:
    solve(tmp_path)
    store = RunStore.open(tmp_path)
    state = read_state(store)
    false = tuple(start._replace(bound=1.0, priced_bound=1.0) for start in state.starts)
    store.set_fact(FACT, dataclasses.replace(state, version="0.0", starts=false).to_json())
    store.close()
    found = resume_optimum(tmp_path).result()
    assert found.bound is not None
    assert found.value == whole.value
    assert found.bound >= found.value


def test_a_state_that_is_none_is_an_error(tmp_path: Path) -> None:
    solve(tmp_path)
    for text in ("", "{}", "[]", '{"version": "0", "gap": "much", "top": 1}'):
        store = RunStore.open(tmp_path)
        store.set_fact(FACT, text)
        store.close()
        with pytest.raises(RunError, match="damaged"):
            resume_optimum(tmp_path)


def test_commands_know_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(json.dumps(SMALL), encoding="utf-8")

    def said(*words: str) -> str:
        result = CliRunner().invoke(cli, list(words))
        assert result.exit_code == 0, result.output
        return result.stdout

    told = said("optimum", "small.yaml", "--max-params", "20000", "--max-layers", "5", "--gap", "1%")
    structure, run = told.splitlines()[0], "runs/small-optimum"
    assert f"kept in {run}" in told
    about = json.loads(said("runs", "list", "--json").splitlines()[0])
    assert (about["run"], about["state"], about["by"]) == (run, "finished", "zen_leading")
    facts = json.loads(said("runs", "show", run, "--json"))
    assert facts["best"] == structure
    assert facts["value"] <= facts["bound"] <= facts["value"] * 1.01
    assert json.loads(said("runs", "best", run, "--json").splitlines()[0])["structure"] == structure
    subject = resolve(run)
    assert str(subject.structure) == structure
    assert subject.resolution.value == 16
    page = Path(said("report", run).strip()).read_text(encoding="utf-8")
    assert "proven bound" in page
    assert "plainnet optimum small.yaml --objective zen --resolution 16 --num-classes 10 --max-params 20000" in page
    again = json.loads(said("optimum", "--resume", run, "--json").splitlines()[-1])
    assert (again["best"]["structure"], again["folder"]) == (structure, run)
    with pytest.raises(RunError, match="plainnet optimum --resume"):
        resume(run)
    with pytest.raises(RunError, match="exact search"):
        fork(Path(run), tmp_path / "new")
    for words, what in (
        (["--resume", run, "--max-params", "1e5"], "--max-params does not go with --resume"),
        (["small.yaml", "--trust"], "--trust goes with"),
        (["small.yaml", "--resume", run], "give one of"),
    ):
        result = CliRunner().invoke(cli, ["optimum", *words])
        assert result.exit_code != 0
        assert what in str(result.exception)


def test_a_refused_question_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        begin_optimum(exact_config(SMALL, limits=LIMITS, objective="rho"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.tail
def test_a_killed_process_is_taken_up(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "plainnet", "optimum", "zennas-resnet", "--max-params", "2e5", "--max-layers", "10"]
    process = subprocess.Popen([*words, "--gap", "0", "--out", str(tmp_path), "--quiet"])
    for _ in range(600):
        time.sleep(0.1)
        if (tmp_path / "run.sqlite").exists():
            with opened(tmp_path) as store:
                result = read_state(store).result
            if result is not None and result.value is not None:
                break
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = resume_optimum(tmp_path, gap=1e-3).result()
    assert found.reason == "optimal"
    assert result is not None
    assert result.value is not None
    assert found.value is not None
    assert found.value >= result.value
