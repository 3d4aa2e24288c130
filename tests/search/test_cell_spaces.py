"""Spaces of cells: a code and what is around it, and searches whose every candidate is the network of a code."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

import plainnet
from plainnet.blocks import Shape
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.structure import Structure, parse
from plainnet.cli.main import cli
from plainnet.errors import ConfigError, UsageError
from plainnet.search import RunStore, SearchConfig, load_space, optimum, resume, search
from plainnet.search.candidates.genes import GenePool
from plainnet.search.cells.families import FAMILIES
from plainnet.search.space.mutators import cell_code, find_mutator
from plainnet.search.strategies import STRATEGIES
from tests.search.small import rows_of

SMALL = {
    "nas-bench-201": {"channels": 4, "cells": 1},
    "nas-bench-101": {"channels": 16, "stacks": 2, "cells": 1},
    "darts": {"channels": 4, "layers": 3},
}


def small_space(name: str, **changes: Any) -> Any:
    plain = load_space(name).model_dump(mode="json", exclude_none=True)
    return {**plain, "cell": {"family": name, "sizes": SMALL[name]}, **changes}


def walk(name: str, steps: int) -> Any:
    family, rng = FAMILIES[name](**SMALL[name]), Random(0)
    code = family.read(load_space(name).start[0])
    for _ in range(steps):
        code = rng.choice(list(family.neighbours(code)))
        yield family, code


@pytest.mark.parametrize("name", FAMILIES)
def test_a_code_becomes_a_network_and_comes_back(name: str) -> None:
    for family, code in walk(name, 25):
        assert family.read(family.write(code)) == code
        structure = Structure(family.blocks(code))
        for text in (str(structure), structure.text):
            back = family.code_of(text)
            assert Structure(family.blocks(back)) == structure
            assert family.is_network(back)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_around_a_code_differs_at_one_place(name: str) -> None:
    for family, code in walk(name, 4):
        around = list(family.neighbours(code))
        assert len(around) >= 6
        assert all(family.is_network(other) for other in around)
        for other in around:
            different = sorted(set(code) ^ set(other), key=str) if name == "darts" else []
            assert len(different) <= 2
            assert name == "darts" or sum(a != b for a, b in zip(code, other, strict=True)) == 1
        assert set(family.neighbours(code, cheaper=True)) <= set(around)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_network_of_a_code_is_counted_as_torch_counts_it(name: str) -> None:
    for family, code in walk(name, 3):
        structure = Structure(family.blocks(code))
        net = plainnet.PlainNet(structure, num_classes=10, resolution=32, init="default")
        params = count_network(structure, Shape(3, 32, 32), num_classes=10).params
        assert params == sum(parameter.numel() for parameter in net.parameters())


def test_limits_of_nas_bench_101_hold_for_what_is_on_a_way() -> None:
    family = FAMILIES["nas-bench-101"]()
    most = "0111101 0000011 0000001 0000110 0000011 0000000 0000000 | " + " ".join(["maxpool3x3"] * 5)
    assert family.is_network(family.read(most)), "12 edges, 9 of them on a way from input to output"
    with pytest.raises(UsageError, match="up to 9 edges"):
        family.read(most.replace("0000011 0000000 0000000", "0000011 0000001 0000000"))
    assert family.read("01 00 |") == family.read("0000001 " + "0000000 " * 6 + "| " + "maxpool3x3 " * 5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_search_of_cells_stores_is_the_network_of_a_code(strategy: str, tmp_path: Path) -> None:
    space = load_space(small_space("nas-bench-201"))
    config = SearchConfig(
        space,
        objectives=("composite",),
        limits={"macs": 1e6},
        num_classes=10,
        strategy=strategy,
        candidates=120,
        islands=2,
        population=8,
        epoch=20,
        crossover=0.0 if strategy in ("random", "local") else 0.3,
    )
    found = search(config, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    rows = store.select()
    store.close()
    assert len(rows) > 20
    for row in rows:
        structure = parse(row.structure)
        assert structure.hash == row.short_hash
        code = cell_code(space, row.structure)
        assert code is not None
        assert parse(plainnet.nas_bench_201(code, **SMALL["nas-bench-201"])) == structure
        counts = count_network(structure, Shape(3, 32, 32), num_classes=10)
        assert (counts.params, counts.macs) == (row.costs["params"], row.costs["macs"])
        assert row.costs["macs"] <= 1e6
    assert found.best.code is not None
    assert parse(plainnet.nas_bench_201(found.best.code, **SMALL["nas-bench-201"])).hash == found.best.hash


@pytest.mark.parametrize("name", FAMILIES)
def test_a_search_of_cells_goes_on_as_one_that_was_not_stopped(name: str, tmp_path: Path) -> None:
    config = SearchConfig(
        load_space(small_space(name)), objectives=("macs",), candidates=60, islands=2, population=6, epoch=15
    )
    search(config, tmp_path / "whole")
    search(config, tmp_path / "stopped", max_seconds=1e-9)
    assert len(rows_of(tmp_path / "stopped")["epochs"]) < len(rows_of(tmp_path / "whole")["epochs"])
    resume(tmp_path / "stopped")
    assert rows_of(tmp_path / "stopped") == rows_of(tmp_path / "whole")
    assert SearchConfig.from_json(config.to_json()) == config


def test_a_start_over_the_budgets_becomes_cheaper() -> None:
    dear = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    space = load_space(small_space("nas-bench-201", start=[dear]))
    found = search(
        SearchConfig(space, objectives=("composite",), limits={"params": 6e3}, num_classes=10, candidates=30)
    )
    assert found.best.params <= 6e3
    mutator = find_mutator(space, GenePool())
    assert sum(1 for _ in mutator.neighbours(mutator.starts[0])) == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": {"family": "nas-bench-20"}}, "no cells are called nas-bench-20(.|\n)*did you mean nas-bench-201"),
        (
            {"cell": {"family": "darts", "sizes": {"chanels": 4}}},
            "darts has no size chanels(.|\n)*did you mean channels",
        ),
        ({"cell": {"family": "darts", "sizes": {"layers": 0}}}, "is 0; accepted: a positive number"),
        ({"start": ["|skip~0|+|none~0|none~1|+|none~0|none~1|none~2|"]}, "unknown operation 'skip'"),
        ({"start": ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"]}, "nothing that comes in reaches"),
        ({"blocks": [{"names": ["BN"]}]}, "blocks is for spaces of blocks"),
        ({"cell": None}, "blocks is missing"),
        ({"limits": {"prams": 1}}, "did you mean params"),
    ],
)
def test_what_is_wrong_with_a_space_of_cells_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_space(small_space("nas-bench-201", **changes))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nas-bench-101", "010 001 000", "no code of NAS-Bench-101; accepted: the rows"),
        ("nas-bench-101", "010 001 000 | conv3x3", "did you mean conv3x3-bn-relu"),
        ("nas-bench-101", "010 000 000 | maxpool3x3", "accepted: a way from input to output"),
        ("darts", "sep_conv_3x3~0", "accepted: two cells"),
        (
            "darts",
            ";".join(["+".join(["skip_connect~0|sep_conv_3x4~1"] * 4)] * 2),
            "sep_conv_3x4~1(.|\n)*accepted: one of",
        ),
        ("darts", ";".join(["+".join(["skip_connect~0|sep_conv_3x3~0"] * 4)] * 2), "two values that differ"),
    ],
)
def test_what_is_no_code_is_said(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FAMILIES[name]().read(text)


def test_an_exact_search_of_cells_is_refused() -> None:
    with pytest.raises(UsageError, match="a space of cells"):
        optimum("nas-bench-201", limits={"params": 1e6})


def test_the_commands_know_spaces_of_cells() -> None:
    for name in FAMILIES:
        assert name in CliRunner().invoke(cli, ["space", "list"]).output
    shown = CliRunner().invoke(cli, ["space", "check", "nas-bench-201"])
    assert (shown.exit_code, "24 networks are one away" in shown.output) == (0, True)
    drawn = CliRunner().invoke(cli, ["space", "sample", "nas-bench-201", "-n", "2", "--steps", "3"])
    assert drawn.exit_code == 0
    assert len({parse(line).hash for line in drawn.output.splitlines()}) == 2


def test_a_sweep_of_cells_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "cells.yaml").write_text(load_space(small_space("nas-bench-201")).dump())
    words = [
        "sweep",
        str(tmp_path / "cells.yaml"),
        "--vary",
        "macs=4e5:9e5:2",
        "--candidates",
        "30",
        "--ladder",
        "none",
    ]
    told = CliRunner().invoke(cli, [*words, "--out", str(tmp_path / "swept")])
    assert told.exit_code == 0, told.output
    assert "|+|" in told.output


def test_the_code_stands_beside_the_string_wherever_networks_are_told(tmp_path: Path) -> None:
    space = load_space(small_space("nas-bench-201"))
    config = SearchConfig(
        space,
        objectives=("composite", "macs"),
        num_classes=10,
        candidates=60,
        islands=1,
        population=8,
        strategy="nsga2",
    )
    found = search(config, tmp_path / "run")
    assert all(each.code == cell_code(space, each.structure) for each in found.front)
    assert found.best.code in str(found)
    run = CliRunner().invoke
    told = [
        json.loads(line)
        for line in run(cli, ["runs", "best", str(tmp_path / "run"), "-n", "2", "--json"]).output.splitlines()
    ]
    assert [each["code"] for each in told] == [cell_code(space, each["structure"]) for each in told]
    assert told[0]["code"] in run(cli, ["runs", "best", str(tmp_path / "run"), "--full"]).output
    assert run(cli, ["report", str(tmp_path / "run"), "-o", str(tmp_path / "page.html")]).exit_code == 0
    assert told[0]["code"] in (tmp_path / "page.html").read_text()
