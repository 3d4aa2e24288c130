"""COCO, VOC and mask folders: boxes and masks lie where their objects are, and what is broken is named."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from plainnet.engine import DataSource
from plainnet.engine.data import annotated
from plainnet.engine.data.checking import check_data
from plainnet.engine.data.coco import coco
from plainnet.engine.data.coco_masks import Painted
from plainnet.engine.data.filters import HasObjects, OfClasses, filtered
from plainnet.engine.data.images import cropped, uncropped
from plainnet.engine.data.mask_folders import masks
from plainnet.engine.data.pipeline import Normalize
from plainnet.engine.data.targets import transformed
from plainnet.engine.data.transforms import Flip
from plainnet.engine.data.voc import VOC_CLASSES, voc
from plainnet.engine.run.dry_run import dry_run
from plainnet.engine.run.training_run import load_config
from plainnet.errors import RunError, UsageError

BOX = (8, 12, 24, 28)
"""Left, top, right, bottom of the bright rectangle in images of 40 x 32 pixels."""
OTHER = (30, 2, 36, 8)


def picture(path: Path, *boxes: tuple[int, int, int, int], size: tuple[int, int] = (32, 40)) -> Path:
    """Black, but for boxes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*size, 3), dtype=np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 255
    Image.fromarray(pixels).save(path)
    return path


def annotation(number: int, image: int, category: int, box: tuple[int, int, int, int], **more: Any) -> dict[str, Any]:
    left, top, right, bottom = box
    shape = [[left, top, right, top, right, bottom, left, bottom]]
    size = {"bbox": [left, top, right - left, bottom - top], "segmentation": shape}
    return {"id": number, "image_id": image, "category_id": category, "iscrowd": 0, **size, **more}


def make_coco(root: Path) -> dict[str, Any]:
    """Two training images and one of validation; the first holds two objects, the second none and a crowd."""
    images = [{"id": 5, "file_name": "a.png", "height": 32, "width": 40}, {"id": 9, "file_name": "b.png"}]
    categories = [{"id": 7, "name": "square"}, {"id": 3, "name": "dot"}]
    runs = {"size": [32, 40], "counts": [0, 64, 32 * 40 - 64]}
    objects = [annotation(1, 5, 7, BOX), annotation(2, 5, 3, OTHER)]
    objects.append(annotation(3, 9, 3, OTHER, iscrowd=1, segmentation=runs))
    tree = {"images": images, "categories": categories, "annotations": objects}
    for part in ("train2017", "val2017"):
        picture(root / part / "a.png", BOX, OTHER)
        picture(root / part / "b.png")
        write(root, tree, part)
    return tree


def write(root: Path, tree: Any, part: str = "train2017") -> None:
    file = root / "annotations" / f"instances_{part}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(tree if isinstance(tree, str) else json.dumps(tree))


def tight(inside: Tensor) -> list[int]:
    """The box around what is true."""
    rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def first(data: DataSource) -> dict[str, Any]:
    return data.train.fetch([0, 1], [0, 0])


@pytest.mark.parametrize("size", [[32, 40], [16, 20], [64, 80], [32, 32]])
def test_boxes_lie_around_their_objects(tmp_path: Path, size: list[int]) -> None:
    make_coco(tmp_path)
    data = coco(root=tmp_path, size=size)
    batch = first(data)
    assert (data.classes, data.shape, data.target) == (("dot", "square"), (3, *size), "boxes")
    assert batch["classes"][1].tolist() == [-1] * batch["classes"].shape[1]
    known = batch["classes"][0] == 1
    (box,) = batch["boxes"][0][known].tolist()
    bright = batch["image"][0, 0] > 0.5
    bright[: size[0] // 4, size[1] * 2 // 3 :] = False  # the other object
    assert box == pytest.approx(tight(bright), abs=0.51)
    assert "1 crowds are not looked for" in data.notes[0]
    whole = torch.tensor([[3.0, 4, 30, 29]])
    there = cropped(whole, (32, 40), size=(16, 20), share=1.0)
    assert torch.allclose(uncropped(there, (32, 40), size=(16, 20), share=1.0), whole)


@pytest.mark.parametrize(
    ("size", "crop"), [([32, 32], 1.0), ([32, 40], 1.0), ([32, 40], 0.5), ([16, 4], 1.0), ([8, 9], 0.3)]
)
def test_objects_outside_of_what_is_seen_are_counted(tmp_path: Path, size: list[int], crop: float) -> None:
    make_coco(tmp_path)
    make_voc(tmp_path / "voc")
    for data in (coco(root=tmp_path, size=size, crop=crop), voc(root=tmp_path / "voc", size=size, crop=crop)):
        listed = sum(len(item.boxes) for item in data.train.items)  # type: ignore[attr-defined, misc]
        seen = sum(int((data.train.fetch([at], [0])["classes"] >= 0).sum()) for at in range(len(data.train)))
        told = [note for note in data.notes if "outside of the middle" in note]
        assert bool(told) == (seen < listed)
        if told:
            assert f"{listed - seen} of {listed} objects" in told[0]
            assert f"({size[1]} x {size[0]} pixels)" in told[0]


@pytest.mark.parametrize("size", [(32, 40), (16, 20)])
def test_crowds_are_for_validation_and_lie_as_boxes_do(tmp_path: Path, size: tuple[int, int]) -> None:
    make_coco(tmp_path)
    make_voc(tmp_path / "voc")
    found = coco(root=tmp_path, size=[*size])
    assert "crowds" not in first(found)
    batch = found.val.fetch([0, 1], [0, 0])
    scale = size[0] / 32
    assert batch["crowds"].tolist() == [[[-1] * 5], [[*(scale * side for side in OTHER), 0]]]
    assert batch["boxes"][1].tolist() == [[0.0] * 4] * batch["boxes"].shape[1]
    hard = voc(root=tmp_path / "voc", size=[*size]).val.fetch([0], [0])
    assert hard["crowds"].tolist() == [[[*(scale * side for side in BOX), VOC_CLASSES.index("cat")]]]
    judged = coco(root=tmp_path, size=[*size], only="train").train.fetch([0, 1], [0, 0])
    assert torch.equal(judged["crowds"], batch["crowds"]), "training images that are asked for alone are judged"


def test_crowds_are_moved_by_no_transform(tmp_path: Path) -> None:
    make_coco(tmp_path)
    batch = coco(root=tmp_path, size=[32, 40]).val.fetch([1], [0])
    normalized = transformed(Normalize([0.5] * 3, [0.5] * 3), batch, lambda: batch["image"], None)
    assert normalized["crowds"] is batch["crowds"]
    with pytest.raises(UsageError, match="crowds are moved by no transform"):
        transformed(Flip(), batch, lambda: batch["image"], None)


def test_masks_are_painted_as_boxes_lie(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    make_coco(tmp_path)
    data = coco(root=tmp_path, size=[32, 40], target="masks")
    mask = first(data)["mask"]
    assert (data.classes, mask.shape, mask.dtype) == (("background", "dot", "square"), (2, 32, 40), torch.int64)
    assert (tight(mask[0] == 2), tight(mask[0] == 1)) == (list(BOX), list(OTHER))
    assert int((mask[1] == 1).sum()) == 64  # the crowd's run lengths
    assert not check_data(data, "coco").is_broken


def test_run_lengths_are_those_of_cocos_own_reader() -> None:
    coco_mask = pytest.importorskip("pycocotools.mask")
    draw = np.random.default_rng(0)
    for size in ((1, 1), (7, 5), (40, 33), (300, 200)):
        for share in (0.0, 0.01, 0.5, 1.0):
            mask = np.asfortranarray(draw.random(size) < share)
            text = coco_mask.encode(mask.astype(np.uint8))
            counts = {"size": list(size), "counts": text["counts"].decode()}
            painted = Painted(Path("a.png"), ((counts, 0),))(size)
            assert (painted.astype(bool) == mask).all(), (size, share)


FAR = [
    ([[8, 12, 24, 12, 24, 28_000_084, 8, 28]], "a corner lies more than 1,048,576 pixels away"),
    ([[0, 0, 400, 400] * 50], "an outline of 40,000 pixels; accepted in this image: 5,696"),
    (
        {"size": [32, 400_000], "counts": [0, 12_800_000]},
        r"run lengths of \[32, 400000\] pixels for an image of \[32, 40\]",
    ),
    ({"size": [32, 40], "counts": [0, 1281]}, "run lengths of 1,281 pixels for an image of 1,280"),
    ({"size": [32, 40], "counts": [1281, -1]}, "no counts of pixels"),
    ({"size": [32, 40], "counts": "000\x7f"}, "is no letter of run lengths"),
    ({"size": [32, 40], "counts": "oooooooooooooooo"}, "is no letter of run lengths"),
    ({"size": [32, 40], "counts": "0o"}, "run lengths that break off"),
]


@pytest.mark.parametrize(("what", "said"), FAR)
def test_shapes_beyond_their_image_take_no_memory(what: Any, said: str) -> None:
    """Before, pycocotools took gigabytes for a corner that lies far away, and counted past the end of what it had taken."""
    with pytest.raises(RunError, match=said) as caught:
        Painted(Path("a.png"), ((what, 0),))((32, 40))
    assert "a.png" in str(caught.value)


def changed(key: str, place: int, **values: Any) -> Callable[[dict[str, Any]], Any]:
    def change(tree: dict[str, Any]) -> Any:
        tree[key][place] |= values
        return tree

    return change


BROKEN = [
    (lambda _: "{", "is no JSON"),
    (lambda _: "[]", "holds a list, not an object"),
    (lambda tree: {**tree, "images": {}}, "images is no list of objects"),
    (lambda tree: {**tree, "categories": []}, "has no categories"),
    (changed("images", 1, id=5), "images.1: the id 5 is there twice"),
    (changed("images", 1, file_name=None), "images.1 has no file_name"),
    (changed("images", 1, file_name="c.png"), "train2017/c.png: No such file"),
    (changed("images", 1, file_name="../val/a.png"), "it leads out of "),
    (changed("images", 1, file_name="/etc/a.png"), "it leads out of "),
    (changed("images", 1, file_name="x/../../a.png"), "it leads out of "),
    (changed("annotations", 1, image_id=4), "annotations.1 (id 2): image_id 4 is of nothing"),
    (changed("annotations", 1, category_id="x"), "annotations.1 (id 2): category_id 'x' is of nothing"),
    (
        changed("annotations", 0, bbox=[1, 2, 1e300, 4]),
        "annotations.0 (id 1): bbox is [1, 2, 1e+300, 4]; accepted",
    ),
    (lambda tree: {**tree, "images": [], "annotations": []}, "instances_train2017.json lists no images"),
    (changed("annotations", 0, bbox=[1, 2, 0, 4]), r"annotations.0 (id 1): bbox [1, 2, 0, 4] has no size"),
    (changed("annotations", 0, bbox=[40, 2, 3, 4]), "(id 1): its box lies beside the image of 40 x 32 pixels"),
    (changed("annotations", 0, bbox=[1, 2, 10**400, 4]), "annotations.0 (id 1): bbox is [1, 2, 1000"),
    (changed("annotations", 0, bbox=[1, 2, float("nan"), 4]), "annotations.0 (id 1): bbox is [1, 2, nan, 4]; accepted"),
]


@pytest.mark.parametrize(("change", "said"), BROKEN)
def test_a_broken_coco_file_is_named(tmp_path: Path, change: Any, said: str) -> None:
    tree = make_coco(tmp_path)
    write(tmp_path, change(tree))
    with pytest.raises(RunError) as caught:
        coco(root=tmp_path)
    assert said in str(caught.value)


def test_what_is_broken_can_be_left_out(tmp_path: Path) -> None:
    tree = make_coco(tmp_path)
    write(tmp_path, changed("annotations", 0, bbox="x")(tree))
    data = coco(root=tmp_path, on_error="skip")
    assert len(data.train) == 1
    assert "annotations.0 (id 1): bbox is 'x'" in data.notes[0]
    picture(tmp_path / "val2017" / "a.png", size=(40, 32))
    found = check_data(coco(root=tmp_path, on_error="skip"), "coco")
    assert found.parts["validation"].samples == 1
    write(tmp_path, make_coco(tmp_path))
    picture(tmp_path / "train2017" / "a.png", size=(40, 32))
    with pytest.raises(RunError, match="it is 32 x 40 pixels, and its annotation says 40 x 32"):
        first(coco(root=tmp_path))


OBJECT = "<object><name>{}</name><difficult>{}</difficult><bndbox>{}</bndbox></object>"


def make_voc(
    root: Path, *, name: str = "dog", sides: tuple[Any, ...] = (9, 13, 24, 28), more: str = "", size: Any = ("", "")
) -> None:
    """An image with a dog, whose box VOC counts from 1, both ends inside."""
    box = "".join(f"<{tag}>{side}</{tag}>" for tag, side in zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True))
    text = (
        f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        + OBJECT.format(name, 0, box)
        + OBJECT.format("cat", 1, box)
    )
    for kind in ("Main", "Segmentation"):
        (root / "ImageSets" / kind).mkdir(parents=True, exist_ok=True)
        for part in ("train", "val"):
            (root / "ImageSets" / kind / f"{part}.txt").write_text("one 1\n")
    for folder in ("Annotations", "SegmentationClass"):
        (root / folder).mkdir(exist_ok=True)
    picture(root / "JPEGImages" / "one.jpg", BOX)
    (root / "Annotations" / "one.xml").write_text(f"{more}<annotation>{text}</annotation>")


@pytest.mark.parametrize("name", ["/", "../x", "/etc/passwd", "a/../../b"])
def test_a_list_of_voc_names_images_of_its_own_folder(tmp_path: Path, name: str) -> None:
    make_voc(tmp_path)
    with (tmp_path / "ImageSets" / "Main" / "train.txt").open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")
    with pytest.raises(RunError, match=r"it leads out of JPEGImages, and .*train.txt lists it"):
        voc(root=tmp_path)


@pytest.mark.parametrize("target", ["boxes", "masks"])
def test_a_list_of_voc_names_images_in_folders(tmp_path: Path, target: str) -> None:
    """Each image has the annotation of its own folder, where another has one of that name."""
    make_voc(tmp_path)
    for folder in ("JPEGImages", "Annotations", "SegmentationClass"):
        (tmp_path / folder / "far").mkdir()
    picture(tmp_path / "JPEGImages" / "far" / "one.jpg", BOX)
    xml = (tmp_path / "Annotations" / "one.xml").read_text(encoding="utf-8")
    (tmp_path / "Annotations" / "far" / "one.xml").write_text(xml.replace(">dog<", ">cow<"))
    for place, number in (("one.png", 1), ("far/one.png", 2)):
        Image.fromarray(np.full((32, 40), number, dtype=np.uint8)).save(tmp_path / "SegmentationClass" / place)
    for kind in ("Main", "Segmentation"):
        (tmp_path / "ImageSets" / kind / "train.txt").write_text("one\nfar/one\n")
    batch = voc(root=tmp_path, size=[32, 40], target=target).train.fetch([0, 1], [0, 0])
    if target == "masks":
        assert batch["mask"].amax((1, 2)).tolist() == [1, 2]
    else:
        assert batch["classes"].tolist() == [[VOC_CLASSES.index("dog")], [VOC_CLASSES.index("cow")]]


@pytest.mark.parametrize("place", ["ImageSets/Main/train.txt", "Annotations/*.xml"])
def test_pipes_are_not_waited_for(tmp_path: Path, place: str) -> None:
    make_voc(tmp_path)
    for file in tmp_path.glob(place):
        file.unlink()
        os.mkfifo(file)
    with pytest.raises(RunError, match="it is no plain file"):
        voc(root=tmp_path)
    make_coco(tmp_path / "coco")
    file = tmp_path / "coco" / "annotations" / "instances_train2017.json"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(RunError, match="it is no plain file"):
        coco(root=tmp_path / "coco")


def test_voc_is_read(tmp_path: Path) -> None:
    make_voc(tmp_path)
    data = voc(root=tmp_path, size=[32, 40])
    batch = data.train.fetch([0], [0])
    assert batch["boxes"].tolist() == [[list(map(float, BOX))]]
    assert batch["classes"].tolist() == [[VOC_CLASSES.index("dog")]]
    assert "1 difficult objects are not looked for" in data.notes[0]
    numbers = np.zeros((32, 40), dtype=np.uint8)
    numbers[12:28, 8:24], numbers[0, 0] = 12, 255
    Image.fromarray(numbers).convert("P").save(tmp_path / "SegmentationClass" / "one.png")
    data = voc(root=tmp_path, size=[32, 40], target="masks")
    mask = data.val.fetch([0], [0])["mask"][0]
    assert (data.classes[12], tight(mask == 12), int(mask[0, 0])) == ("dog", list(BOX), 255)


WRONG = [
    ({"name": "dgo"}, "object 1 is 'dgo', no class; did you mean dog?"),
    ({"sides": (9, 13, 8, 28)}, "object 1: its box has no size"),
    ({"sides": ("x", 13, 24, 28)}, "object 1: xmin is 'x'; accepted: a number"),
    ({"sides": (9, 50, 24, 52), "size": (40, 32)}, "object 1: its box lies beside the image of 40 x 32 pixels"),
    ({"more": "<"}, "one.xml: no XML"),
    ({"more": "<!DOCTYPE a [<!ENTITY b 'c'>]>"}, "one.xml: it declares a document type"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_a_broken_voc_annotation_is_named(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    make_voc(tmp_path, **options)
    with pytest.raises(RunError) as caught:
        voc(root=tmp_path)
    assert said in str(caught.value)


def make_masks(root: Path) -> Path:
    for part in ("train", "val"):
        for name in ("a", "b"):
            picture(root / part / "images" / f"{name}.jpg", BOX)
            numbers = np.zeros((32, 40), dtype=np.uint8)
            numbers[12:28, 8:24] = 1
            (root / part / "masks").mkdir(exist_ok=True)
            Image.fromarray(numbers).save(root / part / "masks" / f"{name}.png")
    return root / "train" / "masks" / "b.png"


def test_mask_folders_are_read_and_broken_masks_named(tmp_path: Path) -> None:
    file = make_masks(tmp_path)
    mask = first(masks(root=tmp_path, classes=["ground", "square"], size=[16, 20]))["mask"]
    assert tight(mask[0] == 1) == [side // 2 for side in BOX]
    with pytest.raises(UsageError, match="all different"):
        masks(root=tmp_path, classes=["square", "square"])
    for pixels, said in (
        (np.full((32, 40), 7, dtype=np.uint8), "pixels of class 7; accepted: 0 to 1, 255"),
        (np.full((32, 40), -1, dtype=np.int32), "pixels of class -1; accepted: 0 to 1, 255"),
        (np.zeros((32, 32), dtype=np.uint8), "the mask is 32 x 32 pixels, and its image 40 x 32"),
        (np.zeros((32, 40, 3), dtype=np.uint8), "one number for each pixel, and this is RGB"),
    ):
        Image.fromarray(pixels).save(file, "TIFF" if pixels.dtype == np.int32 else "PNG")
        with pytest.raises(RunError, match=said):
            first(masks(root=tmp_path, classes=["ground", "square"]))
    left = masks(root=tmp_path, classes=["ground", "square"], on_error="skip")
    assert (len(left.train), len(left.val)) == (1, 2)
    file.unlink()
    with pytest.raises(RunError, match=r"b.jpg: there is no mask .*b.png"):
        masks(root=tmp_path, classes=["ground", "square"])


def test_a_training_takes_them(tmp_path: Path) -> None:
    make_coco(tmp_path)
    net = "ConvKXBNRELU(3,8,3,4)ConvKX(places|8,7,1,1)Outputs(places)"
    source = {
        "_base_": "detect",
        "model": {"_delete_": True, "type": "PlainNet", "structure": net},
        "task": {"scale": 4},
        "data": {"_delete_": True, "type": "coco", "root": str(tmp_path), "size": 32, "batch_size": 2},
        "device": "cpu",
        "schedule": {"warmup": 0},
        "run": str(tmp_path / "run"),
    }
    plan = dry_run(load_config(source))
    assert plan.batches["training"]["image"] == "2 x 3 x 32 x 32, float32"
    assert plan.results["validation"] is not None


def broken_coco(root: Path) -> tuple[Any, int, list[str]]:
    tree = make_coco(root)
    tree["images"] += [{"id": 10, "file_name": "c.png"}, {"id": 10, "file_name": "b.png"}, {"file_name": "b.png"}]
    tree["annotations"] += [
        annotation(4, 9, 3, (1, 1, 1, 4)),
        annotation(5, 77, 3, OTHER),
        annotation(6, 9, 3, (1, 1, 4, 1)),
    ]
    write(root, tree)
    return coco, 3, [
        "b.png: ANN: annotations.3 (id 4): bbox [1, 1, 0, 3] has no size; ANN: annotations.5 (id 6): bbox [1, 1, 3, 0]",
        "c.png: No such file or directory",
        "images.3: the id 10 is there twice",
        "images.4 has no file_name or no id",
        "annotations.4 (id 5): image_id 77 is of nothing that the file lists",
    ]  # fmt: skip


def broken_voc(root: Path) -> tuple[Any, int, list[str]]:
    make_voc(root)
    picture(root / "JPEGImages" / "two.jpg", BOX)
    (root / "ImageSets/Main/train.txt").write_text("two\none\nthree\n")
    return voc, 3, ["two.xml: No such file or directory", "three.jpg: No such file or directory"]


def broken_masks(root: Path) -> tuple[Any, int, list[str]]:
    make_masks(root).write_bytes(b"no image")
    picture(root / "train/images/c.jpg", BOX)
    (root / "train/masks/d.png").write_bytes(b"")
    wrong = ["cannot identify image file", "there is no mask", "d.png: there is no image of that name"]
    return lambda **options: masks(classes=["ground", "square"], **options), 3, wrong


@pytest.mark.parametrize("make", [broken_coco, broken_voc, broken_masks])
def test_all_that_is_broken_is_found_and_each_said_once(tmp_path: Path, make: Any) -> None:
    reader, count, wrong = make(tmp_path)
    file = str(tmp_path / "annotations/instances_train2017.json")
    found = check_data(reader(root=tmp_path, on_error="keep"), "it").parts["training"]
    assert (found.samples, sum(found.counts.values()) > 0) == (count, True)
    assert len(found.broken) == len(wrong)
    for said, line in zip(wrong, found.broken, strict=True):
        assert said in line.replace(file, "ANN")
    (note, *_) = reader(root=tmp_path, on_error="skip").notes
    assert note.startswith(f"{len(wrong)} images or annotations left out")
    with pytest.raises(RunError, match="broken: "):
        reader(root=tmp_path)
    assert len(reader(root=tmp_path, only="val").val) > 0


def test_a_rule_that_asks_for_no_image_decodes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_coco(tmp_path)
    rules: list[Any] = [("objects", "both", HasObjects()), ("few", "both", lambda sample: "image" in sample)]
    decoded = filtered(coco(root=tmp_path, size=16), [*rules, ("seen", "train", lambda sample: sample["image"].any())])
    monkeypatch.setattr(annotated, "open_image", None)  # decoding is an error from here on
    found = filtered(coco(root=tmp_path, size=16), rules)
    assert (len(decoded.train), len(found.train), len(found.val)) == (1, 1, 1)
    again = filtered(found, [("dots", "both", OfClasses(numbers=[0]))])
    assert again.notes[-1] == "filters leave 1 of 1 validation samples; left out by dots 0"


@pytest.mark.parametrize("make", [make_coco, make_masks])
def test_targets_are_those_of_the_batch(tmp_path: Path, make: Any) -> None:
    """With the size of an image from its header, also where it lies on its side."""
    make(tmp_path)
    turned = Image.Exif()
    turned[0x0112] = 6
    folder = tmp_path / ("train2017" if make is make_coco else "train/images")
    name = "b.png" if make is make_coco else "b.jpg"
    Image.fromarray(np.zeros((40, 32, 3), dtype=np.uint8)).save(folder / name, exif=turned)
    data = (
        coco(root=tmp_path, size=[24, 20]) if make is make_coco else masks(root=tmp_path, classes=["a", "b"], size=24)
    )
    samples: Any = data.train
    for number in range(2):
        batch = samples.fetch([number], [0])
        assert all(bool((batch[key] == value).all()) for key, value in samples.targets(number).items())
        assert {"image", *samples.targets(number)} == set(batch)


BOUNDED: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (changed("images", 0, id=2**63), r"images\.0 has no file_name or no id"),
    (changed("annotations", 0, image_id=10**100), r"image_id 1000.*\.\.\. is of nothing"),
    (changed("annotations", 0, bbox=[1.5] * 100_000), r"bbox is \[1\.5, .*\.\.\.; accepted"),
    (changed("categories", 0, name="x" * 100_000), r"categories\.0: a name of 100,000 characters; accepted: 200"),
    (changed("categories", 0, id=3), r"categories\.1 has no name or id of its own"),
    (changed("annotations", 0, image_id=4, id="x" * 100_000), r"annotations\.0 \(id 'xx"),
    (changed("annotations", 0, bbox="x" * 100_000), r"bbox is 'xxx.*\.\.\.; accepted"),
]


@pytest.mark.parametrize(("change", "said"), BOUNDED)
def test_what_a_message_of_coco_shows_is_bounded(tmp_path: Path, change: Any, said: str) -> None:
    tree = make_coco(tmp_path)
    change(tree)
    write(tmp_path, tree)
    with pytest.raises(RunError, match=said) as caught:
        coco(root=tmp_path, size=32)
    assert len(str(caught.value)) < 2000


def test_the_bounds_of_cocos_files_are_named(tmp_path: Path) -> None:
    make_coco(tmp_path)
    file = tmp_path / "annotations" / "instances_train2017.json"
    file.write_text('{"images": ' + "[" * 100_000, encoding="utf-8")
    with pytest.raises(RunError, match=r"train2017\.json is no COCO file: its JSON is nested too deep"):
        coco(root=tmp_path)
    with file.open("wb") as stream:
        stream.truncate(4 * 1024**3 + 1)  # takes no room on the disk
    with pytest.raises(RunError, match=r"train2017\.json: it holds 4,294,967,297 bytes; accepted: 4,294,967,296"):
        coco(root=tmp_path)


def test_many_categories_take_time_in_proportion(tmp_path: Path) -> None:
    """Where each name is compared with each, 30,000 of them take half a minute and more."""
    tree = make_coco(tmp_path)
    more = [{"id": 100 + number, "name": f"c{number}"} for number in range(30_000)]
    write(tmp_path, {**tree, "categories": [*tree["categories"], *more]})
    write(tmp_path, {**tree, "categories": [*tree["categories"], *more]}, "val2017")
    started = time.process_time()
    assert len(coco(root=tmp_path, size=32).classes) == 30_002
    assert time.process_time() - started < 5


GROWING = "<!DOCTYPE a [<!ENTITY b 'cccccccccc'>]><annotation>&b;</annotation>"
BEYOND: list[tuple[bytes, str]] = [
    (GROWING.encode("utf-16"), "it declares a document type"),
    (b"<?xml version='1.0' encoding='iso-8859-1'?>" + GROWING.encode(), "it declares a document type"),
    (b"<a>" * 65, "it is nested deeper than 64 levels"),
    (b"<a>" * 1_000_000, "it is nested deeper than 64 levels"),
    (b" " * (16 * 1024**2 + 1), "it holds 16,777,217 bytes; accepted: 16,777,216"),
    (b"<annotation><object><name>" + b"x" * 10_000_000 + b"</name></object></annotation>", "object 1 is 'xxx"),
]


@pytest.mark.parametrize(("content", "said"), BEYOND)
def test_the_bounds_of_vocs_annotations_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    make_voc(tmp_path)
    (tmp_path / "Annotations" / "one.xml").write_bytes(content)
    with pytest.raises(RunError, match=r"one\.xml: ") as caught:
        voc(root=tmp_path)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 2000
