"""Searches that start from the optimum: its neighbours come first, and the run is still the same whatever happens to it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from plainnet.errors import UsageError
from plainnet.search import SearchConfig, load_space, optimum, resume, search
from plainnet.search.report.reproduce import command_of
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.optimum_start import with_starts
from plainnet.search.runs.progress import Progress
from plainnet.search.runs.sweep import sweep
from plainnet.search.runs.trusting import code_of
from plainnet.search.strategies.strategy import START
from tests.search.exact.test_optimum import LIMITS, SMALL
from tests.search.small import rows_of

CHOICES = {"out_channels": {"values": [8, 16, 24, 32]}}


def asked(**changes: Any) -> SearchConfig:
    values: dict[str, Any] = {
        "limits": LIMITS,
        "candidates": 400,
        "resolution": 16,
        "num_classes": 10,
        "start": "optimum",
    }
    return SearchConfig(load_space(SMALL), **{**values, "islands": 2, "epoch": 100, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "run"
    search(asked(), folder)
    return folder


def test_the_islands_begin_with_the_best_there_are(run: Path) -> None:
    best = optimum(SMALL, limits=LIMITS, top=16, near=16, gap=0.0)
    assert best.best is not None
    with opened(run) as store:
        config, columns = store.config, ("island", "structure", "operator", "parent")
        rows = list(store.lines(columns))
        assert store.best(1)[0].structure == best.best.structure
        assert any(kind == "start" and "16 best networks by zen" in text for _, kind, _, text in store.events())
    given = ["".join(text for _, text in network) for network in config.starts]
    assert given[0] == best.best.structure
    assert len(given) == len(set(given)) == 16
    for island in (0, 1):
        mine = [row for row in rows if row[0] == island][:7]  # an eighth is a child of the other island, too
        assert [row[1] for row in mine] == given[island::2][:7]
        assert {(row[2], row[3]) for row in mine} == {(START, 0)}
    assert config.start == "optimum"
    assert "--start optimum" in command_of(config)


@pytest.mark.parametrize("epochs", [1, 4])
def test_killed_while_the_first_are_proposed_it_ends_with_the_same_rows(run: Path, epochs: int, tmp_path: Path) -> None:
    told = 0

    def stop(progress: Progress) -> None:
        nonlocal told
        told += progress.stage == "evolution" and not progress.message
        if told == epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(asked(), tmp_path / "killed", watch=stop)
    with opened(tmp_path / "killed") as store:
        assert 0 < store.proposed < 400
        assert (store.proposed < 16) == (epochs == 1)  # where not all of the first were proposed
    resume(tmp_path / "killed")
    assert rows_of(tmp_path / "killed") == rows_of(run)


def test_an_objective_that_is_no_sum_starts_from_the_best_by_another_one() -> None:
    found = search(asked(objectives=("rho",), candidates=40))
    zen = search(asked(objectives=("rho",), candidates=40, start="optimum:zen"))
    other = search(asked(objectives=("rho",), candidates=40, start="optimum:min:params"))
    assert found.best == zen.best
    assert found.best.params > other.best.params


@pytest.mark.parametrize("objective", ["composite", "deepmad"])
def test_logarithms_of_sums_are_solved_where_a_user_says_so(objective: str) -> None:
    assert "best networks by zen that" in with_starts(asked(objectives=(objective,)))[1]


@pytest.mark.parametrize("objective", ["deepmad", "madnas", "min:params"])
def test_every_objective_that_is_solved_starts_from_its_own_best(objective: str) -> None:
    """Logarithms of sums are solved by several searches, whose networks are of the space, too."""
    space = {**SMALL, "blocks": [{**rule, "change": CHOICES} for rule in SMALL["blocks"]]}
    config = SearchConfig(
        load_space(space),
        objectives=(objective,),
        limits=LIMITS,
        candidates=20,
        resolution=16,
        num_classes=10,
        start=f"optimum:{objective}",
    )
    with_them, _ = with_starts(config)
    assert with_them.starts
    assert all(len(network) == 3 for network in with_them.starts)
    best = optimum(space, objective=objective, limits=LIMITS).best
    assert best is not None
    assert search(with_them).best.structure == best.structure


def test_each_run_of_a_sweep_starts_from_its_own_optimum(run: Path, tmp_path: Path) -> None:
    with opened(run) as store:
        config = dataclasses.replace(store.config, candidates=20)
    sweep(config, "params", [10_000.0, 15_000.0], tmp_path)
    for limit in (10_000, 15_000):
        with opened(tmp_path / f"params-{limit}") as store:
            params = [costs for (costs,) in store.lines(("params",))]
            assert len(store.config.starts) == 16
            assert 0.9 * limit < params[0] <= limit


REFUSED = [
    ({"start": "best"}, "start is 'best'; accepted: optimum, optimum:OBJECTIVE"),
    ({"start": "optimum:"}, "accepted: optimum, optimum:OBJECTIVE"),
    ({"start": "optimum:rho"}, "cannot start from the optimum: rho does not say that it is a sum"),
    ({"limits": {**LIMITS, "rho": 9.0}}, "cannot start from the optimum: the budget rho"),
    ({"limits": {"params": 20_000}}, "cannot start from the optimum: .*give --max-layers"),
    ({"limits": {"params": 100, "layers": 5}}, "no network of this space is within the budgets"),
]


@pytest.mark.parametrize(("changes", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_what_cannot_be_solved_is_refused_and_leaves_nothing(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=told):
        search(asked(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_code_that_a_start_is_solved_for_is_among_that_of_the_run() -> None:
    config = asked(start="optimum:max:/tmp/mine.py:score")
    assert code_of(config) == ("/tmp/mine.py",)
    assert SearchConfig.from_json(config.to_json()) == config
    with_networks = dataclasses.replace(config, starts=(((1, "SuperConvK3BNRELU(3,8,1,1)"),),))
    assert SearchConfig.from_json(with_networks.to_json()) == with_networks


def test_the_time_for_the_start_is_bounded_and_told() -> None:
    told: list[float] = []
    config = asked(objectives=("composite",), start="optimum:composite")
    with_them, said = with_starts(config, 60.0, lambda _, spent: told.append(spent))
    assert told == sorted(told)
    assert told
    assert "were over" not in said
    with pytest.raises(UsageError, match="give --start-seconds more"):
        with_starts(config, 1e-9)
    early: list[float] = []

    def late(_: Any, spent: float) -> None:
        early.append(spent)

    with_some, said = with_starts(config, max(told) * 0.9, late)
    assert with_some.starts
    assert with_them.starts
    assert ("were over" in said) == (max(early) > max(told) * 0.9)
