"""A block's source is edited, as a person does it: `support update` makes its users again, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import plainnet

NETWORKS = {
    "plain": "SuperConvK3BNRELU(3,4,2,1)SuperConvK1BNRELU(4,8,1,1)",
    "user": "SuperConvK3BNRELU(3,4,2,1)SuperResK3K3(4,8,2,4,1)",
    "deep": "SuperConvK3BNRELU(3,4,2,1)SuperResK1K3K1(4,8,2,4,1)",
}
BLOCKS = Path("plainnet", "blocks", "families", "super_res.py")
BASIC = """\
def _basic(width: int, out_channels: int, kernel_size: int, second_kernel_size: int, stride: int) -> Layers:
    return (
        Conv(width, kernel_size, stride),
        Norm(),
        Act(),
        SqueezeExciteSlot(),
        Conv(out_channels, second_kernel_size),
        Norm(),
    )
"""
OWN = """\
from plainnet.blocks import Channels, PlainNetBasicBlockClass
from plainnet.blocks.rows.layers import Act, Conv, Norm


class EditedStem(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels

    def layers(self):
        width = self.out_channels
        return (Conv(width, 3), Norm(), Act())
"""


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {file}"
    file.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def support(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`plainnet support` of a copy of the package, in a process of its own."""
    copy = tmp_path / "copy"
    shutil.copytree(Path(plainnet.__file__).parent, copy / "plainnet", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "plainnet", "support", *arguments, "--platforms", "torch,torchscript"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.mark.tail
def test_users_of_an_edited_block_are_made_again(
    support: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Bar: a comment and a renamed variable change nothing, a norm that is taken away those networks that use the block."""
    for name, structure in NETWORKS.items():
        (tmp_path / name).write_text(structure)
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "own").write_text("EditedStem(3,4)SuperConvK1BNRELU(4,8,1,1)")
    blocks = ("--blocks", "mine.py")

    def made() -> list[str]:
        told = support("update", *blocks).stderr.splitlines()
        return [line.removesuffix(" on torchscript") for line in told if line.endswith(" on torchscript")]

    support("scan", *NETWORKS, "own", *blocks)
    assert made() == [*NETWORKS, "own"]
    source = tmp_path / "copy" / BLOCKS
    edit(source, BASIC, BASIC.replace("width", "channels").replace("    return (", "    # two of them\n    return ("))
    edit(
        tmp_path / "mine.py",
        "width = self.out_channels\n        return (Conv(width, 3)",
        "n = self.out_channels  # wide\n        return (Conv(n, 3)",
    )
    assert made() == [], "a comment and another name of a variable"
    edit(
        source,
        "Conv(out_channels, second_kernel_size),\n        Norm(),\n",
        "Conv(out_channels, second_kernel_size),\n",
    )
    assert made() == ["user"], "its second norm is gone"
    edit(tmp_path / "mine.py", ", Norm(), ", ", ")
    assert made() == ["own"], "and nothing of what was edited before"
