"""Whoever asks for validation images alone gets them as ever, and the training images are not read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_annotated_data import make_coco, make_masks, make_voc
from test_cifar import extracted

from plainnet.engine import DataSource
from plainnet.engine.data import scenes
from plainnet.engine.data.arrays import arrays
from plainnet.engine.data.cifar import cifar10
from plainnet.engine.data.coco import coco
from plainnet.engine.data.folder import folder
from plainnet.engine.data.mask_folders import masks
from plainnet.engine.data.scenes import digits_scenes
from plainnet.engine.data.voc import voc
from plainnet.engine.run.evaluation import evaluate
from plainnet.engine.run.training_run import load_config
from plainnet.errors import ConfigError, RunError

Made = tuple[Callable[..., DataSource], Callable[[], object]]
"""A data set's function with its arguments, and what takes the training images away."""


def _folder(root: Path, _: pytest.MonkeyPatch) -> Made:
    generator = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("a", "b"):
            (root / part / name).mkdir(parents=True)
            for number in range(2):
                pixels = generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return lambda **only: folder(root=root, size=8, **only), lambda: shutil.rmtree(root / "train")


def _coco(root: Path, _: pytest.MonkeyPatch) -> Made:
    make_coco(root)
    file = root / "annotations/instances_train2017.json"
    return lambda **only: coco(root=root, size=[32, 40], **only), file.unlink


def _voc(root: Path, _: pytest.MonkeyPatch) -> Made:
    make_voc(root)
    return lambda **only: voc(root=root, size=[32, 40], **only), (root / "ImageSets/Main/train.txt").unlink


def _masks(root: Path, _: pytest.MonkeyPatch) -> Made:
    make_masks(root)
    names = ["ground", "square"]
    return lambda **only: masks(root=root, classes=names, size=16, **only), lambda: shutil.rmtree(root / "train")


def _arrays(root: Path, _: pytest.MonkeyPatch) -> Made:
    generator = np.random.default_rng(0)
    for part in ("train", "val"):
        images = generator.integers(0, 256, (6, 8, 8), dtype=np.uint8)
        np.savez(root / f"{part}.npz", image=images, label=np.arange(6) % 3)
    paths: Any = {part: root / f"{part}.npz" for part in ("train", "val")}
    return lambda **only: arrays(**paths, **only), paths["train"].unlink


def _cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    base = extracted(root, monkeypatch)
    return lambda **only: cifar10(root=root, **only), (base / "data_batch_3").unlink


def _scenes(_: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    made = scenes._scenes

    def without(samples: Any, stream: str, *rest: Any, **options: Any) -> Any:
        assert stream == "val"
        return made(samples, stream, *rest, **options)

    take_away = lambda: monkeypatch.setattr(scenes, "_scenes", without)  # noqa: E731
    return lambda **only: digits_scenes(train=3, val=3, **only), take_away


@pytest.mark.parametrize("kind", [_folder, _coco, _voc, _masks, _arrays, _cifar, _scenes])
def test_validation_needs_no_training_images(
    kind: Callable[..., Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, take_away = kind(tmp_path, monkeypatch)
    whole, train = make(), make(only="train")
    take_away()
    data = make(only="val")
    assert (data.classes, data.shape, data.target) == (whole.classes, whole.shape, whole.target)
    numbers = list(range(len(whole.val)))
    assert len(data.val) == len(numbers)
    for key, value in whole.val.fetch(numbers, numbers).items():
        assert torch.equal(data.val.fetch(numbers, numbers)[key], value)
    for source, part in ((data.train, "training"), (train.val, "validation")):
        with pytest.raises(RunError, match=f"the {part} images were not read: only the others were asked for"):
            len(source)
        with pytest.raises(RunError, match="were not read"):
            source.fetch([0], [0])
    assert len(train.train) == len(whole.train) if kind is _scenes else len(train.train) > 0
    with pytest.raises((RunError, AssertionError)):
        make()


MINE = """
from pathlib import Path
from plainnet.engine.data.digits import digits
from plainnet.engine.data.source import Part

def told(*, only: Part = None):
    with open(Path(__file__).with_name("asked"), "a") as file:
        print(only, file=file)
    return digits()

def not_told(*, only: str = "mine"):
    assert only == "mine"
    return digits()
"""


def test_evaluate_asks_for_what_it_judges(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    asked = tmp_path / "asked"
    trained(f"data={{type: '{tmp_path}/mine.py:told'}}", "train.epochs=1")
    assert asked.read_text().split() == ["None"]
    weights = tmp_path / "run/best.safetensors"
    for split in ("val", "train"):
        asked.write_text("")
        found = evaluate(weights, split=split)
        assert (found.samples, asked.read_text().split()) == ({"val": 360, "train": 1437}[split], [split])
    own = evaluate(weights, data=f"{tmp_path}/mine.py:not_told")
    assert own.metrics == evaluate(weights, data="digits").metrics


@pytest.mark.parametrize("data", ["digits-scenes", "MINE:told"])
def test_no_configuration_says_it(data: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    name = data.replace("MINE", f"{tmp_path}/mine.py")
    with pytest.raises(ConfigError, match="has no argument only"):
        load_config({"_base_": "quick"}, overrides=[f"data={{_delete_: true, type: '{name}', only: val}}"])


def test_classes_of_boxes_and_masks_are_matched_by_name() -> None:
    """Numbers that are no class stay: no object, no known class."""
    from plainnet.engine.run.evaluation import _Tester

    class Bare(_Tester):
        def __init__(self, target: str) -> None:
            self.new_labels, self.target, self.makers = [2, 0], target, ()

    boxes = Bare("boxes").relabel({"classes": torch.tensor([[1, 0, -1]])})
    assert boxes["classes"].tolist() == [[0, 2, -1]]
    crowds = {"classes": torch.tensor([[1]]), "crowds": torch.tensor([[[1.5, 2, 3, 4, 1], [0, 0, 0, 0, -1]]])}
    assert Bare("boxes").relabel(crowds)["crowds"].tolist() == [[[1.5, 2, 3, 4, 0], [0, 0, 0, 0, -1]]]
    assert Bare("mask").relabel({"mask": torch.tensor([0, 255, 1])})["mask"].tolist() == [2, 255, 0]
    assert Bare("label").relabel({"label": torch.tensor([1, 0])})["label"].tolist() == [0, 2]
