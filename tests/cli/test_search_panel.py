"""What a person sees of a running search: a panel on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from plainnet.cli import search_panel
from plainnet.cli.search_display import Lines, watching
from plainnet.cli.search_figures import duration
from plainnet.cli.search_panel import Panel, in_lines
from plainnet.search import Progress, RunStore, SearchConfig
from plainnet.search.ladder.ranking import ranking
from plainnet.search.runs.kept_runs import opened
from tests.cli.terminal import Terminal
from tests.search.small import small_config

BEST = (
    "SuperConvK3BNRELU(3,24,1,1)SuperResK1K5K1(24,96,1,32,1)SuperResK1K7K1(96,128,2,16,2)SuperConvK1BNRELU(128,192,1,1)"
)
SEARCH = [
    "search",
    "zennas-resnet",
    "--max-params",
    "2e5",
    "--max-layers",
    "10",
    "--islands",
    "4",
    "--population",
    "16",
]
SEARCH += ["--epoch", "200", "--candidates", "4000", "--ladder", "zen:20:1:1"]


def halfway(**changes: object) -> Progress:
    values: dict[str, object] = {
        "stage": "evolution",
        "done": 2_000,
        "total": 4_000,
        "seconds": 4.0,
        "tally": {"evaluated": 1_200, "duplicates": 100, "params": 700},
        "best_structure": BEST,
        "best_costs": {"params": 150_000, "layers": 10, "macs": 30_000_000},
        "best_score": 123.456,
        "score_name": "zen_leading",
        "rate": 500.0,
    }
    return Progress(**{**values, **changes})  # type: ignore[arg-type]


def drawn(panel: Panel, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(panel)
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_panel_shows_what_a_person_asks(width: int) -> None:
    panel = Panel(small_config())
    panel.watch(halfway())
    lines = drawn(panel, width)
    assert max(map(len, lines)) <= width
    assert len({len(line) for line in lines}) == 1
    text = re.sub(r"\s*│\n│\s*", " ", "\n".join(lines))
    for said in ("2,000 of 4,000", "500", "candidates/s", "4 s left", "60% evaluated", "35% rejected"):
        assert said in text
    for said in ("5% duplicates", "123.456  zen_leading", "75.0%  150,000 of 200,000", "100.0%  10 of 10"):
        assert said in text
    if width >= 80:
        assert BEST in re.sub(r"[│\s]", "", "".join(lines))


def test_the_panel_keeps_its_height_from_the_first_moment() -> None:
    panel = Panel(small_config())
    before = drawn(panel, 80)
    panel.watch(halfway())
    after = drawn(panel, 80)
    assert "getting ready" in "\n".join(before)
    assert "─" * 62 in before[2]
    assert len(after) - len(before) == len(in_lines(BEST, 62))


def test_blocks_are_not_broken_and_deep_structures_are_cut_in_sight() -> None:
    assert in_lines(BEST, 60)[0] == "SuperConvK3BNRELU(3,24,1,1)SuperResK1K5K1(24,96,1,32,1)"
    assert "".join(in_lines(BEST, 20)) == BEST
    panel = Panel(small_config())
    panel.watch(halfway(best_structure=BEST * 20))
    text = "\n".join(drawn(panel, 80))
    hidden = int(re.search(r"… and (\d+) more blocks", text).group(1))  # type: ignore[union-attr]
    assert text.count("(") + hidden == 80
    assert len(text.splitlines()) < 15 + search_panel.LINES


def test_a_ladder_keeps_what_the_evolution_said_and_counts_its_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 14.0, 14.0, 20.0])
    monkeypatch.setattr("plainnet.cli.search_panel.time.perf_counter", lambda: next(clock, 20.0))
    panel = Panel(small_config())
    panel.watch(halfway(done=4_000))
    panel.watch(halfway(stage="rung 1 of 2: zen", done=40, total=200, tally={}, rate=0.0, seconds=999.0))
    text = "\n".join(drawn(panel, 80))
    assert "✓ evolution  4,000 in 10 s" in text
    assert "rung 1 of 2: zen  40 of 200  ·  10/s  ·  16 s left" in text
    assert "30% evaluated" in text
    panel.finish()
    text = "\n".join(drawn(panel, 80))
    assert "✓ rung 1 of 2: zen  40 in" in text
    assert "finished in 20 s" in text
    assert "left" not in text


def test_the_panel_without_budgets_and_with_notes() -> None:
    panel = Panel(small_config(limits={}))
    panel.watch(halfway(message="worker 1 died and was replaced"))
    text = "\n".join(drawn(panel, 80))
    assert re.search(r"budgets +none", text)
    assert re.search(r"note +worker 1 died and was replaced", text)


def test_lines_tell_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.watch(halfway())
    lines.watch(halfway(done=2_100))
    lines.watch(halfway(done=4_000, message="something happened"))
    first, message, last = capsys.readouterr().err.splitlines()
    assert first == (
        "evolution: 2,000 of 4,000, 500/s, 4 s left, best zen_leading 123.456, 60% evaluated, 35% rejected, 5% duplicates"
    )
    assert message == "something happened"
    assert last.startswith("evolution: 4,000 of 4,000, ")


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59.6, "1:00"), (185, "3:05"), (3723, "1:02:03")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 140])
def test_a_search_on_a_terminal(tmp_path: Path, columns: int) -> None:
    folder = tmp_path / "run"
    with Terminal(*SEARCH, "--out", str(folder), columns=columns) as terminal:
        assert terminal.read_all() == 0
    with opened(folder) as store:
        best, lead = store.best(1)[0], ranking(store, 1)[0]
        totals = store.totals()
    text = terminal.text
    for said in ("candidates/s", " left", "✓ evolution  4,000 in", "✓ rung 1 of 1: zen  20 in", "finished in"):
        assert said in text
    assert f"{totals['evaluated'] / 4_000:.0%} evaluated" in text
    assert f"{totals['rejected'] / 4_000:.0%} rejected" in text
    assert f"{best.costs['params']:,} of 200,000" in text
    # the rung may be over before the best of the evolution was drawn
    shown = (f"{best.scores['zen_leading']:.3f}  zen_leading", f"{lead.mean:.3f}  {lead.score_name}")
    assert any(said in text for said in shown)
    assert best.structure in re.sub(r"\s*│\n│\s*", "", text)
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l"), "the cursor is shown again"
    panel = text[text.rindex("╭") : text.rindex("╯")]
    assert panel.count("╭") == 1


@pytest.mark.slow
@pytest.mark.parametrize("presses", [1, 3])
def test_control_c_in_the_panel(tmp_path: Path, presses: int) -> None:
    folder = tmp_path / "run"
    with Terminal(*SEARCH, "--candidates", "9e6", "--out", str(folder), columns=80) as terminal:
        terminal.read_until("zen_leading")
        for _ in range(presses):
            terminal.press("\x03")
            time.sleep(0.005)
        assert terminal.read_all() == 130
    text = terminal.text
    assert "stopped after" in text
    said = re.sub(r"(\s|\^C)+$", "", text)  # without what the terminal echoes
    assert said.endswith(f"To go on:\n  plainnet search --resume {folder}")
    assert "Traceback" not in text
    assert "Exception" not in text
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")
    store = RunStore.open(folder)
    assert store.epochs_done > 0
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_control_c_in_a_sweep(tmp_path: Path, workers: str) -> None:
    """Also searches in other processes end at once, and the sweep can be asked for again."""
    command = ["sweep", "zennas-resnet", "--vary", "layers=6,7,8,9,10", "--ladder", "none", "--islands", "2"]
    command += ["--population", "16", "--epoch", "100", "--workers", workers, "--out", str(tmp_path), "--candidates"]
    with Terminal(*command, "9e6", columns=100) as terminal:
        while not list(tmp_path.rglob("run.sqlite")):
            time.sleep(0.1)
            assert terminal.process.poll() is None
        terminal.press("\x03")
        began = time.monotonic()
        assert terminal.read_all() == 130
    assert time.monotonic() - began < 20
    assert "stopped; to go on, give the same command again" in terminal.text
    assert "Traceback" not in terminal.text


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "dumb", "FORCE_COLOR": "1"}])
def test_a_terminal_that_cannot_draw_gets_lines(tmp_path: Path, environment: dict[str, str]) -> None:
    with Terminal(*SEARCH, "--out", str(tmp_path / "run"), columns=80, environment=environment) as terminal:
        assert terminal.read_all() == 0
    assert "\x1b[" not in terminal.raw
    told = [line.strip() for line in terminal.text.splitlines()]  # a line that is too long goes on in the next one
    assert re.search(r"(^| )evolution: 4,000 of 4,000, .* duplicates( |$)", " ".join(told))


@pytest.mark.slow
def test_without_a_terminal_there_are_lines_and_quiet_is_quiet(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "plainnet", *SEARCH]
    ran = subprocess.run([*command, "--out", str(tmp_path / "a")], capture_output=True, text=True, check=True)
    assert re.search(r"^evolution: 4,000 of 4,000, ", ran.stderr, re.MULTILINE)
    assert "\x1b" not in ran.stderr + ran.stdout
    quiet = subprocess.run(
        [*command, "--quiet", "--out", str(tmp_path / "b")], capture_output=True, text=True, check=True
    )
    assert quiet.stderr == ""
    assert quiet.stdout.splitlines()[:2] == ran.stdout.splitlines()[:2]
    machine = subprocess.run(
        [*command, "--quiet", "--json", "--out", str(tmp_path / "c")], capture_output=True, text=True, check=True
    )
    assert machine.stderr == ""
    assert json.loads(machine.stdout)["best"]["structure"] == ran.stdout.splitlines()[0]


def test_a_latency_budget_says_what_it_waits_for() -> None:
    config: SearchConfig = small_config(limits={"latency_ms": 5.0})
    assert "measuring latencies" in "\n".join(drawn(Panel(config), 80))


@pytest.mark.parametrize(
    ("limits", "said"), [({"latency_ms": 5.0}, "measuring the latency of 16 structures\n"), ({}, "")]
)
def test_lines_say_that_latencies_are_measured_first(
    capsys: pytest.CaptureFixture[str], limits: dict[str, float], said: str
) -> None:
    with watching(small_config(limits=limits), quiet=False):
        assert capsys.readouterr().err == said
