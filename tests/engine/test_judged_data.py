"""Annotated data that are judged: crowds of either part, classes that differ, and broken files that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.data import data_command
from plainnet.engine import train
from plainnet.engine.data.checking import check_data
from plainnet.engine.data.coco import coco
from plainnet.engine.data.mask_folders import masks
from plainnet.engine.run.evaluation import evaluate
from plainnet.engine.run.training_run import load_config
from plainnet.errors import RunError, UsageError
from tests.engine.test_annotated_data import BOX, OTHER, annotation, make_coco, make_masks, picture, write

PLACES = "ConvKXBNRELU(3,8,3,8)ConvKX(places|8,7,1,1)Outputs(places)"


def configuration(root: Path, **data: Any) -> Any:
    source: dict[str, Any] = {
        "_base_": "detect",
        "model": {"structure": PLACES},
        "task": {"score": 0.0},
        "data": {"_delete_": True, "type": "coco", "root": str(root), "size": [32, 40], **data},
        "train": {"epochs": 40, "validate_every": 40},
        "schedule": {"warmup": 0},
        "optim": {"lr": 0.03},
        "log": {"tensorboard": False},
        "device": "cpu",
        "run": str(root / "run"),
    }
    return load_config(source)


def test_either_part_is_judged_with_its_crowds(tmp_path: Path) -> None:
    """The same images and annotations as both parts: what is found in them is worth the same, and more than nothing."""
    tree = make_coco(tmp_path)
    tree["annotations"] += [annotation(4, 5, 7, (0, 0, 40, 32), iscrowd=1)]
    for part in ("train2017", "val2017"):
        write(tmp_path, tree, part)
    train(configuration(tmp_path))
    weights = tmp_path / "run" / "last.safetensors"
    found = {split: dict(evaluate(weights, split=split).metrics) for split in ("val", "train")}
    assert found["train"] == found["val"]
    assert found["val"]["ap/50"] > 0.4
    for entry in tree["annotations"]:
        entry["iscrowd"] = 0
    write(tmp_path, tree)
    plain = evaluate(weights, split="train").metrics
    assert {name for name, value in plain.items() if value != found["val"][name]} >= {"ap/50"}, "crowds change it"


def other_classes(root: Path) -> None:
    """Validation has a class that training has not, an object of it, and an image that is not there."""
    make_coco(root)
    tree = make_coco(root)
    tree["categories"].append({"id": 4, "name": "truck"})
    tree["annotations"] += [annotation(8, 5, 4, BOX), annotation(9, 77, 3, OTHER)]
    write(root, tree, "val2017")


def test_other_classes_do_not_end_the_search_for_what_is_broken(tmp_path: Path) -> None:
    other_classes(tmp_path)
    for how in ("stop", "skip"):
        with pytest.raises(RunError, match=r"val2017.json has categories that .*train2017.json does not have: truck"):
            coco(root=tmp_path, on_error=how)
    found = check_data(coco(root=tmp_path, on_error="keep"), "it").parts
    assert found["training"].broken == []
    said = ["is truck, which is no class of the training", "not have: truck", "is of nothing that the file lists"]
    assert len(found["validation"].broken) == len(said)
    assert all(line.endswith(end) for line, end in zip(found["validation"].broken, said, strict=True))
    result = CliRunner().invoke(data_command, ["check", "coco", f"root={tmp_path}", "--json"])
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["parts"]["validation"]["broken"]) == 3
    assert len(coco(root=tmp_path, only="train").train) == 2


def test_two_masks_of_one_name_do_not_end_it_either(tmp_path: Path) -> None:
    make_masks(tmp_path)
    for suffix in (".jpg", ".png"):
        picture(tmp_path / f"train/images/twice{suffix}", BOX)
    (tmp_path / "train/masks/alone.png").write_bytes(b"")
    (told,) = [
        line
        for line in check_data(masks(root=tmp_path, classes=["a", "b"], on_error="keep"), "it").parts["training"].broken
        if "have one name" in line
    ]
    assert "accepted: one file of each" in told
    with pytest.raises(RunError, match="have one name"):
        masks(root=tmp_path, classes=["a", "b"])


@pytest.mark.parametrize("place", ["data", "validate_also.0"])
def test_nothing_is_trained_on_data_whose_broken_files_are_kept(tmp_path: Path, place: str) -> None:
    make_coco(tmp_path)
    config = configuration(tmp_path, on_error="keep")
    if place != "data":
        also = {"name": "more", "type": "coco", "root": str(tmp_path), "size": [32, 40], "on_error": "keep"}
        config = load_config({**configuration(tmp_path).plain(), "validate_also": [also]})
    with pytest.raises(UsageError, match=rf"^{place}.*: on_error is keep, .*accepted: stop, skip"):
        train(config)
