"""Several runs on one page: what is alike shares a chart, and what is none of a kind is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.pages.searches_page import searches_page
from plainnet.reports import side_by_side
from plainnet.search import load_space, optimum, search
from tests.search.small import small_config


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    config = small_config(candidates=150, islands=2)
    search(config, folder / "one")
    search(replace(config, seed=1), folder / "two")
    search(replace(config, objectives=("madnas",)), folder / "other")
    return folder


def charts(page: str) -> list[list[str]]:
    """The names in the legend of each chart."""
    figures = re.findall(r"<figure class='chart'>(.*?)</figure>", page, flags=re.DOTALL)
    return [re.findall(r"</svg>([^<]*)</span>", figure.partition("<div class='scroll'")[0]) for figure in figures]


def test_what_is_alike_shares_a_chart(runs: Path) -> None:
    facts = side_by_side({name: runs / name for name in ("one", "two")}, "Both").told
    page = searches_page(facts)
    assert charts(page) == [["one", "two"], ["one", "two"]]
    first, second = facts["runs"]
    assert first["result"]["best"]["hash"] != second["result"]["best"]["hash"]
    for run in facts["runs"]:
        assert page.count(f'<code tabindex="0">{run["best"][0]["structure"].replace(")", ")<wbr>")}</code>') >= 1
        assert f"{run['result']['best']['params']:,}" in page
    page = searches_page(side_by_side({name: runs / name for name in ("one", "other", "two")}, "All").told)
    assert charts(page) == [["one", "two"], [], ["one", "two"], []], "another score has charts of its own"
    assert "so that there is a chart for each of these" in page


def test_the_command(runs: Path, tmp_path: Path) -> None:
    both = ["report", str(runs / "one"), str(runs / "two")]
    done = CliRunner().invoke(cli, [*both, "-o", str(tmp_path / "page.html")], catch_exceptions=False)
    assert done.stdout.strip() == str(tmp_path / "page.html")
    assert "2 searches" in (tmp_path / "page.html").read_text()
    told = json.loads(CliRunner().invoke(cli, [*both, "--json"], catch_exceptions=False).stdout)
    assert told["about"] == "searches"
    assert [run["title"] for run in told["told"]["runs"]] == both[1:]
    assert "accepted: -o PAGE.html" in str(CliRunner().invoke(cli, both).exception)
    assert "--images is for one training" in str(CliRunner().invoke(cli, [*both, "--images", "2"]).exception)
    assert "leave one of the two out" in str(CliRunner().invoke(cli, [*both, "--json", "-o", "x.html"]).exception)


def test_what_is_of_no_kind_is_refused(runs: Path, tmp_path: Path) -> None:
    optimum(load_space("zennas-resnet"), limits={"params": 3e4, "layers": 5}, resolution=16, out=tmp_path / "solved")
    with pytest.raises(UsageError, match="solved is neither"):
        side_by_side({"one": runs / "one", "solved": tmp_path / "solved"}, "x")
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "config.yaml").write_text("model: {type: PlainNet}\n")
    (tmp_path / "trained" / "log.jsonl").touch()
    with pytest.raises(UsageError, match="trained is a training, one a search"):
        side_by_side({"one": runs / "one", "trained": tmp_path / "trained"}, "x")
