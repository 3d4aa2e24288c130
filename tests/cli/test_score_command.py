"""`plainnet score` as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.proxies import catalogue, find_proxy
from plainnet.proxies import contract as base
from plainnet.search.candidates.objectives import CLOSED_FORMS

NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"
SMALL = "SuperConvK3BNRELU(3,4,1,1)"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten afterwards."""
    for name in catalogue.SHIPPED:
        find_proxy(name)
    monkeypatch.setattr(base, "_registered", dict(base._registered))


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, output and messages of a call."""
    with pytest.raises(SystemExit) as stopped:
        main(["score", *args])
    out = capsys.readouterr()
    return int(stopped.value.code or 0), out.out, out.err


def test_several_networks_are_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, SMALL, NET, NET, "--resolution", "16", "--proxy", "params,naswot", "--repeats", "3")
    assert code == 0
    assert "params (higher is better): Learnable scalars" in out
    assert "naswot (higher is better)" in out
    lines = [line.split() for line in out.splitlines() if line[:1].isdigit()]
    assert [line[0] for line in lines] == ["1", "2", "3"] * 2
    assert "not distinguishable from" in out
    assert (lines[0][-2], lines[1][-2]) == ("#2", "#1")
    assert lines[2][-1] == SMALL
    assert "on NAS-Bench-Macro" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, NET, SMALL, "--resolution", "16", "--proxy", "zen_mc", "--variant", "zennas", "--repeats", "4", "--json"
    )
    found = json.loads(out)
    assert code == 0
    assert found["schema"] == "plainnet.scores/1"
    (proxy,) = found["proxies"]
    assert [network["rank"] for network in proxy["networks"]] == [1, 2]
    best = proxy["networks"][0]
    assert best["structure"] == NET
    assert best["variant"] == "zennas"
    assert best["not_distinguishable_from"] == []
    assert best["ci95"][0] < best["mean"] < best["ci95"][1]


def test_names_files_modules_and_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "net.txt").write_text(NET)
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
        "def count(images):\n    'The number of images.'\n    return len(images)\n"
    )
    np.savez(
        tmp_path / "data.npz", images=np.random.default_rng(0).normal(size=(8, 3, 10, 10)), labels=np.arange(8) % 3
    )
    (tmp_path / "proxy.py").write_text("def count(images):\n    'The number of images.'\n    return len(images)\n")
    code, out, err = run(
        capsys, str(tmp_path / "net.txt"), f"{tmp_path / 'mine.py'}:make", "--proxies", str(tmp_path / "proxy.py"),
        "--data", str(tmp_path / "data.npz"), "--batch", "4", "--proxy", "snip,count", "--repeats", "2",
    )  # fmt: skip
    assert code == 0, err
    assert "resolution 10, batch 4" in out
    assert "count (higher is better): The number of images." in out


def test_the_list_of_proxies(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--list")
    assert code == 0
    for name in ("zen_mc", "naswot", "ntk_cond", "az_nas", "depth"):
        assert any(line.startswith(name + " ") for line in out.splitlines())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((NET, "--proxy", "naswt"), "did you mean naswot"),
        ((NET, "--proxy", ","), "names no proxy"),
        ((NET, "--proxy", "snip"), "snip needs labels"),
        ((NET, "--proxy", "snip", "--data", "none.npz"), "no file none.npz"),
        ((NET, "--proxy", "zen_mc", "--variant", "zenna"), "did you mean zennas"),
        ((NET, "--proxy", "zen_mc", "--no-bn", "--variant", "zennas"), "no batch norm"),
        ((NET, "--proxy", "naswot", "--variant", "paper"), "has no option 'variant'"),
        ((NET, "--proxy", "naswot", "--option", "x"), "accepted: NAME=VALUE"),
        ((NET, "--proxy", "naswot", "--device", "cuda:77"), "cannot be used"),
        ((NET * 2, "--proxy", "naswot"), "StructureError"),
        ((SMALL + "ConvKX(4,4,3,2)" * 4, "--proxy", "naswot", "--resolution", "4"), "too small for the strides"),
        ((NET, "--proxies", "none.py"), "no file none.py"),
        (("resnet18", "zennet_cifar_model_size05M", "--proxy", "params"), "for different sizes, 32, 224"),
        ((), "Missing argument"),
    ],
)
def test_misuse_is_exit_code_2(capsys: pytest.CaptureFixture[str], args: tuple[str, ...], message: str) -> None:
    code, out, err = run(capsys, *args)
    assert code == 2
    assert message in err
    assert out == ""


@pytest.mark.parametrize("column", [column for column, _ in CLOSED_FORMS.values()])
def test_what_a_search_prints_is_a_proxy_or_names_one(column: str) -> None:
    """A column of a search that is no proxy itself says which one it is a part of."""
    try:
        assert catalogue.find_proxy(column).name == column
    except UsageError as error:
        assert f"{column} is no proxy" in str(error)
        (meant,) = re.findall(r"accepted: (\w+),", str(error))
        assert catalogue.find_proxy(meant).is_exact
