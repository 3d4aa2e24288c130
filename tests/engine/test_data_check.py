"""`plainnet data check` and `show`: counts, sizes, classes, what is broken, and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from plainnet.cli.data import data_command
from plainnet.engine import DataSource, TensorSamples
from plainnet.engine.data.checking import check_data
from plainnet.engine.data.scenes import SceneSamples, digits_scenes
from plainnet.engine.pictures.data_pictures import data_picture
from plainnet.engine.run.data_sources import section_named
from plainnet.errors import PlainnetError, UsageError


def run(*args: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(data_command, list(args), catch_exceptions=False)
    assert result.exit_code == expect, result.output
    return result


def photos(folder: Path) -> Path:
    """Six images of two classes, one of which is no image."""
    for number in range(6):
        path = (
            folder / "photos" / ("train" if number < 4 else "val") / ("cat" if number % 2 else "dog") / f"{number}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * number, dtype=np.uint8)).save(path)
    (folder / "photos/train/cat/3.png").write_bytes(b"no image")
    return folder / "photos"


def test_a_folder_is_looked_through(tmp_path: Path) -> None:
    root = photos(tmp_path)
    found = json.loads(run("check", str(root), "size=8", "--json", expect=1).stdout)
    assert found["schema"] == "plainnet.data_check/1"
    training, validation = found["parts"]["training"], found["parts"]["validation"]
    assert (training["samples"], training["counts"]) == (4, {"cat": 1, "dog": 2})
    assert (validation["counts"], validation["broken"]) == ({"cat": 1, "dog": 1}, [])
    assert training["broken"] == [f"training 1: cannot read {root}/train/cat/3.png: not an image that Pillow knows"]
    assert validation["sizes"] == {"3 x 8 x 8": 2}
    text = run("check", str(root), "size=8", expect=1).stdout
    assert "4 samples, 1 broken" in text
    assert "broken: training 1: cannot read" in text


def test_a_kind_with_its_root_is_meant_beside_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("coco", "photos"):
        assert section_named(name, ["size=8"]) == {"_delete_": True, "type": name}
        Path(name).mkdir()
        assert section_named(name, ["size=8"]) == {"_delete_": True, "type": "folder", "root": name}
        assert section_named(name, ["size=8", "root=there"]) == {"_delete_": True, "type": name}
    with pytest.raises(PlainnetError, match=r"coco/annotations/instances_train2017.json"):
        run("check", "coco", "root=coco")


def test_scenes_are_counted_by_objects_and_by_pixels() -> None:
    scenes = digits_scenes(target="boxes", train=6, val=2)
    found = check_data(scenes, "scenes", limit=5)
    part = found.parts["training"]
    assert (part.samples, part.seen, part.counted, found.is_broken) == (6, 5, "objects", False)
    assert isinstance(scenes.train, SceneSamples)
    classes = scenes.train.classes[:5]
    assert [part.counts[str(n)] for n in range(10)] == [int((classes == n).sum()) for n in range(10)]
    assert part.sides is not None
    assert 1 <= part.sides[0] <= part.sides[1] <= part.sides[2] <= 24
    pixels = check_data(digits_scenes(target="masks", train=2, val=1), "scenes").parts["training"]
    assert sum(pixels.counts.values()) == 2 * 64 * 64


def test_progress_counts_the_samples_of_both_parts() -> None:
    told: list[tuple[int, int]] = []
    scenes = digits_scenes(target="boxes", train=3, val=2)
    check_data(scenes, "scenes", limit=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


class Odd:
    """One sample: a batch that a test says."""

    def __init__(self, **batch: Any) -> None:
        self.batch = {"image": torch.zeros(1, 1, 4, 4), **batch}

    def __len__(self) -> int:
        return 1

    def fetch(self, indices: Any, draws: Any) -> dict[str, Any]:  # noqa: ARG002
        return dict(self.batch)


NONE = torch.tensor([[-1]])
ODD = [
    ({"label": torch.tensor([2])}, "label is 2; accepted: 0 to 1"),
    ({"mask": torch.full((1, 4, 4), 9)}, "mask is 9; accepted: 0 to 1, 255 for none"),
    ({"boxes": torch.tensor([[[1.0, 1, 1, 3]]]), "classes": torch.tensor([[0]])}, "a box of no size (1, 1, 1, 3)"),
    ({"boxes": torch.tensor([[[1.0, 1, 5, 3]]]), "classes": torch.tensor([[0]])}, "reaches out of an image of 4 x 4"),
    ({"boxes": torch.tensor([[[1.0, 1, 2, 3]]]), "classes": torch.tensor([[7]])}, "classes is 7; accepted: 0 to 1, -1"),
    ({"image": torch.full((1, 1, 4, 4), 7.0), "label": torch.tensor([1])}, "floats from 7 to 7"),
    ({"image": torch.full((1, 1, 4, 4), float("nan")), "label": torch.tensor([1])}, "floats from nan to nan"),
    ({"mask": torch.full((1, 4, 4), 255)}, ""),
    ({"boxes": torch.zeros(1, 1, 4), "classes": NONE}, ""),
]


@pytest.mark.parametrize(("batch", "said"), ODD)
def test_what_has_no_meaning_is_named(batch: dict[str, Any], said: str) -> None:
    good = TensorSamples(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]))
    data = DataSource(Odd(**batch), good, ("a", "b"), (1, 4, 4), (0.5,), (0.5,))
    found = check_data(data, "odd")
    broken = found.parts["training"].broken
    assert len(broken) == bool(said)
    assert all(said in line for line in broken)
    assert found.parts["validation"].broken == []


def test_a_picture_shows_samples_with_their_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        "data.png: 5 samples of digits-scenes"
        in run("show", "digits-scenes", "target=boxes", "train=5", "val=1").stdout
    )
    with Image.open("data.png") as picture:
        assert picture.size == (3 * 128 + 2 * 4, 2 * 128 + 4)
    Path("mine.png").write_bytes(Path("data.png").read_bytes())
    with pytest.raises(UsageError, match=r"data.png is there already; to write over it: --out data.png"):
        run("show", "digits")
    assert Path("mine.png").read_bytes() == Path("data.png").read_bytes()
    assert "data.png: 2 samples" in run("show", "digits", "--count", "2", "--out", "data.png").stdout
    with pytest.raises(UsageError, match="has no suffix of a picture"):
        run("show", "digits", "--out", "picture")
    plain = DataSource(TensorSamples(torch.zeros(1, 1, 8, 8), torch.tensor([1])), Odd(), ("a", "b"), (1, 8, 8))
    assert np.asarray(data_picture(plain)).std() > 0  # the label
    with pytest.raises(UsageError, match="accepted: 1 or more, from 0 to 0"):
        data_picture(plain, first=3)


def test_broken_files_are_counted_and_the_rest_is_looked_through(tmp_path: Path) -> None:
    root = photos(tmp_path)
    (root / "train/dog/0.png").write_bytes(b"")
    (root / "train/eel").mkdir()
    found = json.loads(run("check", str(root), "size=8", "--json", expect=1).stdout)
    training = found["parts"]["training"]
    assert training["broken"][1:] == [f"{root}/train/dog/0.png: the file is empty"]
    assert training["counts"] == {"cat": 1, "dog": 1, "eel": 0}
    assert found["notes"] == [f"{root}: no training images of eel", f"{root}: no validation images of eel"]
