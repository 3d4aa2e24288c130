"""At 80 columns every command's output fits; into a pipe it is complete."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from random import Random

import click
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

import plainnet
from plainnet.cli import main as main_module
from plainnet.cli.main import COMMANDS, cli
from plainnet.errors import PlainnetError
from plainnet.profiler.lut.tensorrt import import_tensorrt
from plainnet.results import tables
from plainnet.results.numbers import interval_text, score_text
from plainnet.results.tables import Table, wrapped
from plainnet.search import search
from plainnet.search.runs.sweep import sweep
from tests.profiler.made_tables import made_table, networks
from tests.search.small import small_config

NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperResK1K3K1(16,24,2,8,2)SuperConvK1BNRELU(24,48,1,1)"
SMALL = "SuperConvK3BNRELU(3,4,1,1)"
OWN = f"""
from torch import nn

import plainnet


def build():
    return nn.Sequential(plainnet.PlainNet("{NET}", num_classes=1000), nn.Softmax(1))
"""
IN_TABLE = next(networks(seed=3))
PROXY_OPTIONS = ["--resolution", "16", "--repeats", "3", "--batch", "4"]
BLOCK = re.compile(r"\w+\(\S*\)")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search, a search for two objectives, a sweep, a table of accuracies and a digit."""
    folder = tmp_path_factory.mktemp("screens")
    small = {"candidates": 800, "population": 8, "epoch": 50, "islands": 2}
    search(small_config(**small, ladder=()), folder / "runs" / "first")
    search(small_config(**small, objectives=("zen", "macs"), strategy="nsga2"), folder / "runs" / "front")
    sweep(small_config(**small), "params", [1e5, 2e5], folder / "runs" / "sweep")
    lines = [f"{SMALL}SuperConvK1BNRELU(4,{width},1,1),{70 + width}" for width in range(4, 12)]
    (folder / "mine.csv").write_text("\n".join(["structure,accuracy", *lines, ""]))
    (folder / "net.txt").write_text(NET)
    (folder / "own.py").write_text(OWN)
    (folder / "parts.yaml").write_text("backbone: resnet18\nheads: {masks: {type: dense, num_classes: 3}}\n")
    made_table(folder / "made.jsonl", 12)
    (folder / "rows.txt").write_text("{Regular,1,64,56,56,64,1,1,0} 0.1\n")
    import_tensorrt(folder / "rows.txt", folder / "foreign.jsonl", batch=1, device="V100", dtype="fp16")
    save_file({"weight": torch.zeros(1)}, folder / "weights.safetensors")
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    """The same folder, with a training and an image."""
    overrides = ["train.epochs=1", "log.tensorboard=false", "device=cpu", f"run={place / 'trained'}"]
    plainnet.train("SuperConvK3BNRELU(1,4,2,1)", overrides=overrides, console=Console(quiet=True))
    Image.new("L", (8, 8)).save(place / "digit.png")
    CliRunner().invoke(cli, ["store", "add", str(place / "trained"), "--store", str(place / "kept"), "--name", "first"])
    return place


CALLS: dict[str, list[list[str]]] = {
    "analyze": [
        [NET, "--no-latency", "--no-zen", "--memory", "--roofline", "--resolution", "16"],
        [NET, "--no-latency", "--no-zen", "--verify"],
        [NET, "--no-latency", "--no-zen", "--resolution", "16", "--trace", "trace.json.gz"],
        [NET, "--resolution", "32", "--repeats", "2", "--seconds", "0.1"],
        ["own.py:build", "--resolution", "16", "--seconds", "0.1", "--depth", "9"],
    ],
    "score": [[NET, SMALL, NET, "--proxy", "params,naswot,composite", *PROXY_OPTIONS], ["--list"]],
    "validate": [
        ["composite", "--table", "mine.csv", "--resamples", "20"],
        ["composite", "--set", "all", "--sample", "20", "--resamples", "0"],
    ],
    "search": [["zennas-resnet", "--max-params", "2e5", "--candidates", "600", "--ladder", "none", "--out", "new"]],
    "sweep": [
        ["zennas-resnet", "--vary", "params=1e5,2e5", "--candidates", "400", "--ladder", "none", "--out", "swept"],
        ["zennas-resnet", "--vary", "params=1e4,6e4", "--max-layers", "7", "--exact", "--out", "solved"],
    ],
    "optimum": [
        ["zennas-resnet", "--max-params", "6e4", "--max-layers", "7", "--certificate", "proof.json"],
        ["--verify", "proof.json"],
        ["zennas-resnet", "--max-params", "100", "--max-layers", "5"],
    ],
    "compare": [
        [NET, SMALL, "--resolution", "16", "--repeats", "2", "--proxy", "composite,naswot"],
        ["resnet18", "resnet34", "resnet50"],
        [NET, NET],
        [NET, SMALL, "--resolution", "16", "--proxy", "none", "--latency", "--seconds", "0.1"],
    ],
    "registry": [[], ["block"], ["loss"], ["proxy"], ["--explain", "zen"], ["--explain", "SGD"], ["nothing"]],
    "new": [["block", "MyBlock", "--in", "."], ["block", "MyBlock", "--in", "."], ["blok", "MyBlock"]],
    "runs list": [["runs"], ["trained"], ["."]],
    "runs show": [["runs/first"], ["trained"], ["runs/sweep"]],
    "runs best": [["runs/first"], ["runs/sweep"]],
    "runs pareto": [["runs/front"], ["runs/first"]],
    "runs fork": [["runs/first", "fork", "--candidates", "900"]],
    "runs merge": [["runs/first", "runs/first", "--out", "merged"]],
    "runs diff": [["runs/first", "runs/front"]],
    "report": [["runs/first"], ["runs/sweep"], ["mine.csv"]],
    "space list": [[]],
    "space check": [["zennas-resnet"], ["tinynas-k1dwk1"]],
    "list": [[]],
    "blocks": [[]],
    "store list": [["--store", "kept"], ["--store", "nothing"]],
    "store find": [["acc > 0.1", "--store", "kept"], ["acc >", "--store", "kept"]],
    "store show": [["first", "--store", "kept"], ["second", "--store", "kept"]],
    "store verify": [["--store", "kept"]],
    "store reindex": [["--store", "kept"]],
    "store add": [["trained", "--store", "kept", "--name", "other"], ["trained", "--store", "kept", "--name", "other"]],
    "store rm": [["second", "--store", "kept"]],
    "store measure": [["second", "--store", "kept"]],
    "store tune-lr": [["second", "--store", "kept"]],
    "store load": [["second", "--store", "kept"]],
    "store import": [["weights.safetensors", "--store", "kept"]],
    "store promote": [["first", "--store", "kept"], ["second", "--store", "kept"]],
    "store build": [
        ["--name", "built", "backbone=store:first", "head.type=dense", "head.num_classes=3", "--store", "kept"],
        ["--name", "built", "backbone=store:second", "head=store:first", "--store", "kept"],
    ],
    "store compose": [["parts.yaml", "--store", "kept", "--dry-run"], ["nothing.yaml", "--store", "kept"]],
    "store say": [
        ["first", "data.version=v1", "--store", "kept"],
        ["first", "data.versoin=1", "--store", "kept"],
    ],
    "store push": [["second", "me/second", "--store", "kept"]],
    "store pull": [["second", "--store", "kept"]],
    "store convert": [["second", "--store", "kept", "--to", "nothing"]],
    "support scan": [[NET, "resnet18", "--parts", "--single-blocks", "--platforms", "torch", "--file", "scanned.json"]],
    "support update": [["--file", "nothing.json"]],
    "support table": [["--file", "nothing.json"]],
    "support history": [["resnet18", "--file", "nothing.json"]],
    "support environment": [["torch"], ["litret"]],
    "support priority": [["--file", "nothing.json"]],
    "data check": [["digits-scenes", "train=4", "val=2"], ["digit-scenes"]],
    "data show": [["digits", "--count", "2", "--out", "shown.png"], ["nothing"]],
    "draw": [[NET], ["resnet18", "-o", "picture.svg"], ["nothing.txt"]],
    "machine": [["--seconds", "0.01"]],
    "lut build": [["--space", "nothing"]],
    "lut info": [["made.jsonl"], ["net.txt"]],
    "lut check": [["foreign.jsonl"]],
    "lut merge": [["made.jsonl", "foreign.jsonl", "--out", "both.jsonl"]],
    "lut import": [["rows.txt", "--batch", "1", "--device", "V100", "--dtype", "fp16", "--out", "foreign.jsonl"]],
    "lut predict": [["made.jsonl", IN_TABLE], ["made.jsonl", NET], ["foreign.jsonl", NET]],
    "fmt": [[NET, "--pretty"]],
    "lint": [["SuperConvK3BNRELU(3,8,1,1)SuperConvK3BNRELU(8,8,4,1)", "--resolution", "8"]],
    "config check": [["quick", "model.structure=x"], ["nothing"]],
    "config explain": [["quick", "optim"]],
    "config list": [[]],
    "convert": [["net.txt", "--pretty"]],
    "runs trained": [["runs/first"]],
    "evaluate": [["trained", "--metric", "ConfusionMatrix"], ["weights.safetensors"]],
    "tune": [["quick"], ["quick", "--vary", "optim.lr=2:1"], ["trained", "--vary", "optim.lr=1e-3:1:log"]],
    "calibrate": [["mine.csv", "--resolution", "16"]],
    "predict": [["trained", "digit.png"], ["weights.safetensors", "none.png"]],
}
"""Command -> what it is called with."""
FOR_PROGRAMS = {"runs export", "space show", "space sample", "config show", "config new"}
"""These print data, structures or YAML, which are no screens."""
ELSEWHERE = {
    "train": "tests/engine/test_commands.py",
    "export": "tests/export/test_export_command.py",
    "dashboard": "tests/dashboard",
}
"""These print file names, or through rich, which knows the width."""


def leaves(group: click.Group, before: str = "") -> list[str]:
    names = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        names += leaves(command, f"{before}{name} ") if isinstance(command, click.Group) else [f"{before}{name}"]
    return names


def run(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: str, arguments: list[str], *, columns: int | None
) -> Result:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", str(columns or 80))
    monkeypatch.setattr(tables, "is_terminal", lambda **_: columns is not None)
    return CliRunner().invoke(cli, [*command.split(), *arguments])


def too_wide(text: str, columns: int) -> list[str]:
    """The lines that do not fit and could: a path, a command to copy, or a block alone is not broken."""
    return [
        line
        for line in text.splitlines()
        if len(line) > columns and not re.fullmatch(r"(\S+ +)?\S+", line) and not line.startswith("  plainnet ")
    ]


def test_every_command_is_looked_at() -> None:
    assert {*CALLS, *FOR_PROGRAMS, *ELSEWHERE} == set(leaves(cli))
    assert {name.split()[0] for name in leaves(cli)} == set(COMMANDS)


def test_sentences_are_told_and_not_echoed() -> None:
    """`tell` knows the width of a terminal; what is echoed is data, or a text that was fitted before."""
    allowed = {
        "stopping.py",
        "optimum_watch.py",
        "lut.py",
    }  # commands to copy; a line of progress that is written over and over
    folder = Path(str(main_module.__file__)).parent
    found = [
        f"{file.name}:{node.lineno}"
        for file in sorted(folder.glob("*.py"))
        if file.name not in allowed
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("echo", "secho")
        and node.args
        and isinstance(node.args[0], (ast.JoinedStr, ast.BinOp))
    ]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("command", CALLS)
def test_what_a_command_prints_fits(
    command: str, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in CALLS[command]:
        result = run(trained, monkeypatch, command, arguments, columns=80)
        printed = result.output
        assert result.exception is None or isinstance(result.exception, (PlainnetError, SystemExit)), result.exception
        if isinstance(result.exception, PlainnetError):
            main_module.tell_error(str(result.exception))
            printed += capsys.readouterr().err
        assert printed.strip()
        assert too_wide(printed, 80) == [], printed


@pytest.mark.parametrize("command", sorted({*CALLS, *FOR_PROGRAMS, *ELSEWHERE}))
def test_what_is_said_of_wrong_options_fits(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the sentence is click's own: an option that there is not, and a value of no type."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(tables, "is_terminal", lambda **_: True)
    found, group = cli, command.split()
    for name in group:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), name)  # type: ignore[assignment]
    typed = [
        param for param in found.params
        if isinstance(param, click.Option) and not param.is_flag and isinstance(param.type, WRONG)
    ]  # fmt: skip
    for arguments in [["--no-such-option"], *([param.opts[-1], "no value " * 12] for param in typed)]:
        with pytest.raises(SystemExit) as ended:
            main_module.main([*group, *arguments])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.strip()
        assert too_wide(said, 80) == [], said


WRONG = (
    click.types.IntParamType,
    click.types.FloatParamType,
    click.Choice,
    click.types.IntRange,
    click.types.FloatRange,
)
"""Types of click's own that a text is none of."""
GROUPS = {name.partition(" ")[0] for name in CALLS}


@pytest.mark.parametrize("command", sorted({*CALLS, *FOR_PROGRAMS, *ELSEWHERE, *GROUPS}))
def test_help_fits(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(place, monkeypatch, command, ["--help"], columns=80)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "[default: (" not in result.output  # click's way to say what a default is not


@pytest.mark.parametrize(
    ("command", "arguments", "has_full"),
    [
        ("runs best", ["runs/first"], True),
        ("runs pareto", ["runs/front"], True),
        ("score", [NET, SMALL, "--proxy", "params"], True),
    ],
)
def test_hashes_on_a_terminal_and_strings_into_a_pipe(
    command: str, arguments: list[str], has_full: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = run(place, monkeypatch, command, arguments, columns=80).output
    piped = run(place, monkeypatch, command, arguments, columns=None).output
    assert not BLOCK.search(narrow)
    assert BLOCK.search(piped)
    if has_full:
        assert BLOCK.search(run(place, monkeypatch, command, [*arguments, "--full"], columns=80).output)


def test_a_list_of_runs_into_a_pipe_has_every_column(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = run(place, monkeypatch, "runs list", ["runs"], columns=None).output
    assert piped.split("\n")[0].split() == [
        "run",
        "space",
        "objective",
        "candidates",
        "of",
        "best",
        "by",
        "winner",
        "state",
    ]
    records = [
        json.loads(line)
        for line in run(place, monkeypatch, "runs list", ["runs", "--json"], columns=None).output.splitlines()
    ]
    assert all((record["winner"] or "") in piped for record in records)  # nothing is within the budgets of one


def test_runs_below_one_folder_are_told_apart_on_a_terminal() -> None:
    rows = [[f"runs/a sweep over the budgets/params-{limit}", "x" * 30] for limit in (20_000, 50_000)]
    lines = Table(["run", "model"], rows, left=2, cut=("run", "model"), paths=("run",)).text(40).splitlines()[-2:]
    assert [line.split("  ")[0][-13:] for line in lines] == ["/params-20000", "/params-50000"]
    assert all(line.startswith("…") for line in lines)


drawn = Random(0)
CELLS = [" ".join("".join(drawn.choices("ab 1,.()", k=length)).split()) for length in range(31) for _ in range(8)]
"""Cells of all lengths; drawing one is cheap, a letter at a time is not."""
cells = st.sampled_from(CELLS)


@given(st.data(), st.integers(24, 120))
def test_any_table_fits(data: st.DataObject, width: int) -> None:
    count = data.draw(st.integers(1, 8))
    columns = [f"c{index}" for index in range(count)]
    rows = data.draw(st.lists(st.lists(cells, min_size=count, max_size=count), max_size=4))
    some = st.lists(st.sampled_from(columns), unique=True, max_size=count).map(tuple)
    table = Table(
        columns,
        rows,
        left=data.draw(st.integers(0, count)),
        drop=data.draw(some),
        cut=data.draw(some),
        paths=data.draw(some),
        wide=data.draw(some),
    )
    assert all(len(line) <= width for line in table.text(width).splitlines())
    complete = table.text(None)
    assert all(cell in complete for row in rows for cell in row)


@given(st.text('ab ()"', max_size=200), st.integers(20, 80), st.integers(0, 12))
def test_wrapping_loses_nothing(text: str, width: int, indent: int) -> None:
    line = " ".join(text.split())
    broken = wrapped(line, width, indent=indent)
    assert re.sub(r"\s", "", broken) == re.sub(r"\s", "", line)
    assert all(len(each) <= width for each in broken.splitlines() if " " in each.strip())
    assert wrapped(NET, width).replace("\n", "") == NET


@pytest.mark.parametrize(
    ("value", "half", "said"),
    [
        (127.23456, 0.8723, "127.23"), (127.23456, 12.3, "127"), (0.123456, 0.01, "0.123"), (1234567.8, 345.6, "1,234,570"),
        (5.0, 0.0, "5"), (5.25, None, "5.25"), (float("nan"), 1.0, "nan"), (float("-inf"), None, "-inf"),
        (1e-9, 1e-11, "1.000e-09"), (1e38, 1e36, "1.000e+38"), (0.0, 0.2, "0.00"),
    ],
)  # fmt: skip
def test_numbers_end_where_their_error_begins(value: float, half: float | None, said: str) -> None:
    assert score_text(value, half) == said


def test_both_ends_of_an_interval_have_the_same_digits() -> None:
    assert interval_text((126.361, 128.107)) == "[126.36, 128.11]"
    assert interval_text((0.0, 0.0)) == "[0, 0]"
