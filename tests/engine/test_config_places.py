"""Configurations work from every folder: a path belongs to the file that says it, and a file may import what lies beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from plainnet.blocks.user import load_python_file
from plainnet.cli.analyze import analyze_command
from plainnet.cli.config import config_command
from plainnet.cli.train import train_command
from plainnet.configs import InvalidConfigError
from plainnet.engine.run.registry import load_module
from plainnet.engine.run.training_run import load_config, resume, train
from plainnet.errors import UsageError

MINE = """
import torch
from pathlib import Path
from helper import WIDTH

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(64, WIDTH)
    def forward(self, image):
        return self.layer(image.flatten(1)[:, :64])

def net():
    return Net()

def from_folder(*, at: Path, either: str | Path = "x", word: str = "w"):
    raise AssertionError("is only named")
"""


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of a user; the process is in another one."""
    folder = tmp_path / "far"
    (folder / "sub").mkdir(parents=True)
    (folder / "mine.py").write_text(MINE)
    (folder / "helper.py").write_text("WIDTH = 10\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def test_paths_belong_to_the_file_that_says_them(far: Path) -> None:
    (far / "base.yaml").write_text(
        "_base_: quick\nimports: [mine.py]\nmodel: {_delete_: true, type: 'mine.py:Net', weights: w.safetensors}\nrun: runs/x\n"
    )
    (far / "sub" / "top.yaml").write_text("_base_: ../base.yaml\nhooks: [{type: '../mine.py:from_folder', at: a}]\n")
    with pytest.raises(InvalidConfigError) as caught:  # the hook is none, which is found after its places
        load_config("../far/sub/top.yaml", overrides=["data.type=./mine.py:nothing"])
    assert f"cannot import {Path.cwd() / 'mine.py'}" in str(caught.value)
    (far / "sub" / "top.yaml").write_text("_base_: ../base.yaml\n")
    (far / "w.safetensors").touch()
    value = load_config("../far/sub/top.yaml").value
    assert value.imports == [str(far / "mine.py")]
    assert value.model.type == f"{far / 'mine.py'}:Net"
    assert value.model.weights == str(far / "w.safetensors")
    assert value.run == str(far / "runs" / "x")


def test_what_a_function_annotates_as_a_path_is_one(far: Path) -> None:
    (far / "data.yaml").write_text(
        "_base_: quick\ndata: {_delete_: true, type: 'mine.py:from_folder', at: images, either: ../b, word: images}\n"
    )
    said = load_config(far / "data.yaml").value.data.arguments
    assert said == {"at": str(far / "images"), "either": str(far.parent / "b"), "word": "images"}
    here = load_config(far / "data.yaml", overrides=["data.at=images"]).value.data.arguments
    assert here["at"] == str(Path.cwd() / "images")
    plain: dict[str, Any] = {"_base_": "quick", "data": {"type": "folder", "root": "images", "_delete_": True}}
    assert load_config(plain).value.data.arguments["root"] == str(Path.cwd() / "images")
    home = load_config(plain, overrides=["data.root=~/images"]).value.data.arguments["root"]
    assert home == str(Path("~/images").expanduser())


def test_a_recipe_that_ships_speaks_of_the_folder_that_one_is_in() -> None:
    assert load_config({"_base_": "zennas-cifar"}).value.data.arguments["root"] == str(Path.cwd() / "data")


def test_a_path_that_is_referred_to_stays_where_it_was_said(far: Path) -> None:
    (far / "base.yaml").write_text("_base_: quick\ndata: {_delete_: true, type: folder, root: images}\n")
    (far / "images").touch()
    for text in ("${data.root}", "${data.root}/../images"):
        (far / "sub" / "top.yaml").write_text(f"_base_: ../base.yaml\nmodel: {{weights: '{text}'}}\n")
        assert load_config(far / "sub" / "top.yaml").value.model.weights == str(far / "images")


def test_a_name_of_the_hub_is_a_folder_only_where_there_is_one(far: Path) -> None:
    (far / "hub.yaml").write_text("_base_: quick\ndata: {_delete_: true, type: huggingface, path: mnist}\n")
    assert load_config(far / "hub.yaml").value.data.arguments["path"] == "mnist"
    (far / "mnist").mkdir()
    assert load_config(far / "hub.yaml").value.data.arguments["path"] == str(far / "mnist")


def test_a_run_is_trained_and_taken_up_from_anywhere(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    for name in ("train", "val"):
        pixels = generator.integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
        np.savez(far / f"{name}.npz", image=pixels, label=np.arange(20) % 10)
    (far / "mine.yaml").write_text(
        "_base_: quick\nmodel: {_delete_: true, type: 'mine.py:Net'}\ntrain: {epochs: 1}\n"
        "schedule: {warmup: 0}\nlog: {tensorboard: false}\n"
        "data: {_delete_: true, type: arrays, train: train.npz, val: val.npz}\nrun: runs/mine\ndevice: cpu\n"
    )
    quiet = Console(quiet=True)
    assert train(load_config("../far/mine.yaml"), console=quiet).run == str(far / "runs" / "mine")
    written = load_config(far / "runs" / "mine" / "config.yaml")
    derived = written.value.derived
    assert derived is not None
    assert (derived.in_channels, derived.resolution, derived.num_classes) == (1, [8, 8], 10)
    assert derived.classes == [str(number) for number in range(10)]
    assert written.value.run == str(far / "runs" / "mine")
    monkeypatch.chdir("/")
    assert resume(far / "runs" / "mine", overrides=["train.epochs=2"], console=quiet).rounds == 2
    checked = CliRunner().invoke(config_command, ["check", str(far / "mine.yaml")])
    assert checked.exit_code == 0, checked.output


def test_a_file_imports_what_lies_beside_it(far: Path) -> None:
    result = CliRunner().invoke(analyze_command, [f"{far}/mine.py:net", "--resolution", "8", "--json"])
    assert result.exit_code == 0, result.output


def test_each_folder_has_its_own_helper(tmp_path: Path) -> None:
    for name, value in (("a", 1), ("b", 2), ("c", None)):
        (tmp_path / name / "pack").mkdir(parents=True)
        (tmp_path / name / "main.py").write_text(
            "from helper import VALUE\nfrom pack.inner import DEEP\n"
            "def late():\n    import helps_late\n    return helps_late.VALUE\n"
        )
        if value is not None:
            (tmp_path / name / "helper.py").write_text(f"VALUE = {value}\n")
            (tmp_path / name / "pack" / "inner.py").write_text(f"DEEP = {value}\n")
            (tmp_path / name / "helps_late.py").write_text(f"VALUE = {value}\n")
    first, second, again = (load_python_file(tmp_path / name / "main.py") for name in ("a", "b", "a"))
    assert (first.VALUE, second.VALUE, again.VALUE) == (1, 2, 1)
    assert (first.DEEP, second.DEEP, again.DEEP) == (1, 2, 1)
    assert first.late() == 1
    with pytest.raises(
        UsageError, match=r"c/main.py cannot be imported: ModuleNotFoundError: No module named 'helper'"
    ):
        load_python_file(tmp_path / "c" / "main.py")


LATE = """\
import helper, pack.inner

def values():
    import helper as again, later
    import pack.inner
    from pack import inner
    from later import VALUE, nested
    assert again is helper, "one module of one name"
    return [helper.VALUE, again.VALUE, later.VALUE, VALUE, pack.inner.DEEP, inner.DEEP, inner.late(), nested(), helper.nested()]

class Kept:
    def value(self):
        import later
        return later.VALUE
"""
NESTED = "VALUE = {0}\ndef nested():\n    import deepest\n    import math\n    return deepest.VALUE + 0 * math.pi\n"


def test_each_folder_has_its_own_helper_in_functions_too(tmp_path: Path) -> None:
    """Whichever file was loaded last, in whatever order they are called; also within the modules beside a file."""
    for value in (1, 2, 3):
        folder = tmp_path / f"folder{value}"
        (folder / "pack").mkdir(parents=True)
        (folder / "main.py").write_text(LATE)
        for name in ("helper", "later"):
            (folder / f"{name}.py").write_text(NESTED.format(value))
        (folder / "deepest.py").write_text(f"VALUE = {value}\n")
        (folder / "pack" / "__init__.py").write_text("")
        (folder / "pack" / "inner.py").write_text(
            f"DEEP = {value}\ndef late():\n    from . import other\n    from .other import VALUE\n    return VALUE\n"
        )
        (folder / "pack" / "other.py").write_text(f"VALUE = {value}\n")
    path = list(sys.path)
    modules = [load_python_file(tmp_path / f"folder{value}" / "main.py") for value in (1, 2)]
    modules.append(load_module(str(tmp_path / "folder3" / "main.py")))  # as a configuration's files are
    for order in ((1, 2, 3), (3, 2, 1), (2, 2, 1)):
        for value in order:
            assert modules[value - 1].values() == [value] * 9
            assert modules[value - 1].Kept().value() == value
    assert sys.path[: len(path)] == path
    from collections import OrderedDict

    assert OrderedDict  # imports of others are as ever


def test_a_name_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("mine = 1\n")
    (tmp_path / "main.py").write_text("from click import mine\n")
    with pytest.raises(UsageError, match=r"ImportError: .*\(click is .*; give the file beside main.py another name\)"):
        load_python_file(tmp_path / "main.py")


@pytest.mark.parametrize("text", ["import sys; sys.exit(3)", "raise KeyError(1)", "def f(:", "1 / 0"])
def test_a_file_that_breaks_says_how(tmp_path: Path, text: str) -> None:
    (tmp_path / "main.py").write_text(text)
    with pytest.raises(
        UsageError, match=r"main.py cannot be imported: (SystemExit|KeyError|SyntaxError|ZeroDivisionError)"
    ):
        load_python_file(tmp_path / "main.py")
    with pytest.raises(InvalidConfigError, match=r"cannot import .*main.py: (SystemExit|KeyError|Syntax|ZeroDivision)"):
        load_config({"_base_": "quick", "imports": [str(tmp_path / "main.py")]})


GHOST = """
from plainnet.blocks import PlainNetBasicBlockClass, Channels
from plainnet.blocks.rows.layers import Conv

class {name}(PlainNetBasicBlockClass):
    \"\"\"A convolution.\"\"\"
    in_channels: Channels
    out_channels: Channels
    def layers(self):
        return (Conv(self.out_channels, 1),)
"""


@pytest.mark.parametrize("option", ["--import", "--blocks"])
@pytest.mark.usefixtures("own_registry")
def test_train_knows_a_block_before_it_reads_the_string(tmp_path: Path, option: str) -> None:
    name = f"Ghost{option.strip('-').title()}"
    (tmp_path / f"{name}.py").write_text(GHOST.format(name=name))
    text = f"SuperConvK3BNRELU(1,8,4,1){name}(8,8)"
    arguments = [text, "train.epochs=1", "device=cpu", "log.tensorboard=false", "--out", str(tmp_path / "out")]
    unknown = CliRunner().invoke(train_command, arguments)
    assert "a block of your own is known with --blocks FILE" in str(unknown.exception)
    trained = CliRunner().invoke(train_command, [*arguments, option, str(tmp_path / f"{name}.py")])
    assert trained.exit_code == 0, trained.output
    assert load_config(tmp_path / "out" / "config.yaml").value.imports == [str(tmp_path / f"{name}.py")]
