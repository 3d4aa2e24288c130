"""The page of a store, and the page of the table of support: everything that is there, and a search over it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.dashboard.kept import Kept
from plainnet.dashboard.views import view_of
from plainnet.pages.store_page import store_page
from plainnet.pages.support_page import support_page
from plainnet.platforms.support import Cell, Change, Entry, Support
from plainnet.platforms.support_facts import support_facts
from plainnet.reports import facts_of
from tests.search.browser import BROWSER, browser_page

NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store of two networks and a record that is none."""
    for name, tags in (("one", ["small", "mine"]), ("two", ["large"])):
        identity = {
            "digest": "0" * 64,
            "name": name,
            "tag": "t",
            "family": "f",
            "kind": "network",
            "task": "cls",
            "tags": tags,
        }
        metric = {"dataset": "d", "split": "val", "name": "accuracy", "value": 0.75, "better": "higher"}
        record = {
            "identity": identity,
            "structure": {"constructor": "PlainNet", "string": NET},
            "input": {"trained_at": [8, 8]},
            "cost": {"params": 1234567, "macs": None},
            "metrics": [metric],
        }
        folder = tmp_path / "models" / "networks" / "cls" / f"{name}.t"
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps(record))
    broken = tmp_path / "models" / "networks" / "cls" / "bad.t"
    broken.mkdir()
    (broken / "model.json").write_text("{")
    return tmp_path / "models"


def test_a_store_is_a_list_and_a_card_of_each(root: Path) -> None:
    facts = facts_of(root)
    assert facts.about == "store"
    page = store_page(facts.told)
    assert re.findall(r"<a href='([^']*)'>([^<]*)</a>", page) == [("#network-0", "one.t"), ("#network-1", "two.t")]
    assert re.findall(r"data-word='(\w+)'", page) == ["small", "mine", "large"]
    assert page.count("<details class='card-of'>") == 2
    assert page.count('class="drawing"') == page.count("<h2>The network</h2>") == 2
    assert "accuracy 0.7500" in page
    assert "1.23 M" in page
    assert "bad.t" in page[: page.index("<main>")]
    before = sorted(root.rglob("*"))
    done = CliRunner().invoke(cli, ["report", str(root)], catch_exceptions=False)
    assert done.stdout.strip() == str(root / "store.html")
    assert sorted(root.rglob("*")) == sorted([*before, root / "store.html"]), "no index is made for it"


def test_the_dashboard_links_the_cards(root: Path) -> None:
    page = view_of(Kept(root.parent), "models", live="/changes")
    assert "href='/at?run=models%2Fnetworks%2Fcls%2Fone.t'" in page
    assert "card-of" not in page.partition("</style>")[2]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.slow
def test_a_tag_finds_what_has_it_and_a_link_unfolds_the_card(root: Path) -> None:
    (root / "page.html").write_text(store_page(facts_of(root).told))
    with browser_page(root / "page.html") as page:
        rows = "[...document.querySelectorAll('.entries tbody tr:not([hidden])')].map(row => row.cells[0].textContent)"
        assert page.run(rows) == ["one.t", "two.t"]
        page.run("document.querySelector(\"[data-word='large']\").click()")
        assert page.run(rows) == ["two.t"]
        page.run("document.querySelector(\"[data-word='large']\").click()")
        assert page.run(rows) == ["one.t", "two.t"]
        page.run("document.querySelector(\"a[href='#network-1']\").click()")
        page.until("document.querySelectorAll('details.card-of')[1].open")
        assert page.problems == []


def test_the_table_of_support_is_a_page() -> None:
    passed = Cell(status="pass", error=2e-6, ms=1.25, date="2026-01-02", commit="0123456789abcdef")
    failed = Cell(status="fail", reason="no <resize>", date="2026-01-03")
    blocks = {"SuperResK3K3": 2, "SuperConvK1BNRELU": 1}
    line = Change(date="2026-01-03", platform="torch", status="pass", commit=None, reason=None)
    good = Entry(said="a", layers=5, head="10 classes", blocks={"SuperConvK1BNRELU": 3}, cells={"torch": passed})
    bad = Entry(
        said="b", layers=9, head="none", blocks=blocks, cells={"torch": passed, "openvino": failed}, history=[line]
    )
    facts = support_facts(Support(networks={"a": good, "b": bad}), ["torch", "openvino"])
    assert facts["blocks"] == [["SuperResK3K3", 2, 2], ["SuperConvK1BNRELU", 4, 1]]
    page = support_page(facts)
    assert page.count("✓ pass <small>2e-06, 1.25 ms</small>") == 2
    assert "✗ fail <small>no &lt;resize&gt;</small>" in page
    assert "data-said='2026-01-02, 0123456789ab'" in page
    assert page.count("not tried") == 1
    assert re.findall(r'<div class="card"><b>(\d+)</b><span>([^<]*)', page) == [
        ("2", "networks"),
        ("1", "fail"),
        ("2", "pass"),
    ]
    assert "2026-01-03" in page
