"""Optima of spaces whose blocks are other ones at some widths: where two are equal, one of them staying as it is, and, of blocks
of one's own, at any width or depth. Wide grids, so that formulas are found far from there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from plainnet import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Depth
from plainnet.blocks.registry import block_classes, known_names
from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.layers import Act, Conv, Layers, Norm, Repeat
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.text.reader import read_blocks
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.evaluation import Counter, Setting
from plainnet.search.candidates.genes import GenePool, Genes
from plainnet.search.exact.asking import exact_config
from plainnet.search.exact.forms import find_form
from plainnet.search.exact.optimum import solved
from plainnet.search.exact.summed_objectives import NoFormulaError, NotASumError
from plainnet.search.exact.verify import verify
from plainnet.search.space.mutation import Mutator
from tests.search.exact.brute import best_of_all, reached

WIDE = {"values": list(range(8, 520, 8))}
STAYS = 480
"""A width inside that does not change, and is far out among those outside."""
INNER = "bottleneck_channels"
WITH_INNER = {cls.name_template: cls for cls in block_classes() if INNER in {field.name for field in cls.fields}}


def check(start: str, objective: str, limits: dict[str, float], **change: Any) -> None:
    """Solve a space of one block that changes, and compare with all of its networks; check the certificate where there is one."""
    name = start.rsplit(")", 2)[-2].split("(")[0] if start.count("(") > 1 else start.split("(")[0]
    space = {"name": "own", "start": start, "blocks": [{"names": [name], "change": change}], "num_classes": 3}
    config = exact_config(space, objective=objective, limits=limits, resolution=8)
    networks = reached(Mutator(config.space, GenePool(), config.setting.shape), 40_000)
    best = best_of_all(config, networks, Counter(config.setting, asked=config.asked))
    run, is_shipped = solved(config, gap=0.0), "Unit" not in name
    found = run.result()
    if best is None:
        assert found.reason == "infeasible"
        return
    assert found.value is not None
    assert (found.reason, found.sampled) == ("optimal", None)
    assert math.isclose(found.value, best[0] if found.maximise else -best[0], rel_tol=1e-9)
    if objective == "zen":
        for certificate in run.certificates():
            checked = verify(certificate)
            assert checked.proven >= best[0] - 1e-9
            assert checked.holds or not is_shipped, checked.fault  # of others it may prove less, where widths are equal


def block_of(template: str, *, out: int, inner: int, into: int = 16) -> str:
    """A block of a family."""
    pattern = template.split("{")[0]
    name = (
        next(each for each in known_names() if each.startswith(pattern) and each != pattern)
        if "{" in template
        else template
    )
    values = {"in_channels": into, "out_channels": out, INNER: inner, "kernel_size": 3, "stride": 1, "sub_layers": 2}
    return f"{name}({','.join(str(values[field.name]) for field in WITH_INNER[template].fields)})"


@pytest.mark.parametrize("template", sorted(WITH_INNER))
def test_a_width_inside_that_stays_may_be_equal_to_those_outside(template: str) -> None:
    start = f"SuperConvK3BNRELU(3,16,1,1){block_of(template, out=32, inner=STAYS)}"
    equal = block_of(template, out=STAYS, inner=STAYS)
    params = block_totals(read_blocks(equal)[0], Shape(16, 8, 8)).sums.params + 3 * (STAYS + 1)
    objective = "max:macs" if "SE" in template else "zen"
    check(start, objective, {"params": float(params + 480)}, out_channels=WIDE)


@pytest.mark.parametrize("inner", [3, 8])
def test_the_first_block_may_put_out_as_many_channels_as_the_image_has(inner: int) -> None:
    for params in (100.0, 150.0, 300.0, 600.0):
        check(
            f"SuperResIDWE1K3(3,8,1,{inner},1)", "zen", {"params": params}, out_channels={"values": [1, 2, 3, 4, 8, 12]}
        )


# Blocks of one's own ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _blocks(own_registry: None) -> None:  # noqa: ARG001
    class SpikedUnit(PlainNetBasicBlockClass):
        """Another kernel at one width far out."""

        in_channels: Channels
        out_channels: Channels

        def layers(self) -> Layers:
            return Conv(self.out_channels, 1 if self.out_channels == 416 else 3), Norm(), Act()

    class ThirdUnit(PlainNetBasicBlockClass):
        """Another kernel at one depth."""

        in_channels: Channels
        out_channels: Channels
        sub_layers: Depth

        def layers(self) -> Layers:
            kernel, first = 1 if self.sub_layers == 7 else 3, (Conv(self.out_channels), Norm(), Act())
            return *first, Repeat(self.sub_layers, (Conv(self.out_channels, kernel), Norm(), Act()))

    class OrderedUnit(PlainNetBasicBlockClass):
        """Of two equalities, the first one counts."""

        in_channels: Channels
        out_channels: Channels
        bottleneck_channels: Channels

        def layers(self) -> Layers:
            into, out, inner = self.in_channels, self.out_channels, self.bottleneck_channels
            kernel = 5 if into == out else 1 if out == inner else 3
            return Conv(inner, kernel), Norm(), Act(), Conv(out, 1), Norm(), Act()

    class SkippingUnit(PlainNetBasicBlockClass):
        """Fewer layers where nothing has to be projected."""

        in_channels: Channels
        out_channels: Channels
        bottleneck_channels: Channels

        def layers(self) -> Layers:
            into, out, inner = self.in_channels, self.out_channels, self.bottleneck_channels
            last = () if out == inner else (Conv(out), Norm(), Act())
            return *(() if into == inner else (Conv(inner), Norm(), Act())), Conv(inner, 3), Norm(), Act(), *last


STEM = "SuperConvK3BNRELU(3,16,1,1)"


@pytest.mark.parametrize("objective", ["zen", "max:activations", "madnas"])
def test_no_width_and_no_depth_of_a_block_of_ones_own_is_taken_on_trust(objective: str) -> None:
    wide, two = {"values": list(range(8, 256 + 8, 8))}, {"values": [8, 16, 24, 32]}
    check(f"{STEM}SpikedUnit(16,32)", objective, {"params": 12_000.0}, out_channels=WIDE)
    depths = {"values": list(range(1, 12))}
    check(f"{STEM}ThirdUnit(16,32,2)", objective, {"params": 90_000.0}, out_channels=wide, sub_layers=depths)
    check(f"{STEM}OrderedUnit(16,32,8)", objective, {"params": 1_500.0}, out_channels=two, bottleneck_channels=two)


def test_a_block_whose_layers_follow_from_its_widths_is_refused_where_layers_are_counted_along_paths() -> None:
    two = {"values": [8, 16, 24, 32]}
    start = f"{STEM}SkippingUnit(16,16,16)"
    with pytest.raises(NotASumError, match="SkippingUnit"):
        check(start, "max:params", {"layers": 3.0}, out_channels=two, bottleneck_channels=two)
    check(start, "zen", {"params": 2_000.0}, out_channels=two, bottleneck_channels=two)


class SpikedScore:
    """What blocks add is more at one width far out: a sum over blocks that is no formula of widths."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def of_block(self, block: PlainNetBasicBlockClass, shape: Shape) -> float:
        out = block_totals(block, shape).out_shape.channels
        return 100.0 if out == 416 else float(out) / 8

    def score(self, genes: Genes, costs: Costs) -> float:  # noqa: ARG002
        shape, total = self.setting.shape, 0.0
        for gene in genes:
            total += self.of_block(gene.kept_block(), shape)
            shape = block_totals(gene.kept_block(), shape).out_shape
        return total


class Spiked:
    def prepare(self, setting: Setting) -> SpikedScore:
        return SpikedScore(setting)


spiked = Spiked()


def test_no_width_is_taken_on_trust_where_code_of_ones_own_says_what_blocks_add() -> None:
    check(f"{STEM}SuperConvK3BNRELU(16,32,1,1)", f"{__name__}:spiked", {"params": 7e4}, out_channels=WIDE)


def test_networks_without_any_activation_are_solved() -> None:
    for params in (900.0, 1_500.0, 3_000.0):
        check(
            "ConvKXBN(3,8,3,1)ConvKXBN(8,16,3,1)",
            "zen",
            {"params": params},
            out_channels={"values": [4, 8, 12, 16, 24]},
        )


@pytest.mark.parametrize("sides", [(3, 13, 60), (5, 20, 25), (30, 13, 13), (8, 40, 13)])
def test_every_width_is_compared_with_the_formula(sides: tuple[int, int, int]) -> None:
    """Also one that is drawn beside a width that is equal to it, where more blocks are there than are compared."""
    grids = [np.arange(8, 8 * (side + 1), 8) for side in sides]
    for axis, grid in enumerate(grids):
        for odd in map(int, grid):

            def measure(x: int, y: int, z: int, depth: int, axis: int = axis, odd: int = odd) -> list[float]:
                return [depth * x * y + z + 1_000 * ((x, y, z)[axis] == odd)]

            with pytest.raises(NoFormulaError):
                find_form(measure, grids, (1, 2), [True], "a block", every=True)
