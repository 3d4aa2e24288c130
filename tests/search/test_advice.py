"""A search that is free to stack layers says so beforehand, and is not changed by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.search import SearchConfig, load_space, search
from plainnet.search.settings.advice import about_default, advice
from plainnet.validation.trust import mean_rank_correlation
from tests.search.small import rows_of, small_config

SPACE: dict[str, Any] = {
    "name": "mine",
    "start": "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,1)",
    "blocks": [{"names": ["SuperResK3K3"], "change": {"sub_layers": {"add": [-1, 1], "minimum": 1}}}],
}


def space(**depth: Any) -> Any:
    change = {"sub_layers": {"add": [-1, 1], "minimum": 1, **depth}}
    return load_space({**SPACE, "blocks": [{"names": ["SuperResK3K3"], "change": change}]})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"limits": {"params": 1e6}}, True),
        ({"limits": {"params": 1e6, "macs": 1e9, "activations": 1e6}}, True),
        ({"limits": {}, "objectives": ("max:zen",)}, True),
        ({"limits": {}, "objectives": ("macs", "zen"), "strategy": "nsga2"}, True),
        ({"limits": {"layers": 18}}, False),
        ({"limits": {"latency_ms": 5.0}}, False),
        ({"limits": {}, "objectives": ("composite",)}, False),
        ({"limits": {}, "objectives": ("min:zen",)}, False),
        ({"limits": {}, "objectives": ("zen", "layers"), "strategy": "nsga2"}, False),
    ],
)
def test_who_is_told(changes: dict[str, Any], told: bool) -> None:
    said = advice(small_config(**changes))
    assert bool(said) == told
    assert all("--max-layers" in text for text in said)


def test_a_space_with_an_end_needs_no_word() -> None:
    assert advice(SearchConfig(space()))
    assert not advice(SearchConfig(space(maximum=5)))
    assert not advice(
        SearchConfig(
            load_space({**SPACE, "blocks": [{**SPACE["blocks"][0], "change": {"out_channels": {"factors": [2, 1]}}}]})
        )
    )
    splitting = {**SPACE, "split": {"at_least": 5, "first": 2}}
    deep = [{"names": ["SuperResK3K3"], "change": {"sub_layers": {"values": [1, 2, 5]}}}]
    assert advice(SearchConfig(load_space({**splitting, "blocks": deep})))
    flat = [{"names": ["SuperResK3K3"], "change": {"sub_layers": {"values": [1, 2, 4]}}}]
    assert not advice(SearchConfig(load_space({**splitting, "blocks": flat})))


@pytest.mark.parametrize("name", ["zennas-resnet", "zennas-mobile", "tinynas-k1kx", "tinynas-k1dwk1"])
def test_the_shipped_spaces_have_no_end(name: str) -> None:
    assert advice(SearchConfig(load_space(name)))


def test_the_depth_that_it_warns_of_is_real() -> None:
    """Otherwise the warning could go."""
    free = search(small_config(limits={"params": 2e5}))
    assert free.best.layers > 3 * search(small_config(limits={"params": 2e5, "layers": 10})).best.layers


def test_the_command_tells_and_the_rows_are_the_same(tmp_path: Path) -> None:
    arguments = ["search", "zennas-resnet", "--max-params", "2e5", "--candidates", "400", "--ladder", "none"]
    told = CliRunner().invoke(cli, [*arguments, "--out", str(tmp_path / "told")], catch_exceptions=False)
    quiet = CliRunner().invoke(cli, [*arguments, "--out", str(tmp_path / "quiet"), "--quiet"], catch_exceptions=False)
    assert told.stderr.startswith("note: nothing bounds the depth")
    assert "note" not in told.stdout
    assert quiet.stderr == ""
    assert rows_of(tmp_path / "told") == rows_of(tmp_path / "quiet")


def test_an_objective_that_nobody_chose_is_told_with_its_worth(tmp_path: Path) -> None:
    """Where the stored figures say that a count ranks trained networks better, the default says why it is one."""
    arguments = [
        "search",
        "zennas-resnet",
        "--max-params",
        "2e5",
        "--max-layers",
        "9",
        "--candidates",
        "50",
        "--ladder",
        "none",
    ]
    said = CliRunner().invoke(cli, [*arguments, "--out", str(tmp_path / "a")]).stderr
    figures = [mean_rank_correlation(name) for name in ("zen", "macs", "composite")]
    assert None not in figures
    assert figures == sorted(figures)
    assert all(f"{figure:.2f}" in said for figure in figures)
    chosen = CliRunner().invoke(cli, [*arguments, "--objective", "zen", "--out", str(tmp_path / "b")])
    assert "because the space's authors" not in chosen.stderr
    assert about_default("composite") is None
    assert about_default("macs") is None
    assert about_default("no such score") is None


def test_a_sweep_tells_unless_layers_are_what_varies(tmp_path: Path) -> None:
    arguments = ["sweep", "zennas-resnet", "--candidates", "200", "--ladder", "none", "--out"]
    told = CliRunner().invoke(cli, [*arguments, str(tmp_path / "a"), "--vary", "params=1e5,2e5"])
    bound = CliRunner().invoke(cli, [*arguments, str(tmp_path / "b"), "--vary", "layers=8,10"])
    assert told.stderr.count("nothing bounds the depth") == 1
    assert "nothing bounds" not in bound.stderr
