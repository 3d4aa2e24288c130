"""What search commands say at their end: a budget that is not met, a front, and an output that is closed or full."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.main import cli, main
from plainnet.pages.search_page import search_page
from plainnet.search import Rung, search
from plainnet.search.candidates.measures import MEASURES, Measurement
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs import session
from plainnet.search.runs.kept_runs import opened
from tests.search.small import small_config

SEARCH = "zennas-resnet --max-layers 8 --candidates 200 --islands 2 --population 8 --epoch 50 --quiet"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [word for each in arguments for word in str(each).split()])


@pytest.fixture
def slowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that becomes ten times slower between the calibration of a search and its last measurements."""
    machine, climb = {"factor": 1e-6}, session.climb

    def measure(structure: Any, setting: Any, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
        return [machine["factor"] * sum(each.sums.macs for each in structure.totals(setting.shape))] * repeats

    def slow_climb(*arguments: Any) -> Any:
        machine["factor"] = 1e-5
        try:
            return climb(*arguments)
        finally:
            machine["factor"] = 1e-6

    monkeypatch.setitem(MEASURES, "latency_ms", Measurement("latency_ms", measure, higher_is_better=False))
    monkeypatch.setattr(session, "climb", slow_climb)


@pytest.mark.slow
@pytest.mark.usefixtures("slowing")
def test_a_budget_that_is_not_met_is_red_on_the_page_and_exit_code_1(tmp_path: Path) -> None:
    said = run("search", SEARCH, "--max-latency-ms 20 --ladder none --json --out", tmp_path / "run")
    assert said.exit_code == 1, said.output
    missed = json.loads(said.stdout.splitlines()[-1])["unmet"]
    assert missed["lowest"] > missed["limit"] == 20.0
    with opened(tmp_path / "run") as store:
        page = search_page(search_facts(store))
    assert page.count('class="warn unmet"') == 1
    line = page.partition('class="warn unmet">')[2].partition("</p>")[0]
    assert line.startswith("<b>Budget not met:</b> no finalist runs within 20 ms")
    assert f"{missed['lowest']:.3f}"[:4] in line
    assert ".unmet { background: #b3261e; color: #fff;" in page, "white on red"
    whole = run("search", SEARCH, "--max-latency-ms 1e6 --ladder none --out", tmp_path / "met")
    assert whole.exit_code == 0, whole.output
    with opened(tmp_path / "met") as store:
        assert 'class="warn unmet"' not in search_page(search_facts(store))


@pytest.mark.slow
@pytest.mark.usefixtures("slowing")
def test_a_sweep_with_a_budget_that_is_not_met_ends_with_1(tmp_path: Path) -> None:
    said = run("sweep", SEARCH, "--vary latency_ms=20,1e6 --ladder none --json --out", tmp_path / "sweep")
    assert said.exit_code == 1, said.output
    missed = [each["unmet"] for each in json.loads(said.stdout.splitlines()[-1])["sweep"]]
    assert missed[0]["limit"] == 20.0
    assert missed[1] is None
    assert said.stderr.count("BUDGET NOT MET: the fastest finalist takes") == 1
    again = run("sweep", SEARCH, "--vary latency_ms=1e6 --ladder none --out", tmp_path / "sweep")
    assert again.exit_code == 0, again.output


def test_several_objectives_print_the_front(tmp_path: Path) -> None:
    options = "--objective zen --objective min:macs --objective min:params --strategy nsga2 --ladder none --json"
    said = run("search", SEARCH.replace("--quiet", ""), options, "--out", tmp_path / "run")
    assert said.exit_code == 0, said.output
    *lines, last = said.stdout.splitlines()
    front = json.loads(last)["front"]
    assert len(front) > 3
    assert f"the front: {len(front)} networks that no other one beats in all objectives" in "\n".join(lines)
    hashes = [each["hash"] for each in front]
    assert [found for line in lines for found in hashes if found in line.split()] == hashes, "in its order, each once"
    with opened(tmp_path / "run") as store:
        rows = store.select()
    values = [[-row.scores["zen_leading"], row.costs["macs"], row.costs["params"]] for row in rows]
    best = {
        row.short_hash
        for row, mine in zip(rows, values, strict=True)
        if not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in values)
    }
    assert set(hashes) <= best
    assert {tuple(values[n]) for n, row in enumerate(rows) if row.short_hash in best} == {
        tuple(values[n]) for n, row in enumerate(rows) if row.short_hash in hashes
    }


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    search(small_config(candidates=300, ladder=(Rung("zen", 20, 1, 1),)), folder)
    return folder


@pytest.mark.parametrize("axes", [("max:zen", "min:macs"), ("min:zen",), ("max:zen", "max:params", "min:layers")])
def test_a_column_that_the_ladder_filled_is_an_axis(climbed: Path, axes: tuple[str, ...]) -> None:
    """The front is that of the candidates that the rung measured, by a comparison of all with all."""
    said = run("runs pareto", climbed, *(f"--axis {axis}" for axis in axes), "--json")
    assert said.exit_code == 0, said.output
    found = [json.loads(line) for line in said.stdout.splitlines()]
    with opened(climbed) as store:
        zen = {each.hash: each.mean for each in store.measures() if each.proxy == "zen"}
        rows = [each for each in store.select() if each.hash in zen]
    assert len(rows) == 20

    def costs(row: Any) -> list[float]:
        of = {"zen": zen[row.hash], **row.costs}
        return [of[axis[4:]] * (-1 if axis.startswith("max") else 1) for axis in axes]

    values = [costs(row) for row in rows]
    best = [
        row.short_hash
        for row, mine in zip(rows, values, strict=True)
        if not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in values)
    ]
    assert {each["hash"] for each in found} <= set(best)
    assert len(found) >= len({tuple(value) for row, value in zip(rows, values, strict=True) if row.short_hash in best})


class _Full(io.BytesIO):
    def write(self, data: object) -> int:  # noqa: ARG002
        raise OSError(28, "No space left on device")


WRITERS = [
    f"search {SEARCH} --ladder none --out OUT/run",
    f"sweep {SEARCH} --vary layers=6 --ladder none --out OUT/sweep",
    "runs list RUNS",
    "runs show RUN",
    "runs best RUN",
    "runs pareto RUN",
    "runs export RUN",
    "runs fork RUN OUT/new",
    "runs merge RUN --out OUT/new",
    "runs diff RUN RUN",
    "report RUN -o OUT/page.html",
    "space list",
    "space show zennas-resnet",
    "space check zennas-resnet",
    "space sample zennas-resnet",
]


@pytest.mark.parametrize("kind", ["closed", "full"])
@pytest.mark.parametrize("command", WRITERS, ids=lambda command: " ".join(command.split()[:2]))
def test_an_output_that_is_closed_or_full(
    climbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    kind: str,
) -> None:
    """The work that was done is kept; that nothing could be told of it is an error."""
    places = {"OUT": str(tmp_path), "RUNS": str(climbed.parent), "RUN": str(climbed)}
    words = [word if word.startswith("--") else _with(word, places) for word in command.split()]
    stream = None if kind == "closed" else io.TextIOWrapper(_Full(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as caught:
        main(words)
    monkeypatch.undo()
    errors = capsys.readouterr().err
    reason = "standard output is closed" if kind == "closed" else "No space left on device"
    assert (caught.value.code, reason in errors) == (1, True), errors
    assert "Traceback" not in errors
    if "OUT" in command:
        assert any(tmp_path.iterdir()), "what was made is there"


def _with(word: str, places: dict[str, str]) -> str:
    first, slash, rest = word.partition("/")
    return places.get(first, first) + slash + rest
