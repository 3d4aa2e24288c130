"""What a search says of its distance to what its space can give at most."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.pages.search_page import search_page
from plainnet.search import SearchConfig, load_space, optimum, resume, search
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs.derived_runs import fork
from plainnet.search.runs.kept_runs import describe, opened
from plainnet.search.runs.search_bound import FACT
from plainnet.search.runs.search_result import SearchResult
from plainnet.search.store import RunStore
from tests.search.exact.test_optimum import LIMITS, SMALL
from tests.search.small import rows_of

SAID = "of what this space can give"
ON_PAGE = "No network of this space within the budgets has more"


def asked(**changes: Any) -> SearchConfig:
    values: dict[str, Any] = {"limits": LIMITS, "candidates": 300, "resolution": 16, "num_classes": 10}
    return SearchConfig(**{"space": load_space(SMALL), **values, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult]:
    folder = tmp_path_factory.mktemp("bound") / "run"
    return folder, search(asked(), folder, bound_seconds=60)


def test_the_bound_of_a_search_is_above_the_optimum_and_close_to_it(run: tuple[Path, SearchResult]) -> None:
    bound, best = run[1].bound, optimum(SMALL, limits=LIMITS, gap=0.0)
    assert bound is not None
    assert best.value is not None
    assert bound.bound is not None
    assert bound.value == run[1].best.scores["zen_leading"]
    assert bound.value <= best.value <= bound.bound <= best.value * 1.01
    assert bound.gap == pytest.approx((bound.bound - bound.value) / bound.value)
    assert f"within {bound.gap:.2%} {SAID}" in run[1].view().text(200)
    assert run[1].as_dict()["bound"] == dataclasses.asdict(bound)


def test_the_bound_changes_no_row_and_is_shown_and_kept(run: tuple[Path, SearchResult], tmp_path: Path) -> None:
    folder, found = run
    without = search(asked(), tmp_path / "without")
    assert without.bound is None
    assert SAID not in without.view().text(200)
    assert rows_of(folder) == rows_of(tmp_path / "without")
    assert resume(folder, bound_seconds=60).bound == found.bound
    with opened(folder) as store:
        assert SAID in describe(store)["bound"]
        assert ON_PAGE in search_page(search_facts(store))
    with opened(tmp_path / "without") as store:
        assert "bound" not in describe(store)
        assert ON_PAGE not in search_page(search_facts(store))


def test_a_fork_forgets_what_was_proven_for_other_budgets(run: tuple[Path, SearchResult], tmp_path: Path) -> None:
    fork(run[0], tmp_path / "fork", limits={"params": 30_000}, candidates=400)
    with opened(tmp_path / "fork") as store:
        assert store.noted(FACT) is None
    found = resume(tmp_path / "fork", bound_seconds=60).bound
    assert found is not None
    assert found.bound is not None
    assert run[1].bound is not None
    assert found.bound > run[1].bound.bound  # type: ignore[operator]


OTHER_STRIDES = {
    **SMALL,
    "name": "strides",
    "blocks": [{**rule, "change": {**rule["change"], "stride": {"values": [1, 2]}}} for rule in SMALL["blocks"]],
}
NONE = [
    ({"space": load_space(OTHER_STRIDES), "crossover": 0.3}, {}, "halves of different places"),
    ({"limits": {**LIMITS, "peak_activation": 1e6}}, {}, "peak_activation is no sum"),
    ({"objectives": ("zen", "min:macs"), "strategy": "nsga2"}, {}, "one objective"),
    ({}, {"bound_seconds": 1e-9}, "nothing was proven in 1e-09 s"),
]


@pytest.mark.parametrize(("changes", "settings", "told"), NONE, ids=[told for _, _, told in NONE])
def test_where_there_is_no_bound_the_reason_is_kept_and_nothing_is_printed(
    changes: dict[str, Any], settings: dict[str, float], told: str
) -> None:
    found = search(asked(**changes), **{"bound_seconds": 60, **settings})
    assert found.bound is not None
    assert (found.bound.bound, found.bound.gap) == (None, None)
    assert told in str(found.bound.reason)
    assert SAID not in found.view().text(200)
    assert found.as_dict()["bound"]["reason"] == found.bound.reason


def test_a_bound_that_the_search_refutes_is_none(tmp_path: Path) -> None:
    search(asked(), tmp_path / "run", bound_seconds=60)
    store = RunStore.open(tmp_path / "run")
    store.set_fact(FACT, json.dumps({"bound": 1.0, "reason": None, "seconds": 0.1}))
    store.close()
    found = resume(tmp_path / "run").bound
    assert found is not None
    assert found.bound is None
    assert "a fault of plainnet" in str(found.reason)


def test_the_command_says_it_unless_told_not_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(json.dumps(SMALL), encoding="utf-8")
    words = [
        "search",
        "small.yaml",
        "--max-params",
        "20000",
        "--max-layers",
        "5",
        "--candidates",
        "200",
        "--ladder",
        "none",
    ]
    said = CliRunner().invoke(cli, [*words, "--json", "--quiet"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout.splitlines()[-1])["bound"]["bound"] > 0
    assert SAID in CliRunner().invoke(cli, ["search", "--resume", "runs/small-0"]).stdout
    quick = CliRunner().invoke(cli, [*words, "--json", "--quiet", "--bound-seconds", "0"])
    assert json.loads(quick.stdout.splitlines()[-1])["bound"] is None
