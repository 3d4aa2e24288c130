"""What exported scripts say of data and arguments that do not fit, and that what they begin with does fit."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

import plainnet
from plainnet.export import Network, export_network
from tests.export.conftest import scrambled

OWN_HEAD = "SuperConvK3BNRELU(3,8,2,1)AdaptiveAvgPool(8,1)Flatten(8)Linear(8,{classes},1)"
FLAT = "SuperConvK3BNRELU(3,4,2,1)Flatten(4)Linear({features},10,1)"


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Export a network, and import one of the folder's files."""

    def load(text: str, file: str, *, to: str = "pytorch", resolution: Any = 16, classes: int = 10) -> Any:
        folder = tmp_path / "net"
        export_network(Network(plainnet.parse(text), resolution, classes), to=to, out=folder)
        monkeypatch.syspath_prepend(str(folder))
        return __import__(file)

    yield load
    for name in ("model", "data", "backbone", "train"):
        sys.modules.pop(name, None)


def folder_of_images(root: Path, classes: int, *, val: int | None = None) -> Path:
    image = pytest.importorskip("PIL.Image")
    for part, count in (("train", classes), ("val", classes if val is None else val)):
        for number in range(count):
            folder = root / part / f"class{number}"
            folder.mkdir(parents=True)
            image.new("RGB", (20, 18), (number, 2, 3)).save(folder / "image.png")
    return root


def test_digits_have_ten_classes_whatever_the_network_was_exported_with(loaded: Any) -> None:
    data = loaded("SuperConvK3BNRELU(3,8,2,1)", "data", classes=4)
    train_set, val_set, classes = data.datasets(None)
    assert classes == 10
    assert len(train_set) > len(val_set) > 0
    from model import Net  # type: ignore[import-not-found]

    image, label = train_set[0]
    loss = torch.nn.functional.cross_entropy(Net(classes)(image[None]), torch.as_tensor([int(label)]))
    assert torch.isfinite(loss)


@pytest.mark.parametrize("classes", [4, 12])
def test_a_network_with_its_own_classifier_says_how_many_classes_it_has(classes: int, loaded: Any) -> None:
    data = loaded(OWN_HEAD.format(classes=classes), "data")
    with pytest.raises(
        SystemExit, match=f"the digits: 10 classes; the network ends in its own classifier of {classes}"
    ):
        data.datasets(None)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_images_of_a_folder_have_one_or_three_channels(channels: int, loaded: Any, tmp_path: Path) -> None:
    data = loaded(f"SuperConvK3BNRELU({channels},8,2,1)", "data")
    assert data.datasets(None)[0][0][0].shape == (channels, 16, 16)
    with pytest.raises(SystemExit, match=rf"takes {channels} channels; images of a folder are read with \[1, 3\]"):
        data.datasets(folder_of_images(tmp_path / "images", 2))


def test_folders_are_read_and_what_is_wrong_with_them_is_said(loaded: Any, tmp_path: Path) -> None:
    data = loaded("SuperConvK3BNRELU(3,8,2,1)", "data")
    train_set, _, classes = data.datasets(folder_of_images(tmp_path / "images", 3))
    assert (classes, train_set[0][0].shape) == (3, (3, 16, 16))
    with pytest.raises(SystemExit, match="hold different classes"):
        data.datasets(folder_of_images(tmp_path / "uneven", 3, val=2))
    with pytest.raises(SystemExit, match=r"no folder .*nowhere"):
        data.datasets(tmp_path / "nowhere")


def test_a_network_of_one_size_takes_no_other(loaded: Any) -> None:
    data = loaded(FLAT.format(features=4 * 8 * 12), "data", resolution=(16, 24))
    assert data.datasets(None)[0][0][0].shape == (3, 16, 24)
    with pytest.raises(SystemExit, match=r"images of height and width \(16, 24\) alone, not \(8, 8\)"):
        data.datasets(None, (8, 8))


def test_weights_without_a_classifier_start_a_network_with_one(loaded: Any, tmp_path: Path) -> None:
    data = loaded("SuperConvK3BNRELU(3,8,2,1)", "data", classes=0)
    torch.save(
        scrambled(plainnet.PlainNet("SuperConvK3BNRELU(3,8,2,1)", num_classes=0)).state_dict(), tmp_path / "w.pt"
    )
    from model import NUM_CLASSES, Net

    assert NUM_CLASSES == 0
    net = Net(10)
    data.load_weights(net, tmp_path / "w.pt")
    assert torch.equal(
        net.state_dict()["blocks.0.conv1.weight"], torch.load(tmp_path / "w.pt")["blocks.0.conv1.weight"]
    )


@pytest.fixture
def backbone(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The OpenMMLab backbone, with stand-ins for the two names of mmengine's that it imports."""
    models = types.SimpleNamespace(register_module=lambda: lambda cls: cls)
    modules = {"mmengine": types.ModuleType("mmengine"), "mmengine.model": types.ModuleType("mmengine.model")}
    modules["mmengine.registry"] = types.ModuleType("mmengine.registry")
    vars(modules["mmengine.model"])["BaseModule"] = torch.nn.Module
    vars(modules["mmengine.registry"])["MODELS"] = models
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    text = "SuperConvK3BNRELU(3,8,2,1)SuperConvK3BNRELU(8,8,2,1)SuperConvK3BNRELU(8,12,2,1)"
    return loaded(text, "backbone", to="mmpretrain").PlainNetBackbone


@pytest.mark.parametrize("indices", [(3,), (-4,), (0, 7), (), ("0",), (1.0,)])
def test_levels_of_a_backbone_that_are_not_there_are_an_error(indices: Any, backbone: Any) -> None:
    with pytest.raises(ValueError, match=r"out_indices is .*; accepted: levels from 0 to 2, or from -3"):
        backbone(out_indices=indices)


@pytest.mark.parametrize("stages", [4, -2, "1", 1.0])
def test_stages_of_a_backbone_that_are_not_there_are_an_error(stages: Any, backbone: Any) -> None:
    with pytest.raises(ValueError, match=r"frozen_stages is .*; accepted: -1 or 0 for none, up to 3 for all"):
        backbone(frozen_stages=stages)


def test_every_level_and_stage_of_a_backbone_works(backbone: Any) -> None:
    for stages in range(-1, 4):
        net = backbone(out_indices=(0, 1, -1), frozen_stages=stages)
        assert [tuple(out.shape[1:]) for out in net(torch.zeros(1, 3, 33, 33))] == [(8, 17, 17), (8, 9, 9), (12, 5, 5)]
        assert sum(p.requires_grad for p in net.parameters()) == 3 * (3 - max(0, stages))
        moving = [part for part in net.train().modules() if isinstance(part, torch.nn.BatchNorm2d) and part.training]
        assert len(moving) == 3 - max(0, stages), "the statistics of what is not trained stay, too"


CASES = [
    # text, resolution, classes, weights, data.type, size, classes of the weights' classifier
    ("SuperConvK3BNRELU(3,8,2,1)", 224, 1000, False, "digits", 64),
    ("SuperConvK3BNRELU(3,8,2,1)", 32, 0, False, "digits", 32),
    ("SuperConvK3BNRELU(3,8,2,1)", 16, 10, True, "digits", 16),
    ("SuperConvK3BNRELU(3,8,2,1)", 16, 0, True, "digits", 16),
    ("SuperConvK3BNRELU(3,8,2,1)", 4, 10, False, "digits", 8),
    ("SuperConvK3BNRELU(3,8,2,1)", 16, 5, True, "folder", [16, 16]),
    ("SuperConvK3BNRELU(3,8,2,1)", 16, 1000, True, "folder", [16, 16]),
    (OWN_HEAD.format(classes=10), 224, 10, False, "digits", 64),
    (OWN_HEAD.format(classes=5), 16, 10, False, "folder", [16, 16]),
    (FLAT.format(features=4 * 8 * 8), 16, 10, False, "digits", 16),
    (FLAT.format(features=4 * 8 * 12), (16, 24), 10, False, "folder", [16, 24]),
    (FLAT.format(features=4 * 2 * 2), 4, 10, False, "folder", [4, 4]),
]


@pytest.mark.parametrize(("text", "resolution", "classes", "weights", "kind", "size"), CASES)
def test_train_yaml_asks_for_images_that_the_network_can_learn(
    text: str, resolution: Any, classes: int, weights: bool, kind: str, size: Any, tmp_path: Path
) -> None:
    """The classes are those of the data, and the weights fit the network that the data make."""
    from plainnet.files.tensor_files import read_tensors

    network = Network(plainnet.parse(text), resolution, classes)
    given = None
    if weights:
        given = tmp_path / "w.pt"
        torch.save(network.build().state_dict(), given)
    export_network(network, to="plainnet", out=tmp_path / "net", weights=given)
    config = YAML(typ="safe").load(tmp_path / "net" / "train.yaml")
    assert "num_classes" not in config["model"]
    assert (config["data"]["type"], config["data"]["size"]) == (kind, size)
    if weights and kind == "digits":
        tensors, _ = read_tensors(tmp_path / "net" / "weights.safetensors")
        plainnet.PlainNet(text, num_classes=10).load_state_dict(tensors)
