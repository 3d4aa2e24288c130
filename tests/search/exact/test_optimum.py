"""What an exact search says: the result's fields, what it refuses, how it is stopped, and what commands print."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.pages.parts import significant
from plainnet.search import SearchConfig, load_space, optimum, search
from plainnet.search.exact.asking import exact_config
from plainnet.search.exact.optimum import solved
from plainnet.search.exact.summed_objectives import NotASumError

SMALL: dict[str, Any] = {
    "name": "small",
    "start": "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)",
    "blocks": [
        {
            "names": ["SuperResK3K3", "SuperResK1K5K1"],
            "change": {
                "out_channels": {"factors": [2, 1.5, 0.5], "minimum": 8, "maximum": 2048, "step": 8},
                "bottleneck_channels": {"factors": [2, 0.5], "minimum": 8, "maximum": 64, "step": 8},
                "sub_layers": {"add": [-1, 1], "minimum": 1},
            },
        },
        {"names": ["SuperConvK*BNRELU"], "become": [], "change": {"out_channels": {"values": [8, 16, 24, 32, 48, 64]}}},
    ],
    "resolution": 16,
    "num_classes": 10,
}
LIMITS = {"params": 20_000, "layers": 5}


def test_a_looser_budget_is_never_worse_and_a_dead_option_changes_nothing() -> None:
    found = [optimum(SMALL, limits={**LIMITS, "params": params}, gap=0.0) for params in (10_000, 20_000, 40_000)]
    values = [each.value for each in found]
    assert values == sorted(values)  # type: ignore[type-var]
    assert all(each.gap == 0 and each.bound == each.value for each in found)
    names = [*SMALL["blocks"][0]["names"], "SuperResK7K7"]
    dear = {**SMALL, "blocks": [{**SMALL["blocks"][0], "names": names}, SMALL["blocks"][1]]}
    tight = {"params": 3_000, "layers": 5}  # where a unit of 7x7 convolutions does not fit
    assert optimum(dear, limits=tight, gap=0.0).value == optimum(SMALL, limits=tight, gap=0.0).value


def test_bounds_fall_and_values_rise_and_the_gap_is_by_its_formula() -> None:
    found = optimum(SMALL, limits=LIMITS, gap=0.5)
    assert found.value is not None
    assert found.bound is not None
    assert found.gap == pytest.approx(abs(found.bound - found.value) / abs(found.value))
    values = [value for _, value, _ in found.history if value is not None]
    bounds = [bound for _, _, bound in found.history if bound is not None]
    assert values == sorted(values)
    assert bounds == sorted(bounds, reverse=True)
    assert found.best is not None
    assert found.best.costs["params"] <= 20_000
    assert [each.value for each in found.others] == sorted((each.value for each in found.others), reverse=True)


def test_nothing_within_the_budgets_is_proven() -> None:
    found = optimum(SMALL, limits={"params": 100, "layers": 5})
    assert (found.reason, found.best, found.value, found.bound, found.gap) == ("infeasible", None, None, None, None)
    assert found.as_dict()["best"] is None


def test_the_time_is_over() -> None:
    began = time.process_time()
    found = optimum("zennas-resnet", limits={"params": 1e6, "layers": 18}, max_seconds=0.05)
    assert time.process_time() - began < 5
    assert (found.limit, found.gap) == ("time", None)
    assert found.reason in ("none found", "feasible")


def test_stopped_it_says_what_it_has() -> None:
    def stop(standing: Any) -> None:
        if standing.phase == "solving" and standing.value is not None and standing.bound is not None:
            raise KeyboardInterrupt

    run = solved(exact_config(SMALL, limits=LIMITS), gap=0.0, watch=stop)
    found = run.result()
    if found.reason != "optimal":  # it may have been optimal at once
        assert (found.reason, found.limit) == ("feasible", "interrupted")
    assert found.value is not None
    assert found.bound is not None
    assert found.bound >= found.value


REFUSED = [
    ({"objective": "deepmad(ratios=[1, 8])"}, "a sum of so many products of sums"),
    ({"objective": "deepmad(depth_penalty=10)"}, "standard deviation"),
    ({"objective": "min:composite"}, "sum over blocks"),
    ({"objective": "composite(version=3)"}, "no version 3"),
    ({"objective": "rho"}, "largest quotient"),
    ({"objective": "zenn"}, "did you mean zen"),
    ({"objective": "min:zen"}, "sum over blocks"),
    ({"limits": {"params": 1e4, "layers": 5, "peak_activation": 1e5}}, "peak_activation is no sum"),
    ({"limits": {"params": 1e4, "layers": 5, "rho": 0.5}}, "rho is no sum"),
    ({"limits": {"params": 1e4}}, "give --max-layers"),
    ({"gap": 1.5}, "accepted: a fraction"),
    ({"top": 0}, "accepted: at least 1"),
    ({"limits": {"paramz": 1e4}}, "paramz"),
]


@pytest.mark.parametrize(("options", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_what_is_no_sum_is_refused_with_the_reason(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        optimum(SMALL, **{"limits": LIMITS, **options})


def test_a_gate_is_no_chain() -> None:
    with pytest.raises(NotASumError, match="no chain of convolutions"):
        optimum("tinynas-k1dwsek1", limits={"macs": 3e8, "layers": 20})


# The command ----------------------------------------------------------------------------------------


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # where runs are kept
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(SMALL), encoding="utf-8")
    return str(file)


def test_the_command_says_the_network_the_claim_and_the_prices(space: str, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    budgets = ["--max-params", "20000", "--max-layers", "5"]
    said = CliRunner().invoke(cli, ["optimum", space, *budgets, "--gap", "1%", "--certificate", str(proof), "--json"])
    assert said.exit_code == 0, said.output
    result = json.loads(said.stdout.splitlines()[-1])
    assert result["schema"] == "plainnet.optimum/1"
    assert result["best"]["structure"] in said.stdout
    assert result["reason"] == "optimal"
    assert result["gap"] <= 0.01
    assert "more params are worth" in said.stdout
    checked = CliRunner().invoke(cli, ["optimum", "--verify", str(proof)])
    assert checked.exit_code == 0, checked.output
    assert "it holds" in checked.stdout
    values = json.loads(proof.read_text(encoding="utf-8"))
    values[0]["bound"] -= 1
    proof.write_text(json.dumps(values), encoding="utf-8")
    assert CliRunner().invoke(cli, ["optimum", "--verify", str(proof)]).exit_code == 1


def test_the_exit_code_says_whether_the_gap_was_reached(space: str) -> None:
    none = CliRunner().invoke(cli, ["optimum", space, "--max-params", "100", "--max-layers", "5"])
    assert (none.exit_code, "no network of this space is within the budgets: proven" in none.stdout) == (1, True)
    early = ["optimum", "zennas-resnet", "--max-params", "1e6", "--max-layers", "18", "--max-seconds", "0.01"]
    assert CliRunner().invoke(cli, early).exit_code == 1
    for wrong in (["optimum"], ["optimum", space, "--verify", "x"], ["optimum", space, "--gap", "200%"]):
        assert CliRunner().invoke(cli, wrong).exit_code != 0


SERIES = ("proven bound", "networks")


def test_a_sweep_of_optima_rises_and_writes_its_table(space: str, tmp_path: Path) -> None:
    words = ["sweep", space, "--vary", "params=8e3,16e3,32e3", "--max-layers", "5", "--exact"]
    said = CliRunner().invoke(cli, [*words, "--out", str(tmp_path / "front"), "--json"])
    assert said.exit_code == 0, said.output
    points = json.loads(said.stdout.splitlines()[-1])["sweep"]
    assert [point["limit"] for point in points] == [8e3, 16e3, 32e3]
    found = [point["optimum"] for point in points]
    assert all(each["value"] <= each["bound"] for each in found)
    assert [each["value"] for each in found] == sorted(each["value"] for each in found)
    assert len((tmp_path / "front" / "sweep.csv").read_text(encoding="utf-8").splitlines()) == 4
    page = (tmp_path / "front" / "sweep.html").read_text(encoding="utf-8")
    told = {name: re.findall(rf"<td class=l>{name}</td><td>([^<]+)</td><td>([^<]+)</td>", page) for name in SERIES}
    bounds = [(significant(each["limits"]["params"]), significant(each["bound"])) for each in found]
    assert told["proven bound"] == bounds
    assert [value for _, value in told["networks"]] == [significant(each["value"]) for each in found]
    assert "--exact --vary params=8000,16000,32000" in page
    refused = CliRunner().invoke(cli, [*words, "--candidates", "100"])
    assert refused.exit_code != 0
    assert "--candidates does not go with --exact" in str(refused.exception)


def test_a_search_is_judged_by_the_bound(tmp_path: Path) -> None:
    shared = {"objectives": ("zen",), "resolution": 16, "num_classes": 10}
    config = SearchConfig(load_space(SMALL), limits=LIMITS, candidates=400, **shared)  # type: ignore[arg-type]
    best = search(config, tmp_path / "run").best
    said = CliRunner().invoke(cli, ["optimum", "--judge", str(tmp_path / "run"), "--json"])
    assert said.exit_code == 0, said.output
    result = json.loads(said.stdout.splitlines()[-1])
    assert result["judged"]["value"] == pytest.approx(best.scores["zen_leading"])
    assert result["judged"]["value"] <= result["bound"]
    assert "of what this space can give" in said.stdout
    refused = CliRunner().invoke(cli, ["optimum", "--judge", str(tmp_path / "run"), "--max-params", "1e5"])
    assert "--max-params does not go with --judge" in str(refused.exception)


def test_the_next_best_are_gone_through_where_that_can_be_done() -> None:
    found = optimum(SMALL, limits=LIMITS, gap=0.5, top=5, near=5)  # a gap that the first network met would do for
    assert found.complete_to is not None
    assert found.value is not None
    assert found.value >= found.others[-1].value >= found.complete_to
    assert "the next best, none left out:" in found.view().text(None)
    assert "none left out" not in optimum(SMALL, limits=LIMITS, top=5).view().text(None)
    for objective in ("composite", "deepmad"):
        with pytest.raises(UsageError, match="a sum of logarithms, whose next best are not gone through"):
            optimum(SMALL, objective=objective, limits=LIMITS, near=5)
    for near in (-1, 2**31 + 1):
        with pytest.raises(UsageError, match="near is"):
            optimum(SMALL, limits=LIMITS, near=near)
