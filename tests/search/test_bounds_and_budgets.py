"""What a search may cost: it is bounded before it begins, what it holds is within its budgets, and what was not computed is
nothing, not 0.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.blocks import Shape, parse
from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.search import Rung, RunStore, SearchConfig, load_space, resume, search, shipped_spaces
from plainnet.search.candidates.budgets import BUDGETS, ON_REQUEST
from plainnet.search.candidates.measures import MEASURES, Measurement
from plainnet.search.ladder.fronts import front_of
from plainnet.search.ladder.ranking import ranking
from plainnet.search.runs.derived_runs import fork, merge
from plainnet.search.runs.kept_runs import best_of, describe, opened
from plainnet.search.settings.bounds import check_bounds, proposals
from plainnet.search.space import feasible
from tests.search.small import small_config


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def config_of(space: str) -> SearchConfig:
    found = load_space(space)
    return SearchConfig(found, resolution=found.resolution, num_classes=found.num_classes)


ENDLESS = [name for name in shipped_spaces() if load_space(name).blocks]
"""Spaces of cells have an end."""


# Bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ENDLESS)
def test_a_search_without_bounds_is_refused_with_bounds_to_choose_from(space: str, tmp_path: Path) -> None:
    result = run("search", space, "--candidates", 100, "--out", tmp_path / "run")
    assert result.exit_code
    said = str(result.exception)
    assert "nothing bounds" in said
    assert all(f"--max-{name.replace('_', '-')}" in said for name in BUDGETS)
    assert not (tmp_path / "run").exists()
    lines = proposals(config_of(space))
    assert lines
    assert all(line in said for line in lines)


@pytest.mark.parametrize("space", ENDLESS)
def test_the_bounds_that_are_proposed_are_options_that_work(space: str, tmp_path: Path) -> None:
    for number, line in enumerate(proposals(config_of(space))):
        options = line.partition("(")[0].split()
        arguments = ["search", space, *options, "--candidates", "60", "--ladder", "none", "--quiet"]
        result = run(*arguments, "--out", tmp_path / str(number))
        assert result.exit_code == 0, result.output


SPACE: dict[str, Any] = {
    "name": "mine",
    "start": "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,1)",
    "blocks": [{"names": ["SuperResK3K3"], "change": {"sub_layers": {"values": [1, 2, 3]}}}],
}


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, False),
        ({"change": {"sub_layers": {"add": [-1, 1]}}}, True),
        ({"change": {"sub_layers": {"add": [-1, 1], "maximum": 5}}}, False),
        ({"change": {"out_channels": {"factors": [2, 1]}}}, True),
        ({"change": {"out_channels": {"factors": [0.5, 1]}}}, False),
        ({"change": {"out_channels": {"factors": [2, 1], "maximum": 64}}}, False),
    ],
)
def test_a_space_with_an_end_needs_no_budget(changes: dict[str, Any], refused: bool) -> None:
    config = SearchConfig(load_space({**SPACE, "blocks": [{**SPACE["blocks"][0], **changes}]}))
    if refused:
        with pytest.raises(UsageError, match="nothing bounds"):
            check_bounds(config)
    else:
        check_bounds(config)


@pytest.mark.parametrize(
    ("objectives", "refused"),
    [
        (("macs",), False),
        (("min:zen",), True),
        (("max:macs",), True),
        (("rho",), True),
        (("macs", "params"), False),
        (("zen", "macs"), True),
        (("naswot",), True),
    ],
)
def test_only_a_search_for_small_costs_needs_no_budget(objectives: tuple[str, ...], refused: bool) -> None:
    config = small_config(limits={}, objectives=objectives, strategy="nsga2")
    if refused:
        with pytest.raises(UsageError, match="nothing bounds"):
            search(config)
    else:
        check_bounds(config)


def test_budgets_that_the_space_has_are_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(load_space({**SPACE, "limits": {"layers": 6}}).dump())
    result = run("search", path, "--candidates", 50, "--ladder", "none", "--out", tmp_path / "run")
    assert "note: budgets of the space mine: layers 6" in result.stderr
    told = run("search", path, "--candidates", 50, "--ladder", "none", "--out", tmp_path / "b", "--max-layers", 5)
    assert "budgets of the space" not in told.stderr


# What was not computed ---------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [(), ("peak_activation",), ("convolutions", "rho")])
def test_costs_that_nothing_asked_for_are_null(tmp_path: Path, asked: tuple[str, ...]) -> None:
    limits = {"layers": 8, **dict.fromkeys(asked, 1000000000.0)}
    result = search(small_config(limits=limits, candidates=300), tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    for name in ON_REQUEST:
        values = {value for (value,) in store.query(f'SELECT "{name}" FROM candidates')}
        assert (values == {None}) == (name not in asked)
        assert None not in values or values == {None}
        assert (result.as_dict()["best"][name] is None) == (name not in asked)
        axis = run("runs", "pareto", tmp_path / "run", "--axis", f"min:{name}")
        if name in asked:
            assert axis.exit_code == 0
        else:
            assert re.search(rf"no column '{name}' in \S+ \(nothing in it asked for it\)", str(axis.exception))
    lines = [json.loads(line) for line in run("runs", "best", tmp_path / "run", "--json").stdout.splitlines()]
    assert all((line[name] is None) == (name not in asked) for line in lines for name in ON_REQUEST)
    exported = run("runs", "export", tmp_path / "run", "--format", "jsonl").stdout.splitlines()
    assert all((json.loads(line)[name] is None) == (name not in asked) for line in exported for name in ON_REQUEST)


def test_the_costs_that_are_asked_for_are_those_of_the_structure(tmp_path: Path) -> None:
    from plainnet.proxies.closed.entropy import rho, stages

    limits = {"layers": 8, "peak_activation": 1e6, "convolutions": 20, "rho": 2.0}
    search(small_config(limits=limits, candidates=400), tmp_path / "run")
    candidates = RunStore.open(tmp_path / "run").select()
    assert len(candidates) > 50
    for candidate in candidates[::7]:
        totals = parse(candidate.structure).totals(Shape(3, 32, 32))
        assert candidate.costs["peak_activation"] == max(each.peak_elements for each in totals)
        assert candidate.costs["convolutions"] == stages(candidate.structure, resolution=32)[-1].convolutions
        assert candidate.costs["rho"] == pytest.approx(rho(candidate.structure, resolution=32))
        assert all(candidate.costs[name] <= limit for name, limit in limits.items())


# A latency budget ----------------------------------------------------------------------------------


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A machine where a network takes a millisecond for a million MACs, times a factor, and for half of them another."""
    machine = {"factor": 1.0, "even": 1.0}

    def measure(structure: Any, setting: Any, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
        macs = sum(each.sums.macs for each in structure.totals(setting.shape))
        odd = 1.0 if int(structure.hash, 16) % 2 else machine["even"]
        return [odd * machine["factor"] * macs * 1e-6] * repeats

    monkeypatch.setitem(MEASURES, "latency_ms", Measurement("latency_ms", measure, higher_is_better=False))
    return machine


@pytest.mark.parametrize("ladder", [(), (Rung("zen", 20, 1, 1),)])
def test_a_latency_budget_that_is_not_met_is_said_everywhere(
    tmp_path: Path, slow_machine: dict[str, float], ladder: tuple[Rung, ...]
) -> None:
    config = small_config(limits={"latency_ms": 20.0, "layers": 10}, candidates=600, ladder=ladder)

    def turn_slow(progress: Any) -> None:  # noqa: ARG001
        slow_machine["factor"] = 10.0

    result = search(config, tmp_path / "run", watch=turn_slow)
    assert result.unmet is not None
    store = RunStore.open(tmp_path / "run")
    measured = {each.hash: each.mean for each in store.measures() if each.proxy == "latency_ms"}
    assert len(measured) == 8
    assert min(measured.values()) == result.unmet.lowest > 20.0
    assert [each.candidate.hash for each in ranking(store, 3)] == sorted(measured, key=lambda each: measured[each])[:3]
    assert result.as_dict()["unmet"] == {"budget": "latency_ms", "lowest": result.unmet.lowest, "limit": 20.0}
    assert describe(store)["state"] == "over budget"
    said = run("search", "--resume", tmp_path / "run", "--json")
    assert said.exit_code == 1
    assert "BUDGET NOT MET: no finalist runs within 20 ms" in said.stderr
    assert json.loads(said.stdout.splitlines()[-1])["unmet"]["limit"] == 20.0
    assert "median error" in said.stderr
    assert "no finalist runs within" in run("runs", "show", tmp_path / "run").stdout
    assert "over budget" in run("runs", "list", tmp_path).stdout


def test_a_finalist_over_the_latency_budget_cannot_win(tmp_path: Path, slow_machine: dict[str, float]) -> None:
    config = small_config(limits={"latency_ms": 20.0, "layers": 10}, candidates=600, ladder=(Rung("zen", 20, 1, 1),))

    def turn_slower(progress: Any) -> None:  # noqa: ARG001
        slow_machine.update(factor=0.5, even=30.0)

    result = search(config, tmp_path / "run", watch=turn_slower)
    store = RunStore.open(tmp_path / "run")
    measured = {each.hash: each.mean for each in store.measures() if each.proxy == "latency_ms"}
    assert min(measured.values()) <= 20.0 < max(measured.values())
    assert result.unmet is None
    assert result.best.scores["measured_latency_ms"] <= 20.0
    over = {hash_ for hash_, mean in measured.items() if mean > 20.0}
    assert not over & {each.hash for each in best_of(store, 1_000)}


# Forks and merged runs --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    search(small_config(candidates=700, ladder=(Rung("zen", 20, 1, 1),)), folder / "loose")
    search(small_config(candidates=700, seed=1, limits={"params": 5e4, "layers": 8}), folder / "tight")
    return folder


LIMITS = {
    "params": 6e4,
    "macs": 5e6,
    "layers": 7,
    "activations": 9e4,
    "peak_activation": 5e4,
    "convolutions": 12,
    "rho": 0.5,
}


@pytest.mark.parametrize("budget", LIMITS)
def test_a_fork_may_have_any_budget_and_its_winner_keeps_to_it(kept: Path, tmp_path: Path, budget: str) -> None:
    option = f"--max-{budget.replace('_', '-')}"
    more = ["--candidates", 1_500]
    assert run("runs", "fork", kept / "loose", tmp_path / "new", option, LIMITS[budget], *more).exit_code == 0
    with opened(tmp_path / "new") as store:
        before = len(store.select())
        assert before == len(RunStore.open(kept / "loose").select())
        assert all(candidate.costs[budget] is not None for candidate in store.select())
        for candidate in [*best_of(store, 1_000), *front_of(store)]:
            assert candidate.costs[budget] <= LIMITS[budget]
    result = resume(tmp_path / "new")
    assert getattr(result.best, budget) <= LIMITS[budget]


def test_a_fork_under_a_latency_budget_predicts_it_for_all(
    kept: Path, tmp_path: Path, slow_machine: dict[str, float]
) -> None:
    assert slow_machine["factor"] == 1.0
    fork(kept / "loose", tmp_path / "new", candidates=900, limits={"latency_ms": 10.0})
    result = resume(tmp_path / "new")
    with opened(tmp_path / "new") as store:
        assert all(candidate.costs["latency_ms"] is not None for candidate in store.select())
        assert any(kind == "latency" for _, kind, _, _ in store.events())
    assert result.best.latency_ms is not None
    assert result.best.latency_ms <= 10.0


@pytest.mark.parametrize("first", [250, 700, 1_000, 1_500])
@pytest.mark.parametrize("second", [701, 1_600, 2_900])
def test_a_fork_proposes_all_that_are_asked_for(tmp_path: Path, first: int, second: int) -> None:
    if second <= first:
        pytest.skip("no more candidates")
    search(small_config(candidates=first), tmp_path / "run")
    fork(tmp_path / "run", tmp_path / "fork", candidates=second)
    with opened(tmp_path / "fork") as store:
        assert describe(store)["state"] == "unfinished"
    result = resume(tmp_path / "fork")
    assert result.candidates == second == result.evaluated + result.duplicates + result.rejected
    with opened(tmp_path / "fork") as store:
        assert describe(store)["state"] == "finished"
        assert len({candidate.hash for candidate in store.select()}) == result.evaluated


@pytest.mark.parametrize("order", [("loose", "tight"), ("tight", "loose")])
def test_the_winner_of_a_merged_run_is_within_the_budgets_of_all(
    kept: Path, tmp_path: Path, order: tuple[str, str]
) -> None:
    said = run("runs", "merge", *(kept / name for name in order), "--out", tmp_path / "both").stdout
    assert "budgets: params 50,000, layers 8" in said
    with opened(tmp_path / "both") as store:
        assert all(each.costs["params"] <= 5e4 and each.costs["layers"] <= 8 for each in best_of(store, 1_000))
        assert describe(store)["candidates"] == "1,400"
        assert any("different budgets" in text for _, _, _, text in store.events())
    (line,) = [json.loads(each) for each in run("runs", "list", tmp_path, "--json").stdout.splitlines()]
    assert line["candidates"] == 1_400
    assert line["of"] is None


def test_a_merged_run_may_have_budgets_of_its_own(kept: Path, tmp_path: Path) -> None:
    merge([kept / "tight", kept / "loose"], tmp_path / "both", limits={"params": 2e5, "layers": 10, "rho": 0.9})
    with opened(tmp_path / "both") as store:
        best = best_of(store, 1_000)
    assert max(each.costs["params"] for each in best) > 5e4
    assert all(each.costs["rho"] <= 0.9 for each in best)


@pytest.mark.parametrize(
    ("value", "said"), [(0.001, "0.001"), (1.875, "1.875"), (0.35, "0.35"), (20112, "20,112"), (1e6, "1,000,000")]
)
def test_a_budget_that_nothing_meets_is_said_with_the_digits_that_count(value: float, said: str) -> None:
    assert feasible._number(value) == said
