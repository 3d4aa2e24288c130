"""Every field of a record: who writes it. A field without a writer is a promise."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from plainnet.cli.main import cli
from plainnet.cli.store import store_command
from plainnet.store.finding import find
from plainnet.store.reading import record_of, verify
from plainnet.store.record import Record
from plainnet.store.saying import SAID

WITH_THE_RUN = "store add RUN"
OPTIONS = "store add RUN with its options"
MEASURE, DATA, TUNE, SAY = "store measure", "store measure --data", "store tune-lr", "store say"
ELSEWHERE = {
    "identity.paper.title": "tests/store/test_store_reuse.py: of a published network",
    "identity.parents": "tests/store/test_store_reuse.py: of a run that begins with a stored network",
    "structure.variant": "tests/store/test_store_keeping.py",
    "structure.arguments": "tests/store/test_store_keeping.py: of a module of your own",
    "code.sources": "tests/store/test_store_keeping.py: your own files",
    "code.passed": "tests/store/test_store_verify.py: store verify --note-commit",
    "code.commit": "tests/store/test_store_keeping.py: in a repository",
    "code.dirty": "tests/store/test_store_keeping.py: in a repository",
}
"""Written where a network has what they are about; and the tests of that."""
WRITERS = {
    WITH_THE_RUN: {
        *("identity.digest", "identity.name", "identity.tag", "identity.family", "identity.kind", "identity.task"),
        *("identity.added", "identity.files", "structure.constructor", "structure.string", "structure.hash"),
        *("structure.norm_eps", "structure.code_hash", "structure.parts", "structure.num_features"),
        *("input.trained_at", "input.channels", "input.meaning", "input.mean", "input.std", "input.range", "input.reader"),
        *("outputs.head", "outputs.channels", "outputs.classes", "outputs.resolution"),
        *(f"training.{name}" for name in (
            "losses", "optimizer", "lr", "lr_now", "weight_decay", "groups", "schedule", "batch", "precision", "epochs",
            "iterations", "seed", "seconds", "config",
        )),
        *("data.name", "data.split", "data.train_images"),
        *(f"metrics.{name}" for name in ("dataset", "split", "name", "value", "better")),
        *("cost.params", "cost.macs", "cost.size_bytes", "code.plainnet", "code.torch"),
    },
    OPTIONS: {"identity.licence", "identity.tags", "identity.paper.url", "data.version"},
    MEASURE: {
        "input.sizes",
        *(f"cost.devices.{name}" for name in (
            "device", "name", "threads", "torch", "shape", "forward_ms", "forward_backward_ms", "training_peak_bytes", "peak_is",
        )),
    },
    DATA: {"data.val_images", "data.fingerprint"},
    TUNE: {f"training.fine_tuning.{name}" for name in (
        "largest_lr", "optimizer", "tried", "losses", "before", "spoiled_above", "updates", "batch", "how",
    )},
    SAY: {"extra"},
}  # fmt: skip
"""Command -> the fields that it writes."""
FILLED = [WITH_THE_RUN, OPTIONS, MEASURE, DATA, TUNE, SAY]


def leaves(model: type[BaseModel], place: str = "") -> Iterator[str]:
    """Every field, those of lists of sections included."""
    for name, field in model.model_fields.items():
        where = f"{place}.{name}".lstrip(".")
        inner = list(models(field.annotation))
        if inner:
            yield from leaves(inner[0], where)
        elif where != "version":
            yield where


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
    else:
        for each in typing.get_args(annotation):
            yield from models(each)


def values(data: Any, place: str) -> list[Any]:
    """All values at a place of a record, those of each element of a list."""
    found = [data]
    for word in place.split("."):
        found = [
            inner.get(word)
            for each in found
            for inner in (each if isinstance(each, list) else [each])
            if isinstance(inner, dict)
        ]
    return found


def known(data: dict[str, Any], place: str) -> bool:
    return any(value not in (None, [], {}) for value in values(data, place))


def test_every_field_has_a_writer() -> None:
    said = [field for fields in WRITERS.values() for field in fields] + [*ELSEWHERE]
    assert sorted(said) == sorted(leaves(Record)), "a new field goes into the table, with who writes it"
    assert len(said) == len(set(said))


@pytest.mark.tail
def test_each_command_fills_its_fields_and_no_others(run: Path, root: Path) -> None:
    def store(*arguments: str) -> dict[str, Any]:
        result = CliRunner().invoke(cli, ["store", *arguments])
        assert result.exit_code == 0, (result.output, result.exception)
        return record_of(root, arguments[1] if arguments[0] != "add" else "first")[2].as_dict()

    commands: dict[str, list[str]] = {
        WITH_THE_RUN: ["add", str(run)],
        OPTIONS: [
            *("add", str(run), "--tag", "two", "--licence", "MIT", "--label", "small"),
            *("--paper-url", "https://example.org/1", "--data-version", "1.2"),
        ],
        MEASURE: ["measure", "first", "--seconds", "0.01", "--batch", "2", "--resolution", "12"],
        DATA: ["measure", "first", "--seconds", "0.01", "--batch", "2", "--data"],
        TUNE: ["tune-lr", "first", "--rates", "1e-4", "--updates", "1"],
        SAY: ["say", "first", "extra.anchors=[[1, 2]]", "data.version=v3"],
    }  # fmt: skip
    there: set[str] = set()
    for command in FILLED:
        if command == OPTIONS:
            assert CliRunner().invoke(cli, ["store", *commands[command]]).exit_code == 0
            data = record_of(root, "first.two")[2].as_dict()
            CliRunner().invoke(cli, ["store", "rm", "first.two"])
            assert all(known(data, field) for field in WRITERS[command]), command
            continue
        before = set() if command == WITH_THE_RUN else there
        data = store(*commands[command])
        there = {field for field in leaves(Record) if known(data, field)}
        written = there - before - {"code.commit", "code.dirty", "data.version"}
        assert written == WRITERS[command], command
    assert (data["input"]["sizes"], data["data"]["version"]) == ([[12, 12]], "v3")
    assert verify(root, record_of(root, "first")[0]) == []


def test_what_a_person_says_is_checked_replaced_and_taken_away(put: Any, root: Path) -> None:
    put("net")

    def say(*facts: str) -> Any:
        return CliRunner().invoke(cli, ["store", "say", "net", *facts])

    assert say("extra.size=3", "extra.note=x", "input.meaning=BGR").exit_code == 0
    assert say("extra.note=null", "data.version=v2").exit_code == 0
    record = record_of(root, "net")[2]
    assert (record.extra, record.input.meaning, record.data.version) == ({"size": 3}, "BGR", "v2")
    for fact in ("cost.params=3", "identity.name=x", "data.versoin=1", "data.version=1.10", "extra=3", "input.mean=[0.5]",
                 "identity.tags=null", "identity.tags=['a b']", "training.lr=.nan", "training.batch=-1", "data.fingerprint=x",
                 "metrics=[{name: accuracy, value: 0.7}]"):  # fmt: skip
        assert say(fact).exit_code == 1, "an error of ours, of which the command line makes 2"
    assert record_of(root, "net")[2] == record
    assert record.input.sizes is None


def test_a_person_says_what_is_known_of_imported_weights(put: Any, root: Path) -> None:
    """Every field that neither follows from the network nor is measured."""
    put("net")
    said = {
        "identity.paper.title": "Deep", "identity.paper.url": "https://x.org/1", "identity.licence": "MIT",
        "identity.parents": ["abc"], "identity.tags": ["small", "old"], "input.meaning": "BGR", "input.range": [0.0, 255.0],
        "training.optimizer": "SGD", "training.lr": 0.1, "training.lr_now": 0.001, "training.weight_decay": 1e-4,
        "training.groups": [{"lr": 0.1}], "training.schedule": {"type": "step"}, "training.losses": [{"type": "CrossEntropy"}],
        "training.batch": 256, "training.precision": "float32", "training.epochs": 90.0, "training.iterations": 450_000,
        "training.seed": 0, "training.seconds": 3.5, "training.config": {"data": {"type": "digits"}},
        "data.name": "imagenet", "data.version": "1k", "data.split": "val", "data.train_images": 3, "data.val_images": 2,
    }  # fmt: skip
    writable = {field for section, names in SAID.items() for name in names for field in leaves_of(section, name)}
    assert writable == said.keys()
    for field, value in said.items():
        result = CliRunner().invoke(cli, ["store", "say", "net", f"{field}={json.dumps(value)}"])
        assert result.exit_code == 0, (field, result.exception)
    metric = {"dataset": "imagenet", "split": "val", "name": "accuracy", "value": 0.698, "better": "higher"}
    result = CliRunner().invoke(cli, ["store", "say", "net", f"metrics=[{json.dumps(metric)}]"])
    assert result.exit_code == 0, result.exception
    _, folder, record = record_of(root, "net")
    data = record.as_dict()
    for field, value in said.items():
        section, *names = field.split(".")
        found = data[section]
        for name in names:
            found = found[name]
        assert found == value, (field, "what is said later leaves the other fields of its section")
    assert data["metrics"] == [metric]
    assert "| imagenet | val | accuracy | 0.698 | higher |" in (folder / "README.md").read_text()
    assert [each.name for each in find(root, "acc > 0.69")[0]] == ["net"]
    assert verify(root, record_of(root, "net")[0]) == []


def leaves_of(section: type[BaseModel], name: str) -> Iterator[str]:
    place = f"{section.__name__.lower()}.{name}"
    inner = list(models(section.model_fields[name].annotation))
    yield from leaves(inner[0], place) if inner else [place]


NUMBERS = (
    "lr",
    "lr_now",
    "weight_decay",
    "batch",
    "epochs",
    "iterations",
    "seed",
    "seconds",
    "train_images",
    "val_images",
)
STRUCTURED = {"losses": "[{type: CrossEntropy}]", "groups": "[{lr: 0.1}]", "schedule": "{type: step}", "config": "{a: 1}",
              "range": "[0.0, 1.0]"}  # fmt: skip


def commands_shown(name: str, *options: str) -> dict[str, list[str]]:
    """Field -> the words of the command that `store show` prints below it."""
    result = CliRunner().invoke(cli, ["store", "show", name, *options], terminal_width=10_000, env={"COLUMNS": "10000"})
    assert result.exit_code == 0, result.exception
    found, section, field = dict[str, list[str]](), "", ""
    for line in result.stdout.splitlines():
        if line.startswith("    plainnet "):
            found[field] = shlex.split(line)[1:]
        elif line.startswith("  "):
            field = f"{section}.{line.strip().partition(':')[0]}"
            assert "not known" not in line or line.endswith(": not known")
        elif line:
            section = line
    return found


def run_shown(place: str, words: list[str]) -> None:
    key = place.rpartition(".")[2]
    value = STRUCTURED.get(key, "3" if key in NUMBERS else "https://x.org/1")
    value = f"{value}.0" if key in ("lr", "lr_now", "weight_decay", "epochs", "seconds") else value
    quick = {"measure": ["--seconds", "0.01"], "tune-lr": ["--rates", "1e-4", "--updates", "1"]}.get(words[1], [])
    result = CliRunner().invoke(cli, [*(word.replace("VALUE", value) for word in words), *quick])
    assert result.exit_code == 0, (words, result.exception)


@pytest.mark.slow
def test_each_command_that_show_prints_fills_its_field(run: Path, tmp_path: Path) -> None:
    """Of a run, in a store with blanks in its name: what is measured first, then what a person says, until nothing is left."""
    root = tmp_path / "a store"
    assert CliRunner().invoke(cli, ["store", "add", str(run), "--name", "first", "--store", str(root)]).exit_code == 0
    asked = commands_shown("first", "--store", str(root))
    assert asked.keys() == {
        *(
            "identity.paper",
            "identity.licence",
            "input.sizes",
            "training.fine_tuning",
            "data.version",
            "data.val_images",
        ),
        *("data.fingerprint", "cost.devices"),
    }
    assert asked["data.fingerprint"][1:4] == ["measure", "first.digits_r8", "--data"]
    while shown := commands_shown("first", "--store", str(root)):
        place, words = next(iter(shown.items()))
        assert not known(record_of(root, "first")[2].as_dict(), place)
        run_shown(place, words)
        assert known(record_of(root, "first")[2].as_dict(), place), place


def test_what_can_only_be_said_has_a_command_with_a_place_for_it(put: Any, root: Path) -> None:
    put("net")
    shown = commands_shown("net")
    assert "training.fine_tuning" not in shown, "nobody knows its images"
    assert "data.fingerprint" not in shown
    assert {words[1] for words in shown.values()} == {"say"}
    for place, words in shown.items():
        run_shown(place, words)
        assert known(record_of(root, "net")[2].as_dict(), place), place
    assert commands_shown("net") == {}


@pytest.mark.slow
def test_commands_of_parts_work_as_they_are(run: Path, root: Path) -> None:
    def store(*arguments: str) -> None:
        result = CliRunner().invoke(cli, ["store", *arguments])
        assert result.exit_code == 0, result.exception

    store("add", str(run), "--name", "first")
    store("promote", "first", "--part", "all")
    measured = dict[str, list[str]]()
    for name in ("backbones/plainnet/first.digits_r8", "heads/cls/first.digits_r8"):
        asked = {place: words for place, words in commands_shown(name).items() if words[1] != "say"}
        measured[name] = sorted(asked)
        for place, words in asked.items():
            run_shown(place, words)
            assert known(record_of(root, name)[2].as_dict(), place), (name, place)
    backbone, head = measured.values()
    assert backbone == ["cost.devices", "data.fingerprint", "data.val_images", "input.sizes"]
    assert head == [], "it is no network by itself"


OWN = """
from plainnet.blocks import Channels, PlainNetBasicBlockClass
from plainnet.blocks.rows.layers import Act, Conv, Norm

class AddedStem(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels

    def layers(self):
        return (Conv(self.out_channels, 3), Norm(), Act())
"""


def test_every_command_that_reads_structures_takes_own_blocks() -> None:
    group = store_command
    context = click.Context(group)
    others = {"list", "find", "show", "rm", "reindex", "say"}  # these read records alone
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--blocks" in options) == (name not in others), name


@pytest.mark.tail
def test_a_network_of_own_blocks_is_added_and_measured_by_the_commands_that_are_shown(tmp_path: Path) -> None:
    """Each in a process of its own, which knows the block from nowhere else."""
    (tmp_path / "mine.py").write_text(OWN)

    def plainnet(*words: str) -> str:
        command = [sys.executable, "-m", "plainnet", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    structure = "AddedStem(1,8)SuperConvK1BNRELU(8,16,2,1)"
    plainnet(
        "train", "quick", "run=run", "imports=[mine.py]", f"model.structure={structure}", "train.epochs=1", "device=cpu"
    )
    plainnet("store", "add", "run", "--name", "own", "--blocks", "mine.py")
    words = commands_shown("own")["data.fingerprint"]
    assert words[-1].endswith("source/mine.py")
    plainnet(*words, "--seconds=0.01")
    assert "data.fingerprint" not in commands_shown("own")
