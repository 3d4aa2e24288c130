"""Every way to name a network, in every command that takes one; and what a message tells to say, the command takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console

import plainnet
from plainnet.cli.main import cli
from plainnet.cli.network_options import OWN
from plainnet.errors import PlainnetError
from plainnet.search import search
from tests.profiler.made_tables import made_table
from tests.search.small import small_config

NET = "SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,16,1,1)"
OTHER = "SuperConvK3BNRELU(3,4,2,1)"
PACKAGE = Path(plainnet.__file__).parent
OWN_FILE = """
from torch import nn

import plainnet


class Mine(nn.Module):
    def __init__(self, width=4, num_classes=10):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))

    def forward(self, images):
        return self.layers(images)


def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""
QUICK = ["train.epochs=1", "log.tensorboard=false", "device=cpu"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of every kind, and what the commands want beside it."""
    folder = tmp_path_factory.mktemp("every")
    small = {"candidates": 100, "population": 8, "epoch": 50, "islands": 1, "ladder": ()}
    search(small_config(**small, resolution=16, num_classes=7), folder / "found")
    plainnet.train(NET, overrides=[*QUICK, f"run={folder / 'trained'}"], console=Console(quiet=True))
    (folder / "mine.py").write_text(OWN_FILE)
    own = {"_base_": "quick", "model": {"type": "Mine", "_delete_": True}, "run": str(folder / "own")}
    plainnet.train(own, overrides=QUICK, imports=[str(folder / "mine.py")], console=Console(quiet=True))
    plainnet.export_network(str(folder / "trained"), to="plainnet", out=folder / "exported")
    add = ["store", "add", str(folder / "trained"), "--store", str(folder / "models"), "--name", "kept"]
    assert CliRunner().invoke(cli, add).exit_code == 0
    (folder / "net.txt").write_text(f"# a network\n{NET}\n")
    (folder / "two.txt").write_text(f"['{NET}', '{OTHER}']")
    made_table(folder / "made.jsonl", 12)
    Image.new("L", (8, 8)).save(folder / "digit.png")
    return folder


@pytest.fixture(autouse=True)
def _inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("PLAINNET_HOME", str(place))


STRUCTURE, TRAINED, MODULE, OWN_RUN = "a structure", "trained", "a module", "trained, a module"
FORMS = {
    NET: STRUCTURE, "net.txt": STRUCTURE, "two.txt:2": STRUCTURE, "resnet18": STRUCTURE, "-": STRUCTURE,
    "found": STRUCTURE, "found:3": STRUCTURE, "found#HASH": STRUCTURE,
    "trained": TRAINED, "trained/best.safetensors": TRAINED, "exported": TRAINED, "store:kept": TRAINED,
    "mine.py:build": MODULE, "own": OWN_RUN, "own/best.safetensors": OWN_RUN,
}  # fmt: skip
"""How a network is named -> what it is."""
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "analyze": (["--no-latency", "--no-zen"], {STRUCTURE, TRAINED, MODULE, OWN_RUN}),
    "score": (["--proxy", "params"], {STRUCTURE, TRAINED, MODULE, OWN_RUN}),
    "compare": ([NET, "--proxy", "none"], {STRUCTURE, TRAINED, MODULE, OWN_RUN}),
    "draw": (["-o", "-"], {STRUCTURE, TRAINED}),
    "fmt": ([], {STRUCTURE, TRAINED}),
    "lint": ([], {STRUCTURE, TRAINED}),
    "convert": ([], {STRUCTURE, TRAINED}),
    "export": (["--to", "plainnet", "--no-weights", "--force", "--out", "left"], {STRUCTURE, TRAINED}),
    "train": ([*QUICK, "--dry-run"], {STRUCTURE, TRAINED, MODULE}),
    "lut predict": ([], {STRUCTURE, TRAINED}),
    "support scan": (["--platforms", "torch", "--file", "scanned.json"], {STRUCTURE, TRAINED}),
    "store load": (["--into", "--out", "loaded.safetensors", "--store", "models", "--fresh", "*"], {STRUCTURE, TRAINED}),
    "store import": (["--as", "--dry-run", "--fresh", "*", "--skip", "*", "--name", "x"], {STRUCTURE, TRAINED}),
    "predict": (["digit.png"], {TRAINED, OWN_RUN}),
    "evaluate": (["--data", "digits"], {TRAINED, OWN_RUN}),
}  # fmt: skip
"""Command -> what it is called with behind the network, and what it takes; what it does not take it refuses in a sentence."""
MISFITS = {"lut predict": "the table ", "store load": "does not fit"}
"""What a command says of networks that it takes, where they are not for the table and the weights that these tests have."""
RUNS_GO_ON = {("train", "trained"), ("train", "own")}
"""A run that is trained goes on in its own folder."""
BEFORE = {"lut predict": ["made.jsonl"], "store load": ["kept"], "store import": ["trained/best.safetensors"]}


def invoke(command: str, network: str, *more: str) -> Result:
    given = plainnet.resolve("found:2").structure
    text = f"found#{given.hash[:6]}" if given is not None and network == "found#HASH" else network
    after = COMMANDS[command][0]
    behind = [after[0], text, *after[1:]] if after[:1] in (["--into"], ["--as"]) else [text, *after]
    arguments = [*command.split(), *BEFORE.get(command, []), *behind, *more]
    return CliRunner().invoke(cli, arguments, input=NET if network == "-" else None)


@pytest.mark.parametrize("network", FORMS)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_every_name(command: str, network: str) -> None:
    kind, taken = FORMS[network], COMMANDS[command][1]
    own = ["--import", "mine.py"] if kind == OWN_RUN else []
    result = invoke(command, network, *own)
    error = result.exception
    if (command, network) in RUNS_GO_ON:
        return
    if kind in taken:
        is_fine = error is None or (command == "lint" and result.exit_code == 1)
        assert is_fine or MISFITS.get(command, "no such text") in str(error), error
        assert command == "support scan" or result.output.startswith("network ")
    else:
        assert isinstance(error, PlainnetError), (error, result.output)


@pytest.mark.parametrize("command", COMMANDS)
def test_code_that_a_network_needs_is_named_as_the_message_says(command: str) -> None:
    """A network whose class is the user's own is refused with the option that takes it."""
    result = invoke(command, "own")
    if OWN_RUN in COMMANDS[command][1]:
        assert isinstance(result.exception, PlainnetError)
        assert "--import" in str(result.exception)
    assert {*OWN, "--trust"} <= options_of(command)


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


EVERY = dict(commands(cli))


def options_of(command: str) -> set[str]:
    return {option for param in EVERY[command].params for option in (*param.opts, *param.secondary_opts)}


def test_every_command_that_takes_a_network_is_looked_at() -> None:
    """By what it calls its argument; `tune` takes what `train` takes, and trains several times."""
    named = {
        name
        for name, command in EVERY.items()
        for param in command.params
        if re.search(r"NETWORK|WEIGHTS", param.metavar or "")
    }
    assert named | {"convert"} == {*COMMANDS, "tune"}
    assert {*OWN, "--trust"} <= options_of("tune")


OTHERS = {
    *("--porcelain", "--branch", "--untracked-files"),  # git
    *("--config", "--trainer", "--data-dir", "--auto-scale-lr", "--logdir"),  # trainers of exported folders, TensorBoard
    *("--kill-on-bad-exit", "--max"),  # srun, fish
}  # fmt: skip
"""Options of other programs that texts of the package name."""


def test_options_that_messages_name_are_there() -> None:
    """Whatever `--option` stands in a text of the package, some command has it, or it is another program's."""
    known = {option for name in EVERY for option in options_of(name)} | {"--help", "--version"} | OTHERS
    found = {
        (option, file.relative_to(PACKAGE).as_posix())
        for file in PACKAGE.rglob("*.py")
        if "export/templates" not in file.as_posix()
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w-])", file.read_text(encoding="utf-8"))
        if option not in known
    }
    assert sorted(found) == []


FARAWAY = """
from plainnet.blocks import Channels, PlainNetBasicBlockClass, Stride
from plainnet.blocks.rows.layers import Conv


class FarawayConv(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels
    stride: Stride

    def layers(self):
        return (Conv(self.out_channels, 3, self.stride),)
"""


def test_blocks_of_a_file_are_known_before_a_network_is_read(tmp_path: Path) -> None:
    """In Python as on the command line."""
    (tmp_path / "faraway.py").write_text(FARAWAY)
    with pytest.raises(plainnet.StructureError, match="unknown block FarawayConv"):
        plainnet.resolve("FarawayConv(3,8,2)")
    subject = plainnet.resolve("FarawayConv(3,8,2)", imports=[str(tmp_path / "faraway.py")])
    assert str(subject.structure) == "FarawayConv(3,8,2)"
    arguments = ["fmt", "SecondConv(3,8,2)"]
    (tmp_path / "second.py").write_text(FARAWAY.replace("Faraway", "Second"))
    assert isinstance(CliRunner().invoke(cli, arguments).exception, plainnet.StructureError)
    for option in OWN:
        assert CliRunner().invoke(cli, [*arguments, option, str(tmp_path / "second.py")]).exit_code == 0


def test_a_folder_of_ones_own_is_imported_as_the_package_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the module is in the folder that one is in, as it is for `plainnet train --import`."""
    (tmp_path / "packed_faraway").mkdir()
    (tmp_path / "packed_faraway" / "__init__.py").write_text(FARAWAY.replace("Faraway", "Packed"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    result = CliRunner().invoke(cli, ["fmt", "PackedConv(3,8,2)", "--import", "packed_faraway"])
    assert result.exit_code == 0, result.exception
