"""Arrays of images: types and ranges are checked, every error names the file and the field."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plainnet.engine.data.arrays import arrays
from plainnet.errors import PlainnetError, RunError, UsageError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
LABELS = np.arange(20) % 3
UNIT = (PIXELS / 255).astype(np.float32)


def load(folder: Path, *, image: Any = PIXELS, label: Any = LABELS, val: Any = None, **options: Any) -> Any:
    """The data set of a training file of these fields, and of a validation file that is right."""
    np.savez(folder / "train.npz", image=image, label=label)
    np.savez(folder / "val.npz", **(val or {"image": PIXELS[:6], "label": LABELS[:6]}))
    return arrays(train=folder / "train.npz", val=folder / "val.npz", **options)


@pytest.mark.parametrize("images", [UNIT, UNIT.astype(np.float64), UNIT.astype(">f4")], ids=["f4", "f8", "big endian"])
def test_floats_in_0_to_1_are_the_bytes(tmp_path: Path, images: Any) -> None:
    bytes_, floats = load(tmp_path), load(tmp_path, image=images, val={"image": UNIT[:6], "label": LABELS[:6]})
    first, second = (data.train.fetch(range(20), [0] * 20)["image"] for data in (bytes_, floats))
    assert float((first - second).abs().max()) < 1e-6


IMAGES: dict[str, tuple[Any, str]] = {
    "float in 0..255": (PIXELS.astype(np.float32), "image is float32 from 0 to 255; .*; divide by 255"),
    "int64": (PIXELS.astype(np.int64), r"image is int64 from 0 to 255; .*; .astype\(np.uint8\)"),
    "uint16": (PIXELS.astype(np.uint16) * 200, "image is uint16 from 0 to 51000; .*; .astype.np.float32., scaled"),
    "normalised": (UNIT * 4 - 2, "from -2 to 2; .*; data.mean and data.std normalise"),
    "bool": (PIXELS > 99, "image is bool from 0 to 1; .* scaled to 0..1"),
    "bytes in 0..1": ((PIXELS > 99).astype(np.uint8), "image is uint8 from 0 to 1; .*; .* multiply by 255"),
    "divided twice": (UNIT / 255, "that is black: was it divided by 255 twice"),
    "not a number": (np.where(UNIT > 0.5, np.nan, UNIT), "image holds [0-9]+ values that are not finite"),
    "infinite": (np.where(UNIT > 0.99, np.inf, UNIT), "image holds [0-9]+ values that are not finite"),
    "complex": (UNIT.astype(complex), "image is complex128; accepted: uint8"),
    "text": (PIXELS.astype(str), "image is <U3; accepted: uint8"),
    "records": (np.zeros((20, 6, 6), [("a", "u1")]), r"image is \[\('a', 'u1'\)\]; accepted"),
    "channels last": (np.zeros((20, 6, 6, 3), np.uint8), r"channels before height and width; .transpose\(0, 3, 1, 2\)"),
    "vectors": (PIXELS.reshape(20, 36), r"image is \(20, 36\); accepted: \(N, H, W\)"),
    "one number": (np.uint8(3), r"image is \(\)"),
    "no images": (PIXELS[:0], "has 0 rows, label 20"),
    "no pixels": (PIXELS[:, :0], "there are no images"),
    "objects": (np.array([{}] * 20, dtype=object), "image: Object arrays cannot be loaded"),
}


@pytest.mark.parametrize(("images", "why"), IMAGES.values(), ids=IMAGES)
def test_images_of_another_type_or_range_are_refused(tmp_path: Path, images: Any, why: str) -> None:
    with pytest.raises(RunError, match=rf"train.npz: .*{why}"):
        load(tmp_path, image=images)


def test_validation_images_are_checked_too(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"val.npz: image is float32 from 0 to 255"):
        load(tmp_path, val={"image": PIXELS.astype(np.float32), "label": LABELS})
    with pytest.raises(
        UsageError, match=r"train.npz holds images of uint8, .*val.npz of float32; accepted: both alike"
    ):
        load(tmp_path, val={"image": UNIT, "label": LABELS})
    with pytest.raises(UsageError, match=r"holds images of \(1, 6, 6\), .* of \(1, 6, 5\)"):
        load(tmp_path, val={"image": PIXELS[..., :5], "label": LABELS})


LABEL_ERRORS: dict[str, tuple[Any, str]] = {
    "huge": (
        np.array([2**62, *LABELS[1:]]),
        "label goes up to 4611686018427387904, of 20 images; accepted: classes counted",
    ),
    "larger than int64": (np.array([2**63, *LABELS[1:]], np.uint64), "label goes up to 9223372036854775808"),
    "far above": (LABELS + 5000, "label goes up to 5002, of 20 images"),
    "negative": (LABELS - 1, "label goes down to -1; accepted: classes counted from 0"),
    "floats": (LABELS.astype(float), r"label is \(20,\) of float64; accepted: integers"),
    "one-hot": (np.eye(3, dtype=int)[LABELS], r"label is \(20, 3\) of int64; accepted: integers \(N,\)"),
    "words": (LABELS.astype(str), "label is .20,. of <U"),
    "bool": (LABELS > 1, "label is .20,. of bool"),
    "too few": (LABELS[:9], "image has 20 rows, label 9"),
    "dates": (LABELS.astype("datetime64[s]"), "label is .20,. of datetime64"),
}


@pytest.mark.parametrize(("labels", "why"), LABEL_ERRORS.values(), ids=LABEL_ERRORS)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: Any, why: str) -> None:
    with pytest.raises(RunError, match=rf"train.npz: .*{why}"):
        load(tmp_path, label=labels)


def test_classes_and_labels_fit(tmp_path: Path) -> None:
    assert load(tmp_path, classes=["a", "b", "c", "d"]).notes == (
        f"{tmp_path / 'train.npz'}: no images of 1 classes: d",
    )
    with pytest.raises(RunError, match=r"val.npz: label goes up to 7, and the training images have labels up to 2"):
        load(tmp_path, val={"image": PIXELS, "label": np.full(20, 7)})
    with pytest.raises(RunError, match=r"train.npz: label goes up to 2, and 2 classes are named"):
        load(tmp_path, classes=["a", "b"])
    with pytest.raises(UsageError, match=r"classes are named twice: a"):
        load(tmp_path, classes=["a", "b", "a"])


def npy(header: str) -> bytes:
    text = header.encode() + b" " * (118 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "damaged, or no .npz file"),
    "text": (b"image,label\n", "damaged, or no .npz file"),
    "a pickle": (b"\x80\x04N.", "damaged, or no .npz file"),
    "one array": (
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }") + b"a",
        "it holds one array; accepted",
    ),
}


@pytest.mark.parametrize(("content", "why"), FILES.values(), ids=FILES)
def test_files_that_are_none(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(RunError, match=f"cannot read .*x.npz: .*{why}"):
        arrays(train=tmp_path / "x.npz", val=tmp_path / "x.npz")


FIELDS: dict[str, tuple[bytes, str]] = {
    "too large": (
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }"),
        "does not fit|EOF|expected",
    ),
    "cut": (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }") + b"abc", "EOF|expected"),
    "no array": (b"abc", "is no array"),
    "a bad header": (npy("{'descr': '|u1', __import__('os'): 1}"), "malformed node"),
}


@pytest.mark.parametrize(("content", "why"), FIELDS.values(), ids=FIELDS)
def test_fields_that_are_none(tmp_path: Path, content: bytes, why: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("image.npy", content)
    with pytest.raises(RunError, match=f"cannot read .*x.npz: image.*({why})"):
        arrays(train=tmp_path / "x.npz", val=tmp_path / "x.npz")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot read .*none.npz: there is no such file"):
        arrays(train=tmp_path / "none.npz", val=tmp_path / "none.npz")
    with pytest.raises(RunError, match=r"cannot read .*: it is no plain file"):
        arrays(train=tmp_path, val=tmp_path)
    load(tmp_path)
    with pytest.raises(RunError, match=r"train.npz: there is no field images; did you mean image\?"):
        arrays(train=tmp_path / "train.npz", val=tmp_path / "val.npz", image="images")


@pytest.mark.parametrize(
    "seeds", [range(150), pytest.param(range(150, 3000), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_mutations_of_a_file_are_read_or_named(tmp_path: Path, seeds: range) -> None:
    stream = io.BytesIO()
    np.savez(stream, image=PIXELS, label=LABELS)
    valid = stream.getvalue()
    np.savez(tmp_path / "val.npz", image=PIXELS, label=LABELS)
    for seed in seeds:
        generator = np.random.default_rng(seed)
        data = bytearray(valid)
        for place in generator.integers(0, len(data), generator.integers(1, 5)):
            data[place] = generator.integers(0, 256)
        (tmp_path / "train.npz").write_bytes(data if seed % 4 else data[: int(generator.integers(len(data)))])
        try:
            data_set = arrays(train=tmp_path / "train.npz", val=tmp_path / "val.npz")
        except PlainnetError as error:
            assert "train.npz" in str(error)
        else:
            assert data_set.shape == (1, 6, 6)
