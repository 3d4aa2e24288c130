"""Masks and boxes that go where their image goes, or an error."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from plainnet.engine.data.auto_augment import AutoAugment
from plainnet.engine.data.pipeline import Mix, Normalize, Pipeline
from plainnet.engine.data.targets import sanitized
from plainnet.engine.data.transforms import Flip, Kornia, Lighting, RandAugment, RandomCrop, RandomErasing
from plainnet.errors import UsageError

COUNT, HEIGHT, WIDTH = 24, 30, 40
MOVING: dict[str, Any] = {
    "flip": Flip(p=0.5),
    "crop": RandomCrop(padding=7),
    "kornia flip": Kornia(name="RandomHorizontalFlip", p=0.5),
    "kornia vertical": Kornia(name="RandomVerticalFlip", p=1.0),
    "kornia turn": Kornia(name="RandomRotation90", times=(2, 2), p=1.0),
    "kornia move": Kornia(name="RandomAffine", degrees=0.0, translate=(0.2, 0.2), p=1.0, align_corners=True),
    "kornia turn a little": Kornia(name="RandomAffine", degrees=25.0, p=1.0, align_corners=True),
    "kornia scale": Kornia(name="RandomAffine", degrees=0.0, scale=(0.7, 1.4), p=1.0, align_corners=True),
}
STILL: dict[str, Any] = {
    "erasing": RandomErasing(p=1.0),
    "normal": Normalize((0.5,), (0.5,)),
    "kornia light": Kornia(name="RandomInvert", p=1.0),
    "kornia blur": Kornia(name="RandomGaussianBlur", kernel_size=(3, 3), sigma=(0.1, 2.0), p=1.0),
}


def scenes() -> dict[str, Any]:
    """One full rectangle in each image: class 3 in its mask, and its box; a second object is not there."""
    draw = torch.Generator().manual_seed(3)
    left = torch.randint(8, 18, (COUNT,), generator=draw)
    top = torch.randint(8, 14, (COUNT,), generator=draw)
    right = left + torch.randint(3, 14, (COUNT,), generator=draw)
    bottom = top + torch.randint(3, 9, (COUNT,), generator=draw)
    rows, columns = torch.arange(HEIGHT).view(1, -1, 1), torch.arange(WIDTH).view(1, 1, -1)
    inside = (columns >= left.view(-1, 1, 1)) & (columns < right.view(-1, 1, 1))
    inside = inside & (rows >= top.view(-1, 1, 1)) & (rows < bottom.view(-1, 1, 1))
    boxes = torch.zeros(COUNT, 2, 4)
    boxes[:, 0] = torch.stack([left, top, right, bottom], 1).float()
    return {
        "image": inside[:, None].float(),
        "mask": inside * 3,
        "boxes": boxes,
        "classes": torch.tensor([[2, -1]] * COUNT),
        "draw": torch.arange(COUNT) * 7919,
    }


def tight(inside: Tensor) -> Tensor:
    rows, columns = inside.any(1).nonzero(), inside.any(0).nonzero()
    return torch.tensor([int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1])


@pytest.mark.parametrize("name", MOVING)
def test_the_box_of_the_moved_mask_is_the_moved_box(name: str) -> None:
    before = scenes()
    after = Pipeline([MOVING[name]])(before)
    moved = 0
    for number in range(COUNT):
        mask, box, kind = after["mask"][number], after["boxes"][number, 0], after["classes"][number, 0]
        assert set(mask.unique().tolist()) <= {0, 3, 255}
        seen = tight(mask == 3).float()
        assert kind == 2
        assert (seen - box).abs().max() <= (1.01 if "little" in name else 0.51), (
            seen,
            box,
        )  # a tip holds no pixel's centre
        bright = after["image"][number, 0] > 0.5
        assert (bright != (mask == 3)).float().sum() <= 2 * (WIDTH + HEIGHT), "the mask lies where its image does"
        moved += not torch.equal(box, before["boxes"][number, 0])
    assert moved > COUNT / 4
    assert (after["classes"][:, 1] == -1).all()
    assert after["boxes"][:, 1].abs().max() == 0
    assert torch.equal(before["boxes"], scenes()["boxes"]), "the old batch stays as it was"


RESIZING: list[dict[str, Any]] = [
    {"name": "Resize", "size": (124, 173)},
    {"name": "Resize", "size": (17, 23)},
    {"name": "LongestMaxSize", "max_size": 201},
    {"name": "SmallestMaxSize", "max_size": 93},
    {"name": "RandomResizedCrop", "size": (124, 173), "scale": (0.5, 0.6)},
    {"name": "RandomResizedCrop", "size": (124, 173), "scale": (0.5, 0.6), "cropping_mode": "resample"},
    {"name": "RandomCrop", "size": (25, 33)},
    {"name": "CenterCrop", "size": (25, 33)},
    {"name": "PadTo", "size": (61, 64)},
]


@pytest.mark.parametrize("options", RESIZING, ids=lambda options: str(options["name"]))
def test_image_mask_and_box_stay_together_at_another_size(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    after = Pipeline([Kornia(**options)])(scenes())
    assert after["image"].shape[-2:] == after["mask"].shape[-2:] != (HEIGHT, WIDTH)
    seen = 0
    for image, mask, (box, _), (kind, _) in zip(
        after["image"][:, 0], after["mask"], after["boxes"], after["classes"], strict=True
    ):
        if kind == 2 and bool((mask == 3).any()):
            seen += 1
            assert (tight(mask == 3) - box).abs().max() <= 0.51
            assert (tight(image > 0.49) - tight(mask == 3)).abs().max() <= 1
    assert seen > COUNT / 2
    if "Resize" in options["name"]:
        with pytest.raises(UsageError, match="align_corners: true moves masks otherwise"):
            Pipeline([Kornia(**options, align_corners=True)])(scenes())


@pytest.mark.parametrize("name", STILL)
def test_what_moves_nothing_leaves_targets_alone(name: str) -> None:
    after = Pipeline([STILL[name]])(scenes())
    assert not torch.equal(after["image"], scenes()["image"])
    assert all(torch.equal(after[key], scenes()[key]) for key in ("mask", "boxes", "classes"))


@pytest.mark.parametrize(
    "transform",
    [lambda image: image, RandAugment(), AutoAugment(policy="cifar10"), Kornia(name="RandomMixUpV2", p=1.0)],
)
def test_what_does_not_say_where_it_moves_targets_is_refused(transform: Any) -> None:
    batch = {**scenes(), "image": scenes()["image"].expand(-1, 3, -1, -1)}
    with pytest.raises(UsageError, match=r"does not say where"):
        Pipeline([transform])(batch)


def test_mixing_needs_labels() -> None:
    with pytest.raises(UsageError, match="mixup and CutMix mix labels"):
        Pipeline([], mix=Mix(num_classes=3, mixup=1.0))(scenes())


def test_lighting_and_flips_of_images_alone_are_as_before() -> None:
    image = torch.rand(4, 3, 6, 6)
    batch = {"image": image, "draw": torch.arange(4)}
    assert Pipeline([Lighting(), Flip(), RandomCrop(padding=1)])(batch)["image"].shape == image.shape


def test_boxes_outside_go_and_those_at_the_side_are_cut() -> None:
    boxes = torch.tensor(
        [[[-5.0, 2.0, 3.0, 40.0], [50.0, 0.0, 60.0, 9.0], [9.5, 1.0, 10.0, 8.0], [1.0, 1.0, 2.0, 2.0]]]
    )
    found = sanitized(boxes, torch.tensor([[1, 2, 3, -1]]), (20, 10))
    assert found["classes"].tolist() == [[1, -1, -1, -1]]
    assert found["boxes"][0].tolist() == [[0, 2, 3, 20], [0] * 4, [0] * 4, [0] * 4]
