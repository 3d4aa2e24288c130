"""Hostile texts in every field that a page shows: they are shown, and nothing else happens."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from plainnet.cli.main import main
from plainnet.pages.found_pages import write_pages
from plainnet.pages.parts import script_data
from plainnet.search import Rung, search
from plainnet.search.report import run_facts, sweep_facts
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.sweep import Outcome
from tests.search.browser import BROWSER, browser_page
from tests.search.resealed import reseal
from tests.search.small import small_config

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

EVIL = (
    "</script><script>hacked=1</script><img src=x onerror=hacked=2>'\">"
    "<b onmouseover=hacked=3>{{data}}$(touch x)`touch x`&lt;\u2028"
)


def hostile(run: Path) -> None:
    """Put the text into every field of a run that holds text (names of spaces and strategies are checked when they are
    read).
    """
    with closing(sqlite3.connect(run / "run.sqlite")) as connection:
        config = json.loads(connection.execute("SELECT value FROM run WHERE key = 'config'").fetchone()[0])
        config["space"]["about"] = EVIL
        config["objectives"] = [f"{EVIL}.py:{EVIL}"]
        config["blocks"] = [EVIL]
        column = EVIL.replace('"', "")
        facts = {
            "config": json.dumps(config),
            "columns": json.dumps([column]),
            "plainnet": EVIL,
            "python": EVIL,
            "machine": EVIL,
        }
        for key, value in facts.items():
            connection.execute("UPDATE run SET value = ? WHERE key = ?", (value, key))
        connection.execute(f'ALTER TABLE candidates RENAME COLUMN zen_leading TO "{column}"')
        connection.execute("INSERT INTO events VALUES (NULL, 0, 'start', 0, ?)", (EVIL,))
        connection.execute("INSERT INTO events VALUES (NULL, 0, 'fork', 0, ?)", (EVIL,))
        tally = json.dumps({EVIL: 3, "duplicates": 0})
        connection.execute("UPDATE epochs SET tally = ? WHERE epoch = 0", (tally,))
        connection.commit()
    reseal(run / "run.sqlite")


@needs_browser
@pytest.mark.slow
def test_nothing_on_a_page_is_taken_for_code(tmp_path: Path) -> None:
    folder = tmp_path / EVIL.replace("/", "|")[:150]
    search(small_config(candidates=300, ladder=(Rung("zen", 5, 1, 1),)), folder)
    hostile(folder)
    with opened(folder) as store:
        write_pages(run_facts(store), tmp_path / "page.html")
    with browser_page(tmp_path / "page.html") as page:
        page.until("document.querySelectorAll('[data-explorer] .mark').length > 0")
        page.until("document.querySelectorAll('figure.chart .line').length > 0")
        assert page.run("typeof hacked") == "undefined"
        assert page.run("document.images.length") == 0
        assert page.run("document.querySelectorAll('[onmouseover], [onerror]').length") == 0
        text = page.run("document.body.textContent")
        assert text.count("</script><script>hacked=1</script>") > 8
        assert page.run("document.querySelectorAll('svg a').length") == 0
        assert page.problems == []


@needs_browser
@pytest.mark.slow
def test_nothing_on_the_page_of_a_sweep_is_taken_for_code(tmp_path: Path) -> None:
    best = {"structure": EVIL, "hash": EVIL, "params": 5, "macs": 6, "layers": 7, "activations": 8, EVIL: 1.5}
    result = {"best": best, "seconds": 1.0, "candidates": 10}
    outcomes = [Outcome("params", 5.0, "a", result), Outcome("params", 6.0, "b", None, EVIL)]
    write_pages(sweep_facts(outcomes, command=EVIL), tmp_path / "sweep.html")
    with browser_page(tmp_path / "sweep.html") as page:
        page.until("document.querySelectorAll('.chart .mark[data-pick]').length == 1")
        assert page.run("typeof hacked") == "undefined"
        assert page.run("document.images.length") == 0
        assert page.problems == []


def test_data_in_a_script_are_data() -> None:
    value = {EVIL: [EVIL, float("nan"), float("-inf"), 1.5, None]}
    text = script_data(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == {EVIL: [EVIL, None, None, 1.5, None]}


def test_commands_that_are_shown_are_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run whose fields hold commands, in a folder whose name does: what is shown to be copied names files, and runs none."""
    import shlex

    from plainnet.search.report.search_facts import search_facts

    folder = tmp_path / "$(touch HACKED) `x`; rm -rf 'y'"
    search(small_config(candidates=100), folder)
    hostile(folder)
    with opened(folder) as store:
        facts = search_facts(store)
    words = shlex.split(facts["reproduce"]["command"])
    assert words[words.index("--objective") + 1] == f"{EVIL}.py:{EVIL}"
    assert words[words.index("--blocks") + 1] == EVIL
    assert shlex.split(facts["resume"]) == ["plainnet", "search", "--resume", str(folder), "--trust"]
    search(small_config(candidates=100), tmp_path / "a b")
    with pytest.raises(SystemExit):
        main(["runs", "fork", str(tmp_path / "a b"), str(folder) + "2"])
    said = capsys.readouterr().out.partition("to go on: ")[2]
    assert shlex.split(said) == ["plainnet", "search", "--resume", str(folder) + "2"]
