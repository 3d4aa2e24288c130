"""Blocks that are no formula of their widths: counted one by one, on all widths or on some, and what is then claimed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import pytest

from plainnet import PlainNetBasicBlockClass
from plainnet.blocks import parse
from plainnet.blocks.fields import Channels, Depth, Stride
from plainnet.blocks.rows.layers import Act, Conv, Layers, Norm, Repeat
from plainnet.cli.optimum_watch import judgement
from plainnet.search import SearchConfig, load_space
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool, Genes
from plainnet.search.exact import graph_builder
from plainnet.search.exact.asking import exact_config
from plainnet.search.exact.optimum import solved
from plainnet.search.exact.place_options import find_slots
from plainnet.search.exact.result import Optimum
from plainnet.search.runs.optimum_state import state_of_run
from plainnet.search.space.mutation import Mutator
from tests.search.exact.brute import best_of_all, reached

KERNELS = {8: 3, 16: 1, 24: 5, 32: 3, 40: 7, 48: 1, 56: 3, 64: 5}
"""A choice that no arithmetic on widths makes."""


@pytest.fixture(autouse=True)
def _blocks(own_registry: None) -> None:  # noqa: ARG001
    class RoundedUnit(PlainNetBasicBlockClass):
        """Its width inside is 0.4 times what it puts out, rounded to eights."""

        in_channels: Channels
        out_channels: Channels
        stride: Stride
        sub_layers: Depth

        def layers(self) -> Layers:
            width = max(8, round(0.4 * self.out_channels / 8) * 8)
            unit = (Conv(width, 3), Norm(), Act())
            out = (Conv(self.out_channels, 3, self.stride), Norm(), Act())
            return (Conv(width), Norm(), Act(), Repeat(self.sub_layers, unit), *out)

    class LookedUpUnit(PlainNetBasicBlockClass):
        """Its kernel is looked up by a width inside."""

        in_channels: Channels
        out_channels: Channels
        stride: Stride
        bottleneck_channels: Channels

        def layers(self) -> Layers:
            kernel = KERNELS.get(self.bottleneck_channels, 3)
            inside = Conv(self.bottleneck_channels, kernel)
            return inside, Norm(), Act(), Conv(self.out_channels, 3, self.stride), Norm(), Act()

    class PickyUnit(PlainNetBasicBlockClass):
        """It accepts only widths that are multiples of 24."""

        in_channels: Channels
        out_channels: Channels
        stride: Stride

        def check(self) -> Iterator[str]:
            if self.out_channels % 24:
                yield f"out_channels is {self.out_channels}; accepted: multiples of 24"

        def layers(self) -> Layers:
            return Conv(self.out_channels, 3, self.stride), Norm(), Act()


def space_of(unit: str, start: str, most: int, **change: Any) -> dict[str, Any]:
    width = {"factors": [2, 1.5, 0.5], "minimum": 8, "maximum": most, "step": 8}
    return {
        "name": "own",
        "start": f"SuperConvK3BNRELU(3,8,1,1){start}SuperConvK1BNRELU(24,16,1,1)",
        "blocks": [
            {"names": [unit], "change": {"out_channels": width, **change}},
            {"names": ["SuperConvK*BNRELU"], "become": [], "change": {"out_channels": {"values": [8, 16, 24]}}},
        ],
        "resolution": 9,
        "num_classes": 3,
    }


INNER = {"bottleneck_channels": {"factors": [2, 1.5, 0.5], "minimum": 8, "maximum": 64, "step": 8}}
TIED = {"bottleneck_channels": {"ratios": [0.5, 1, 2], "of": "out_channels", "minimum": 8, "step": 8}}
DEPTHS = {"sub_layers": {"values": [1, 2, 3]}}
SMALL = {
    "rounded": space_of("RoundedUnit", "RoundedUnit(8,24,2,1)", 64, **DEPTHS),
    "looked up": space_of("LookedUpUnit", "LookedUpUnit(8,24,2,16)", 64, **INNER),
    "tied": space_of("LookedUpUnit", "LookedUpUnit(8,24,2,24)", 64, **TIED),
    "picky": space_of("PickyUnit", "PickyUnit(8,24,2)PickyUnit(24,24,1)", 64),
}
OBJECTIVES = ("zen", "madnas", "max:activations", "composite", "deepmad")
LIMITS = {"params": 9_000.0, "macs": 250_000.0, "layers": 9.0}


def all_networks(config: SearchConfig) -> tuple[list[Genes], Counter]:
    networks = reached(Mutator(config.space, GenePool(), config.setting.shape), 20_000)
    return networks, Counter(config.setting, asked=config.asked)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", SMALL)
def test_blocks_counted_one_by_one_give_the_best_of_all(name: str, objective: str) -> None:
    config = exact_config(SMALL[name], objective=objective, limits=LIMITS)
    best = best_of_all(config, *all_networks(config))
    found = solved(config, gap=0.0).result()
    assert best is not None
    assert found.value is not None
    assert found.bound is not None
    assert (found.reason, found.sampled) == ("optimal", None)
    assert math.isclose(found.value, best[0], rel_tol=1e-9)
    assert found.bound >= best[0]


# Grids that are made finer ------------------------------------------------------------------------

LARGE = space_of("LookedUpUnit", "LookedUpUnit(8,24,2,16)LookedUpUnit(24,24,2,16)", 512, **INNER)
LOOKED_AT = "looked at: "


def widths_of(found: Optimum) -> dict[tuple[int, str], list[int]]:
    """(Place, argument) -> the widths that the result says were looked at."""
    told = {}
    for line in found.grid:
        before, sign, widths = line.partition(LOOKED_AT)
        if sign:
            told[int(before.split(":")[0]), before.split()[-1]] = list(map(int, widths.split(", ")))
    return told


def test_the_bound_holds_for_the_widths_that_it_names_which_are_finest_around_the_best() -> None:
    limits = {**LIMITS, "params": 40_000.0}
    found = solved(exact_config(LARGE, objective="zen", limits=limits), gap=0.0).result()
    assert found.reason == "optimal"
    assert found.sampled == (
        "LookedUpUnit: what it costs or gains is no formula of its widths that is known here (products of two of them, "
        "squares and logarithms)"
    )
    told = widths_of(found)
    assert set(told) == {(1, "out_channels"), (2, "out_channels"), (2, "bottleneck_channels")}
    assert len(told[2, "out_channels"]) < 20
    widths = sorted({*told[1, "out_channels"], *told[2, "out_channels"]})
    change = {"out_channels": {"values": widths}, **INNER}
    grid = {**LARGE, "blocks": [{"names": ["LookedUpUnit"], "change": change}, LARGE["blocks"][1]]}
    config = exact_config(grid, objective="zen", limits=limits)
    networks, counter = all_networks(config)
    arguments = {"out_channels": 1, "bottleneck_channels": 3}
    looked_at = [
        genes
        for genes in networks
        if all(genes[at].values[arguments[name]] in those for (at, name), those in told.items())
    ]
    best = best_of_all(config, looked_at, counter)
    assert best is not None
    assert found.value is not None
    assert found.best is not None
    assert math.isclose(found.value, best[0], rel_tol=1e-9)
    unit: Any = parse(found.best.structure).blocks[2]
    all_widths = find_slots(load_space(LARGE), config.setting, 9)[0].places[2].widths
    assert all_widths is not None
    for name, all_of_them in (("out_channels", all_widths.tolist()), ("bottleneck_channels", list(range(8, 65, 8)))):
        at = all_of_them.index(getattr(unit, name))
        assert set(all_of_them[max(0, at - 1) : at + 2]) <= set(told[2, name])


def test_widths_that_were_chosen_and_too_many_to_be_counted_are_not_said_to_be_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph_builder, "MOST_COUNTED", 260)
    run = solved(exact_config(LARGE, objective="zen", limits={**LIMITS, "params": 40_000.0}), gap=0.0)
    told, graph = widths_of(run.result()), run.solvers[0].graph
    for place in (1, 2):
        assert told[place, "out_channels"] == graph.nodes[place + 1].grid.tolist()
    assert set(run.samplings[0].chosen[2, "out"]) > set(told[2, "out_channels"])


def test_a_bound_of_some_widths_is_not_taken_up_again() -> None:
    config = exact_config(LARGE, objective="zen", limits={**LIMITS, "params": 40_000.0})
    first = solved(config, gap=0.1)
    state = state_of_run(first)
    assert state.result is not None
    assert state.result.sampled
    again = solved(config, gap=0.1, max_seconds=0.0, begun=state.begun(tuple(first.known.found))).result()
    assert (again.bound, again.gap, again.reason, again.limit) == (None, None, "feasible", "time")


def test_what_is_not_proven_is_said_everywhere() -> None:
    whole = solved(exact_config(SMALL["picky"], objective="zen", limits=LIMITS), gap=0.01).result()
    sampled = dataclasses.replace(whole, sampled="Unit: no formula")
    assert "not proven for all widths" not in whole.view().text(None)
    text = sampled.view().text(None)
    assert "not proven for all widths of the space" in text
    assert "Unit: no formula" in text
    assert "of this space" not in text
    assert "of the widths looked at" in text
    assert sampled.as_dict()["sampled"] == "Unit: no formula"
    assert "what this space can give" in judgement(1.0, whole)
    assert "may not hold for it" in judgement(1.0, sampled)


@pytest.mark.parametrize(("objective", "sign"), [("zen", 1), ("min:params", -1)])
def test_what_is_beyond_a_bound_is_not_said_to_be_within_it(objective: str, sign: int) -> None:
    found = solved(exact_config(SMALL["picky"], objective=objective, limits=LIMITS), gap=0.01).result()
    assert found.bound is not None
    assert "within 0.00% of what" in judgement(found.bound, found)
    told = judgement(found.bound * (1 + 0.01 * sign), found)
    assert "does not hold for it" in told
    assert "within" not in told
    assert ": within" in judgement(found.bound * (1 - 0.01 * sign), found)
