"""What is known of weights goes with them: read from their header, checked, and carried into every form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from safetensors import safe_open

import plainnet
from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.export import Network, export_network
from plainnet.export.story import read_story
from plainnet.files.tensor_files import read_tensors, write_tensors
from plainnet.network.published import find_published
from tests.export.conftest import images, net_class, scrambled

TEXT = "SuperConvK3BNRELU(3,8,2,1)"
CLASSES = ["cat", 'a "dog"', "x\n$(touch PWNED)", "鳥"]
HEADER = {
    "plainnet": "0.1.0",
    "model": json.dumps({"type": "PlainNet", "structure": TEXT, "activation": "silu", "norm_eps": 1e-5}),
    "classes": json.dumps(CLASSES),
    "shape": json.dumps([3, 20, 28]),
    "mean": json.dumps([0.1, 0.2, 0.3]),
    "std": json.dumps([0.4, 0.5, 0.6]),
    "reader": json.dumps({"crop": 0.9}),
    "metric.accuracy": "0.75",
    "metric.loss": "nan",
    "round": "3",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights as a training run saves them: of another activation, epsilon, size and number of classes than the defaults."""
    path = tmp_path_factory.mktemp("run") / "best.safetensors"
    net = plainnet.PlainNet(TEXT, num_classes=4, activation="silu", norm_eps=1e-5)
    write_tensors(path, scrambled(net).state_dict(), metadata=HEADER)
    return path


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(("export", *args))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def check(found: dict[str, str]) -> None:
    assert json.loads(found["classes"]) == CLASSES
    assert json.loads(found["shape"]) == json.loads(found["input"]) == [3, 20, 28]
    assert json.loads(found["mean"]) == [0.1, 0.2, 0.3]
    assert json.loads(found["std"]) == [0.4, 0.5, 0.6]
    assert found["metric.accuracy"] == "0.75"
    assert float(found["norm_eps"]) == 1e-5
    assert json.loads(found["variant"]) == {"activation": "silu"}
    assert found["structure"] == TEXT


def header_of(folder: Path) -> dict[str, str]:
    with safe_open(folder / "weights.safetensors", framework="pt") as file:
        return dict(file.metadata())


def props_of(folder: Path) -> dict[str, str]:
    onnx = pytest.importorskip("onnx")
    return {prop.key: prop.value for prop in onnx.load(folder / "model.onnx").metadata_props}


def pt2_of(folder: Path) -> dict[str, str]:
    extra = {"plainnet.json": ""}
    torch.export.load(folder / "model.pt2", extra_files=extra)
    return dict(json.loads(extra["plainnet.json"]))


def script_of(folder: Path) -> dict[str, str]:
    extra = {"plainnet.json": ""}
    torch.jit.load(str(folder / "model.ts"), _extra_files=extra)
    return dict(json.loads(extra["plainnet.json"]))


FORMS: dict[str, Any] = {
    "timm": header_of, "plainnet": header_of, "onnx": props_of, "torch.export": pt2_of, "torchscript": script_of,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", FORMS)
def test_every_form_that_can_carries_the_story(
    target: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net"
    code, _, err = call(capsys, TEXT, "--to", target, "--out", str(out), "--weights", str(weights))
    assert code == 0, err
    assert "(default)" not in err
    check(FORMS[target](out))
    about = json.loads((out / "provenance.json").read_text())
    assert about["trained"]["metrics"] == {"accuracy": 0.75}
    assert about["trained"]["classes"] == CLASSES
    assert about["input"] == [3, 20, 28]
    assert about["variant"] == {"activation": "silu"}
    assert "at 3x20x28, 4 classes" in (out / "README.md").read_text()


def test_source_has_the_variant_epsilon_and_statistics_of_the_weights(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net"
    assert call(capsys, TEXT, "--to", "pytorch", "--out", str(out), "--weights", str(weights))[0] == 0
    network = Network(plainnet.parse(TEXT), (20, 28), 4, plainnet.Variant(activation="silu"), norm_eps=1e-5)
    net = net_class(network).Net().eval()
    net.load_state_dict(torch.load(out / "weights.pt", weights_only=True))
    reference = network.build()
    reference.load_state_dict(torch.load(out / "weights.pt", weights_only=True))
    assert torch.equal(net(images(1, 3, 20, 28)), reference.eval()(images(1, 3, 20, 28)))
    assert "NORM_EPS = 1e-05" in (out / "model.py").read_text()
    assert "MEAN = torch.tensor((0.1, 0.2, 0.3))[:, None, None]" in (out / "data.py").read_text()
    compile((out / "data.py").read_text(), "data.py", "exec")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            Network(plainnet.parse(TEXT), 16, 4),
            "was trained with activation=silu, and the network to export has no variant",
        ),
        (
            Network(plainnet.parse(TEXT), 16, 4, plainnet.Variant(activation="silu")),
            "epsilon of 1e-05, the network has 0.001",
        ),
    ],
)
def test_weights_of_another_variant_are_refused(network: Network, message: str, weights: Path, tmp_path: Path) -> None:
    """No shape tells them apart, and the outputs would be other ones."""
    with pytest.raises(UsageError, match=message):
        export_network(network, to="pytorch", out=tmp_path / "net", weights=weights)


def test_weights_of_another_structure_with_the_same_tensors_are_refused(tmp_path: Path) -> None:
    first, other = plainnet.parse("ConvKXBNRELU(3,8,3,1)"), plainnet.parse("ConvKXBNRELU(3,8,3,2)")
    torch.save(plainnet.PlainNet(first, num_classes=4).state_dict(), tmp_path / "w.pt")
    export_network(Network(first, 16, 4, norm_eps=1e-4), to="timm", out=tmp_path / "net", weights=tmp_path / "w.pt")
    carried = tmp_path / "net" / "weights.safetensors"
    with pytest.raises(UsageError, match=f"was trained as the structure {first.hash}, and {other.hash} is to be"):
        export_network(Network(other, 16, 4), to="pytorch", out=tmp_path / "other", weights=carried)
    with pytest.raises(UsageError, match=r"epsilon of 0\.0001, the network has 0.001"):
        export_network(Network(first, 16, 4), to="pytorch", out=tmp_path / "other", weights=carried)
    export_network(Network(first, 16, 4, norm_eps=1e-4), to="pytorch", out=tmp_path / "other", weights=carried)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("target", ["pytorch", "torchscript"])
def test_weights_that_are_not_finite_are_refused(target: str, value: float, tmp_path: Path) -> None:
    state = plainnet.PlainNet(TEXT, num_classes=4).state_dict()
    state["blocks.0.conv1.weight"][0, 0, 0, 0] = value
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(
        UsageError, match=r"w\.pt holds values that are not finite: 1 tensors: blocks\.0\.conv1\.weight"
    ):
        export_network(Network(plainnet.parse(TEXT), 16, 4), to=target, out=tmp_path / "net", weights=tmp_path / "w.pt")
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("model", "no json"),
        ("model", "[1]"),
        ("model", json.dumps({"type": "PlainNet", "activation": 3})),
        ("model", json.dumps({"type": "PlainNet", "norm_eps": "x"})),
        ("model", json.dumps({"type": "PlainNet", "norm_eps": 7})),
        ("classes", "{}"),
        ("classes", "[1, 2]"),
        ("shape", "[3, 0, 1]"),
        ("shape", "[3, 4]"),
        ("shape", "[[[" * 40_000),
        ("mean", "[1e999, 1, 1]"),
        ("mean", "[0.1, 0.2]"),
        ("std", "[0, 1, 1]"),
        ("std", '["a"]'),
        ("metric.accuracy", "many"),
        ("norm_eps", "{"),
    ],
)
def test_a_header_that_no_run_wrote_is_damaged(key: str, text: str) -> None:
    with pytest.raises(
        UsageError, match=rf"w\.safetensors is damaged: .*({key.partition('.')[0]}|norm_eps|activation)"
    ):
        read_story(HEADER | {key: text}, "w.safetensors")


def test_headers_of_other_programs_say_nothing() -> None:
    assert read_story({"format": "pt", "classes": "??"}, "w.safetensors").classes is None
    story = read_story(HEADER | {"model": json.dumps({"type": "os.system", "command": "ls"})}, "w.safetensors")
    assert story.variant is None
    assert story.classes == tuple(CLASSES)


def test_a_published_name_in_a_header_brings_its_settings() -> None:
    story = read_story({"model": json.dumps({"type": "PlainNet", "structure": "resnet18"})}, "w.safetensors")
    assert story.norm_eps == 1e-5
    named = json.dumps({"type": "PlainNet", "structure": "zennet_imagenet1k_flops400M_res224"})
    story = read_story({"model": named}, "w.safetensors")
    assert story.variant is not None
    assert story.variant.use_se


def test_what_was_assumed_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--to", "pytorch", "--out")
    _, printed, err = call(capsys, TEXT, *arguments, str(tmp_path / "a"))
    assert err.splitlines()[0].endswith("224x224 (default), 1,000 classes (default)")
    assert "(default)" not in printed
    sized = call(capsys, TEXT, *arguments, str(tmp_path / "b"), "--resolution", "32")[2]
    assert sized.splitlines()[0].endswith("32x32 (said), 1,000 classes (default)")
    said = call(capsys, TEXT, *arguments, str(tmp_path / "c"), "--resolution", "32", "--num-classes", "3")[2]
    assert said.splitlines() == [said.splitlines()[0]]
    assert said.endswith("32x32 (said), 3 classes (said)\n")
    own_head = f"{TEXT}AdaptiveAvgPool(8,1)Flatten(8)Linear(8,5,1)"
    brought = call(capsys, own_head, *arguments, str(tmp_path / "d"), "--resolution", "32")[2]
    assert brought.endswith("32x32 (said), 5 classes (from the string)\n")
    assert "(default)" not in call(capsys, "resnet18", *arguments, str(tmp_path / "e"))[2]


def test_weights_in_torchvisions_layout_are_exported(tmp_path: Path) -> None:
    """The keys of a ResNet's state dict, given by their mapping."""
    network = Network(find_published("resnet18").structure, 32, 10, norm_eps=1e-5)
    state = network.build("default").state_dict()
    stem = {f"blocks.0.{name}": name for name in ("conv1", "bn1")}
    theirs = {}
    for key, value in state.items():
        module, _, tensor = key.rpartition(".")
        if module in stem:
            theirs[f"{stem[module]}.{tensor}"] = value
        elif module == "head":
            theirs[f"fc.{tensor}"] = value
        else:
            _, block, unit, branch, layer = module.split(".")
            place = layer if branch == "main" else {"conv1": "downsample.0", "bn1": "downsample.1"}[layer]
            theirs[f"layer{int(block) - 1}.{int(unit[3:]) - 1}.{place}.{tensor}"] = value
    torch.save(theirs, tmp_path / "resnet18.pth")
    export_network(network, to="plainnet", out=tmp_path / "net", weights=tmp_path / "resnet18.pth")
    found, _ = read_tensors(tmp_path / "net" / "weights.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)
    config = YAML(typ="safe").load(tmp_path / "net" / "train.yaml")
    assert config["model"]["norm_eps"] == 1e-5


@pytest.mark.parametrize("target", ["pytorch", "plainnet", "timm", "torchscript"])
def test_a_channels_last_state_dict_with_shared_memory_is_carried_over(target: str, tmp_path: Path) -> None:
    net = plainnet.PlainNet("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,8,1,8,1)", num_classes=4, init="kaiming")
    net = scrambled(net).to(memory_format=torch.channels_last)
    state = net.state_dict()
    state["blocks.1.res1.main.bn2.weight"] = state["blocks.1.res1.main.bn2.bias"]
    assert not state["blocks.0.conv1.weight"].is_contiguous()
    torch.save(state, tmp_path / "w.pt")
    network = Network(net.structure, 16, 4)
    export_network(network, to=target, out=tmp_path / "net", weights=tmp_path / "w.pt")
    assert (tmp_path / "net" / "README.md").is_file()
