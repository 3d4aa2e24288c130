"""The network of a file of trained weights, as its header says it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.blocks.structure import parse
from plainnet.errors import RunError, StructureError, UsageError
from plainnet.naming.form import Reading
from plainnet.naming.subject import EPSILON, NUM_CLASSES, RESOLUTION, VARIANT, Known, Subject

if TYPE_CHECKING:
    from torch import nn

__all__ = ["subject_of_weights"]


def subject_of_weights(path: Path, reading: Reading, *, said: str, form: str, source: str, name: str) -> Subject:
    """What a file of weights is the weights of: a structure where it is a PlainNet's, else a module.

    source: where what its header says comes from, in words ("from the weights").
    """
    from plainnet.export.story import read_story
    from plainnet.files.tensor_files import read_metadata

    metadata = read_metadata(path)
    if "structure" not in metadata:
        return _of_module(path, metadata, reading, said=said, form=form, name=name, source=source)
    story = read_story(metadata, path)
    try:
        structure = parse(metadata["structure"], limits=reading.limits)
    except StructureError as error:
        first = str(error).splitlines()[0]
        raise UsageError(
            f"{path} holds weights of a structure that cannot be read: {first} (blocks of your own: --blocks FILE)"
        ) from None
    classes = _classes(metadata)
    if classes is None and story.classes is not None:
        classes = len(story.classes)
    return Subject(
        said,
        form,
        structure,
        weights=path,
        name=name,
        resolution=RESOLUTION if story.shape is None else Known(_side(story.shape[1:]), source),
        num_classes=NUM_CLASSES if classes is None else Known(classes, source),
        variant=VARIANT if story.variant is None else Known(story.variant, source),
        norm_eps=EPSILON if story.norm_eps is None else Known(story.norm_eps, source),
    )


def _classes(metadata: dict[str, str]) -> int | None:
    """The classes that an export wrote down; a training run names them instead."""
    found = metadata.get("num_classes", "")
    return int(found) if found.isascii() and found.isdigit() and len(found) < 8 else None


def _side(size: tuple[int, ...]) -> int | tuple[int, int]:
    height, width = size
    return height if height == width else (height, width)


def _of_module(
    path: Path, metadata: dict[str, str], reading: Reading, *, said: str, form: str, name: str, source: str
) -> Subject:
    """A network that is no PlainNet: what the training made of its model section."""
    if "model" not in metadata:
        raise RunError(
            f"{path} does not say which network it belongs to: it was not written by plainnet; name the structure, and the "
            "file where weights are asked for (plainnet export STRUCTURE --weights FILE)"
        )
    from plainnet.engine.run.weights_metadata import read_trained

    shape = read_trained(path, metadata).shape

    def build() -> nn.Module:
        from plainnet.engine.run.predict import Predictor

        return Predictor(path, imports=reading.imports, platform="torch").model

    subject = Subject(said, form, build=build, weights=path, name=name)
    if not shape:  # its samples are no images: what it takes is for its user to say
        return subject
    channels, height, width = shape
    return replace(subject, resolution=Known(_side((height, width)), source), channels=Known(channels, source))
