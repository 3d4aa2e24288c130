"""Image files of every mode, range and orientation; what has no meaning is refused."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plainnet.engine.data.annotated import class_map
from plainnet.engine.data.decoding import BrokenImageError, image_size, open_image
from plainnet.engine.data.images import Window, read_image
from plainnet.errors import UsageError


def grey(image: Any, **options: Any) -> int:
    """The one grey value that an image of one value is read as."""
    pixels = np.asarray(open_image(image, **{"channels": 1, **options}))
    assert pixels.dtype == np.uint8
    assert (pixels == pixels.flat[0]).all()
    return int(pixels.flat[0])


def filled(value: Any, dtype: str) -> Any:
    return Image.fromarray(np.full((5, 7), value, dtype))


# value, type, format, tags -> grey value: value / largest of the type * 255
SCALED = [
    (200, "uint8", "PNG", {}, 200),
    (40000, "uint16", "PNG", {}, 156),
    (40000, "uint16", "TIFF", {}, 156),
    (40000, "uint16", "PPM", {}, 156),
    (65535, "uint16", "PNG", {}, 255),
    (0, "uint16", "PNG", {}, 0),
    (40000, "uint16", "TIFF", {262: 0}, 99),  # white is zero
    (2**30, "int32", "TIFF", {}, 128),
    (2**31 - 1, "int32", "TIFF", {}, 255),
    (0, "int32", "TIFF", {}, 0),
    (0.5, "float32", "TIFF", {}, 128),
    (1.0, "float32", "TIFF", {}, 255),
    (True, "bool", "PNG", {}, 255),
]


@pytest.mark.parametrize(("value", "dtype", "kind", "tags", "expected"), SCALED, ids=[f"{s[:4]}" for s in SCALED])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_type_is_scaled_by_its_range(
    tmp_path: Path, value: Any, dtype: str, kind: str, tags: dict[int, int], expected: int, channels: int
) -> None:
    path = tmp_path / f"x.{kind.lower()}"
    filled(value, dtype).save(path, kind, **({"tiffinfo": tags} if tags else {}))
    assert grey(path, channels=channels) == expected
    if not tags:
        assert grey(filled(value, dtype), channels=channels) == expected  # an image that was never a file


def test_a_16_bit_ramp_keeps_every_grey_value(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    assert np.array_equal(np.asarray(open_image(tmp_path / "ramp.png", channels=1)).flat, np.arange(256))


def test_a_deep_pgm_is_scaled_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "x.pgm").write_bytes(b"P5 2 1 1000\n" + np.array([500, 500], ">u2").tobytes())
    assert grey(tmp_path / "x.pgm") == 128


def test_unsigned_and_twelve_bit_tiffs(tmp_path: Path) -> None:
    for name, bits, sign, data, expected in (
        ("u32", 32, 1, np.full(4, 3 * 2**30, "<u4").tobytes(), 191),
        ("s16", 16, 2, np.full(4, 2**14, "<i2").tobytes(), 128),
        ("u12", 12, 1, bytes.fromhex("800800800800"), 128),
    ):
        (tmp_path / name).write_bytes(tiff(2, 2, bits, sign, data))
        assert grey(tmp_path / name) == expected, name


def tiff(width: int, height: int, bits: int, sign: int, data: bytes) -> bytes:
    """A TIFF of one strip of grey values."""
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    tags += [(279, len(data)), (339, sign)]
    entries = b"".join(
        n.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + v.to_bytes(4, "little")
        for n, v in tags
    )
    head = b"II*\0" + (8 + len(data)).to_bytes(4, "little")
    return head + data + len(tags).to_bytes(2, "little") + entries + b"\0\0\0\0"


WITHOUT_MEANING = [
    (filled(40000, "int32"), "go to 40000 of 2147483647"),
    (filled(255, "uint16"), "go to 255 of 65535, as eight bits it is black"),
    (filled(-5, "int32"), "integers from -5 to -5; accepted: 0 to 2147483647"),
    (filled(255.0, "float32"), "floats from 255 to 255; accepted: 0 to 1"),
    (filled(-0.1, "float32"), "accepted: 0 to 1"),
    (filled(np.nan, "float32"), "not all of them are finite"),
    (filled(np.inf, "float32"), "not all of them are finite"),
    (Image.new("LAB", (4, 4)), "its colours are LAB"),
    (Image.new("L", (1, 300)), "1 x 300 pixels: one side is over 200 times the other"),
    ({"bytes": b""}, "a dict is no image"),
    (None, "a NoneType is no image"),
]


@pytest.mark.parametrize(("image", "why"), WITHOUT_MEANING, ids=[why for _, why in WITHOUT_MEANING])
def test_what_has_no_meaning_is_refused(image: Any, why: str) -> None:
    with pytest.raises(BrokenImageError, match=f"cannot read row 3: .*{why}"):
        open_image(image, what="row 3")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once(tmp_path: Path, kind: str, orientation: int) -> None:
    scene = np.zeros((32, 48, 3), np.uint8)
    scene[:16, :24] = (255, 255, 255)  # light at the top left
    scene[16:, 24:] = (128, 128, 128)
    turned = Image.fromarray(scene)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how a camera that was held so stores the scene
    if orientation > 1:
        turned = turned.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x112] = orientation
    turned.save(tmp_path / "x", kind, exif=exif, **({"quality": 100} if kind in ("JPEG", "WEBP") else {}))
    for source in (tmp_path / "x", Image.open(tmp_path / "x")):
        assert image_size(source) == (32, 48)
        read = np.asarray(open_image(source))
        assert read.shape == scene.shape
        assert np.abs(read.astype(int) - scene).max() < 8


def test_a_damaged_exif_block_says_nothing(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 9).save(tmp_path / "x.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")
    assert grey(tmp_path / "x.png") == 9
    assert image_size(tmp_path / "x.png") == (4, 4)


RED = (255, 0, 0)
MODES: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "opaque RGBA": (lambda: Image.new("RGBA", (4, 4), (*RED, 255)), RED),
    "transparent": (lambda: Image.new("RGBA", (4, 4), (*RED, 0)), (255, 255, 255)),
    "half": (lambda: Image.new("RGBA", (4, 4), (0, 0, 0, 51)), (204, 204, 204)),
    "LA": (lambda: Image.new("LA", (4, 4), (0, 0)), (255, 255, 255)),
    "palette": (lambda: Image.new("RGB", (4, 4), RED).convert("P"), RED),
    "CMYK": (lambda: Image.new("CMYK", (4, 4), (0, 255, 255, 0)), RED),
    "premultiplied": (lambda: Image.new("RGBA", (4, 4), (*RED, 255)).convert("RGBa"), RED),
    "HSV": (lambda: Image.new("RGB", (4, 4), RED).convert("HSV"), RED),
    "one bit": (lambda: Image.new("1", (4, 4), 1), (255, 255, 255)),
}


@pytest.mark.parametrize(("make", "expected"), MODES.values(), ids=MODES)
def test_colours_and_transparency(make: Callable[[], Any], expected: tuple[int, int, int]) -> None:
    assert open_image(make()).getpixel((0, 0)) == expected
    assert open_image(make(), channels=1).mode == "L"


def test_a_palette_with_transparency_warns_nobody(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(tmp_path / "x.png", transparency=b"\xff\x00")
    assert open_image(tmp_path / "x.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("read", [open_image, image_size, lambda path: class_map(path, 2)((32, 32))])
def test_a_program_that_is_called_an_image_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Any]
) -> None:
    """Pillow goes by the contents, and gives PostScript to Ghostscript."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # it is looked for once
    file = tmp_path / "x.png"
    file.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(BrokenImageError, match=r"x\.png"):
        read(file)
    assert not (tmp_path / "ran").exists()


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name, why in (("pipe.png", "no plain file"), ("folder.png", "it is a folder"), ("none.png", "no such file")):
        with pytest.raises(BrokenImageError, match=f"cannot read .*{name}: .*{why}"):
            open_image(tmp_path / name)


def test_the_picture_is_left_as_it_was() -> None:
    image = Image.new("L", (4, 6), 7)
    image.getexif()[0x112] = 6
    assert open_image(image).size == (6, 4)
    assert image.size == (4, 6)


def test_a_file_a_path_and_a_picture_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(path)
    first, *others = (read_image(source, shape=(3, 8, 8)) for source in (path, str(path), Image.open(path)))
    assert all(bool((first == other).all()) for other in others)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (([8], 1, None), "size is"),
        ((0, 1, None), "size is 0"),
        ((10**6, 1, None), "size is 1000000"),
        ((8, 0, None), "crop is 0"),
        ((8, 1.5, None), "crop is 1.5"),
        ((8, 1, [0.5]), "scale is"),
        ((8, 1, [0.9, 0.5]), "scale is"),
        ((8, 1, [0, 0.5]), "scale is"),
    ],
)
def test_impossible_windows(arguments: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Window.of(*arguments)


@pytest.mark.parametrize(
    "seeds", [range(60), pytest.param(range(60, 3000), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_damaged_files_are_read_or_named(tmp_path: Path, seeds: range) -> None:
    """Mutations of valid files: an image comes out, or an error with the path, nothing else."""
    scene = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x112] = 6
    kinds = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM")
    valid = [saved(scene, kind, {"exif": exif} if kind not in ("GIF", "BMP", "PPM") else {}) for kind in kinds]
    for seed in seeds:
        generator = np.random.default_rng(seed)
        data = bytearray(valid[seed % len(valid)])
        for place in generator.integers(0, len(data), generator.integers(1, 6)):
            data[place] = generator.integers(0, 256)
        data = data[: generator.integers(1, len(data) + 1)] if seed % 3 == 0 else data
        path = tmp_path / "x.bin"
        path.write_bytes(data)
        try:
            assert open_image(path).mode == "RGB"
        except BrokenImageError as error:
            assert str(error).startswith(f"cannot read {path}: ")


def saved(image: Any, kind: str, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
