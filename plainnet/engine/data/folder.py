"""Images in folders named after their classes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plainnet.engine.data.decoding import open_image
from plainnet.engine.data.image_samples import ImageSamples, only_readable, reading
from plainnet.engine.data.images import Window
from plainnet.engine.data.listing import Listing, class_names, is_hidden, list_classes, named
from plainnet.engine.data.source import DataSource, Part, Samples, Unread
from plainnet.errors import RunError, nearest

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "folder"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class _FromFiles:
    paths: Sequence[Path]
    channels: int

    def __call__(self, index: int) -> Any:
        return open_image(self.paths[index], channels=self.channels)


def folder(
    *,
    root: str | Path,
    train: str | None = "train",
    val: str = "val",
    val_share: float = 0.1,
    size: int | list[int] = 224,
    crop: float = 0.875,
    scale: list[float] | None = None,
    channels: int = 3,
    on_error: str = "stop",
    only: Part = None,
) -> DataSource:
    """Images under `root`/train/CLASS and `root`/val/CLASS, or under `root`/CLASS, of which `val_share` validate.

    train: the folder of training images; none where `root` holds classes, one of which has that name. size: height and
    width of the network's input. crop: the share of the resized image that validation sees. scale: shares of the area of a
    random training crop, [0.08, 1] for ImageNet; none for the middle. channels: 1 (grey) or 3. on_error: `skip` decodes
    every image before training and leaves out those that cannot be read, counted and named; `stop` ends the run at the first;
    `keep` does so when it comes to one: what `plainnet data check` takes, and nothing that trains or judges.
    """
    base = Path(os.path.expanduser(root))
    if not base.is_dir():
        raise RunError(f"there is no folder {base}")
    window = reading(size=size, crop=crop, scale=scale, channels=channels, on_error=on_error, val_share=val_share)
    classes, listings, notes = _parts(base, train, val, val_share, only)
    keep = on_error == "keep"
    parts: dict[str, Samples] = {"train": Unread("train"), "val": Unread("val")}
    for part, listing in listings.items():
        if part == "val":
            window = Window(window.size, window.crop, None)  # validation is not random
        samples = parts[part] = _samples(listing, channels, window, on_error, notes)
        _check_classes(samples, "training" if part == "train" else "validation", classes, base, notes, stop=not keep)
    return DataSource(
        train=parts["train"],
        val=parts["val"],
        classes=classes,
        shape=(channels, *window.size),
        mean=IMAGENET_MEAN if channels == 3 else (0.5,),
        std=IMAGENET_STD if channels == 3 else (0.5,),
        reader={"crop": crop},
        notes=tuple(notes),
        astray={part: _wrong(each) for part, each in listings.items()} if keep else {},
    )


def _parts(
    base: Path, train: str | None, val: str, val_share: float, only: Part
) -> tuple[tuple[str, ...], dict[str, Listing], list[str]]:
    """The classes, what there is to train and to validate on as far as it is wanted, and what was left out."""
    split = _split(base, train, val, only)
    if split is not None:
        classes = class_names(split[0] if split[0].is_dir() else split[1])
        wanted = {part: path for part, path in zip(("train", "val"), split, strict=True) if only in (None, part)}
        found = {part: list_classes(path, classes) for part, path in wanted.items()}
        return classes, found, [note for part, each in found.items() for note in each.notes(wanted[part])]
    classes = class_names(base)
    whole = list_classes(base, classes)
    held = [_share(path.relative_to(base)) < val_share for path, _ in whole.files]
    kept, left = (
        [file for file, is_held in zip(whole.files, held, strict=True) if is_held == side] for side in (False, True)
    )
    found = {"train": Listing(kept, wrong=whole.wrong), "val": Listing(left)}
    return classes, {part: each for part, each in found.items() if only in (None, part)}, list(whole.notes(base))


def _split(base: Path, train: str | None, val: str, only: Part) -> tuple[Path, Path] | None:
    """The folders of training and of validation images, or None where `base` holds the classes themselves. Where validation
    alone is wanted, the other folder may be missing.
    """
    if train is None:
        return None
    there = [name for name in (train, val) if (base / name).is_dir()]
    if len(there) == 2 or (only == "val" and there == [val]):
        return base / train, base / val
    if there or (train, val) != ("train", "val"):
        missing = next(name for name in (train, val) if name not in there)
        names = sorted(path.name for path in base.iterdir() if path.is_dir() and not is_hidden(path.name))
        near = nearest(missing, [name for name in names if name not in there])
        hint = f"did you mean {near}?" if near else f"there: {named(names) or 'nothing'}"
        aside = f"; if {there[0]} is a class, say data.train: null" if there else ""
        raise RunError(f"there is no folder {base / missing}; {hint}{aside}")
    return None


def _wrong(listing: Listing) -> list[str]:
    return [f"{path}: {why}" for path, why in listing.wrong]


def _samples(listing: Listing, channels: int, window: Window, on_error: str, notes: list[str]) -> ImageSamples:
    wrong = _wrong(listing)
    if wrong and on_error == "stop":
        what = f"{len(wrong)} images cannot be read" if len(wrong) > 1 else "an image cannot be read"
        raise RunError(f"{what}: {named(wrong)}; data.on_error: skip leaves them out")
    opener = _FromFiles([path for path, _ in listing.files], channels)
    samples = ImageSamples(opener, range(len(listing.files)), [label for _, label in listing.files], window)
    if on_error == "skip":
        samples, errors = only_readable(samples)
        wrong += [f"{error.what}: {error.why}" for error in errors]
        if wrong:
            notes.append(f"{len(wrong):,} images left out that cannot be read: {'; '.join(wrong)}")
    return samples


def _check_classes(
    samples: ImageSamples, part: str, classes: Sequence[str], base: Path, notes: list[str], *, stop: bool
) -> None:
    if not len(samples):
        raise RunError(f"{base} gives no {part} images")
    missing = list(_missing(samples, classes))
    if missing and part == "training" and stop:
        raise RunError(f"{base}: no training images of {named(missing)}; fill or remove what is empty")
    if missing:
        notes.append(f"{base}: no {part} images of {named(missing)}")


def _missing(samples: ImageSamples, classes: Sequence[str]) -> Iterator[str]:
    seen = set(samples.labels)
    return (name for number, name in enumerate(classes) if number not in seen)


def _share(path: Path) -> float:
    """A number in 0..1 from a path alone, so that a split stays when files are added."""
    digest = hashlib.blake2b(path.as_posix().encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64
