"""The terminal and the page tell the same numbers of a run, while it goes on and when it is over."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from plainnet.cli.main import cli
from plainnet.cli.search_panel import Panel
from plainnet.dashboard.kept import Kept
from plainnet.dashboard.views import view_of
from plainnet.search import Progress, search
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.search_result import SearchResult
from plainnet.search.runs.session import summarise
from plainnet.search.settings.rungs import Rung
from tests.search.small import small_config


def page_of(folder: Path, name: str) -> str:
    """The text of a page, a line an element."""
    page = view_of(Kept(folder), name, live="/changes")
    return html.unescape(re.sub(r"<[^>]*>", "\n", page.partition("<main>")[2].partition("<script")[0]))


def number(text: str) -> tuple[float, int]:
    """A number, and how many digits stand behind its point."""
    digits = text.replace(",", "")
    return float(digits), len(digits.partition(".")[2])


def agree(first: str, second: str) -> bool:
    """Whether two texts are one number, each rounded at its own place."""
    (a, some), (b, others) = number(first), number(second)
    return abs(a - b) <= 0.501 * 10.0 ** -min(some, others)


@pytest.mark.parametrize(
    ("first", "second", "same"), [("1.234", "1.2344", True), ("1.234", "1.235", False), ("5,000", "5000", True)]
)
def test_numbers_agree_as_far_as_both_say_them(first: str, second: str, same: bool) -> None:
    assert agree(first, second) == same


def drawn(panel: Panel) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(panel)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def summary_of(folder: Path) -> SearchResult:
    """What a search says at its end."""
    with opened(folder) as store:
        found = summarise(store)
        assert found.searching_seconds == store.seconds("epoch") < found.seconds
        return found


def test_the_panel_of_a_search_and_its_page_tell_the_same_numbers(tmp_path: Path) -> None:
    config = small_config(candidates=800, ladder=(Rung("zen", 5, 1, 1),))
    panel = Panel(config)
    live: list[tuple[str, str]] = []

    def watch(progress: Progress) -> None:
        panel.watch(progress)
        if progress.best_score is not None and progress.tally:
            live.append((drawn(panel), page_of(tmp_path, "run")))

    search(config, tmp_path / "run", watch=watch)
    panel.finish()
    assert len(live) >= 2
    for terminal, page in [*live, (drawn(panel), page_of(tmp_path, "run"))]:
        best = re.search(r"best +([\d.]+)  (\w+)", terminal)
        assert best is not None
        label = {"zen_leading": "Zen-score, fast form", "zen": "Zen-score"}[best[2]]
        found = re.search(rf"([\d.,]+)\n+{label} of the winner", page)
        assert found is not None
        assert agree(best[1], found[1]), (best[1], found[1])
        for budget in ("params", "layers"):
            used = re.search(rf"{budget} .* ([\d,]+) of ([\d,]+)", terminal)
            assert used is not None
            assert f"{used[1]} of {used[2]} (" in page, "to the last digit"
    ended, page = str(summary_of(tmp_path / "run")), page_of(tmp_path, "run")
    per_second = re.search(r"800 candidates in [\d.]+ s \(([\d,]+)/s\)", ended)
    assert per_second is not None, ended
    found = re.search(r"([\d.,]+)( k)?\n+candidates/s", page)
    assert found is not None
    page_rate = number(found[1])[0] * (1_000 if found[2] else 1)
    assert page_rate == pytest.approx(number(per_second[1])[0], rel=0.006), "of the search, without its ladder"
    terminal = drawn(panel)
    shares = {fate: float(share) for share, fate in re.findall(r"(\d+)% (evaluated|duplicates)", terminal)}
    for fate, share in shares.items():
        told = re.search(rf"\n{fate}\n+[\d,]+ \(([\d.]+)%\)", page)
        assert told is not None
        assert abs(share - float(told[1])) <= 0.56, fate
    assert "800 in" in terminal
    assert re.search(r"800\n+candidates", page)


def test_the_lines_of_a_training_and_its_page_tell_the_same_numbers(tmp_path: Path) -> None:
    arguments = ["train", "quick", "train.epochs=2", "log.tensorboard=false", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    rounds = re.findall(
        r"epoch (\d)/2  loss ([\d.]+)  accuracy ([\d.]+)  \| val  loss ([\d.]+)  accuracy ([\d.]+)", result.output
    )
    assert [each[0] for each in rounds] == ["1", "2"]
    raw, page = view_of(Kept(tmp_path), "run", live="/changes"), page_of(tmp_path, "run")
    for title, at in (("Loss", (1, 3)), ("Accuracy", (2, 4))):
        listed = raw.partition(f"<h2>{title}</h2>")[2].partition("</section>")[0]
        rows = re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td><td>([^<]*)</td></tr>", listed)
        assert len(rows) == len(rounds)
        for row, told in zip(rows, rounds, strict=True):
            for cell, said in zip(row[1:], (told[each] for each in at), strict=True):
                assert abs(float(cell) - float(said)) <= 0.51 * 10.0 ** -number(said)[1], (title, row)
    best = re.search(r"best ([\d.]+) in round (\d)", result.output)
    card = re.search(r"([\d.]+)\n+best accuracy, in round (\d)", page)
    assert best is not None
    assert card is not None
    assert best.groups() == card.groups()
    entry = Kept(tmp_path).entries()[0]
    assert f"{entry.value:.4f}" == best[1], "the list of the dashboard, too"
