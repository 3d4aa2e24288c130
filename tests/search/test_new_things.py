"""A search looks for what is new: it leaves what it knows, copies nothing, and ends when there is nothing left."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from plainnet.search import RunStore, SearchConfig, load_space, resume, search, shipped_spaces
from plainnet.search.candidates.genes import GenePool
from plainnet.search.runs.exhaustion import QUIET
from plainnet.search.runs.kept_runs import state_of
from plainnet.search.space.mutation import Mutator
from plainnet.search.space.space import Space
from plainnet.search.strategies import STRATEGIES
from tests.search.small import rows_of, small_config

SMALL = "SuperConvK3BNRELU(3,16,2,1)" + 4 * "SuperResK3K3(16,16,2,16,1)"


def small_space(**mutation: object) -> Space:
    """81 structures, 9 of which are mutants of the start."""
    rule = {"names": ["SuperResK3K3"], "change": {"sub_layers": {"values": [1, 2, 3]}}}
    return load_space({"name": "small", "start": SMALL, "blocks": [rule], "mutation": {"blocks": 1, **mutation}})


def best_of(found: Path) -> float | None:
    store = RunStore.open(found)
    try:
        return store.best(1)[0].scores["zen_leading"]
    finally:
        store.close()


@pytest.mark.parametrize(("strategy", "arguments"), [*((name, "all") for name in STRATEGIES), ("aging", "one")])
def test_every_strategy_finds_a_whole_small_space_and_ends(strategy: str, arguments: str, tmp_path: Path) -> None:
    config = SearchConfig(
        small_space(arguments=arguments),
        limits={"layers": 30},
        strategy=strategy,
        candidates=400_000,
        epoch=4_000,
        islands=2,
    )
    said: list[str] = []
    result = search(config, tmp_path / "run", watch=lambda progress: said.append(progress.message))
    assert result.evaluated == 81
    assert result.exhausted
    assert QUIET < result.candidates < 4 * QUIET
    assert any("held nothing new" in text and "(81 structures)" in text for text in said)
    assert result.best.layers == 13
    rows = rows_of(tmp_path / "run")
    again = resume(tmp_path / "run")
    assert (again.best, again.candidates) == (result.best, result.candidates)
    assert rows_of(tmp_path / "run") == rows
    store = RunStore.open(tmp_path / "run")
    assert state_of(store) == "finished"
    store.close()


def test_an_end_does_not_depend_on_interruptions(tmp_path: Path) -> None:
    config = SearchConfig(small_space(), limits={"layers": 30}, candidates=400_000, epoch=4_000, islands=2)
    search(config, tmp_path / "whole")

    class Stop(Exception):  # noqa: N818
        pass

    def stop(progress: object) -> None:  # noqa: ARG001
        raise Stop

    for _ in range(30):
        try:
            resume(tmp_path / "parts", watch=stop) if (tmp_path / "parts").exists() else search(
                config, tmp_path / "parts", watch=stop
            )
        except Stop:
            continue
        break
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")


def test_a_fork_with_other_budgets_goes_on_from_an_end(tmp_path: Path) -> None:
    from plainnet.search.runs.derived_runs import fork

    config = SearchConfig(small_space(), limits={"layers": 8}, candidates=200_000, epoch=4_000, islands=2)
    first = search(config, tmp_path / "run")
    assert first.exhausted
    assert first.evaluated < 81
    fork(tmp_path / "run", tmp_path / "more", limits={"layers": 30})
    assert resume(tmp_path / "more").evaluated == 81


@pytest.mark.parametrize("strategy", ["aging", "evolution", "nsga2"])
def test_a_start_phase_ends_when_its_surroundings_are_known(strategy: str) -> None:
    """The start of this space has some fifty mutants; a population may want a hundred of them."""
    space = load_space("tinynas-kxkx")
    config = SearchConfig(
        space,
        limits={"macs": 4e8, "layers": 20},
        strategy=strategy,
        candidates=6_000,
        islands=1,
        resolution=224,
        population=100,
    )
    result = search(config)
    assert result.evaluated > 2_000
    assert result.duplicates < 2_500


def test_members_are_not_copied_within_an_island_and_sent_once(tmp_path: Path) -> None:
    search(small_config(candidates=40_000), tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    states, _ = store.states()
    store.close()
    members = [[member[1] for member in state["members"]] for state in states.values()]
    assert all(len(set(island)) == len(island) for island in members)
    everywhere = [hash_ for island in members for hash_ in island]
    assert all(everywhere.count(hash_) <= 2 for hash_ in everywhere)


def test_a_long_search_goes_on_finding_new_ones() -> None:
    result = search(small_config(candidates=60_000, limits={"params": 3e4, "layers": 6}))
    assert result.duplicates < 2 * result.evaluated


WITH_RULES = [name for name in shipped_spaces() if load_space(name).blocks]


@pytest.mark.parametrize("name", WITH_RULES)
def test_few_mutations_change_nothing(name: str) -> None:
    """What is frozen is not drawn. The factors of the Zen-NAS paper hold 1, so that some of its draws stay where they are."""
    mutator, draw = Mutator(load_space(name), GenePool()), Random(0).random
    (start,) = mutator.starts
    same = sum(mutator.mutate(start, draw) == start for _ in range(1_000))
    assert same <= (200 if name.startswith("zennas") else 40)


@pytest.mark.parametrize("name", WITH_RULES)
def test_wide_grids_are_as_dense_as_narrow_ones(name: str) -> None:
    """Every width up to 2,048 can be reached, but for eight by the paper's factors (docs/search.md lists them)."""
    for change in (rule.change["out_channels"] for rule in load_space(name).blocks if "out_channels" in rule.change):
        reached, waiting = set[int](), [change.limited(32)]
        while waiting:
            width = waiting.pop()
            if width not in reached and width <= 4_096:
                reached.add(width)
                waiting += change.options(width)
        missing = set(range(change.least, int(min(change.greatest, 2_048)) + 1, change.step)) - reached
        paper = {1544, 1736, 1784, 1816, 1864, 1928, 1976, 2024}
        assert missing == (paper if name == "zennas-resnet" else set())
