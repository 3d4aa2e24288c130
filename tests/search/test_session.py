"""Same configuration, same rows: with one process or two, in one go or in many."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.errors import RunError, UsageError
from plainnet.search import Progress, Rung, RunStore, SearchConfig, resume, search
from tests.search.small import rows_of, small_config


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "reference"
    search(small_config(), folder)
    return folder


class InterruptedSearchError(Exception):
    """Raised from a watcher: the run ends in the middle."""


def interrupt_after(epochs: int):
    seen = itertools.count(1)

    def watch(progress: Progress) -> None:  # noqa: ARG001
        if next(seen) == epochs:
            raise InterruptedSearchError

    return watch


def test_every_candidate_is_proposed_and_accounted_for(reference: Path) -> None:
    result = resume(reference)
    assert result.candidates == 4_000
    assert result.evaluated + result.rejected + result.duplicates == 4_000
    assert result.evaluated == len(rows_of(reference)["candidates"])
    hashes = [row[3] for row in rows_of(reference)["candidates"]]
    assert len(set(hashes)) == len(hashes)


def test_the_winner_is_within_the_budgets_and_counted_exactly(reference: Path) -> None:
    from plainnet.blocks import Shape, parse

    best = resume(reference).best
    totals = parse(best.structure).totals(Shape(3, 32, 32))
    channels = totals[-1].out_shape.channels
    assert best.params == sum(total.sums.params for total in totals) + 100 * (channels + 1) <= 2e5
    assert best.macs == sum(total.sums.macs for total in totals) + 100 * channels
    assert best.layers == sum(total.sums.layers for total in totals) <= 10
    assert best.hash == parse(best.structure).hash


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_processes_change_nothing(reference: Path, tmp_path: Path, workers: int) -> None:
    search(small_config(), tmp_path / "run", workers=workers)
    assert rows_of(tmp_path / "run") == rows_of(reference)


def test_a_run_that_was_interrupted_ends_the_same(reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(InterruptedSearchError):
        search(small_config(), folder, watch=interrupt_after(2))
    assert RunStore.open(folder).epochs_done == 2
    with pytest.raises(InterruptedSearchError):
        resume(folder, watch=interrupt_after(1))
    resume(folder)
    assert rows_of(folder) == rows_of(reference)


@pytest.mark.parametrize("strategy", ["zennas", "aging", "random", "local", "nsga2"])
def test_every_strategy_can_be_interrupted(tmp_path: Path, strategy: str) -> None:
    objectives = ("zen", "macs") if strategy == "nsga2" else ("zen",)
    crossover = 0.0 if strategy in ("random", "local") else 0.3
    config = small_config(strategy=strategy, objectives=objectives, candidates=1_600, crossover=crossover)
    search(config, tmp_path / "whole")
    with pytest.raises(InterruptedSearchError):
        search(config, tmp_path / "parts", watch=interrupt_after(1))
    resume(tmp_path / "parts")
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")


def test_another_seed_is_another_run(reference: Path, tmp_path: Path) -> None:
    search(small_config(seed=1), tmp_path / "run")
    assert rows_of(tmp_path / "run")["candidates"] != rows_of(reference)["candidates"]


def test_the_ladder_goes_on_where_it_stopped(tmp_path: Path) -> None:
    config = small_config(candidates=800, ladder=(Rung("zen", 100, 1, 1), Rung("composite", 10, 1, 1)))
    result = search(config, tmp_path / "whole")
    assert {"zen", "composite", "zen_leading"} == set(result.best.scores)

    def stop_in_the_ladder(progress: Progress) -> None:
        if progress.stage.startswith("rung 1"):
            raise InterruptedSearchError

    with pytest.raises(InterruptedSearchError):
        search(config, tmp_path / "parts", watch=stop_in_the_ladder)
    assert resume(tmp_path / "parts").best == result.best
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")


def test_the_winner_is_measured_again_with_fresh_seeds(tmp_path: Path) -> None:
    ladder = (Rung("zen", 20, 1, 1), Rung("zen_mc", 3, 2, 4))
    search(small_config(candidates=800, limits={"params": 3e4, "layers": 6}, ladder=ladder), tmp_path / "run")
    with_seeds = {}
    for measure in RunStore.open(tmp_path / "run").measures():
        with_seeds.setdefault(measure.rung, []).append(measure)
    assert [len(with_seeds[rung]) for rung in (1, 2, 4)] == [20, 3, 2]
    assert all(measure.repeats == 8 for measure in with_seeds[4])
    drawn = {score for measure in with_seeds[2] for score in measure.scores}
    assert not drawn & {score for measure in with_seeds[4] for score in measure.scores}


def test_a_run_in_memory_gives_the_same_winner(reference: Path) -> None:
    assert search(small_config()).best == resume(reference).best


def test_budgets_that_nothing_meets_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"closest found:\n.*SuperConvK3BNRELU\(3,8,1,1\)(?s:.*)params: .* the budget is 500"
    ):
        search(small_config(limits={"params": 500}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_start_over_the_budgets_is_shrunk_and_that_is_said(tmp_path: Path) -> None:
    result = search(small_config(limits={"params": 3e4}, candidates=800), tmp_path / "run")
    assert result.best.params <= 3e4
    assert any("shrinks to" in text for _, kind, _, text in RunStore.open(tmp_path / "run").events() if kind == "start")


def test_how_to_go_on_is_said_once(reference: Path) -> None:
    options = ["--max-params", "2e5", "--max-layers", "10", "--candidates", "10", "--out", str(reference)]
    for more in ([], ["--ladder", "none"]):
        result = CliRunner().invoke(cli, ["search", "zennas-resnet", *options, *more])
        assert result.exit_code != 0
        said = f"{result.output} {result.exception}"
        assert said.count("plainnet search --resume") == 1


def test_a_folder_that_holds_a_run_is_not_overwritten(reference: Path) -> None:
    with pytest.raises(RunError, match="--resume"):
        search(small_config(), reference)
    assert len(rows_of(reference)["candidates"]) > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "evolutoin"}, "did you mean evolution"),
        ({"limits": {"parms": 1e6}}, "did you mean params"),
        ({"limits": {"params": -1}}, "positive"),
        ({"objectives": ("zenn",)}, "did you mean zen"),
        ({"objectives": ("zen", "macs")}, "nsga2"),
        ({"migrants": 16}, "fewer than the population"),
        ({"crossover": 2.0}, "probability"),
        ({"crossover": 0.1, "strategy": "random"}, "the strategy random has one parent alone"),
        ({"crossover": 0.1, "strategy": "local"}, "the strategy local has one parent alone"),
        ({"timeout": -1.0}, "timeout is -1.0; accepted: seconds"),
        ({"candidates": 0}, "at least 1"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search(small_config(**changes))


def test_the_configuration_survives_its_storage() -> None:
    config = small_config(ladder=(Rung("zen", 3),), objectives=("max:zen",))
    assert SearchConfig.from_json(config.to_json()) == config


def test_a_latency_budget_is_predicted_and_then_measured(tmp_path: Path) -> None:
    ladder = (Rung("zen", 6, 1, 1),)
    limits = {"latency_ms": 30.0, "params": 1e5, "layers": 10}
    result = search(small_config(limits=limits, candidates=800, ladder=ladder), tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    assert len(store.config.latency) == 4
    assert all(0 < candidate.costs["latency_ms"] <= 30.0 for candidate in store.select())
    assert any("predicted with a median error" in text for _, kind, _, text in store.events() if kind == "latency")
    measured = [measure for measure in store.measures() if measure.proxy == "latency_ms"]
    assert measured
    assert all(measure.mean > 0 for measure in measured)
    assert result.best.scores["measured_latency_ms"] in {measure.mean for measure in measured}
    assert (result.unmet is None) == (
        result.best.scores["measured_latency_ms"] <= 30.0
    )  # on a busy machine it may be over
    assert resume(tmp_path / "run") == result
