"""Image files decoded with Pillow to eight bits a channel, without losing what they hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from plainnet.errors import MissingExtraError, PlainnetError, RunError

__all__ = ["MODES", "BrokenImageError", "eight_bits", "image_size", "open_image", "opened", "pillow"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's mode of a decoded image."""

PROGRAMS = ("EPS", "WMF")
"""Formats of Pillow's that are programs and not pixels: PostScript, which it gives to Ghostscript, and calls of Windows."""

ELONGATION = 200
"""How much longer than the other a side may be: enlarging a line of pixels to a square would fill the memory."""

ORIENTATION = 0x0112
"""The tag of EXIF that says how an image is held."""
TURNED = range(5, 9)
"""Its values that exchange height and width."""


class BrokenImageError(RunError):
    """A file that is missing or no image, or an image whose values have no meaning; the message holds its path."""

    def __init__(self, what: str, why: str) -> None:
        self.what, self.why = what, why
        super().__init__(f"cannot read {what}: {why}")

    def __reduce__(self) -> tuple[object, ...]:
        return (BrokenImageError, (self.what, self.why))


def pillow() -> Any:
    """The module `PIL.Image`."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "train") from error
    return Image


def opened(path: str | os.PathLike[str]) -> Any:
    """The Pillow image of a file, not decoded yet. What it is goes by its contents, so that one called `.png` may be a program:
    no such format is opened.
    """
    module = pillow()
    module.init()
    return module.open(path, formats=[name for name in module.ID if name not in PROGRAMS])


def open_image(source: str | Path | Any, *, channels: int = 3, what: str = "") -> Any:
    """The decoded Pillow image of a file (or of a Pillow image), upright, with that many channels of eight bits.

    16-bit, int32 and float images are scaled by the range of their type (float: 0 to 1), the EXIF orientation is applied,
    transparency is laid over white; of several frames the first counts. `what` names the image in an error.
    Raises `BrokenImageError` for what cannot be read, and where nothing or nonsense would be left.
    """
    what = what or (str(source) if isinstance(source, str | os.PathLike) else "the image")
    return _with_image(source, what, partial(eight_bits, channels=channels))


def image_size(source: str | Path | Any) -> tuple[int, int]:
    """Height and width of the upright image of a file, which is not decoded but for TIFF, or of a Pillow image: the size of what
    `open_image` gives. Raises `BrokenImageError` for what is no image.
    """

    def size(image: Any) -> tuple[int, int]:
        if image.format == "TIFF":  # Pillow turns it when it is decoded, and forgets the tag then
            image.load()
        try:
            is_turned = image.getexif().get(ORIENTATION) in TURNED
        except Exception:  # as for `_upright`
            is_turned = False
        return (image.width, image.height) if is_turned else (image.height, image.width)

    what = str(source) if isinstance(source, str | os.PathLike) else "the image"
    found: tuple[int, int] = _with_image(source, what, size)
    return found


def _with_image(source: Any, what: str, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of the Pillow image of a file (or of a Pillow image). Raises `BrokenImageError` for `what`."""
    module = pillow()
    try:
        if not isinstance(source, str | os.PathLike):
            if not isinstance(source, module.Image):
                raise BrokenImageError(what, f"a {type(source).__name__} is no image")
            return use(source)
        _check_regular(Path(source))
        with opened(source) as image:
            return use(image)
    except BrokenImageError as error:
        raise BrokenImageError(what, error.why) from None
    except (PlainnetError, MemoryError):
        raise
    except FileNotFoundError:
        raise BrokenImageError(what, "there is no such file") from None
    except Exception as error:  # damaged bytes make a decoder fail in any way
        if isinstance(error, module.UnidentifiedImageError):
            raise BrokenImageError(what, "not an image that Pillow knows") from None
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BrokenImageError(what, why) from None


def eight_bits(image: Any, *, channels: int) -> Any:
    """A Pillow image in the mode of `channels`, decided by its own mode; the orientation is applied."""
    image.load()
    kind = _IntegerKind.of(image)
    image = _upright(image)
    short, long = sorted(image.size)
    if not short or long > ELONGATION * short:
        sides = f"{image.width} x {image.height} pixels"
        raise BrokenImageError("", f"{sides}: one side is over {ELONGATION} times the other")
    if image.mode == "LAB":
        raise BrokenImageError("", "its colours are LAB; convert it to RGB")
    if image.mode == "F":
        image = _scaled(_floats(image), 1.0)
    elif image.mode.startswith("I"):
        image = _scaled(kind.values(image), float(kind.largest))
    if image.mode in WITHOUT_DIRECT_WAY:
        image = image.convert(WITHOUT_DIRECT_WAY[image.mode])
    if channels != 4 and image.has_transparency_data:
        opaque = pillow().new("RGBA", image.size, (255, 255, 255, 255))
        image = pillow().alpha_composite(opaque, image.convert("RGBA"))
    return image.convert(MODES[channels])


WITHOUT_DIRECT_WAY = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
"""Modes that Pillow turns into others by way of these alone."""


def _check_regular(path: Path) -> None:
    """A pipe or a device would be waited for, so that only plain files are opened."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise BrokenImageError(str(path), "it is a folder")
    if not stat.S_ISREG(mode):
        raise BrokenImageError(str(path), "it is no plain file")


def _upright(image: Any) -> Any:
    """The image as its EXIF orientation wants it seen; a damaged EXIF block says nothing."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _floats(image: Any) -> Any:
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise BrokenImageError("", "its values are floats, and not all of them are finite")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise BrokenImageError("", f"its values are floats from {low:g} to {high:g}; accepted: 0 to 1, or integers")
    return values


@dataclass(frozen=True)
class _IntegerKind:
    """What Pillow's modes `I` and `I;16` leave open: the type that the file holds."""

    bits: int
    signed: bool
    white_is_zero: bool

    @staticmethod
    def of(image: Any) -> _IntegerKind:
        """The kind of an image as it was opened (copies have forgotten it)."""
        tags = dict(getattr(image, "tag_v2", None) or {})
        bits, sign = (value[0] if isinstance(value, tuple) else value for value in (tags.get(258), tags.get(339)))
        wide = image.mode == "I" and image.format not in ("PNG", "PPM", "JPEG2000")  # those hold 16 bits at most
        signed = wide and sign in (None, 2)
        return _IntegerKind(int(bits or (32 if wide else 16)), signed, tags.get(262) == 0)

    @property
    def largest(self) -> int:
        """The largest value of the type."""
        return int(2 ** (self.bits - self.signed) - 1)

    def values(self, image: Any) -> Any:
        """The values of the image, 0 black. Raises where one is out of the type, or where eight bits would leave nothing."""
        values = np.asarray(image).astype(np.int64)
        if not self.signed:
            values &= 0xFFFFFFFF  # Pillow holds uint32 as int32
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > self.largest:
            raise BrokenImageError("", f"its values are integers from {low} to {high}; accepted: 0 to {self.largest}")
        if self.white_is_zero:  # Pillow turns it round for eight bits alone
            return self.largest - values
        if high and high * 255 < 2 * self.largest:
            raise BrokenImageError(
                "", f"its values go to {high} of {self.largest}, as eight bits it is black; scale it"
            )
        return values


def _scaled(values: Any, largest: float) -> Any:
    return pillow().fromarray(np.rint(values * (255 / largest)).astype(np.uint8))
