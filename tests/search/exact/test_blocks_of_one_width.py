"""Optima of spaces with blocks that take one width alone, and with starts of different maps, against all of their networks."""

from __future__ import annotations

import math
from typing import Any

import pytest

from plainnet import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels
from plainnet.blocks.rows.layers import Act, Conv, Layers, Norm
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool
from plainnet.search.exact.asking import exact_config
from plainnet.search.exact.optimum import solved
from plainnet.search.space.mutation import Mutator
from tests.search.exact.brute import best_of_all, reached

LAYERS = 5
STEM = "SuperConvK3BNRELU(3,8,1,1)"
TAKER = "Sequential(SuperConvK1BNRELU(16,16,1,1))"
WIDTHS = {"out_channels": {"values": [8, 16, 24]}}
UNIT = {"names": ["SuperResK3K3"], "become": [], "change": {**WIDTHS, "sub_layers": {"add": [1, -1]}}}
SPLIT = {"start": f"{STEM}SuperResK3K3(8,16,1,8,1){TAKER}", "blocks": [UNIT], "split": {"at_least": 2, "first": 1}}
NO_SPLIT = {"start": f"{STEM}SuperResK3K3(8,16,1,8,1){TAKER}", "blocks": [UNIT]}
COUNTED = {"start": f"{STEM}KernelUnit(8,16){TAKER}", "blocks": [{"names": ["KernelUnit"], "change": WIDTHS}]}
MAPS = [
    f"{STEM}SuperConvK3BNRELU(8,8,1,1)",
    "SuperConvK3BNRELU(3,8,2,1)SuperConvK3BNRELU(8,8,2,1)SuperConvK1BNRELU(8,8,1,1)",
]
CONVOLUTIONS = [{"names": ["SuperConvK*BNRELU"], "become": [], "change": WIDTHS}]


@pytest.fixture(autouse=True)
def _blocks(own_registry: None) -> None:  # noqa: ARG001
    class KernelUnit(PlainNetBasicBlockClass):
        """Its kernel is looked up by what it puts out."""

        in_channels: Channels
        out_channels: Channels

        def layers(self) -> Layers:
            return Conv(self.out_channels, {8: 3, 16: 5, 24: 1}[self.out_channels]), Norm(), Act()


def check(space: dict[str, Any], objective: str, limits: dict[str, float]) -> None:
    whole = {"name": "own", "resolution": 8, "num_classes": 3, **space}
    config = exact_config(whole, objective=objective, limits={**limits, "layers": LAYERS})
    networks = reached(Mutator(config.space, GenePool(), config.setting.shape), 1_000, LAYERS)
    best = best_of_all(config, networks, Counter(config.setting, asked=config.asked))
    found = solved(config, gap=0.0).result()
    assert best is not None
    assert found.value is not None
    assert found.reason == "optimal"
    assert math.isclose(found.value, best[0] if found.maximise else -best[0], rel_tol=1e-9)


@pytest.mark.parametrize("objective", ["max:params", "min:params", "max:macs", "madnas"])
@pytest.mark.parametrize("space", [SPLIT, NO_SPLIT, COUNTED], ids=["split", "not split", "counted one by one"])
def test_what_stands_in_front_of_a_block_of_one_width_is_not_cut_short(space: dict[str, Any], objective: str) -> None:
    check(space, objective, {"params": 20_000.0})


@pytest.mark.parametrize("starts", [MAPS, MAPS[::-1]])
def test_starts_of_different_maps_are_solved_one_after_the_other(starts: list[str]) -> None:
    check({"start": starts, "blocks": CONVOLUTIONS}, "composite", {"params": 9_000.0})
