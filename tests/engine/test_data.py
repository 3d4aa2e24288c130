"""Data sets: digits, folders, the hub, arrays; broken images."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from plainnet.engine.data.arrays import arrays
from plainnet.engine.data.digits import digits
from plainnet.engine.data.folder import folder
from plainnet.engine.data.huggingface import huggingface
from plainnet.engine.data.loader import Loader
from plainnet.errors import RunError, UsageError

# ---- digits ----


def test_digits_are_split_by_class_and_for_ever() -> None:
    data = digits()
    assert (len(data.train), len(data.val)) == (1437, 360)
    held = data.val.fetch(range(360), [0] * 360)
    assert held["label"].bincount().tolist() == [35, 37, 35, 37, 36, 37, 36, 36, 34, 37]
    assert hashlib.sha256(held["image"].numpy().tobytes()).hexdigest()[:16] == DIGITS_HASH
    assert digits(size=16, channels=3).train.fetch([0], [0])["image"].shape == (1, 3, 16, 16)
    with pytest.raises(UsageError, match=r"accepted: 8 or more"):
        digits(size=4)


DIGITS_HASH = "6516ffa6b877d1ea"


# ---- folders ----


@pytest.fixture
def images(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3)):
        for number, name in enumerate(("cat", "dog")):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (30 + index, 40, 3), dtype=np.uint8)
                pixels[..., number] = 255
                Image.fromarray(pixels).save(tmp_path / split / name / f"{index}.png")
    return tmp_path


def test_folders_are_classes(images: Path) -> None:
    data = folder(root=str(images), size=16, scale=[0.3, 1.0])
    assert (len(data.train), len(data.val), data.classes) == (12, 6, ("cat", "dog"))
    batch = data.train.fetch([0, 11], [1, 2])
    assert batch["image"].shape == (2, 3, 16, 16)
    assert batch["label"].tolist() == [0, 1]
    assert float(batch["image"][0, 0].mean()) == pytest.approx(1.0, abs=0.01)
    assert torch.equal(batch["image"], data.train.fetch([0, 11], [1, 2])["image"])
    assert not torch.equal(batch["image"], data.train.fetch([0, 11], [3, 4])["image"])
    assert torch.equal(data.val.fetch([0], [1])["image"], data.val.fetch([0], [9])["image"])
    assert folder(root=str(images), size=[8, 12], channels=1).train.fetch([0], [0])["image"].shape == (1, 1, 8, 12)


def test_a_folder_without_splits_is_split_by_the_names_alone(images: Path) -> None:
    data = folder(root=str(images / "train"), size=8, val_share=0.4)
    assert len(data.train) + len(data.val) == 12
    assert len(data.val) >= 1


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("damage", "why"), [("remove", "there is no such file"), ("cut", ""), ("text", "not an image")]
)
def test_a_broken_image_gives_its_path(images: Path, workers: int, damage: str, why: str) -> None:
    data = folder(root=str(images), size=8)
    victim = images / "train" / "dog" / "4.png"
    if damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(b"no image" if damage == "text" else victim.read_bytes()[:200])
    loader = Loader(data.train, batch_size=4, shuffle=True, workers=workers)
    with pytest.raises(RunError, match=f"^cannot read {victim}: .*{why}"):
        list(loader.at(0))
    loader.close()


def test_folders_that_cannot_be_used(images: Path) -> None:
    with pytest.raises(RunError, match=r"there is no folder"):
        folder(root=str(images / "nowhere"))
    with pytest.raises(UsageError, match=r"channels is 2; accepted: 1 or 3"):
        folder(root=str(images), channels=2)
    (images / "val" / "horse").mkdir()
    with pytest.raises(RunError, match=r"classes that the training images do not have: horse"):
        folder(root=str(images))
    with pytest.raises(RunError, match=r"holds no folders of classes"):
        folder(root=str(images / "train" / "cat"))


def test_what_systems_leave_behind_is_left_out_and_counted(images: Path) -> None:
    before = folder(root=images, size=8)
    assert before.notes == ()
    for name in ("._0.png", ".DS_Store", "Thumbs.db"):
        (images / "train" / "cat" / name).write_bytes(b"x")
    (images / "train" / "__MACOSX" / "cat").mkdir(parents=True)
    (images / "val" / ".ipynb_checkpoints").mkdir()
    (images / "val" / "dog" / "labels.csv").write_text("a,b")
    data = folder(root=images, size=8)
    assert (data.classes, len(data.train), len(data.val)) == (before.classes, len(before.train), len(before.val))
    assert data.notes == (
        f"{images / 'train'}: 4 hidden files left out",
        f"{images / 'val'}: 1 hidden files left out",
        f"{images / 'val'}: 1 files left out that are no images by their names: dog/labels.csv",
    )


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


NO_IMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.mkdir(), "it is a folder"),
    (make_pipe, "it is no plain file"),
    (lambda path: path.touch(), "the file is empty"),
    (lambda path: path.symlink_to("nothing"), "a link to nothing"),
]


@pytest.mark.parametrize(("make", "why"), NO_IMAGES, ids=[why for _, why in NO_IMAGES])
@pytest.mark.parametrize("split", [True, False])
def test_what_only_looks_like_an_image_is_found_before_training(
    images: Path, make: Callable[[Path], object], why: str, split: bool
) -> None:
    root = images if split else images / "train"
    for name in ("cat/x.png", "dog/y.jpg"):
        make(images / "train" / name)
    with pytest.raises(RunError, match=rf"2 images cannot be read: .*cat/x.png: {why}, .*dog/y.jpg: {why}; data.on"):
        folder(root=root, size=8)
    data = folder(root=root, size=8, on_error="skip", val_share=0.4)
    assert len(data.train) + len(data.val) == (18 if split else 12)
    assert re.search(rf"2 images left out that cannot be read: .*cat/x.png: {why}; .*dog/y.jpg: {why}", data.notes[0])


def test_unreadable_images_are_left_out_where_a_person_wants_that(images: Path) -> None:
    victims = [images / "train" / "cat" / "1.png", images / "val" / "dog" / "0.png"]
    whole = folder(root=images, size=8)
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:80])
    data = folder(root=images, size=8, on_error="skip")
    assert (len(data.train), len(data.val), len(data.notes)) == (11, 5, 2)
    for note, victim in zip(data.notes, victims, strict=True):
        assert note.startswith(f"1 images left out that cannot be read: {victim}: ")
    kept = data.train.fetch([0, 1, 10], [0] * 3)
    same = whole.train.fetch([0, 2, 11], [0] * 3)
    assert all(torch.equal(kept[key], same[key]) for key in kept)
    with pytest.raises(UsageError, match=r"on_error is skpi; accepted: stop, skip, keep; did you mean skip\?"):
        folder(root=images, on_error="skpi")


def test_every_stray_class_is_named(images: Path) -> None:
    for name in ("dgo", "zebra", ".hidden"):
        (images / "val" / name).mkdir()
    with pytest.raises(RunError, match=r"do not have: dgo \(did you mean dog\?\), zebra$"):
        folder(root=images)


def test_classes_without_images(images: Path) -> None:
    for name in ("emu", "yak"):
        (images / "train" / name).mkdir()
    with pytest.raises(RunError, match=r"no training images of emu, yak; fill or remove"):
        folder(root=images, size=8)
    for name in ("emu", "yak"):
        shutil.copy(images / "train" / "cat" / "0.png", images / "train" / name)
    assert folder(root=images, size=8).notes == (f"{images}: no validation images of emu, yak",)


def test_a_split_that_is_not_there_is_no_class(images: Path) -> None:
    (images / "val").rename(images / "valid")
    with pytest.raises(
        RunError, match=r"no folder .*/val; did you mean valid\?; if train is a class, say data.train: n"
    ):
        folder(root=images)
    assert len(folder(root=images, val="valid", size=8).val) == 6
    with pytest.raises(RunError, match=r"there is no folder .*/trian; did you mean train"):
        folder(root=images, train="trian", val="valid")
    assert folder(root=images, train=None, val_share=0.5, size=8).classes == ("train", "valid")


def test_links_in_a_circle_end(images: Path) -> None:
    (images / "train" / "cat" / "again").symlink_to(images / "train" / "cat")
    assert len(folder(root=images, size=8).train) == 12


# ---- hub and arrays ----


def test_a_saved_hub_data_set(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = {"image": [Image.new("RGB", (12, 10), (i, 0, 0)) for i in range(4)], "label": [0, 1, 0, 1]}
    part = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(str(tmp_path / "set"))
    data = huggingface(path=str(tmp_path / "set"), size=8)
    assert data.classes == ("no", "yes")
    assert data.train.fetch([1, 2], [0, 0])["label"].tolist() == [1, 0]
    with pytest.raises(UsageError, match=r"has no split tests; did you mean test"):
        huggingface(path=str(tmp_path / "set"), val="tests")
    with pytest.raises(UsageError, match=r"has no column img; "):
        huggingface(path=str(tmp_path / "set"), image="img")


class Rows(list[Any]):
    """A split as the library gives it: rows by number, columns by name."""

    features: dict[str, Any] = {}
    column_names = ("image", "label")

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


def hub(monkeypatch: pytest.MonkeyPatch, train: list[Any], val: list[Any]) -> None:
    """A stand-in for the library `datasets` with one data set; features without names of classes."""
    splits = {name: Rows(rows) for name, rows in (("train", train), ("test", val))}
    for rows in splits.values():
        rows.features = {"label": None}
    library = SimpleNamespace(load_dataset=lambda *_: splits, load_from_disk=lambda _: splits["train"])
    monkeypatch.setitem(sys.modules, "datasets", library)


def test_hub_images_are_read_like_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = Image.fromarray(np.full((8, 8), 40000, np.uint16))
    rows = [{"image": deep, "label": 0}, {"image": None, "label": 1}, {"image": Image.new("1", (8, 8)), "label": 1}]
    hub(monkeypatch, rows, rows[:1])
    data = huggingface(path="x", size=8, channels=1)
    assert float(data.val.fetch([0], [0])["image"].max()) == pytest.approx(156 / 255)
    with pytest.raises(RunError, match=r"cannot read image 1 of x \(train\): a NoneType is no image"):
        data.train.fetch([1], [0])
    skipping = huggingface(path="x", size=8, channels=1, on_error="skip")
    assert skipping.train.fetch([0, 1], [0, 0])["label"].tolist() == [0, 1]
    assert skipping.notes == ("1 images left out that cannot be read: image 1 of x (train): a NoneType is no image",)
    with pytest.raises(UsageError, match=r"holds a single data set"):
        huggingface(path=str(tmp_path))


@pytest.mark.parametrize("label", [-1, None, "cat", 1.0, True])
def test_hub_labels_are_integers_from_0(monkeypatch: pytest.MonkeyPatch, label: Any) -> None:
    rows = [{"image": Image.new("L", (8, 8)), "label": 0}]
    hub(monkeypatch, rows, [*rows, {"image": Image.new("L", (8, 8)), "label": label}])
    with pytest.raises(RunError, match=r"x \(test\), column label: row 1 says .*; accepted: integers from 0"):
        huggingface(path="x")


def test_a_hub_label_without_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.new("L", (8, 8))
    hub(monkeypatch, [{"image": image, "label": 1}], [{"image": image, "label": 2}])
    with pytest.raises(RunError, match=r"x \(test\): label 2, and there are 2 classes"):
        huggingface(path="x")


def test_arrays(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, count in (("train", 20), ("val", 5)):
        pixels = generator.integers(0, 256, (count, 6, 6), dtype=np.uint8)
        np.savez(tmp_path / f"{name}.npz", image=pixels, label=np.arange(count) % 3)
    data = arrays(train=str(tmp_path / "train.npz"), val=str(tmp_path / "val.npz"))
    assert (data.shape, data.classes) == ((1, 6, 6), ("0", "1", "2"))
    batch = data.train.fetch(range(20), [0] * 20)
    assert float(batch["image"].mean()) == pytest.approx(data.mean[0], abs=1e-6)


def test_a_run_on_a_folder_through_workers(images: Path, trained: Callable[..., Any]) -> None:
    options: Sequence[str] = (
        f"data={{_delete_: true, type: folder, root: {images}, size: 16, scale: [0.5, 1], workers: 1, batch_size: 4}}",
        "model.structure=SuperConvK3BNRELU(3,8,2,1)",
    )
    (images / "train" / "cat" / ".hidden").touch()
    summary = trained(*options)
    assert summary.complete
    assert (Path(summary.run) / "data.txt").read_text() == f"{images / 'train'}: 1 hidden files left out\n"
    assert summary.metrics == trained(*options, "data.workers=0", run="again").metrics
