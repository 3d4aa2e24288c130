"""Networks of components in Python and from files: one subject, for every command; bad files say where."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import PlainnetError, UsageError
from plainnet.naming.training import training_config

FILE = """
backbone: resnet18
neck:
  type: fpn
  from: [backbone.c3, backbone.c4, backbone.c5]
  channels: 64
heads:
  boxes: {type: anchor_free, from: [neck.p3, neck.p4, neck.p5], num_classes: 10}
  masks: {type: dense, from: neck.p3, num_classes: 11}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_text(FILE)
    return path


def test_a_file_and_python_say_the_same(net: Path) -> None:
    subject = plainnet.resolve(net)
    composed = plainnet.compose(
        "resnet18",
        neck={"type": "fpn", "from": ["backbone.c3", "backbone.c4", "backbone.c5"], "channels": 64},
        heads={
            "boxes": {"type": "anchor_free", "from": ["neck.p3", "neck.p4", "neck.p5"], "num_classes": 10},
            "masks": {"type": "dense", "from": "neck.p3", "num_classes": 11},
        },
    )
    assert str(subject.structure) == str(composed.structure)
    known = (subject.resolution, subject.norm_eps, subject.form, subject.name, subject.notes)
    assert known == ((224, "published"), (1e-5, "published"), f"of the components in {net}", "net.yaml", ())
    assert subject.num_classes == (0, "from the string")
    assert (composed.norm_eps, composed.weights, composed.name) == ((1e-5, "published"), None, None)


def test_params_are_those_of_the_parts(net: Path) -> None:
    """torchvision's ResNet-18 without its classifier has 11,176,512 params."""
    with torch.device("meta"):
        module = plainnet.PlainNet(str(net), init="default")
    sizes = dict.fromkeys(module.part_prefixes, 0)
    for name, value in module.named_parameters():
        (part,) = (part for part, prefix in module.part_prefixes.items() if name.startswith(prefix))
        sizes[part] += value.numel()
    laterals = (128 + 256 + 512) * 64 + 3 * 64
    tower = 64 * 64 * 9 + 2 * 64 + 64 * 15 + 15
    assert sizes == {
        "backbone": 11_176_512,
        "neck": laterals + 3 * (64 * 64 * 9 + 64),
        "heads.boxes": 3 * tower,
        "heads.masks": 64 * 11 + 11,
    }
    result = plainnet.analyze_model(net, resolution=64, latency=False, zen=False)
    assert result.params == sum(sizes.values())
    assert module.norm_eps == 1e-5


def test_commands_take_the_file(net: Path) -> None:
    found = CliRunner().invoke(cli, ["fmt", str(net)])
    assert found.exit_code == 0, found.output
    assert found.stdout == f"{plainnet.resolve(net).structure}\n"
    config, subject = training_config(net, (), recipe="detect", imports=(), named_run=False)
    assert subject is not None
    assert config.value.model.model_dump()["structure"] == str(subject.structure)


def test_what_stands_behind_the_last_map_is_left_out() -> None:
    composed = plainnet.compose("vgg11", heads={"kinds": {"type": "classification", "num_classes": 3}})
    assert composed.notes == ("the backbone is without its last 9 blocks, which are behind its last map",)
    assert composed.num_classes == (3, "from the string")
    assert composed.structure is not None
    counts = composed.structure.at(plainnet.blocks.Shape(3, 64, 64)).counts(None)
    assert counts.params == 9_220_480 + 512 * 3 + 3  # the convolutions of torchvision's vgg11


@pytest.mark.parametrize(
    "neck", [{"type": "fpn", "from": ["backbone.c4", "backbone.c5"], "channels": 8}, "ConvKX(512,8,1,1)"]
)
def test_a_component_that_nothing_takes_is_said(neck: object) -> None:
    head = {"type": "dense", "num_classes": 3}
    apart = plainnet.compose("resnet18", neck=neck, heads={"m": {**head, "from": "backbone.c5"}})
    assert apart.notes == ("no head takes what neck puts out: it is neither counted nor built",)
    assert plainnet.compose("resnet18", neck=neck, heads={"m": head}).notes == ()
    same = plainnet.compose("resnet18", neck="Identity(512)", heads={"m": head})
    assert same.notes == ()


def test_a_backbone_of_several_outputs_and_one_that_is_none() -> None:
    pyramid = "ConvKX(3,8,3,2)ConvKX(a|8,8,3,2)ConvKX(b|8,8,3,2)Outputs(a,b)"
    composed = plainnet.compose(pyramid, heads={"m": {"type": "dense", "from": "backbone.a", "num_classes": 3}})
    assert composed.structure is not None
    assert composed.structure.output_names == ("heads.m",)
    with pytest.raises(UsageError, match="Linear is a module; accepted as a backbone"):
        plainnet.compose(torch.nn.Linear(3, 3), heads={"m": {"type": "dense", "num_classes": 3}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("backbone: resnet81\nheads: {a: {type: dense, num_classes: 3}}", "net.yaml: 'resnet81' is no structure"),
        ("backbone: net.txt\nheads: {a: {type: dense, num_classes: 3}}", "net.yaml: 'net.txt' is no structure"),
        ("backbone: resnet18\nhead: {a: {type: dense}}", "did you mean heads?"),
        ("backbone: resnet18", "heads: is missing"),
        ("backbone: [1]\nheads: {}", "backbone: must be a valid string"),
        ("backbone: resnet18\nheads: {}", "net.yaml: there is no head"),
        ("backbone: ConvKY(3)\nheads: {a: {type: dense, num_classes: 3}}", "net.yaml: unknown block ConvKY"),
        ("backbone: resnet18\nheads: {a: {type: dense, num_classes: x}}", "net.yaml: heads.a: num_classes is 'x'"),
        ("backbone: resnet18\nheads: {a: {1: 2}}", "net.yaml: heads.a has 1; accepted: either `type` or `blocks`"),
        (
            "backbone: resnet18\nneck: ConvKX(256,8,1,1)\nheads: {a: {type: dense, num_classes: 3}}",
            "net.yaml: neck: ConvKX takes 256 channels and gets 512",
        ),
        ("backbone: resnet18\nresolution: 0\nheads: {a: {type: dense, num_classes: 3}}", "resolution"),
        ("backbone: resnet18\nresolution: [64]\nheads: {a: {type: dense, num_classes: 3}}", "resolution"),
    ],
)
def test_bad_files_say_what_and_where(tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.txt").write_text("ConvKX(3,8,3,1)")
    (tmp_path / "net.yaml").write_text(text)
    with pytest.raises(PlainnetError) as found:
        plainnet.resolve("net.yaml")
    assert said in str(found.value)
    assert isinstance(CliRunner().invoke(cli, ["fmt", "net.yaml"]).exception, PlainnetError)  # exit code 2


def test_other_yaml_files_are_no_components(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("model: {backbone: resnet18}\n")
    with pytest.raises(PlainnetError, match="is a training configuration, and no structure"):
        plainnet.resolve(tmp_path / "net.yaml")
    with pytest.raises(PlainnetError, match=r"has no trained weights"):
        plainnet.load_weights(plainnet.PlainNet("ConvKX(3,8,3,1)"), "resnet18")
