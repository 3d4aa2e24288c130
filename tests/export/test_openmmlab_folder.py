"""The mmpretrain target, with mmengine's own registry, config reader and Runner.

mmpretrain and mmdetection need torchvision and mmcv builds that do not exist beside this torch. Their own trainers ran
these configs once, in an environment of their own (docs/export.md says what was seen); here it is tested that the
backbone is found, built and fits the head and the pyramid, and what those runs taught.
"""

from __future__ import annotations

import re
import runpy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import plainnet
from plainnet.export import Network, export_network
from tests.export.conftest import COUNT, images, probe, run


@pytest.fixture
def folder(export: Callable[..., Path], tmp_path: Path) -> Path:
    pytest.importorskip("mmengine")
    return Path(shutil.copytree(export("mmpretrain"), tmp_path / "net"))


@pytest.mark.slow
def test_outputs_and_counts_are_the_same(folder: Path, network: Network, reference: Any) -> None:
    torch.save(images(2, *network.shape), folder / "images.pt")
    counts = probe(
        folder,
        f"{COUNT}\nimport json, torch\nfrom mmengine.config import Config\nfrom mmengine.registry import MODELS\n"
        "config = Config.fromfile('config_mmengine.py')\nnet = MODELS.build(config.model)\nnet.init_weights()\n"
        "state = torch.load('weights.pth', weights_only=True)\n"
        "net.head.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith('head.')})\n"
        "torch.save(net.eval()(torch.load('images.pt')), 'logits.pt')\nprint(json.dumps(count(net, 3, 16, 16)))",
    )
    assert counts == {"params": network.counts.params, "macs": network.counts.macs}
    assert torch.equal(torch.load(folder / "logits.pt"), reference(images(2, *network.shape)))


@pytest.mark.slow
def test_the_runner_trains_it(network: Network, tmp_path: Path) -> None:
    pytest.importorskip("mmengine")
    pytest.importorskip("sklearn")
    export_network(network, to="mmengine", out=tmp_path / "net")
    output = run(tmp_path / "net", "train.py", "--epochs", "4")
    reached = [float(found) for found in re.findall(r"Epoch\(val\) .*accuracy: ([\d.]+)", output)]
    assert len(reached) == 4
    assert reached[-1] > 0.35  # of ten classes
    (checkpoint,) = (tmp_path / "net").rglob("epoch_4.pth")
    assert checkpoint.stat().st_size > 4 * network.counts.params


@pytest.mark.slow
def test_one_epoch_is_enough(folder: Path) -> None:
    """The warm-up takes one, and nothing is left for the cosine."""
    pytest.importorskip("sklearn")
    assert "Epoch(val) [1]" in run(folder, "train.py", "--epochs", "1")


SECTIONS = """
import json, runpy, sys
from mmengine.registry import MODELS
import backbone, torch
mmpretrain, mmdet = (runpy.run_path(name)["model"] for name in ("config_mmpretrain.py", "config_mmdet.py"))
classifier = MODELS.build(mmpretrain["backbone"])
detector = dict(mmdet["backbone"]); detector.pop("_delete_")
detector = MODELS.build(detector)
maps = lambda net: [list(out.shape[1:]) for out in net.eval()(torch.zeros(1, 3, 64, 64))]
frozen = MODELS.build({"type": "PlainNetBackbone", "frozen_stages": 1, "norm_eval": True}).train()
print(json.dumps({
    "head": mmpretrain["head"]["in_channels"], "classifier": maps(classifier),
    "neck": mmdet["neck"], "strides": mmdet["bbox_head"]["anchor_generator"]["strides"], "detector": maps(detector),
    "trained": [name for name, p in frozen.named_parameters() if p.requires_grad][0],
    "norms in training": sum(m.training for m in frozen.modules() if isinstance(m, torch.nn.BatchNorm2d)),
}))
"""


@pytest.mark.slow
def test_the_backbone_fits_the_head_and_the_pyramid(folder: Path, network: Network) -> None:
    found = probe(folder, SECTIONS)
    levels = network.levels
    assert found["classifier"] == [[levels[-1].channels, 64 // levels[-1].reduction, 64 // levels[-1].reduction]]
    assert found["head"] == levels[-1].channels
    assert found["detector"] == [[level.channels, 64 // level.reduction, 64 // level.reduction] for level in levels]
    assert found["neck"]["in_channels"] == [level.channels for level in levels]
    assert found["strides"][: len(levels)] == [level.reduction for level in levels]
    assert len(found["strides"]) == found["neck"]["num_outs"]
    assert found["trained"].startswith(f"blocks.{levels[0].block + 1}.")
    assert found["norms in training"] == 0


def sections(folder: Path, name: str) -> dict[str, Any]:
    """The variables of a config, without what it inherits."""
    return runpy.run_path(str(folder / name))


@pytest.mark.parametrize(
    ("classes", "dataset"),
    [
        (10, {"type": "CustomDataset", "data_root": "images", "data_prefix": "val"}),
        (1000, {"type": "ImageNet", "data_root": "data/imagenet", "split": "val"}),
    ],
)
def test_the_images_are_those_of_so_many_classes(
    classes: int, dataset: dict[str, str], network: Network, tmp_path: Path
) -> None:
    """mmpretrain's ImageNet has a thousand classes whatever the head says."""
    export_network(replace(network, num_classes=classes), to="mmpretrain", out=tmp_path / "net")
    config = sections(tmp_path / "net", "config_mmpretrain.py")
    assert config["model"]["head"]["num_classes"] == config["data_preprocessor"]["num_classes"] == classes
    assert config["val_dataloader"]["dataset"] == {**dataset, "pipeline": config["test_pipeline"]}
    assert config["train_dataloader"]["dataset"]["pipeline"] == config["train_pipeline"]


@pytest.mark.parametrize(("channels", "loading"), [(1, {"color_type": "grayscale"}), (3, {})])
def test_images_are_loaded_and_cut_as_the_network_takes_them(
    channels: int, loading: dict[str, str], tmp_path: Path
) -> None:
    """mmpretrain's RandomResizedCrop takes (height, width), its CenterCrop (width, height), of an image large enough."""
    network = Network(plainnet.parse(f"SuperResK3K3({channels},8,2,8,1)"), (33, 47), 10)
    export_network(network, to="mmpretrain", out=tmp_path / "net")
    config = sections(tmp_path / "net", "config_mmpretrain.py")
    for pipeline in (config["train_pipeline"], config["test_pipeline"]):
        assert pipeline[0] == {"type": "LoadImageFromFile", **loading}
    assert config["train_pipeline"][1]["scale"] == (33, 47)
    edge, crop = config["test_pipeline"][1:3]
    assert crop["crop_size"] == (47, 33)
    assert edge["scale"] >= 47
    assert len(config["data_preprocessor"]["mean"]) == channels


@pytest.mark.parametrize("weights", [True, False])
def test_a_detector_keeps_the_statistics_of_trained_weights_only(export: Callable[..., Path], weights: bool) -> None:
    """Fresh statistics are not worth keeping; and without clipping a fresh RetinaNet's loss became NaN at the base rate."""
    config = sections(export("mmpretrain", weights=weights), "config_mmdet.py")
    assert config["model"]["backbone"]["norm_eval"] is weights
    assert config["optim_wrapper"]["clip_grad"]["max_norm"] > 0
