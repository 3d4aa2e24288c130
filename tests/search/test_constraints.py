"""Every candidate can be read and keeps the rules of its space, whatever blocks the space is made of."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from plainnet.blocks import Channels, PlainNetBasicBlockClass, parse
from plainnet.blocks.rows.layers import Act, Conv, Layers, Norm
from plainnet.errors import ConfigError
from plainnet.search import RunStore, SearchConfig, load_space, search
from plainnet.search.strategies import STRATEGIES
from tests.search.random_spaces import ELEMENTWISE, check_space, random_space


@pytest.mark.parametrize("seed", range(12))
def test_every_child_of_a_random_space_is_a_network_that_keeps_the_rules(seed: int) -> None:
    _try_spaces(seed, 12)


@pytest.mark.tail
@pytest.mark.parametrize("seed", range(100, 120))
def test_every_child_of_many_random_spaces_is_a_network_that_keeps_the_rules(seed: int) -> None:
    _try_spaces(seed, 60)


def _try_spaces(seed: int, count: int) -> None:
    rng = Random(seed)
    networks = total = 0
    for _ in range(count):
        space = random_space(rng)
        if space is not None:
            some, all_ = check_space(space, rng)
            networks, total = networks + some, total + all_
    assert networks > total / 4 > 10


class TakesInItsOwnWay(PlainNetBasicBlockClass):
    """A block of one's own that says itself how it takes other channels."""

    in_channels: Channels
    out_channels: Channels

    def set_input_channels(self, channels: int) -> TakesInItsOwnWay:
        return self.replace(in_channels=channels)

    def layers(self) -> Layers:
        return (Conv(self.out_channels, 1), Norm(), Act("relu"))


def test_rules_of_widths_hold_for_a_block_that_takes_channels_in_its_own_way() -> None:
    space = {"name": "any", "start": "TakesInItsOwnWay(3,32)TakesInItsOwnWay(32,16)", "widths": {"at_most_next": True}}
    space["blocks"] = [{"names": ["TakesInItsOwnWay"], "change": {"out_channels": {"add": [-1, 1]}}}]
    with pytest.raises(ConfigError, match="puts out fewer channels"):
        load_space(space)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_search_stores_can_be_read(strategy: str, tmp_path: Path) -> None:
    change = {"out_channels": {"factors": [2, 1.5, 0.5], "minimum": 4, "maximum": 100, "step": 4}}
    space = load_space({"name": "plain", "start": ELEMENTWISE, "blocks": [{"names": ["ConvKX"], "change": change}]})
    config = SearchConfig(space, limits={"params": 1e5}, strategy=strategy, candidates=600, islands=2, epoch=100)
    search(config, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    structures = [each.structure for each in store.select()]
    parents = {parent for row in store.query("SELECT parent, other_parent FROM candidates") for parent in row}
    hashes = {hash_ for (hash_,) in store.query("SELECT hash FROM candidates")}
    store.close()
    assert len(structures) > 30
    assert parents <= hashes | {0}
    for text in structures:
        blocks = parse(text).blocks
        assert blocks[1].out_channels == blocks[2].out_channels == blocks[4].out_channels == blocks[0].out_channels
        assert blocks[0].out_channels % 4 == 0
        assert 4 <= blocks[0].out_channels <= 100


def test_parents_of_the_infeasible_are_in_the_table(tmp_path: Path) -> None:
    config = SearchConfig(
        load_space("zennas-resnet"),
        objectives=("zen", "macs"),
        limits={"params": 6e4, "layers": 7},
        strategy="nsga2",
        candidates=4_000,
        islands=2,
        population=16,
        epoch=200,
        crossover=0.3,
    )
    search(config, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    rows = store.query("SELECT hash, parent, other_parent, operator FROM candidates")
    known, over = {row[0] for row in rows}, store.totals()["over params"]
    store.close()
    assert over > 500
    assert {parent for row in rows for parent in row[1:3]} <= known | {0}
    assert all(row[1] or row[2] for row in rows if row[3] in (1, 2))
