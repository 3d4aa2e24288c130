"""What is drawn lies where it should, on images of every form, or an error says what is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from plainnet.engine.pictures.visualizer import COLORS, Visualizer, color_of, feature_picture
from plainnet.errors import RunError, UsageError

BLACK = np.zeros((20, 30), dtype=np.uint8)
RED = (255, 0, 0)


def drawn(picture: Visualizer) -> Any:
    """Which pixels (H, W) are no longer black."""
    return picture.image.max(2) > 0


@pytest.mark.parametrize(
    "image",
    [
        BLACK,
        BLACK[..., None],
        np.zeros((20, 30, 3), dtype=np.uint8),
        np.zeros((20, 30)),
        torch.zeros(1, 20, 30),
        torch.zeros(3, 20, 30, dtype=torch.uint8),
        Image.new("RGB", (30, 20)),
        Image.new("L", (30, 20)),
    ],
)
def test_images_of_every_form(image: Any) -> None:
    picture = Visualizer(image, scale=2)
    assert picture.size == (20, 30)
    assert picture.image.shape == (40, 60, 3)
    assert not drawn(picture).any()


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 3, 2)), torch.zeros(2, 3), np.zeros((0, 3)), np.full((2, 2), 2.0), np.zeros((2, 2), dtype=np.int64)],
)
def test_what_is_no_image_is_told(image: Any) -> None:
    if isinstance(image, torch.Tensor):
        Visualizer(image)  # (H, W) as a tensor is one
        return
    with pytest.raises(UsageError, match="an image"):
        Visualizer(image)


@pytest.mark.parametrize("scale", [1, 3])
def test_a_box_is_drawn_along_its_edges(scale: int) -> None:
    found = drawn(Visualizer(BLACK, scale=scale).boxes([[4, 5, 12, 15], [3, 3, 3, 9]], colors=RED))
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    assert (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1) == (4 * scale, 12 * scale, 5 * scale, 15 * scale)
    assert not found[6 * scale : 14 * scale, 5 * scale : 11 * scale].any()


def test_shapes_lie_where_they_are_said_to() -> None:
    assert drawn(Visualizer(BLACK).points([[10.0, 8.0]], radius=2))[8, 10]
    ring = drawn(Visualizer(BLACK).circles([[15, 10]], [6], colors=RED))
    assert ring[10, 21]
    assert not ring[10, 15]
    line = drawn(Visualizer(BLACK).lines([[0, 3, 29, 3]]))
    assert line[3].all()
    assert line.sum() == 30
    full = drawn(Visualizer(BLACK).polygons([[[2, 2], [10, 2], [10, 10], [2, 10]]], filled=True))
    assert full[2:11, 2:11].all()
    assert full.sum() == 81


def test_masks_colour_their_pixels() -> None:
    mask = torch.zeros(20, 30, dtype=torch.int64)
    mask[2:5, 3:9], mask[10:12, 1:4] = 1, 2
    picture = Visualizer(BLACK).classes(mask, opacity=1.0)
    assert np.array_equal(drawn(picture), mask.numpy() > 0)
    wanted = [tuple(int(color_of(number)[at : at + 2], 16) for at in (1, 3, 5)) for number in (1, 2)]
    assert [tuple(picture.image[3, 4]), tuple(picture.image[10, 2])] == wanted
    half = Visualizer(BLACK).mask(mask == 1, color=RED, opacity=0.5).image[3, 4]
    assert abs(int(half[0]) - 128) <= 1
    with pytest.raises(UsageError, match=r"the mask is \(3, 3\), and the image \(20, 30\)"):
        Visualizer(BLACK).mask(np.ones((3, 3)))


def test_texts_stay_inside(tmp_path: Path) -> None:
    picture = Visualizer(np.zeros((40, 80), dtype=np.uint8)).texts(["one", "two"], [[-5, -5], [79, 39]], colors=RED)
    assert (picture.image == np.array([32, 32, 32])).all(2).any()
    picture.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.size == (80, 40)
    boxes = Visualizer(BLACK).boxes(torch.zeros(0, 4), texts=[])
    assert not drawn(boxes).any()


def test_feature_maps_become_pictures() -> None:
    maps = torch.zeros(6, 4, 5)
    maps[3, 1, 2] = 1.0
    for reduce, shape in (("mean", (4, 5)), ("max", (4, 5)), ("top", (4, 20))):
        picture = feature_picture(maps, reduce=reduce)
        assert picture.shape == (*shape, 3)
        assert tuple(picture[1, 2]) == (250, 230, 60)
        assert tuple(picture[0, 0]) == (0, 20, 60)
    large = feature_picture(maps, size=(20, 30))
    assert Visualizer(BLACK).overlay(large, opacity=1.0).image.max() == large.max()
    assert feature_picture(torch.ones(2, 3, 3)).max() == 60
    for wrong in ({"reduce": "sum"},):
        with pytest.raises(UsageError, match="accepted: mean, max, top"):
            feature_picture(maps, **wrong)
    with pytest.raises(UsageError, match="a feature map is"):
        feature_picture(torch.zeros(3, 3))
    with pytest.raises(UsageError, match="top is 0"):
        feature_picture(maps, reduce="top", top=0)
    assert np.array_equal(feature_picture(maps.numpy(), reduce="max"), feature_picture(maps, reduce="max"))
    maps[:, 0, 1] = torch.nan
    spoilt = feature_picture(maps, reduce="max")
    assert tuple(spoilt[0, 1]) == (255, 0, 0)
    assert tuple(spoilt[1, 2]) == (250, 230, 60)
    assert tuple(feature_picture(torch.full((1, 2, 2), torch.inf))[0, 0]) == (255, 0, 0)


def test_what_cannot_be_drawn_is_told() -> None:
    picture = Visualizer(BLACK)
    for call, said in (
        (lambda: picture.boxes([[1, 2, 3]]), r"boxes are \(1, 3\)"),
        (lambda: picture.boxes([[1, 2, 3, 4]], colors=["red", "blue"]), "2 given for 1 things"),
        (lambda: picture.texts(["a"], []), "1 texts and 0 positions"),
        (lambda: picture.mask(BLACK, opacity=2), "opacity is 2"),
        (lambda: Visualizer(BLACK, scale=0), "scale is 0"),
        (lambda: picture.boxes([[1, 2, 3, np.nan]]), "boxes hold values that are not finite"),
        (lambda: picture.lines([[1, 2, 3, np.inf]]), "lines hold values that are not finite"),
        (lambda: picture.points([[np.nan, 2]]), "points hold values that are not finite"),
        (lambda: picture.polygons([[[1, 2], [3, np.nan]]]), "a polygon hold"),
        (lambda: picture.circles([[1, 2]], [-1]), "radii are .*; accepted: 0 pixels or more"),
        (lambda: picture.circles([[1, 2]], [np.nan]), "radii are"),
        (lambda: picture.boxes([[1, 2, 3, 4]], texts="car"), "texts are 'car'; accepted: a list"),
        (lambda: picture.boxes([[1, 2, 3, 4]], colors="oragne"), "no colour 'oragne'; did you mean orange"),
        (lambda: picture.mask(BLACK, color="x"), "no colour 'x'"),
        (lambda: picture.mask(BLACK + 0.25), "the mask holds float64 from 0.25 to 0.25; accepted: booleans"),
        (lambda: picture.classes(BLACK + 0.5), "classes of pixels are float64; accepted: whole numbers"),
        (lambda: picture.save("name"), "name: the name of a picture says its format"),
        (lambda: picture.save("name.psd"), "says its format"),
    ):
        with pytest.raises(UsageError, match=said):
            call()
    with pytest.raises(RunError, match=r"cannot write nowhere/a\.png: No such file"):
        picture.save("nowhere/a.png")
    assert color_of(len(COLORS)) == COLORS[0]
