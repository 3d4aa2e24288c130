"""Data sets of images with boxes and masks in which one file is wrong at random: they are read, or the file is named."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from engine.test_annotated_data import make_coco, make_masks, make_voc
from PIL import Image

from tests.mutations import command, faults, wrong_bytes, wrong_json, wrong_word

FILES = {
    "coco/annotations/instances_train2017.json": 6,
    "coco/train2017/a.png": 1,
    "voc/Annotations/one.xml": 4,
    "voc/ImageSets/Main/train.txt": 1,
    "voc/ImageSets/Segmentation/train.txt": 1,
    "voc/SegmentationClass/one.png": 2,
    "masks/train/masks/b.png": 2,
    "masks/train/images/b.jpg": 1,
}
"""A file -> how often it is the one that is wrong."""
NAMED = {
    "coco": ("instances_train2017.json", "/train2017/"),
    "voc": ("one.", "train.txt", "JPEGImages/"),
    "masks": ("b.",),
}
"""What an error may name: the file, or the image that the file leads to."""


def make_data(folder: Path) -> Path:
    """A data set of each format."""
    make_coco(folder / "coco")
    make_voc(folder / "voc")
    numbers = np.zeros((32, 40), dtype=np.uint8)
    numbers[12:28, 8:24], numbers[0, 0] = 12, 255
    Image.fromarray(numbers).convert("P").save(folder / "voc" / "SegmentationClass" / "one.png")
    make_masks(folder / "masks")
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data") / "sound")


def readers(folder: Path, kind: str) -> Iterator[Callable[[], object]]:
    """What reads a data set of a format."""
    words = ("data", "check", kind, f"root={folder / kind}", "size=16")
    if kind == "masks":
        yield command(*words, "classes=[ground, square]")
        return
    yield command(*words)
    yield command(*words, "--json")
    yield command(*words, "target=masks")
    yield command(*words, "on_error=skip")
    yield command("data", "show", *words[2:], "--out", folder / "data.png")


def check(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        (name,) = draw.choices(list(FILES), weights=list(FILES.values()))
        file, kind = folder / name, name.split("/")[0]
        make_wrong(file, draw)
        found = faults(readers(folder, kind), *NAMED[kind])
        assert found == [], (seed, name, *found)


def make_wrong(file: Path, draw: random.Random) -> None:
    data = file.read_bytes()
    if file.suffix == ".json":
        wrong = wrong_json(data.decode(), draw)
    elif file.suffix in (".xml", ".txt") and draw.random() < 0.7:
        wrong = wrong_word(data.decode(), draw).encode()
    else:
        wrong = wrong_bytes(data, draw)
    file.write_bytes(wrong)


@pytest.mark.parametrize(
    "seeds",
    [
        [*range(5), 339, 81_015_008],
        *(pytest.param(range(first, first + 100), marks=pytest.mark.tail) for first in range(5, 500, 100)),
    ],
    ids=["short", "5", "105", "205", "305", "405"],
)
def test_wrong_data_are_read_or_named(sound: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check(sound, tmp_path / "wrong", seeds)
