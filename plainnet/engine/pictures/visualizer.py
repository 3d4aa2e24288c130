"""Drawing on an image what a network says about it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.decoding import pillow
from plainnet.errors import RunError, UsageError, nearest

__all__ = ["Visualizer", "color_of", "feature_picture"]

Array = np.ndarray[Any, Any]
Numbers = Tensor | Array | Sequence[Any]
Color = str | tuple[int, int, int]

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442", "#999999")
"""Told apart by colour-blind people (Okabe and Ito, 2008); class 0 has the first, and after the last they begin again."""


SMALLEST, LINES = 10, 32
"""A letter's height: at least 10 pixels, and the 32nd part of the picture's shorter side."""


def color_of(number: int) -> str:
    """The colour of a class."""
    return COLORS[number % len(COLORS)]


class Visualizer:
    """An image with things drawn on it; every method gives the visualizer itself, so that they can be chained.

    image: (H, W), (H, W, C) as an array or Pillow image, or (C, H, W) as a tensor; bytes, or floats in 0..1; 1 or 3 channels.
    scale: how many times larger it is drawn; everything is given in pixels of the image as it was.

    Visualizer(image, scale=4).boxes(found.boxes, texts=names).save("out.png")
    """

    def __init__(self, image: Any, *, scale: int = 1) -> None:
        if scale < 1:
            raise UsageError(f"scale is {scale}; accepted: 1 or more")
        self.scale = scale
        picture = pillow().fromarray(_bytes(image))
        self.size = picture.height, picture.width
        enlarged = picture.resize((picture.width * scale, picture.height * scale), resample=0) if scale > 1 else picture
        self.picture = enlarged.convert("RGB")

    @property
    def image(self) -> Array:
        """What was drawn so far: (H, W, 3), uint8."""
        return np.array(self.picture)

    def save(self, path: str | Path) -> Self:
        """Write it to a file; the name says the format. Raises `UsageError` for a name that says none, and `RunError` where it
        cannot be written.
        """
        if pillow().registered_extensions().get(Path(path).suffix.lower()) not in pillow().SAVE:
            raise UsageError(
                f"{path}: the name of a picture says its format; accepted: .png, .jpg, .webp, and others of Pillow"
            )
        try:
            self.picture.save(path)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from None
        return self

    def boxes(
        self, boxes: Numbers, *, colors: Color | Sequence[Color] = COLORS[4], texts: Sequence[str] = (), width: int = 1
    ) -> Self:
        """Outlines of boxes (N, 4): left, top, right, bottom; a text above each."""
        rows = _rows(boxes, 4, "boxes")
        drawing = self._drawing()
        for row, color in zip(rows, _colors(colors, len(rows)), strict=True):
            left, top, right, bottom = (side * self.scale for side in row)
            if right > left and bottom > top:
                drawing.rectangle((left, top, max(right - 1, left), max(bottom - 1, top)), outline=color, width=width)
        if texts:
            self.texts(texts, [(row[0], row[1]) for row in rows], colors=colors, above=True)
        return self

    def points(self, points: Numbers, *, colors: Color | Sequence[Color] = COLORS[4], radius: float = 1.0) -> Self:
        """Discs of `radius` at points (N, 2): x, y."""
        return self.circles(points, [radius] * len(_rows(points, 2, "points")), colors=colors, filled=True)

    def circles(
        self,
        centres: Numbers,
        radii: Numbers,
        *,
        colors: Color | Sequence[Color] = COLORS[4],
        filled: bool = False,
        width: int = 1,
    ) -> Self:
        """Circles around centres (N, 2)."""
        rows, sizes = _rows(centres, 2, "centres"), _list(radii)
        if not all(math.isfinite(size) and size >= 0 for size in sizes):
            raise UsageError(f"radii are {sizes}; accepted: 0 pixels or more")
        drawing = self._drawing()
        for (x, y), radius, color in zip(rows, _each(sizes, len(rows)), _colors(colors, len(rows)), strict=True):
            around = tuple(side * self.scale for side in (x - radius, y - radius, x + radius, y + radius))
            drawing.ellipse(around, outline=color, fill=color if filled else None, width=width)
        return self

    def lines(self, lines: Numbers, *, colors: Color | Sequence[Color] = COLORS[4], width: int = 1) -> Self:
        """Lines (N, 4): from x, y to x, y."""
        rows = _rows(lines, 4, "lines")
        for row, color in zip(rows, _colors(colors, len(rows)), strict=True):
            self._drawing().line([side * self.scale for side in row], fill=color, width=width)
        return self

    def polygons(
        self,
        polygons: Iterable[Numbers],
        *,
        colors: Color | Sequence[Color] = COLORS[4],
        filled: bool = False,
        width: int = 1,
    ) -> Self:
        """Polygons, each (K, 2) corners x, y."""
        shapes = [_rows(polygon, 2, "a polygon") for polygon in polygons]
        for shape, color in zip(shapes, _colors(colors, len(shapes)), strict=True):
            corners = [(x * self.scale, y * self.scale) for x, y in shape]
            if corners:
                self._drawing().polygon(corners, outline=color, fill=color if filled else None, width=width)
        return self

    def mask(self, mask: Numbers, *, color: Color = COLORS[4], opacity: float = 0.5) -> Self:
        """Lay a colour over the pixels (H, W) that are true: of booleans, or of 0 and 1."""
        given = _array(mask)
        if given.dtype != bool and not np.isin(given, (0, 1)).all():
            raise UsageError(
                f"the mask holds {given.dtype} from {given.min():g} to {given.max():g}; accepted: booleans, or 0 and 1"
            )
        inside = given.astype(bool)
        if inside.shape != self.size:
            raise UsageError(
                f"the mask is {inside.shape}, and the image {self.size}; accepted: one entry for each pixel"
            )
        if not 0 <= opacity <= 1:
            raise UsageError(f"opacity is {opacity}; accepted: 0 to 1")
        over = pillow().new("RGB", self.picture.size, _colors(color, 1)[0])
        cover = pillow().fromarray((inside * round(255 * opacity)).astype(np.uint8))
        self.picture.paste(over, mask=cover.resize(self.picture.size, resample=0))
        return self

    def classes(self, mask: Numbers, *, opacity: float = 0.5, unpainted: Sequence[int] = (0,)) -> Self:
        """Lay the colour of each class over the pixels (H, W) of that class, but for those `unpainted`."""
        numbers = _array(mask)
        if numbers.dtype.kind not in "iu":
            raise UsageError(f"the classes of pixels are {numbers.dtype}; accepted: whole numbers")
        for number in np.unique(numbers).tolist():
            if number not in unpainted:
                self.mask(numbers == number, color=color_of(int(number)), opacity=opacity)
        return self

    def texts(
        self,
        texts: Sequence[str],
        positions: Numbers,
        *,
        colors: Color | Sequence[Color] = COLORS[4],
        above: bool = False,
    ) -> Self:
        """Texts on a dark ground, with their upper left corner (or lower left one, `above`) at positions (N, 2)."""
        rows = _rows(positions, 2, "positions")
        if isinstance(texts, str):
            raise UsageError(f"texts are {texts!r}; accepted: a list of them, one for each")
        if len(rows) != len(texts):
            raise UsageError(f"{len(texts)} texts and {len(rows)} positions; accepted: one for each")
        drawing, size = self._drawing(), max(SMALLEST, min(self.picture.size) // LINES)
        for text, (x, y), color in zip(texts, rows, _colors(colors, len(rows)), strict=True):
            left, top, right, bottom = drawing.textbbox((0, 0), text, font_size=size)
            wide, tall = right - left + 2, bottom - top + 2
            x = min(max(x * self.scale, 0), max(self.picture.width - wide, 0))
            y = min(max(y * self.scale - (tall if above else 0), 0), max(self.picture.height - tall, 0))
            drawing.rectangle((x, y, x + wide - 1, y + tall - 1), fill="#202020")
            drawing.text((x + 1 - left, y + 1 - top), text, fill=color, font_size=size)
        return self

    def overlay(self, image: Any, *, opacity: float = 0.5) -> Self:
        """Lay another image over this one, resized to it: the picture of a feature map, for instance."""
        if not 0 <= opacity <= 1:
            raise UsageError(f"opacity is {opacity}; accepted: 0 to 1")
        other = pillow().fromarray(_bytes(image)).convert("RGB").resize(self.picture.size, resample=2)
        self.picture = pillow().blend(self.picture, other, opacity)
        return self

    def _drawing(self) -> Any:
        from PIL import ImageDraw

        return ImageDraw.Draw(self.picture)


def feature_picture(maps: Numbers, *, reduce: str = "mean", top: int = 4, size: tuple[int, int] | None = None) -> Array:
    """A feature map (C, H, W) as a picture (H, W, 3), uint8, dark for its smallest value and yellow for its largest.

    reduce: "mean" or "max" over the channels, or "top", the `top` channels of the largest mean side by side. size: (H, W) of each
    map in the picture. Values that are not finite are red.
    """
    maps = torch.as_tensor(maps)
    if top < 1:
        raise UsageError(f"top is {top}; accepted: 1 channel or more")
    if maps.ndim != 3 or not maps.numel():
        raise UsageError(f"a feature map is {tuple(maps.shape)}; accepted: (C, H, W)")
    maps = maps.detach().float().cpu()
    if reduce == "top":
        chosen = maps[maps.mean((1, 2)).argsort(descending=True, stable=True)[:top]]
    elif reduce in ("mean", "max"):
        chosen = (maps.mean(0) if reduce == "mean" else maps.amax(0))[None]
    else:
        raise UsageError(f"reduce is {reduce!r}; accepted: mean, max, top")
    if size is not None:
        chosen = F.interpolate(chosen[None], size, mode="bilinear", align_corners=False)[0]
    chosen = torch.cat(list(chosen), -1)
    finite = chosen.isfinite()
    low, high = chosen.where(finite, torch.inf).amin(), chosen.where(finite, -torch.inf).amax()
    share = ((chosen - low) / (high - low).clamp_min(1e-12)).where(finite, 0).clamp(0, 1)
    dark, middle, bright = (
        torch.tensor(color, dtype=torch.float32) for color in ((0, 20, 60), (0, 130, 130), (250, 230, 60))
    )
    first, second = (2 * share).clamp(0, 1)[..., None], (2 * share - 1).clamp(0, 1)[..., None]
    found = dark + (middle - dark) * first + (bright - middle) * second
    return found.where(finite[..., None], torch.tensor([255.0, 0, 0])).round().to(torch.uint8).numpy()


def _bytes(image: Any) -> Array:
    """(H, W) or (H, W, 3), uint8."""
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        image = (image.movedim(0, -1) if image.ndim == 3 else image).numpy()
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all() or pixels.min(initial=0) < 0 or pixels.max(initial=0) > 1:
            raise UsageError("an image of floats is in 0..1; undo the normalisation first")
        pixels = np.round(pixels * 255).astype(np.uint8)
    if (
        pixels.dtype != np.uint8
        or pixels.ndim not in (2, 3)
        or (pixels.ndim == 3 and pixels.shape[-1] != 3)
        or not pixels.size
    ):
        raise UsageError(
            f"an image is {pixels.shape} of {pixels.dtype}; accepted: (H, W) or (H, W, 3), a tensor (C, H, W)"
        )
    return np.ascontiguousarray(pixels)


def _array(values: Numbers) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _list(values: Numbers) -> list[Any]:
    found: list[Any] = _array(values).tolist()
    return found


def _rows(values: Numbers, width: int, what: str) -> list[list[float]]:
    array = _array(values).astype(np.float64) if len(values) else np.zeros((0, width))
    if array.ndim != 2 or array.shape[1] != width:
        raise UsageError(f"{what} are {array.shape}; accepted: (N, {width})")
    if not np.isfinite(array).all():
        raise UsageError(f"{what} hold values that are not finite")
    found: list[list[float]] = array.tolist()
    return found


def _colors(colors: Color | Sequence[Color], count: int) -> list[Any]:
    """One colour for each of `count` things; `UsageError` for what is none."""
    from PIL import ImageColor

    found = _each(colors, count)
    for color in found:
        if not isinstance(color, str):
            continue
        try:
            ImageColor.getrgb(color)
        except ValueError:
            near = nearest(color, ImageColor.colormap)
            hint = f"did you mean {near}?" if near else "accepted: names such as red, #rrggbb, (red, green, blue)"
            raise UsageError(f"there is no colour {color!r}; {hint}") from None
    return found


def _each(values: Any, count: int) -> list[Any]:
    """One value for each of `count` things."""
    if isinstance(values, str) or (
        isinstance(values, tuple) and len(values) == 3 and all(isinstance(v, int) for v in values)
    ):
        return [values] * count
    if len(values) != count:
        raise UsageError(f"{len(values)} given for {count} things; accepted: one for all, or one for each")
    return list(values)
