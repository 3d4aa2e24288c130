"""The page about a run: what it tells, and that it works in a browser without a network."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.search import Rung, RunStore, resume, search
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.sweep import Outcome, beaten, read_budgets
from tests.search.browser import BROWSER, Page, browser_page
from tests.search.small import rows_of, small_config

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "cifar"
    search(small_config(ladder=(Rung("zen", 50, 1, 1),)), folder)
    assert CliRunner().invoke(cli, ["report", str(folder)]).output.strip() == str(folder / "report.html")
    return folder


def test_the_facts_are_those_of_the_run(run: Path) -> None:
    facts = search_facts(RunStore.open(run))
    best, rows = resume(run).best, rows_of(run)
    assert facts["best"][0]["structure"] == best.structure
    assert sum(block["macs"] for block in facts["blocks"]) + facts["blocks"][-1]["out"][0] * 100 == best.macs
    assert facts["rungs"][0]["candidates"] == len(rows["candidates"])
    assert facts["rungs"][1]["candidates"] == 50
    assert sum(count for _, count in facts["tally"]) == 4_000
    assert facts["history"]["epochs"][-1][1] == 4_000
    assert facts["history"]["best"][-1] == [4_000, max(row[-1] for row in rows["candidates"])]
    assert len(facts["history"]["points"]) == len(rows["candidates"])
    assert {point[1] for point in facts["history"]["points"]} == {row[-1] for row in rows["candidates"]}
    assert [each["proxy"] for each in facts["trust"]] == ["zen"]


def test_the_command_that_it_shows_gives_the_same_rows(run: Path, tmp_path: Path) -> None:
    words = search_facts(RunStore.open(run))["reproduce"]["command"].split()
    assert words[0] == "plainnet"
    result = CliRunner().invoke(cli, [*words[1:], "--out", str(tmp_path / "again"), "--quiet"], catch_exceptions=False)
    assert result.exit_code == 0
    assert rows_of(tmp_path / "again") == rows_of(run)


def test_nothing_is_fetched(run: Path) -> None:
    page = (run / "report.html").read_text()
    own = re.sub(r"<script>\s*/\*\*.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(?:src|href)=["']https?:""", own)
    assert "{{" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def lone_mark(page: Page) -> tuple[float, float, str]:
    """Where the mark that is farthest from the others lies on the screen, and its structure: marks that lie closer than their
    radius cover one another.
    """
    page.run("document.querySelector('[data-explorer]').scrollIntoView({block: 'center'})")
    x, y, structure = page.run("""(() => {
        const marks = [...document.querySelectorAll('[data-explorer] .mark[data-pick]')];
        const places = marks.map(p => p.getBoundingClientRect()).map(b => [b.x + b.width / 2, b.y + b.height / 2]);
        const rooms = places.map(([x, y], index) => Math.min(
            ...places.filter((_, other) => other !== index).map(([a, b]) => Math.hypot(a - x, b - y))));
        const lone = rooms.indexOf(Math.max(...rooms));
        return [...places[lone], marks[lone].dataset.pick];
    })()""")
    return x, y, structure


def commands_of(run: Path) -> list[str]:
    with opened(run) as store:
        return list(search_facts(store)["next"])


def test_the_commands_that_come_next_take_the_winner(run: Path, tmp_path: Path) -> None:
    _, export, train = commands_of(run)
    words = shlex.split(export)[1:]
    words[words.index("--out") + 1] = str(tmp_path / "exported")
    assert CliRunner().invoke(cli, words, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "exported" / Path(shlex.split(train)[2]).name).is_file()
    assert shlex.split(export)[2] == f"{run}#{resume(run).best.hash}"


@needs_browser
@pytest.mark.slow
def test_the_page_works_in_a_browser(run: Path) -> None:
    best = resume(run).best
    with browser_page(run / "report.html") as page:
        assert page.run("document.title").startswith("cifar")
        page.until("document.querySelectorAll('[data-explorer] .mark').length > 0")
        assert page.run("document.querySelectorAll('.half .stack').length") >= 3
        assert page.run("document.querySelectorAll('.drawing rect').length") == best.structure.count("Super")
        page.run("window.copied = []; document.addEventListener('copy', () => copied.push(String(getSelection())))")
        page.run("navigator.clipboard.writeText = async text => { copied.push(text) }")
        page.run("document.querySelector('button[data-copy]').click()")
        assert page.run("new Promise(done => setTimeout(() => done(copied), 300))") == [best.structure]
        assert page.run("document.querySelector('button[data-copy]').textContent") == "Copied"
        x, y, chosen = lone_mark(page)
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        page.until("!document.querySelector('.tip').hidden")
        said = f"document.querySelector('[data-pick=\"{chosen}\"]').dataset.said"
        assert page.run("document.querySelector('.tip').textContent") == page.run(said)
        for kind in ("mousePressed", "mouseReleased"):
            page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        page.until(f"document.querySelector('.picked code').textContent === {json.dumps(chosen)}")
        page.run("document.querySelector('.picked button').click()")
        assert page.run("new Promise(done => setTimeout(() => done(copied), 300))") == [best.structure, chosen]
        name = str(page.run(said)).split()[0]
        commands = "[...document.querySelectorAll('.next button')].map(each => each.dataset.copy)"
        assert page.run(commands) == [each.replace(best.hash, name) for each in commands_of(run)]
        assert name != best.hash
        assert page.problems == []


@needs_browser
@pytest.mark.slow
def test_a_sweep_gives_a_front_and_a_page(tmp_path: Path) -> None:
    arguments = ["sweep", "zennas-resnet", "--vary", "params=5e3,1e5:1e5", "--out", str(tmp_path)]
    assert "are no limits" in str(CliRunner().invoke(cli, arguments).exception)
    arguments[3] = "params=5e3,5e4,2e5"
    arguments += [
        "--candidates",
        "1600",
        "--islands",
        "2",
        "--epoch",
        "200",
        "--ladder",
        "none",
        "--json",
        "--workers",
        "2",
    ]
    first = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert "nothing in this space is within the budgets" in first.stderr
    outcomes = json.loads(first.stdout.splitlines()[-1])["sweep"]
    assert [each["limit"] for each in outcomes] == [5e3, 5e4, 2e5]
    assert outcomes[1]["best"]["params"] <= 5e4 < outcomes[2]["best"]["params"] <= 2e5
    assert outcomes[1]["best"]["zen_leading"] < outcomes[2]["best"]["zen_leading"]
    again = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert json.loads(again.stdout.splitlines()[-1])["sweep"] == outcomes
    with browser_page(tmp_path / "sweep.html") as page:
        page.until("document.querySelectorAll('.chart .mark[data-pick]').length == 2")
        page.run("navigator.clipboard.writeText = async text => { window.copied = text }")
        for button, structure in ((".picked button", outcomes[2]), ("td button[data-copy]", outcomes[1])):
            page.run(f"document.querySelector('{button}').click()")
            page.until(f"window.copied === {json.dumps(structure['best']['structure'])}")
        assert "nothing in this space is within the budgets" in page.run("document.querySelector('.warn').textContent")
        assert page.run("document.querySelectorAll('section:nth-of-type(3) tbody tr').length") == 2
        words = page.run("document.querySelector('section:last-of-type button').dataset.copy").split()
        assert page.problems == []
    assert words[:2] == ["plainnet", "sweep"]
    again = CliRunner().invoke(cli, [*words[1:], "--out", str(tmp_path / "b"), "--json"], catch_exceptions=False)
    found = json.loads(again.stdout.splitlines()[-1])["sweep"]
    assert [each.get("best") for each in found] == [each.get("best") for each in outcomes]


def test_limits_of_a_sweep() -> None:
    assert read_budgets("max-params=1e6,2e5") == ("params", [2e5, 1e6])
    assert read_budgets("macs=100:10000:3") == ("macs", [100.0, 1000.0, 10000.0])


def test_networks_that_another_budget_beats_are_told() -> None:
    def found(limit: float, params: int, zen: float | None) -> Outcome:
        return Outcome("params", limit, "", None if zen is None else {"best": {"params": params, "zen": zen}})

    outcomes = [found(1e5, 90_000, 10.0), found(2e5, 150_000, 9.0), found(3e5, 80_000, 12.0), found(4e5, 0, None)]
    assert [each.limit for each in beaten(outcomes)] == [1e5, 2e5]
    assert [each.limit for each in beaten(outcomes, higher=False)] == [3e5]
    assert beaten(outcomes[:1]) == beaten(outcomes[3:]) == []
