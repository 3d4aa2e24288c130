"""Every transform that moves boxes and masks, against objects that are drawn one to a channel and moved as an image."""

from __future__ import annotations

from typing import Any

import kornia.augmentation
import pytest
import torch
from torch import Tensor

from plainnet.engine.data.pipeline import Pipeline
from plainnet.engine.data.transforms import FILLED, Flip, Kornia, RandomCrop
from plainnet.errors import UsageError

COUNT, OBJECTS, UNKNOWN = 12, 4, 255
OWN: dict[str, Any] = {
    "Flip": Flip(),
    "Flip of all": Flip(p=1.0),
    "RandomCrop": RandomCrop(padding=5),
    "RandomCrop beside": RandomCrop(padding=25),
}
EITHER = ({"align_corners": True}, {"align_corners": False})
WARPS: list[dict[str, Any]] = [
    {"name": "RandomAffine", "degrees": 25.0, "translate": (0.2, 0.2), "scale": (0.7, 1.4), "shear": (-8.0, 8.0)},
    {"name": "RandomAffine", "degrees": 0.0, "scale": (1.8, 1.9)},
    {"name": "RandomRotation", "degrees": 45.0},
    {"name": "RandomPerspective", "distortion_scale": 0.5},
    {"name": "RandomShear", "shear": (-20.0, 20.0)},
    {"name": "RandomTranslate", "translate_x": (0.1, 0.3), "translate_y": (-0.2, 0.2)},
]
SOMETIMES: list[dict[str, Any]] = [
    {"name": "RandomHorizontalFlip"},
    {"name": "RandomVerticalFlip"},
    {"name": "RandomRotation90", "times": (2, 2)},
    *({**warp, **corners} for warp in WARPS for corners in EITHER),
]
KORNIA: list[dict[str, Any]] = [
    *({**options, "p": p} for options in SOMETIMES for p in (0.5, 1.0)),
    {"name": "RandomRotation90", "times": (1, 3), "p": 1.0},
    {"name": "RandomAffine", "degrees": 10.0, "resample": "nearest", "p": 1.0},
    {"name": "RandomCrop", "size": (21, 23)},
    {"name": "RandomCrop", "size": (21, 23), "cropping_mode": "resample"},
    {"name": "RandomCrop", "size": (40, 50), "pad_if_needed": True},
    {"name": "RandomCrop", "size": (31, 41), "padding": 6},
    {"name": "CenterCrop", "size": (20, 24)},
    {"name": "CenterCrop", "size": (21, 23), "cropping_mode": "resample"},
    {"name": "PadTo", "size": (50, 60)},
    *({"name": "RandomResizedCrop", "size": (37, 29), "cropping_mode": how} for how in ("slice", "resample")),
    *({"name": "Resize", "size": size} for size in ((62, 82), (93, 41), (64, 64))),
    {"name": "Resize", "size": 50, "side": "short"},
    {"name": "LongestMaxSize", "max_size": 77},
    {"name": "SmallestMaxSize", "max_size": 77},
]


def scenes(height: int, width: int) -> dict[str, Any]:
    """Up to four boxes of four classes, some at the sides; channels: each box, each class of pixels; a patch is of no class."""
    draw = torch.Generator().manual_seed(3)

    def drawn(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=draw))

    boxes, classes = torch.zeros(COUNT, OBJECTS, 4), torch.full((COUNT, OBJECTS), -1)
    mask, filled = torch.zeros(COUNT, height, width, dtype=torch.int64), torch.zeros(COUNT, OBJECTS, height, width)
    for image in range(COUNT):
        for number in range(OBJECTS):
            if drawn(0, 5) == 0:
                continue
            left, top = drawn(0, width - 3), drawn(0, height - 3)
            right, bottom = drawn(left + 2, width + 1), drawn(top + 2, height + 1)
            boxes[image, number] = torch.tensor([left, top, right, bottom])
            classes[image, number] = number
            filled[image, number, top:bottom, left:right] = 1
            mask[image, top:bottom, left:right] = number + 1
    mask[:, height // 2 : height // 2 + 3, width // 2 : width // 2 + 4] = UNKNOWN
    pixels = torch.stack([(mask == kind).float() for kind in range(OBJECTS + 1)], 1)
    held = {"mask": mask, "boxes": boxes, "classes": classes, "draw": torch.arange(COUNT) * 7919}
    return {"image": torch.cat([filled, pixels], 1), **held}


def tight(inside: Tensor) -> Tensor:
    rows, columns = inside.any(1).nonzero(), inside.any(0).nonzero()
    sides = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return torch.stack(sides).float()


def check(transform: Any, height: int, width: int) -> None:
    torch.manual_seed(1)
    before = scenes(height, width)
    after = Pipeline([transform])(before)
    filled, pixels = after["image"][:, :OBJECTS], after["image"][:, OBJECTS:]
    is_there, was_there = after["classes"] != -1, before["classes"] != -1
    assert not bool((is_there & ~was_there).any())
    seen = 0
    for image, number in was_there.nonzero().tolist():
        inside, box = filled[image, number] > 0.5, after["boxes"][image, number]
        if not is_there[image, number]:  # less than a pixel is left
            assert not bool(inside.any()) or float((tight(inside)[2:] - tight(inside)[:2]).min()) <= 2
        elif bool(inside.any()):
            seen += 1
            holds, touched = tight(inside), tight(filled[image, number] > 0.01)  # a sharp tip holds no pixel's centre
            assert (holds - box)[:2].min() >= -0.6, (image, number, holds, box)
            assert (holds - box)[2:].max() <= 0.6, (image, number, holds, box)
            assert (box - touched)[:2].min() >= -1, (image, number, touched, box)
            assert (box - touched)[2:].max() <= 1, (image, number, touched, box)
        else:
            assert float((box[2:] - box[:2]).min()) <= 2
    assert seen > COUNT
    known = after["mask"] != UNKNOWN
    assert set(after["mask"][known].tolist()) <= set(range(OBJECTS + 1))
    for kind in range(OBJECTS + 1):
        assert bool((after["mask"][pixels[:, kind] > 0.99] == kind).all()), kind
    assert not bool(known[pixels.sum(1) < 0.01].any()), "what is of no class, or from outside, is of none"


SIZES = [(31, 41), (30, 40), (41, 31)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", OWN)
def test_ours_move_what_they_show(name: str, size: tuple[int, int]) -> None:
    check(OWN[name], *size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", KORNIA, ids=lambda options: str(options["name"]))
def test_kornias_move_what_they_show(options: dict[str, Any], size: tuple[int, int]) -> None:
    check(Kornia(**options), *size)


def geometric() -> dict[str, Any]:
    base = kornia.augmentation.GeometricAugmentationBase2D
    found = {name: getattr(kornia.augmentation, name) for name in dir(kornia.augmentation)}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, base)}


def test_all_of_kornias_are_tried() -> None:
    assert {options["name"] for options in KORNIA} == set(geometric()) - {"GeometricAugmentationBase2D"}
    for options in KORNIA:
        flags = Kornia(**options).transform.flags
        assert {name for name in flags if "fill" in name or "value" in name} <= set(FILLED)


@pytest.mark.parametrize(
    ("options", "fill"),
    [
        ({"name": "RandomCrop", "size": (31, 41), "padding": 6}, {"fill": 1}),
        ({"name": "PadTo", "size": (50, 60)}, {"pad_value": 0.7}),
        ({"name": "RandomAffine", "degrees": 30.0, "p": 1.0}, {"padding_mode": "fill", "fill_value": [0.7] * 9}),
    ],
    ids=lambda value: str(value.get("name", "")),
)
def test_the_colour_from_outside_is_no_class_of_a_mask(options: dict[str, Any], fill: dict[str, Any]) -> None:
    found = []
    for more in ({}, fill):
        torch.manual_seed(1)
        found.append(Pipeline([Kornia(**options, **more)])(scenes(31, 41)))
    assert not torch.equal(found[0]["image"], found[1]["image"])
    assert torch.equal(found[0]["mask"], found[1]["mask"])
    assert torch.equal(found[0]["boxes"], found[1]["boxes"])


@pytest.mark.parametrize(
    "options",
    [
        {"name": "RandomAffine", "degrees": 9.0, "p": 1.0, "padding_mode": "border"},
        {"name": "RandomAffine", "degrees": 9.0, "p": 1.0, "padding_mode": "reflection"},
        {"name": "RandomCrop", "size": (31, 41), "padding": 6, "padding_mode": "reflect"},
        {"name": "PadTo", "size": (50, 60), "pad_mode": "replicate"},
    ],
    ids=lambda options: str(options["name"]),
)
def test_objects_shown_once_more_would_have_no_boxes(options: dict[str, Any]) -> None:
    batch = scenes(31, 41)
    with pytest.raises(UsageError, match="shows objects once more, without boxes; accepted: zeros, constant"):
        Pipeline([Kornia(**options)])(batch)
    masks = {name: batch[name] for name in ("image", "mask", "draw")}
    after = Pipeline([Kornia(**options)])(masks)
    pixels = after["image"][:, OBJECTS:]
    for kind in range(OBJECTS + 1):
        assert bool((after["mask"][pixels[:, kind] > 0.99] == kind).all()), "masks show them once more, too"


def test_a_window_reaches_into_its_image() -> None:
    check(RandomCrop(padding=1), 31, 41)
    Pipeline([RandomCrop(padding=41)])(scenes(31, 41))
    for padding in (42, 1_000_003):
        with pytest.raises(UsageError, match=rf"RandomCrop's padding is {padding}; accepted: up to the side, 41"):
            Pipeline([RandomCrop(padding=padding)])(scenes(31, 41))
