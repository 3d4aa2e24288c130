"""What goes wrong inside of a candidate is counted and named, and the search goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.main import cli
from plainnet.errors import RunError, UsageError
from plainnet.search import Rung, RunStore, search
from plainnet.search.candidates.measures import MEASURES, Measurement
from plainnet.search.runs.exhaustion import HOPELESS
from tests.search.small import rows_of, small_config

OBJECTIVES = """
import math, sys, time
from plainnet.errors import StructureError

def wide(structure):
    return structure.blocks[-1].out_channels

def nan(structure, setting):
    return math.nan if wide(structure) > 128 else wide(structure)

def infinite(structure, setting):
    return math.inf if wide(structure) > 128 else wide(structure)

def low(structure, setting):
    return -math.inf if wide(structure) > 128 else wide(structure)

def nothing(structure, setting):
    return None if wide(structure) > 128 else wide(structure)

def text(structure, setting):
    return "1e9" if wide(structure) > 128 else wide(structure)

def division(structure, setting):
    return 1 / 0 if wide(structure) > 128 else wide(structure)

def refused(structure, setting):
    if wide(structure) > 128:
        raise StructureError("not for me")
    return wide(structure)

def leaves(structure, setting):
    return sys.exit(3) if wide(structure) > 128 else wide(structure)

def loops(structure, setting):
    while wide(structure) > 128:
        try:
            time.sleep(0.001)
        except Exception:
            pass
    return wide(structure)

def always_nan(structure, setting):
    return math.nan

def always_fails(structure, setting):
    raise RuntimeError("no GPU here")

def one(structure):
    return 1.0

def three(structure, setting, more):
    return 1.0

def keyword(structure, setting, *, more):
    return 1.0

async def later(structure, setting):
    return 1.0

def some(structure, setting):
    yield 1.0

number = 3

class Prepared:
    def prepare(self, setting):
        return self

    def score(self, genes, costs):
        return None if costs.params > 1e5 else costs.params

class Unready(Prepared):
    def prepare(self, setting):
        raise OSError("no file")

class Scoreless(Prepared):
    def prepare(self, setting):
        return 3

prepared, unready, scoreless = Prepared(), Unready(), Scoreless()
"""

KINDS = {
    "nan": "NaN",
    "infinite": "infinite",
    "low": "infinite",
    "nothing": "no number",
    "text": "no number",
    "division": "ZeroDivisionError",
    "refused": "StructureError",
    "leaves": "SystemExit",
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OBJECTIVES)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["search", "zennas-resnet", *map(str, arguments)])


def config_of(mine: Path, name: str, **changes: Any) -> Any:
    return small_config(objectives=(f"{mine}:{name}",), candidates=400, epoch=50, **changes)


@pytest.mark.parametrize("name", KINDS)
def test_failures_are_counted_named_and_never_win(mine: Path, tmp_path: Path, name: str) -> None:
    said: list[str] = []
    result = search(config_of(mine, name), tmp_path / "run", watch=lambda progress: said.append(progress.message))
    assert result.failed > 10
    assert result.candidates == result.evaluated + result.rejected + result.duplicates + result.failed
    assert result.best.scores[name] == 128
    store = RunStore.open(tmp_path / "run")
    totals, events = store.totals(), [text for _, kind, _, text in store.events() if kind == "failed"]
    scores = [each.scores[name] for each in store.select()]
    store.close()
    assert totals[f"failed: {KINDS[name]}"] == totals["failed"] == scores.count(None)
    assert len(events) == 1
    assert events[0] in said
    assert f"failed ({KINDS[name]})" in events[0]
    assert "SuperConvK3BNRELU(3," in events[0]


def test_workers_count_the_same_failures(mine: Path, tmp_path: Path) -> None:
    search(config_of(mine, "leaves"), tmp_path / "one")
    search(config_of(mine, "leaves"), tmp_path / "two", workers=2)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")


def test_what_takes_too_long_fails(mine: Path) -> None:
    result = search(small_config(objectives=(f"{mine}:loops",), candidates=60, epoch=15, timeout=0.05))
    assert result.failed > 0
    assert result.best.scores["loops"] <= 128


@pytest.mark.parametrize(
    ("name", "said"),
    [("always_nan", "NaN"), ("always_fails", "RuntimeError: no GPU here")],
)
def test_a_search_in_which_everything_fails_says_so_soon(mine: Path, tmp_path: Path, name: str, said: str) -> None:
    result = run("--max-params", "2e5", "--objective", f"{mine}:{name}", "--out", tmp_path / "run", "--quiet")
    assert result.exit_code == 1 or isinstance(result.exception, RunError)
    message = str(result.exception)
    assert "no candidate has a score" in message
    assert said in message
    assert "SuperConvK3BNRELU(3," in message
    store = RunStore.open(tmp_path / "run")
    assert HOPELESS <= store.totals()["failed"] < 10 * HOPELESS
    store.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one", "takes (structure), and it is called as one(structure, setting)"),
        ("three", "takes (structure, setting, more)"),
        ("keyword", "takes (structure, setting, *, more)"),
        ("later", "is a coroutine or a generator"),
        ("some", "is a coroutine or a generator"),
        ("number", "has no function 'number'"),
        ("Prepared", "name an object of the class, not the class"),
        ("unready", "prepare fails with OSError: no file"),
        ("scoreless", "prepare gives 3; accepted: what has score(genes, costs)"),
        ("nann", "did you mean nan?"),
    ],
)
def test_what_cannot_be_called_is_refused_before_the_search(mine: Path, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        search(config_of(mine, name), tmp_path / "run")
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["import sys; sys.exit(4)", "1 / 0", "def broken(:", "import no_such_module"])
def test_a_file_that_cannot_be_imported_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(UsageError, match="cannot be imported"):
        search(small_config(objectives=(f"{tmp_path / 'broken.py'}:score",)))


def test_a_prepared_scorer_is_looked_at_too(mine: Path) -> None:
    result = search(config_of(mine, "prepared"))
    assert result.failed > 0
    assert result.best.params <= 1e5


BLOCKS = """
import sys, time
from plainnet.blocks import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels
from plainnet.blocks.rows.layers import Act, Conv, Norm

class Picky{name}(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels

    def layers(self):
        if self.out_channels > 64:
            {fault}
        return (Conv(self.out_channels, 3), Norm(), Act())
"""


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("asked", [{}, {"peak_activation": 1e9}])
@pytest.mark.parametrize(
    ("name", "fault", "kind"),
    [
        ("A", "return 1 / 0", "ZeroDivisionError"),
        ("B", "sys.exit(1)", "SystemExit"),
        ("C", "time.sleep(1000)", "timeout"),
        ("D", "return None", None),
    ],
)
def test_blocks_that_fail(tmp_path: Path, name: str, fault: str, kind: str | None, asked: dict[str, float]) -> None:
    from plainnet.blocks.user import load_blocks
    from plainnet.search import SearchConfig, load_space

    (tmp_path / "mine.py").write_text(BLOCKS.format(name=name, fault=fault))
    load_blocks(tmp_path / "mine.py")
    space = load_space(
        {
            "name": "picky",
            "start": f"SuperConvK3BNRELU(3,16,2,1)Picky{name}(16,32)SuperConvK1BNRELU(32,64,1,1)",
            "blocks": [
                {"names": [f"Picky{name}"], "change": {"out_channels": {"factors": [2, 1.5, 0.5], "maximum": 512}}}
            ],
            "positions": [{"at": 0, "freeze": "all"}],
        }
    )
    config = SearchConfig(
        space,
        limits={"params": 1e6, **asked},
        candidates=200,
        islands=2,
        epoch=100,
        resolution=32,
        timeout=0.2,
        blocks=(str(tmp_path / "mine.py"),),
        strategy="random",
    )
    result = search(config, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    totals = store.totals()
    store.close()
    if kind is None:  # it gives no layers: no network, and no fault of the code
        assert totals["refused by a block"] > 0
    else:
        assert result.failed == totals[f"failed: {kind} in a block"] > 0
    assert result.candidates == result.evaluated + result.rejected + result.duplicates + result.failed


def test_a_rung_that_fails_for_some_goes_on_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(structure: Any, setting: Any, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
        width = structure.blocks[-1].out_channels
        if width % 16:
            raise ValueError("odd width")
        return [float("inf") if width > 500 else float(width)] * repeats

    monkeypatch.setitem(MEASURES, "picky", Measurement("picky", measure, exact=True))
    config = small_config(candidates=800, ladder=(Rung("picky", 100, 1, 1),))
    result = search(config, tmp_path / "run")
    assert result.best.scores["picky"] <= 500
    store = RunStore.open(tmp_path / "run")
    told = [text for _, kind, _, text in store.events() if kind == "failed"]
    store.close()
    assert len(told) == 1
    assert "rung 1: picky failed for" in told[0]
    assert "ValueError: odd width, for SuperConv" in told[0] or "inf for SuperConv" in told[0]


def test_a_rung_that_fails_for_all_is_said_with_the_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(structure: Any, setting: Any, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
        raise SystemExit(0)

    monkeypatch.setitem(MEASURES, "picky", Measurement("picky", measure, exact=True))
    with pytest.raises(
        RunError, match=r"rung 1 of the ladder: picky failed for 5 of 5 .* SystemExit: 0, for SuperConv"
    ):
        search(small_config(candidates=800, ladder=(Rung("picky", 5, 1, 1),)))


def test_the_command_says_what_failed(mine: Path, tmp_path: Path) -> None:
    options = ["--max-params", "2e5", "--candidates", "400", "--islands", "2", "--ladder", "none"]
    result = run(*options, "--objective", f"{mine}:nan", "--out", tmp_path / "run", "--json")
    assert result.exit_code == 0
    assert " failed" in result.stdout
    assert json.loads(result.stdout.splitlines()[-1])["failed"] > 0
    assert "failed (NaN): the objective nan gave nan for SuperConvK3BNRELU(3," in result.stderr
