"""A page is one file: what is put into the room is found, written, linked and served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import plainnet.pages
from plainnet.cli.main import cli
from plainnet.dashboard.kept import Kept
from plainnet.dashboard.views import compared, view_of
from plainnet.errors import UsageError
from plainnet.pages.found_pages import find_page, ordered, pages_about
from plainnet.pages.page import SUBJECTS, Page

CONFIG = "model: {structure: 'SuperConvK3BNRELU(1,8,1,1)'}\ndata: {type: digits}\ntrain: {epochs: 3}\n"
NEW = '''"""A page of somebody's."""

from plainnet.pages.page import Page
from plainnet.pages.parts import escaped, section
from plainnet.pages.shell import page


def updates_page(facts):
    updates = escaped(facts["curves"]["updates"])
    return page("Updates", "<h1>Updates</h1>", [section("How many", f"<p>{updates} of them</p>")])


PAGE = Page("training", updates_page, name="updates & more")
'''


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "kept" / "my run"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    line = {"event": "epoch", "epoch": 1, "iteration": 20, "train/loss": 1.0, "val/accuracy": 0.5, "seconds": 1}
    (folder / "log.jsonl").write_text(f"{json.dumps(line)}\n")
    return folder


@pytest.fixture
def _new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file beside the others."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "somebodys_page.py").write_text(NEW)
    with monkeypatch.context() as patch:
        patch.setattr(plainnet.pages, "__path__", [*plainnet.pages.__path__, str(tmp_path / "room")])
        pages_about.cache_clear()
        yield
    pages_about.cache_clear()


def test_there_is_a_page_about_each_subject() -> None:
    assert all(pages_about(about)[0].name == "" for about in SUBJECTS)


@pytest.mark.usefixtures("_new")
def test_a_page_that_is_there_is_written_beside_the_first_with_links(training: Path) -> None:
    result = CliRunner().invoke(cli, ["report", str(training)], catch_exceptions=False)
    first, further = (Path(line) for line in result.stdout.splitlines())
    assert (first, further) == (training / "report.html", training / "report-updates & more.html")
    links = '<nav><a href="report.html">training</a> · <a href="report-updates%20%26%20more.html">updates &amp; more</a></nav>'
    assert links in first.read_text()
    assert links in further.read_text()
    assert "<p>20 of them</p>" in further.read_text()


@pytest.mark.usefixtures("_new")
def test_a_page_that_is_there_is_served_with_links(training: Path) -> None:
    kept = Kept(training.parent)
    first = view_of(kept, "my run", live="/changes")
    assert '<a href="/at?run=my+run&amp;page=updates+%26+more">updates &amp; more</a>' in first
    further = view_of(kept, "my run", "updates & more", live="/changes")
    assert "<p>20 of them</p>" in further
    assert '<body data-live="/changes"><nav><a href="/">' in further
    with pytest.raises(UsageError, match="no page 'updates' about a training; did you mean updates & more"):
        view_of(kept, "my run", "updates", live="/changes")


def test_where_there_is_one_page_nothing_is_linked(training: Path) -> None:
    result = CliRunner().invoke(cli, ["report", str(training)], catch_exceptions=False)
    assert result.stdout == f"{training / 'report.html'}\n"
    assert "<nav>" not in (training / "report.html").read_text()
    assert compared(Kept(training.parent), ["my run"], live="/c").count("<a href=") == 1


def test_what_the_pages_tell_is_printed(training: Path) -> None:
    result = CliRunner().invoke(cli, ["report", str(training), "--json"], catch_exceptions=False)
    facts = json.loads(result.stdout)
    assert (facts["about"], facts["told"]["curves"]["updates"]) == ("training", 20)
    assert not list(training.glob("*.html"))
    assert find_page("training").made(facts["told"]).count("accuracy") > 1, "JSON is all that a page needs"


def test_pages_of_one_name_and_pages_about_nothing_are_refused() -> None:
    one = Page("search", str)
    with pytest.raises(ValueError, match="two pages about 'search' are called ''"):
        ordered([one, one])
    with pytest.raises(ValueError, match="a page about 'serch'; accepted: search, optimum"):
        ordered([Page("serch", str)])
