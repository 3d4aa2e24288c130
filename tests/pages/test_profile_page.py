"""The page of `plainnet analyze --html`: the figures of the report, drawn."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from plainnet import analyze_model
from plainnet.cli.main import cli
from plainnet.pages.profile_page import profile_page

NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)"
ROOF = {
    "peaks": {"gflops": 50.0, "gbytes_per_second": 10.0},
    "layers": [
        {"kind": "conv", "count": 1, "flops": 4e6, "bytes": 2e4, "measured_us": 100.0, "roof_us": 80.0, "bound": "compute"},
        {"kind": "<b>add", "count": 1, "flops": 1e4, "bytes": 1e5, "measured_us": 20.0, "roof_us": 10.0, "bound": "memory"},
        {"kind": "nothing", "count": 1, "flops": 0, "bytes": 0, "measured_us": 1.0, "roof_us": 0.0, "bound": "memory"},
    ],
}  # fmt: skip


def words(page: str) -> str:
    text = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL).replace("<wbr>", "")
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_a_structure() -> None:
    facts = analyze_model(NET, resolution=32, num_classes=10, latency=False, zen=False).to_dict()
    for layer in ROOF["layers"]:  # type: ignore[attr-defined]
        layer["intensity"] = layer["flops"] / layer["bytes"] if layer["bytes"] else 0.0
        layer["distance"] = layer["measured_us"] / layer["roof_us"] if layer["roof_us"] else None
    page = profile_page({**facts, "roofline": ROOF})
    text = words(page)
    assert f"{facts['params']:,}" in text
    assert NET in text
    assert page.count('<rect class="bar') == 0
    assert len(re.findall(r"<tr><td class=l[^>]*><span class=cell>\d+</span></td>", page)) == len(facts["blocks"])
    shares = [float(each) for each in re.findall(r"<small>([\d.]+)%</small>", page)]
    assert abs(sum(shares[1 :: len(shares) // len(facts["blocks"])]) - 100) < 0.5, (
        "the MACs of the blocks are those of the whole"
    )
    assert page.count("class='mark t-accent'") == 2, "a layer bound by compute, and the legend's mark"
    assert "<b>add" not in page
    assert "2 kinds of layers below a roof of 50 GFLOP/s and 10 GB/s" in page


def test_a_module_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.Conv2d(8, 4, 3)))\n"
    )
    call = ["analyze", f"{tmp_path / 'mine.py'}:net", "--resolution", "16", "--no-zen", "--seconds", "0.1"]
    done = CliRunner().invoke(cli, [*call, "--html", str(tmp_path / "page.html")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "page in" in done.stderr
    text = words((tmp_path / "page.html").read_text())
    assert "Submodules" in text
    assert "1.0 Conv2d" in text
    assert "MACs puts out ms" in text


@pytest.mark.parametrize("place", ["no/such/folder/page.html", "."])
def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, place: str) -> None:
    done = CliRunner().invoke(cli, ["analyze", NET, "--html", str(tmp_path / place)])
    assert "cannot be written" in str(done.exception)


def test_networks_side_by_side(tmp_path: Path) -> None:
    other = NET.replace("16,32", "16,64")
    call = ["compare", NET, other, "--resolution", "32", "--json", "--html", str(tmp_path / "page.html")]
    done = CliRunner().invoke(cli, call, catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    text = words((tmp_path / "page.html").read_text())
    first, second = (count["params"] for count in found["counts"])
    assert f"params {first:,} {second:,} {(second - first) / first:+.1%}" in text
    assert "SuperConvK1BNRELU(16,32,1,1) SuperConvK1BNRELU(16,64,1,1)" in text
    assert text.count("Each box is a block") == 2
    assert "cannot be written" in str(CliRunner().invoke(cli, [*call[:-1], str(tmp_path)]).exception)


class Several(nn.Module):
    """Takes an image and a mask, and puts out several maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, image: Tensor, mask: Tensor) -> dict[str, Any]:
        return {"maps": [self.act(self.conv(image)), image * mask]}


def test_a_module_with_inputs_and_outputs_of_its_own() -> None:
    inputs = [torch.zeros(1, 3, 8, 8)]
    kwargs = {"mask": torch.zeros(8)}
    found = analyze_model(Several(), inputs=inputs, kwargs=kwargs, threads=1, seconds=0.05)
    text = words(profile_page(found.to_dict()))
    assert "input 1×3×8×8, mask 8, float32" in text
    assert "{maps [1×4×6×6, 1×3×8×8]}" in text
    assert "MACs of these inputs" in text
    assert "Those without params and MACs are left out." in text
    assert ", 1 thread, torch" in text
    assert "None" not in text
    assert "num classes" not in text
