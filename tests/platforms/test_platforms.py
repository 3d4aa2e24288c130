"""Every platform passes one contract: what it puts out is the network's, at several sizes, and what is damaged is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import plainnet
from plainnet.errors import MissingExtraError, PlainnetError, RegistrationError, RunError, UsageError
from plainnet.platforms import platform as platforms
from plainnet.platforms.conversion import ABOUT, convert, read_conversion, verify
from plainnet.platforms.networks import fingerprint_of
from plainnet.platforms.platform import Platform, find_platform, known_platforms
from plainnet.platforms.samples import SAMPLES, usual_sizes

NET = "SuperConvK3BNRELU(3,4,2,1)SuperResK3K3(4,8,2,4,1)"
FLAT = "SuperConvK3BNRELU(3,4,2,1)Flatten(4)Linear(16,5,1)"
SLOW = {"torch.compile", "torch.export", "onnxruntime", "openvino", "executorch"}


def network(text: str = NET, side: int = 16, **options: Any) -> plainnet.PlainNet:
    torch.manual_seed(1)
    net = plainnet.PlainNet(text, num_classes=options.pop("num_classes", 5), resolution=side, **options)
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return net.eval()


def marked(name: str) -> Any:
    marks = [pytest.mark.tail] if name == "torch.compile" else [pytest.mark.slow] if name in SLOW else []
    if find_platform(name).missing():
        marks.append(pytest.mark.skip(reason="not installed"))
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize(
    "name", [marked(name) for name in known_platforms() if find_platform(name).environment is None]
)
def test_a_platform_puts_out_what_the_network_does(name: str, tmp_path: Path) -> None:
    net = network()
    about = net.train().to_platform(name, tmp_path / "c", sizes=[(16, 16), (17, 13), (24, 8)])
    assert net.training, "it is left as it was"
    net.eval()
    assert about == read_conversion(tmp_path / "c")
    assert about.any_size
    assert [one.shape for one in about.measured] == [[1, 3, 16, 16], [3, 3, 16, 16], [1, 3, 17, 13], [1, 3, 24, 8]]
    assert all((one.error or 0.0) < 1e-5 and one.ms is not None for one in about.measured)
    assert torch.__version__.startswith(about.versions["torch"])  # a wheel may leave +cu124 out of its own name
    found = plainnet.from_platform(tmp_path / "c")
    images = torch.randn(2, 3, 19, 23)
    with torch.no_grad():
        expected = net(images)
    assert torch.allclose(found(images), expected, atol=1e-5)
    assert isinstance(found(images.numpy()), np.ndarray)
    again = verify(tmp_path / "c", commit="abc")
    assert [one.error for one in again] == pytest.approx([one.error for one in about.measured], abs=1e-6)
    assert read_conversion(tmp_path / "c").passed == ["abc"]
    for wrong in (images[0], images.double(), images[:, :2]):
        with pytest.raises(UsageError, match="accepted"):
            found(wrong)
    weights = next(tmp_path.joinpath("c").glob("model*"))
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(RunError, match="SHA-256 differs"):
        plainnet.from_platform(tmp_path / "c")


def test_a_network_that_depends_on_its_size_is_converted_for_it(tmp_path: Path) -> None:
    net = network(FLAT, 4)
    about = net.to_platform("torchscript", tmp_path / "c")
    assert not about.any_size
    assert [one.shape for one in about.measured] == [[1, 3, 4, 4], [3, 3, 4, 4]]
    with pytest.raises(UsageError, match="4x4 alone"):
        plainnet.from_platform(tmp_path / "c")(torch.zeros(1, 3, 5, 4))


def test_usual_sizes_have_an_odd_one_and_one_that_is_not_square() -> None:
    for size in ((16, 16), (7, 9), (224, 160)):
        sizes = usual_sizes(size)
        assert len(set(sizes)) >= 3
        assert sizes[0] == size
        assert any(height % 2 and width % 2 for height, width in sizes)
        assert any(height != width for height, width in sizes[1:])


def adapter(name: str, change: Any) -> Platform:
    """A platform that does something else with the network than it should."""

    def write(module: nn.Module, sample: Any, axes: Any, folder: Path) -> None:  # noqa: ARG001
        (folder / "b").write_text("x")
        adapter.module = module  # type: ignore[attr-defined]

    def load(folder: Path) -> Any:  # noqa: ARG001
        def run(images: Any) -> Any:
            with torch.no_grad():
                return change(adapter.module(torch.from_numpy(images)).numpy())  # type: ignore[attr-defined]

        return run

    return Platform(name, "", "b", write, load)


def broken(_: Any) -> Any:
    raise RuntimeError("no such operator\nmore")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda out: out * 1.04, "outputs differ by"),
        (lambda out: out[:, :-1], r"it puts out \[1, 4\] at 1x3x16x16, the network \[1, 5\]"),
        (lambda out: out * np.nan, "other outputs are finite"),
        (broken, "no such operator"),
    ],
)
def test_what_is_not_the_network_is_no_conversion(
    change: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 % off is what bfloat16 makes of it."""
    monkeypatch.setattr(platforms, "known_platforms", lambda: {"odd": adapter("odd", change)})
    with pytest.raises(UsageError, match=why):
        network().to_platform("odd", tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_misuse_says_what_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="did you mean onnxruntime"):
        network().to_platform("onnxruntme", tmp_path / "c")
    (tmp_path / "c").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        network().to_platform("torch", tmp_path / "c")
    with pytest.raises(UsageError, match="features_only"):
        network(features_only=True).to_platform("torch", tmp_path / "d")
    with pytest.raises(UsageError, match="code of yours"):
        convert(nn.Conv2d(3, 2, 1), "torch", tmp_path / "d", channels=3, sizes=[(4, 4)])
    for text, why in (("{", "no JSON"), ("{}", "damaged"), ('{"schema": 2}', "damaged")):
        (tmp_path / "c" / ABOUT).write_text(text)
        with pytest.raises(PlainnetError, match=why):
            plainnet.from_platform(tmp_path / "c")
    with pytest.raises(RunError, match="no conversion"):
        plainnet.from_platform(tmp_path / "nothing")
    absent = Platform("x", "", "b", None, None, needs=("no_such_module",), extra="x")  # type: ignore[arg-type]
    assert absent.missing() == ["no_such_module"]
    with pytest.raises(MissingExtraError, match=r"plainnet\[x\]"):
        absent.check()
    monkeypatch.setattr(platforms, "entry_points", lambda group: [Entry(absent), Entry(absent)])  # noqa: ARG005
    known_platforms.cache_clear()
    with pytest.raises(RegistrationError, match="two platforms"):
        known_platforms()
    known_platforms.cache_clear()


class Entry:
    def __init__(self, value: object) -> None:
        self.value = value

    def load(self) -> object:
        return self.value


def test_a_fingerprint_is_of_the_meaning_and_of_the_weights() -> None:
    torchscript = find_platform("torchscript")
    first = fingerprint_of(network(), torchscript)
    assert fingerprint_of(network(), torchscript) == first
    assert fingerprint_of(network(NET.replace("(", "( ").replace(",", ", ")), torchscript) == first, (
        "spaces mean nothing"
    )
    others = [network(activation="silu"), network(num_classes=4), network(norm_eps=1e-5)]
    other = network()
    with torch.no_grad():
        other.head.bias += 1
    found = [fingerprint_of(net, torchscript) for net in (*others, other)]
    found.append(fingerprint_of(network(), find_platform("torch")))
    assert len({first, *found}) == 6


def test_samples_of_a_conversion_are_read_without_torch(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    network().to_platform("torch", tmp_path / "c")
    samples = load_file(tmp_path / "c" / SAMPLES)
    assert sorted(samples) == sorted(f"{side}.{number}" for side in ("input", "output") for number in range(4))
    assert json.loads((tmp_path / "c" / ABOUT).read_text())["schema"] == 1
