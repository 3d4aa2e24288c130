"""The files of a user's own blocks go with a configuration: those of one name, and what they import from beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import plainnet
from plainnet.blocks.user import load_blocks
from plainnet.errors import UsageError
from plainnet.export import Network, export_network
from plainnet.export.own_files import copy_own_files

BLOCK = '''
import math
import torch
{imports}
import plainnet
from plainnet.blocks import Channels
from plainnet.blocks.rows.layers import Conv, Layers


class {name}(plainnet.PlainNetBasicBlockClass):
    """A convolution of a file of the user's."""

    in_channels: Channels
    out_channels: Channels

    def layers(self) -> Layers:
        return (Conv(self.out_channels, 3),)
'''


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def relative(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_two_files_of_one_name_both_come(tmp_path: Path) -> None:
    for folder, name in (("a", "FirstOfTwo"), ("b", "SecondOfTwo")):
        load_blocks(write(tmp_path / folder / "mine.py", BLOCK.format(name=name, imports="")))
    network = Network(plainnet.parse("FirstOfTwo(3,8)ResBlock(SecondOfTwo(8,8))"), 16, 10)
    export_network(network, to="plainnet", out=tmp_path / "net")
    assert [name for name in relative(tmp_path / "net") if name.endswith(".py")] == [
        "blocks_1/mine.py",
        "blocks_2/mine.py",
    ]
    assert "FirstOfTwo" in (tmp_path / "net" / "blocks_1" / "mine.py").read_text()
    assert "SecondOfTwo" in (tmp_path / "net" / "blocks_2" / "mine.py").read_text()
    config = YAML(typ="safe").load(tmp_path / "net" / "train.yaml")
    assert config["imports"] == ["blocks_1/mine.py", "blocks_2/mine.py"]


def test_what_a_file_imports_from_beside_it_comes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.syspath_prepend(str(home))
    write(home / "first_helper_.py", "def width(n):\n    from second_helper_ import twice\n    return twice(n)\n")
    write(home / "second_helper_.py", "import os, json\n\ndef twice(n):\n    return 2 * n\n")
    write(home / "helpers_" / "__init__.py", "")
    write(home / "helpers_" / "deep" / "inner.py", "VALUE = 1\n")
    write(home / "helpers_" / "__pycache__" / "old.py", "")
    write(home / "unrelated.py", "raise SystemExit\n")
    write(home / "torch.py", "raise SystemExit\n")
    write(home / "math.py", "raise SystemExit\n")
    imports = "from first_helper_ import width\nimport helpers_.deep.inner"
    # loaded without the folder in front: a torch.py beside it would hide torch
    monkeypatch.setattr("sys.path", [*__import__("sys").path[1:], str(home)])
    load_blocks(write(home / "mine.py", BLOCK.format(name="WithHelpers", imports=imports)))
    assert copy_own_files(plainnet.parse("WithHelpers(3,8)"), _new(tmp_path / "net")) == ["mine.py"]
    assert relative(tmp_path / "net") == [
        *("first_helper_.py", "helpers_/__init__.py", "helpers_/deep/inner.py", "mine.py", "second_helper_.py")
    ]


def test_bases_and_blocks_within_blocks_come_too(tmp_path: Path) -> None:
    base = write(tmp_path / "base" / "base.py", BLOCK.format(name="BaseOfAnother", imports=""))
    module = load_blocks(base)
    derived = write(
        tmp_path / "derived" / "derived.py",
        "import sys\nimport plainnet\nfrom plainnet.blocks.rows.layers import Repeat\n"
        f"base = sys.modules[{module.__name__!r}]\n\n\n"
        "class DerivedOfAnother(base.BaseOfAnother):\n    '''Derived.'''\n\n\n"
        "class MadeOfDerived(plainnet.PlainNetBasicBlockClass):\n    '''Made of another.'''\n\n"
        "    in_channels: plainnet.blocks.Channels\n    out_channels: plainnet.blocks.Channels\n\n"
        "    def layers(self):\n        inner = DerivedOfAnother(self.in_channels, self.in_channels)\n"
        "        return (Repeat(2, (inner,)), plainnet.blocks.ConvKX(self.in_channels, self.out_channels, 1, 1))\n",
    )
    load_blocks(derived)
    found = copy_own_files(plainnet.parse("MadeOfDerived(3,8)"), _new(tmp_path / "net"))
    assert sorted(found) == ["blocks_1/derived.py", "blocks_2/base.py"]
    assert relative(tmp_path / "net") == ["blocks_1/derived.py", "blocks_2/base.py"]


def test_a_helper_as_large_as_a_package_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plainnet.export.own_files.MAX_FILES", 2)
    for number in range(3):
        write(tmp_path / "large_helpers_" / f"part{number}.py", "")
    load_blocks(
        write(tmp_path / "mine.py", BLOCK.format(name="WithALargeHelper", imports="if False: import large_helpers_"))
    )
    with pytest.raises(UsageError, match="which holds 3 files; install it as a package"):
        copy_own_files(plainnet.parse("WithALargeHelper(3,8)"), _new(tmp_path / "net"))


def test_shipped_blocks_need_no_file(tmp_path: Path) -> None:
    structure = plainnet.parse("SuperConvK3BNRELU(3,8,1,1)SuperResK1K3K1(8,16,2,8,2)ResBlock(SE(16))")
    assert copy_own_files(structure, tmp_path) == []
    assert os.listdir(tmp_path) == []


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
