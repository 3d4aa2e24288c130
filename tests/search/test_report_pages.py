"""Pages about all kinds of runs: what they say, and that they fit screens large and small, light and dark."""

from __future__ import annotations

import html
import itertools
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.pages.found_pages import write_pages
from plainnet.pages.parts import exact, measured, rounded, significant
from plainnet.pages.search_page import search_page
from plainnet.search import Progress, Rung, load_space, search
from plainnet.search.report import run_facts
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs.derived_runs import fork, merge
from plainnet.search.runs.kept_runs import opened
from tests.search.browser import BROWSER, browser_page
from tests.search.resealed import reseal
from tests.search.small import rows_of, small_config

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


class StopError(Exception):
    """Raised from a watcher: the run stays unfinished."""


def interrupt(progress: Progress) -> None:
    if progress.done >= 1_600:
        raise StopError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run of each kind."""
    folder = tmp_path_factory.mktemp("kinds")
    search(small_config(ladder=(Rung("zen", 30, 1, 1), Rung("zen", 5, 1, 1))), folder / "single", bound_seconds=10.0)
    search(small_config(strategy="nsga2", objectives=("zen", "macs"), candidates=1_600), folder / "nsga2")
    search(small_config(candidates=50), folder / "tiny")
    with pytest.raises(StopError):
        search(small_config(), folder / "unfinished", watch=interrupt)
    search(small_config(limits={"params": 2e5}, candidates=1_600), folder / "deep")
    search(small_config(seed=1, candidates=1_600), folder / "second")
    merge([folder / "single", folder / "second"], folder / "merged")
    fork(folder / "second", folder / "forked", candidates=2_400)
    own = load_space("zennas-resnet").model_copy(update={"name": "mine", "about": '<b>mine</b> & "more" {{script}}'})
    (folder / "own.py").write_text("def score(structure, setting):\n    return -len(structure.blocks)\n")
    config: dict[str, Any] = {"space": own, "objectives": (f"{folder / 'own.py'}:score",), "candidates": 400}
    from dataclasses import replace

    search(replace(small_config(), **config), folder / "own")
    for path in folder.iterdir():
        if (path / "run.sqlite").exists():
            assert CliRunner().invoke(cli, ["report", str(path)], catch_exceptions=False).exit_code == 0
    return folder


KINDS = ["single", "nsga2", "tiny", "unfinished", "deep", "merged", "forked", "own"]


def page_of(runs: Path, kind: str) -> str:
    """The page without scripts and styles, as text."""
    text = (runs / kind / "report.html").read_text()
    text = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL).replace("<wbr>", "")
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


@pytest.mark.parametrize("kind", KINDS)
def test_counts_on_the_page_are_those_of_the_winner(runs: Path, kind: str) -> None:
    with opened(runs / kind) as store:
        facts = search_facts(store)
    best, text = facts["best"][0], page_of(runs, kind)
    for name in ("params", "macs", "layers", "activations", "peak_activation"):
        assert f" {best['costs'][name]:,} " in text, name
    assert best["structure"] in text
    assert len(facts["best"]) == 10
    assert sum(count for _, count in facts["tally"]) == facts["result"]["candidates"]
    assert facts["result"]["best"]["hash"] == best["hash"]


def test_the_peak_is_the_one_that_a_budget_is_held_to(tmp_path: Path) -> None:
    search(small_config(limits={"peak_activation": 60_000, "layers": 8}, candidates=800), tmp_path / "run")
    with opened(tmp_path / "run") as store:
        facts = search_facts(store)
        stored = {candidate.short_hash: candidate.costs["peak_activation"] for candidate in store.select()}
    assert all(0 < line["costs"]["peak_activation"] == stored[line["hash"]] <= 60_000 for line in facts["best"])


@pytest.mark.parametrize("kind", ["single", "unfinished", "merged", "nsga2", "tiny"])
def test_the_best_so_far_never_falls_and_ends_at_the_best(runs: Path, kind: str) -> None:
    with opened(runs / kind) as store:
        history = search_facts(store)["history"]
    scores = [row[-2 if kind == "nsga2" else -1] for row in rows_of(runs / kind)["candidates"]]
    steps = history["best"]
    assert all(before <= after for before, after in itertools.pairwise([step[0] for step in steps]))
    assert all(before <= after for before, after in itertools.pairwise([step[1] for step in steps]))
    assert steps[-1][1] == max(scores)
    assert steps[0][0] < 100, "the line begins with the first candidates, not with the first epoch"
    assert sorted(point[1] for point in history["points"]) == sorted(scores)
    assert max(point[0] for point in history["points"]) <= history["epochs"][-1][1]
    assert [epoch[2] for epoch in history["epochs"]] == [sum(epoch[3:6]) for epoch in history["epochs"]]


@pytest.mark.parametrize("kind", ["single", "unfinished", "merged", "nsga2", "tiny"])
def test_the_winner_and_the_bound_are_in_every_chart(runs: Path, kind: str) -> None:
    with opened(runs / kind) as store:
        facts = search_facts(store)
    page = search_page(facts)
    history, best, proven = facts["history"], facts["best"][0], facts["result"]["bound"]
    assert history["winner"] in [point[:2] for point in history["points"]]
    assert history["winner"][1] == best["scores"]["zen_leading"]
    charts = re.findall(r"<figure class='chart'>.*?</figure>", page, flags=re.DOTALL)[:2]
    assert [chart.count("class='mark t-done'") for chart in charts] == [2, 2], "the winner, and what its mark means"
    column = facts["explorer"]["columns"][history["name"]]
    if kind != "single":
        assert proven is None, "nobody looked for one"
    else:
        assert column["bound"] == proven["bound"]
        assert proven["bound"] is not None
        assert proven["bound"] >= max(point[1] for point in history["points"])
        assert f"has more {history['name']} than {significant(proven['bound'])}: proven" in page_of(runs, kind)
    drawn = [len(re.findall("class='line t-out'", chart)) for chart in charts]
    assert drawn == ([2, 2] if column["bound"] is not None else [0, 0])


def test_three_objectives_lie_side_by_side(tmp_path: Path) -> None:
    search(small_config(strategy="nsga2", objectives=("zen", "macs", "params"), candidates=800), tmp_path / "run")
    with opened(tmp_path / "run") as store:
        facts = search_facts(store)
    found = facts["explorer"]
    assert found["objectives"] == [("Zen-score, fast form", True), ("MACs", False), ("params", False)]
    front = [mark for mark in found["marks"] if mark["front"]]
    page = search_page(facts)
    assert page.count("class='line thread t-best'") == len(front) - 1
    assert page.count("class='line thread t-done won'") == 1
    listed = page[page.index(f"The front: {len(front)} networks") :]
    assert all(mark["name"] in listed for mark in front)


def test_a_front_has_the_cost_along_and_the_score_up(runs: Path) -> None:
    with opened(runs / "nsga2") as store:
        front = search_facts(store)["front"]
    assert (front["x"], front["y"], front["shape"]) == ("MACs", "Zen-score, fast form", "hv")
    assert [point[0] for point in front["points"]] == sorted(point[0] for point in front["points"])
    assert [point[1] for point in front["points"]] == sorted(point[1] for point in front["points"])
    assert front["points"][front["first"]][1] == max(point[1] for point in front["points"])
    assert len(front["points"]) > 5


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("single", "maximises Zen-score, fast form · params ≤ 200 k · layers ≤ 10 · input 32 × 32, 100 classes"),
        ("nsga2", "maximises Zen-score, fast form · minimises MACs"),
        ("nsga2", "The best by the first objective"),
        ("unfinished", "of 4,000 candidates"),
        ("unfinished", "plainnet search --resume"),
        ("deep", "Nothing bounds the depth"),
        ("merged", "This run was merged from others"),
        ("forked", "This run was forked from"),
        ("own", "The space, as mine.yaml"),
        ("own", "plainnet search mine.yaml --objective"),
        ("own", "nothing is known about it"),
        ("own", '<b>mine</b> & "more" {{script}}'),
        ("tiny", "Nothing was measured beyond the score that every candidate gets"),
    ],
)
def test_what_is_special_is_said(runs: Path, kind: str, said: str) -> None:
    assert said in " ".join(page_of(runs, kind).split())


@pytest.mark.parametrize("kind", ["single", "tiny", "nsga2"])
def test_what_is_not_special_is_not_said(runs: Path, kind: str) -> None:
    text = page_of(runs, kind)
    for said in ("Nothing bounds", "--resume", "merged", "forked", "search mine.yaml", "The space, as", "unfinished"):
        assert said not in text


def test_a_run_with_nothing_in_it_has_no_page(tmp_path: Path) -> None:
    class NowError(Exception):
        pass

    def now(progress: Progress) -> None:  # noqa: ARG001
        raise NowError

    with pytest.raises(NowError):
        search(small_config(), tmp_path / "run", watch=now)
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as connection:
        for table in ("candidates", "epochs", "islands"):
            connection.execute(f"DELETE FROM {table}")
        connection.commit()
    reseal(tmp_path / "run" / "run.sqlite")
    result = CliRunner().invoke(cli, ["report", str(tmp_path / "run")])
    assert "holds no evaluated candidate yet" in str(result.exception)


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_fits_every_screen(runs: Path, kind: str) -> None:
    with browser_page(runs / kind / "report.html") as page:
        for width, scheme in itertools.product((1280, 400), ("light", "dark")):
            page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            page.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width == 400
            )
            page.until("document.querySelectorAll('figure.chart svg .cloud').length >= 2")
            page.until(f"document.querySelector('figure.chart .scroll').clientWidth <= {width}")
            page.until("document.documentElement.scrollWidth <= window.innerWidth")
            dark = page.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 23, 37)"
            assert dark == (scheme == "dark")
            ink = "rgb(157, 171, 194)" if dark else "rgb(85, 101, 126)"
            page.until(f"getComputedStyle(document.querySelector('.chart text')).fill === '{ink}'")
        assert page.problems == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (193.70958, "193.710"),
        (1187.4, "1,187.40"),
        (0.0000234567, "0.0000234567"),
        (28, "28"),
        (0, "0"),
        (2.5e13, "2.5e+13"),
    ],
)
def test_significant_digits(value: float, said: str) -> None:
    assert significant(value) == said


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (66.0143, 0.2, "66.01"),
        (1234.56, 30, "1,235"),
        (1234.56, 480, "1,230"),
        (0.98345, 0.0061, "0.9835"),
        (66.0143, None, "66.0143"),
        (66.0143, 0.0, "66.0143"),
        (math.nan, 1.0, "nan"),
    ],
)
def test_values_are_rounded_where_their_error_begins(value: float, error: float | None, said: str) -> None:
    assert measured(value, error) == said


def test_rounded_and_exact_numbers() -> None:
    assert [rounded(each) for each in (962_932, 1e6, 480_000, 1_186.4, 18, 4e9)] == [
        "963 k",
        "1 M",
        "480 k",
        "1,186",
        "18",
        "4 G",
    ]
    assert [exact(each) for each in (1e6, 22.20358, 40.0)] == ["1,000,000", "22.204", "40"]


def test_a_page_can_be_written_elsewhere(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "tiny", tmp_path / "run")
    with opened(tmp_path / "run") as store:
        (path,) = write_pages(run_facts(store), tmp_path / "new" / "page.html")
    assert "<title>run · zennas-resnet</title>" in path.read_text()
