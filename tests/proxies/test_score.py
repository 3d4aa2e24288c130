"""plainnet.score: what is drawn, what is reported, what is refused."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import plainnet
from plainnet.errors import StructureError, UsageError
from plainnet.network.plain_net import PlainNet
from plainnet.proxies.sampled.data_file import read_data
from plainnet.proxies.score import score, score_all, score_function
from plainnet.proxies.seeds import derived_seed
from plainnet.testing.proxies import disturbances, snapshot

NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"
OTHER = "SuperConvK3BNRELU(3,8,2,1)SuperConvK1BNRELU(8,16,1,1)"


class Functional(nn.Module):
    """No ReLU module: everything is a function call."""

    def __init__(self, outputs: int = 10) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.conv(x)).mean((2, 3)))


def test_the_public_name_and_the_record() -> None:
    found = plainnet.score(NET, "naswot", resolution=16, batch=8, repeats=3)
    assert isinstance(found, plainnet.Score)
    assert found.repeats == len(found.values) == 3
    assert found.mean == pytest.approx(sum(found.values) / 3)
    assert found.stderr == pytest.approx(np.std(found.values, ddof=1) / math.sqrt(3))
    assert found.ci95[0] < found.mean < found.ci95[1]
    assert found.seconds > 0
    assert found.hash == plainnet.parse(NET).hash
    record = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert record["schema"] == "plainnet.score/1"
    assert (record["proxy"], record["resolution"], record["batch"], record["seed"]) == ("naswot", 16, 8, 0)


def test_a_proxy_as_a_function() -> None:
    function = score_function("naswot", resolution=8, batch=4, repeats=2, seed=1)
    assert function(NET) == score(NET, "naswot", resolution=8, batch=4, repeats=2, seed=1).mean
    with pytest.raises(UsageError, match="did you mean"):
        score_function("naswott")


def test_zen_mc_is_the_same_through_both_doors() -> None:
    from plainnet.proxies.sampled.zen_mc import zen_mc

    through_score = score(NET, "zen_mc", resolution=16, batch=4, repeats=2, seed=3, variant="zennas")
    direct = zen_mc(NET, resolution=16, batch=4, repeats=2, seed=3, variant="zennas")
    assert through_score.values == direct.values


@pytest.mark.parametrize("name", ["params", "macs", "depth"])
def test_counts_are_exact(name: str) -> None:
    from plainnet.proxies.closed.baselines import BASELINES

    found = score(NET, name, resolution=17, repeats=9)
    assert found.values == (BASELINES[name](plainnet.parse(NET), 17),)
    assert (found.exact, found.stderr, found.ci95) == (True, 0.0, (found.mean, found.mean))


def test_a_seed_belongs_to_the_network_and_the_repeat() -> None:
    assert derived_seed(0, "a", 0) == derived_seed(0, "a", 0)
    assert len({derived_seed(s, i, k) for s in (0, 1, 11) for i in ("a", "b", "1:a") for k in range(3)}) == 27
    several = score_all([OTHER, NET], "synflow", resolution=16, repeats=3, seed=4)
    assert score(NET, "synflow", resolution=16, repeats=2, seed=4).values == several[1].values[:2]
    labelled = score(NET.replace("(3,8", "(stem|3,8"), "synflow", resolution=16, repeats=3, seed=4)
    assert labelled.values == several[1].values
    assert score(NET, "synflow", resolution=16, repeats=3, seed=5).values != several[1].values


def test_the_same_in_another_process() -> None:
    code = (
        "import torch; torch.set_num_threads(1); import plainnet;"
        f"print(repr(plainnet.score({NET!r}, 'snip', resolution=8, batch=4, repeats=2, labels='random').values))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == repr(score(NET, "snip", resolution=8, batch=4, repeats=2, labels="random").values)


def test_any_module_is_scored_with_its_own_weights() -> None:
    torch.manual_seed(0)
    module = Functional()
    first = score(module, "synflow", resolution=8, repeats=4)
    assert first.repeats == 1
    assert first.exact
    with torch.no_grad():
        module.conv.weight.mul_(math.e)
    # the conv's bias is weighed by nothing: the flow through its weights grows e-fold, the bias's share does not
    assert first.mean < score(module, "synflow", resolution=8).mean < first.mean + 1
    assert score(module, "naswot", resolution=8, batch=6, repeats=3).repeats == 3
    assert score(module, "params").mean == sum(p.numel() for p in module.parameters())
    assert score(module, "macs", resolution=8).mean == 3 * 8 * 9 * 36 + 80


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["zen_mc", "naswot", "snip", "synflow", "meco", "az_trainability"])
def test_modules_of_any_precision(name: str, dtype: torch.dtype) -> None:
    """Half precision is scored in float32, and given back in its own."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 4)
    )
    module.to(dtype)
    exact = score(copy.deepcopy(module).float(), name, resolution=8, batch=4, repeats=2, labels="random")
    found = score(module, name, resolution=8, batch=4, repeats=2, labels="random")
    assert found.mean == pytest.approx(exact.mean, rel=1e-3) or (name == "zen_mc" and dtype == torch.float64)
    assert {value.dtype for value in module.parameters()} == {dtype}


def test_a_scripted_module_is_refused_and_left_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(module)
    before = snapshot(scripted)
    with pytest.raises(UsageError, match="scripted or traced"):
        score(scripted, "naswot", resolution=8)
    assert disturbances(before, snapshot(scripted)) == []


def test_a_plainnet_is_a_structure_with_weights() -> None:
    net = PlainNet(NET, num_classes=5, use_se=True)
    assert score(net, "zen_mc", resolution=16, batch=4, repeats=1).settings["network"] == {"use_se": True}
    values = score(net, "synflow", resolution=16, repeats=3).values
    assert len(set(values)) == 1


def test_images_and_labels_of_a_data_set(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    file = tmp_path / "data.npz"
    np.savez(file, images=generator.integers(0, 256, (20, 3, 12, 10), dtype=np.uint8), labels=np.arange(20) % 4)
    images, labels = read_data(file)
    assert images.dtype == torch.float32
    assert float(images.max()) <= 1
    found = score(NET, "grad_norm", images=images, labels=labels, batch=8, repeats=2)
    assert found.settings["resolution"] == (12, 10)
    assert score(NET, "grad_norm", images=images, labels=labels, batch=8, repeats=2).values == found.values
    assert found.values != score(NET, "grad_norm", images=images + 1, labels=labels, batch=8, repeats=2).values


def test_data_files_that_cannot_be_read(tmp_path: Path) -> None:
    cases = {
        "one": {"image": np.zeros((2, 3, 4, 4))},
        "flat": {"images": np.zeros((2, 3))},
        "words": {"images": np.array([[[["a"]]]])},
        "labels": {"images": np.zeros((2, 3, 4, 4)), "labels": np.array([0.5, 1.5])},
        "below": {"images": np.zeros((2, 3, 4, 4)), "labels": np.array([-1, 1])},
    }
    for name, arrays in cases.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        with pytest.raises(UsageError, match=r"accepted: .*(images|numbers|class)"):
            read_data(tmp_path / f"{name}.npz")
    np.savez(tmp_path / "large.npz", images=np.full((2, 3, 4, 4), 1e300))
    with pytest.raises(UsageError, match="not finite"):
        read_data(tmp_path / "large.npz")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "large.npz").read_bytes()[:-30])
    np.save(tmp_path / "single.npy", np.zeros(3))
    np.savez(tmp_path / "objects.npz", images=np.array([None]))
    for name in ("text.npz", "single.npy", "objects.npz", "cut.npz"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_data(tmp_path / name)
    with pytest.raises(UsageError, match="no file"):
        read_data(tmp_path / "none.npz")


def images(number: int = 4, channels: int = 3, size: int = 8) -> Tensor:
    return torch.zeros(number, channels, size, size)


@pytest.mark.parametrize(
    ("network", "proxy", "options", "message"),
    [
        (NET, "naswt", {}, "did you mean naswot"),
        (NET, "snip", {}, "snip needs labels"),
        (NET, "snip", {"labels": "some"}, "accepted: a tensor of classes, or 'random'"),
        (NET, "snip", {"labels": torch.zeros(4)}, "labels and no images"),
        (NET, "snip", {"labels": torch.zeros(3).long(), "images": images(), "batch": 4}, "for 4 images"),
        (
            NET,
            "snip",
            {"labels": torch.full((4,), 9), "images": images(), "batch": 4, "num_classes": 5},
            "has 5 classes",
        ),
        (NET, "naswot", {"images": images(), "batch": 5}, "takes 5 images and there are 4"),
        (NET, "zico", {"images": images(), "batch": 4, "labels": torch.zeros(4).long()}, "takes 8 images"),
        (NET, "naswot", {"images": images(channels=1), "batch": 2}, "images have 1 channels"),
        (NET, "naswot", {"images": images(), "resolution": 9, "batch": 2}, "the resolution is"),
        (NET, "naswot", {"images": torch.zeros(4, 3)}, r"accepted: \(M, C, H, W\)"),
        (NET, "naswot", {"batch": 0}, "batch is 0"),
        (NET, "naswot", {"repeats": 0}, "repeats is 0"),
        (NET, "naswot", {"device": "warp"}, "device 'warp' cannot be used"),
        (NET, "naswot", {"init": "kaimin"}, "did you mean kaiming"),
        (NET, "naswot", {"mu": 1}, "naswot has no option 'mu'"),
        (NET, "swap", {"mu": 1.0}, "mu and a positive sigma"),
        (NET, "jacob_cov", {"batch": 1}, "batch of 2 or more"),
        ("ConvKX(3,8,3,1)", "naswot", {}, "signs of ReLUs"),
        ("MaxPool(3,3,2)", "synflow", {"num_classes": 0}, "gradients of weights"),
        ("SuperConvK3BNRELU(3,8,1,1)", "az_nas", {}, "has 1; accepted: 2 or more"),
        (Functional(), "depth", {}, "worked out from a structure string"),
        (Functional(), "naswot", {"in_channels": 4}, "cannot be worked out on Functional: RuntimeError"),
        (nn.Conv2d(3, 4, 3), "snip", {"labels": "random"}, "need a classifier"),
        (nn.Conv2d(3, 4, 3), "jacob_cov", {}, "needs a classifier"),
        (nn.Conv2d(3, 4, 3), "zen_mc", {"variant": "zennas"}, "no batch norm"),
        (3, "naswot", {}, "a int cannot be scored"),
        (NET, "zen_mc", {"resolution": 8192, "batch": 1 << 16}, "not enough memory; accepted: a smaller batch"),
        (NET, "naswot", {"resolution": 8192, "batch": 1 << 16}, "not enough memory; accepted: a smaller batch"),
    ],
)
def test_what_is_refused(network: object, proxy: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score(network, proxy, **{**({} if "images" in options else {"resolution": 8}), **options})


def test_an_input_that_is_too_small_for_the_strides() -> None:
    deep = "SuperConvK3BNRELU(3,8,2,1)" + "SuperConvK3BNRELU(8,8,2,1)" * 3
    with pytest.raises(StructureError, match=r"2.conv1 \(stride 2\) gets a map of one element; accepted: 9 or more"):
        score(deep, "naswot", resolution=4)
    assert score(deep, "naswot", resolution=9, repeats=1).repeats == 1


def test_nan_and_infinity_are_kept() -> None:
    module = Functional()
    with torch.no_grad():
        module.conv.weight.fill_(math.nan)
    found = score(module, "snip", resolution=8, batch=4, repeats=2, labels="random")
    assert math.isnan(found.mean)
    assert found.stderr is found.ci95 is None
    assert found.as_dict()["mean"] == "nan"
    assert any("not finite" in note for note in found.notes)
    same = score(Functional(), "naswot", images=torch.ones(4, 3, 8, 8), batch=4, repeats=2)
    assert same.mean == -math.inf
    assert json.loads(json.dumps(same.as_dict(), allow_nan=False))["mean"] == "-inf"


TENSOR_PROXIES = [
    "naswot", "linear_regions", "swap", "synflow", "snip", "grad_norm", "grasp", "fisher", "zico", "jacob_cov", "ntk_cond",
    "meco", "az_nas", "az_expressivity", "az_progressivity", "az_trainability",
]  # fmt: skip


@pytest.mark.parametrize("name", TENSOR_PROXIES)
def test_a_network_of_nan_scores_nan(name: str) -> None:
    net = PlainNet(NET, num_classes=4)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(math.nan)
    assert math.isnan(score(net, name, resolution=8, batch=4, repeats=1, labels="random").mean)


@pytest.mark.parametrize("variant", ["paper", "zennas"])
def test_zen_is_the_closed_form_of_zen_mc(variant: str) -> None:
    net = "SuperConvK3BNRELU(3,64,1,1)SuperResK3K3(64,96,2,64,2)"
    settings = {"resolution": 16, "batch": 8, "variant": variant}
    found = plainnet.score(net, "zen", **settings)
    assert found.exact
    assert found.mean == pytest.approx(score(net, "zen_mc", repeats=8, **settings).mean, rel=0.02)
    for wrong in ({"variant": "zenna"}, {"keep_residual": True}):
        with pytest.raises(UsageError, match="zen"):
            plainnet.score(net, "zen", resolution=16, **wrong)


@pytest.mark.parametrize("name", ["zen", "params", "composite"])
def test_closed_forms_do_without_torch(name: str) -> None:
    code = f"import sys, plainnet; plainnet.score({NET!r}, {name!r}, resolution=32); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
