"""A file of another kind than the one that a command takes is told by its kind, whatever the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel

from plainnet.cli.main import cli
from plainnet.engine.run.schema import TrainConfig, recipes
from plainnet.errors import UsageError
from plainnet.files.file_kinds import KINDS, WrongFileError, kind_of, reading
from plainnet.naming.components_description import Components
from plainnet.platforms.conversion import Conversion
from plainnet.platforms.support import Support
from plainnet.search.exact.certificate import Certificate
from plainnet.search.space.space import Space
from plainnet.search.space.space_files import shipped_spaces
from plainnet.store.record import Record

NET = "SuperConvK3BNRELU(3,8,1,1)"
SAMPLES = {
    "certificate": [Certificate("{}", 0, {}, 0.0, None, 1.0, NET, 1.0).as_dict()],
    "table of latencies": {"schema": "plainnet.lut/1", "setting": {}},
    "file of a sweep's optima": {"schema": "plainnet.optima/1", "config": {}, "budget": "params", "solved": []},
    "search over settings": {"schema": "plainnet.tune/1", "vary": [], "trials": 1},
    "network's analysis": {"schema": "plainnet.analysis/2", "structure": NET, "variant": {}, "input": [3, 32, 32]},
    "report of a command's --json": {"schema": "plainnet.evaluation/1", "metrics": {}, "data": {}},
    "calibration": {"plainnet_calibration": 1, "source": "mine.csv", "networks": []},
    "file of scores": {"plainnet_scores": 1, "label": "zen"},
    "file of validations": {"plainnet_trust": 1, "tables": {}},
    "record of a stored network": {"schema": 1, "identity": {"name": "a"}, "structure": {"text": NET}, "data": {}},
    "converted network's record": {"schema": 1, "name": "a", "platform": "onnxruntime", "binary": "model.onnx"},
    "record of an export": {"plainnet": "0.1.0", "structure": NET, "variant": {}, "initial_weights_seed": 0},
    "table of support": {"schema": 1, "networks": {}},
}
YAML = {
    "training configuration": recipes()["quick"].read_text(encoding="utf-8"),
    "search space": shipped_spaces()["zennas-mobile"].read_text(encoding="utf-8"),
    "file of components": f"backbone: {NET}SuperConvK3BNRELU(8,8,2,1)\nheads:\n  h: {{type: nothing}}\n",
}
NETWORKS = {"file of components", "network's analysis"}
CONFIGURATIONS = {"training configuration"}
SPACES = {"search space"}
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "analyze": (["FILE", "--no-latency"], NETWORKS),
    "compare": (["FILE", NET], NETWORKS),
    "score": (["FILE", "--proxy", "params"], NETWORKS),
    "score calibrated": ([NET, "--proxy", "calibrated:FILE"], {"calibration"}),
    "validate": (["composite", "--table", "FILE"], set()),
    "calibrate": (["FILE", "--resolution", "32"], set()),
    "search": (["FILE", "--max-params", "1e5", "--out", "new"], SPACES),
    "search --train-config": (
        ["zennas-resnet", "--max-params", "1e5", "--ladder", "train:1", "--train-config", "FILE", "--out", "new"],
        CONFIGURATIONS,
    ),
    "search --latency-table": (
        ["zennas-resnet", "--max-latency-ms", "5", "--latency-table", "FILE", "--out", "new"],
        {"table of latencies"},
    ),
    "search --resume": (["--resume", "FILE"], set()),
    "optimum": (["FILE", "--max-params", "1e5"], SPACES),
    "optimum --verify": (["--verify", "FILE"], {"certificate"}),
    "optimum --resume": (["--resume", "FILE"], set()),
    "sweep": (["FILE", "--vary", "params=1e5", "--out", "new"], SPACES),
    "runs best": (["FILE"], set()),
    "runs diff": (["FILE", "FILE"], set()),
    "runs export": (["FILE"], set()),
    "runs fork": (["FILE", "new"], set()),
    "runs merge": (["FILE", "FILE", "--out", "new"], set()),
    "runs pareto": (["FILE"], set()),
    "runs show": (["FILE"], set()),
    "runs trained": (["FILE"], set()),
    "report": (["FILE"], {"calibration", "network's analysis"}),
    "lut check": (["FILE"], {"table of latencies"}),
    "lut info": (["FILE"], {"table of latencies"}),
    "lut merge": (["FILE", "FILE", "--out", "new.jsonl"], {"table of latencies"}),
    "lut predict": (["FILE", NET], {"table of latencies"}),
    "space check": (["FILE"], SPACES),
    "space sample": (["FILE"], SPACES),
    "space show": (["FILE"], SPACES),
    "draw": (["FILE"], NETWORKS),
    "fmt": (["FILE"], NETWORKS),
    "lint": (["FILE"], NETWORKS),
    "convert": (["FILE"], NETWORKS),
    "export": (["FILE", "--to", "plainnet", "--out", "new"], NETWORKS),
    "train": (["FILE", "--dry-run"], NETWORKS | CONFIGURATIONS),
    "tune": (["FILE", "--vary", "optim.lr=0.1,0.2", "--out", "new"], NETWORKS | CONFIGURATIONS),
    "evaluate": (["FILE"], NETWORKS),
    "predict": (["FILE", "image.png"], NETWORKS),
    "store import": (["FILE", "--as", NET, "--name", "mine"], set()),
    **{f"store {name}": (["FILE"], set()) for name in ("add", "show", "measure", "verify", "tune-lr", "rm")},
    "store load": (["FILE", "--into", NET, "--out", "new.safetensors"], set()),
    "store convert": (["FILE", "--to", "torchscript"], set()),
    "store push": (["FILE", "me/mine"], set()),
    "store say": (["FILE", "data.version=1"], set()),
    "store compose": (["FILE", "--dry-run"], {"file of components"}),
    "store promote": (["FILE"], {"file of components"}),
    "support scan": (["FILE", "--file", "new.json"], NETWORKS),
    "support table": (["--file", "FILE"], {"table of support"}),
    "support priority": (["--file", "FILE"], {"table of support"}),
    "support history": (["resnet18", "--file", "FILE"], {"table of support"}),
    "support update": (["--file", "FILE"], {"table of support"}),
    "config check": (["FILE"], CONFIGURATIONS),
    "config explain": (["FILE"], CONFIGURATIONS),
    "config show": (["FILE"], CONFIGURATIONS),
    "data check": (["FILE"], CONFIGURATIONS),
    "data show": (["FILE"], CONFIGURATIONS),
}
"""Command (and option) -> what it is called with, and the kinds that it takes."""
READ_NO_FILE = {
    "machine", "lut build", "lut import", "space list", "list", "blocks", "registry", "new", "dashboard", "runs list",
    "store find", "store list", "store reindex", "store build", "store pull",
    "support environment", "config list", "config new",
}  # fmt: skip
"""These take folders, names, or a table of another program's."""


def written(kind: str) -> str:
    """A file of a kind in the current folder."""
    name, text = ("said.yaml", YAML[kind]) if kind in YAML else ("said.json", json.dumps(SAMPLES[kind]))
    Path(name).write_text(text, encoding="utf-8")
    return name


def called(command: str, arguments: list[str], file: str) -> Result:
    words = [word for word in command.split() if not word.startswith("-") and word != "calibrated"]
    return CliRunner().invoke(cli, [*words, *(word.replace("FILE", file) for word in arguments)])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_of_every_kind_of_file_what_it_is(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, taken = COMMANDS[command]
    for kind in KINDS:
        if kind.name in taken:
            continue
        file = written(kind.name)
        before = sorted(path for path in tmp_path.iterdir() if not path.name.startswith("said."))
        result = called(command, arguments, file)
        assert isinstance(result.exception, UsageError), f"{kind.name}: {result.output} {result.exception!r}"
        assert f"{file} is a {kind.name}, and no " in str(result.exception)
        assert sorted(path for path in tmp_path.iterdir() if not path.name.startswith("said.")) == before


@pytest.mark.parametrize("command", [name for name in COMMANDS if COMMANDS[name][1]])
def test_a_file_of_the_right_kind_is_never_called_another(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else is wrong with it is said as it is: these samples are not whole."""
    monkeypatch.chdir(tmp_path)
    arguments, taken = COMMANDS[command]
    if command in ("train", "tune", "search", "optimum", "sweep"):  # which would train, or search
        arguments = [*arguments, "nothing=1"] if command in ("train", "tune") else [*arguments, "--max-macs", "1"]
    for kind in sorted(taken):
        result = called(command, arguments, written(kind))
        assert not isinstance(result.exception, WrongFileError)


def test_every_command_is_called_with_files_or_reads_none() -> None:
    import click

    def leaves(group: click.Group, before: str = "") -> list[str]:
        context, names = click.Context(group), list[str]()
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            names += leaves(command, f"{before}{name} ") if isinstance(command, click.Group) else [f"{before}{name}"]
        return names

    assert {*(name.partition(" --")[0] for name in COMMANDS)} - {"score calibrated"} | READ_NO_FILE == set(leaves(cli))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_samples_are_recognised(kind: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert {known.name for known in KINDS} == {*SAMPLES, *YAML}
    assert kind_of(written(kind.name)) is kind  # type: ignore[attr-defined]


def test_all_shipped_files_are_recognised() -> None:
    for path in shipped_spaces().values():
        found = kind_of(path)
        assert found is None or found.name == "search space"
    kinds = [kind_of(path) for path in recipes().values()]
    assert {kind.name for kind in kinds if kind is not None} == {"training configuration"}


MODELS: dict[str, type[BaseModel]] = {
    "training configuration": TrainConfig,
    "search space": Space,
    "file of components": Components,
    "table of support": Support,
    "record of a stored network": Record,
    "converted network's record": Conversion,
}


@pytest.mark.parametrize("name", MODELS)
def test_the_keys_of_a_kind_are_its_own(name: str) -> None:
    (kind,) = (each for each in KINDS if each.name == name)
    assert kind.keys <= MODELS[name].model_fields.keys()
    for other, model in MODELS.items():
        assert other == name or kind.keys.isdisjoint(model.model_fields)


def test_keys_of_two_kinds_are_of_none(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text("optim: {lr: 1}\nbackbone: x\n")
    assert kind_of(path) is None
    for text in ("", "{", "[", "[1]", "- a\n- b\n", "text", "schema: 1\n", '{"a": 1}', "a" * 10_000, "\x00"):
        path.write_text(text)
        assert kind_of(path) is None
    path.write_bytes(b"\xff\xfe\x00")
    assert kind_of(path) is None
    assert kind_of(tmp_path) is None


def test_an_error_of_a_file_that_is_of_no_other_kind_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("start: x\n")
    for wanted, kind in (("search space", UsageError), ("calibration", WrongFileError)):
        with pytest.raises(kind) as caught, reading(path, wanted):
            raise UsageError("what is wrong")
        assert (str(caught.value) == "what is wrong") == (wanted == "search space")
