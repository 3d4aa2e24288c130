"""Pictures written to files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError
from plainnet.files.whole_files import write_whole_bytes

__all__ = ["save_picture"]


def save_picture(picture: Any, path: Path) -> None:
    """Write a Pillow image, or a `Visualizer`, as a whole or not at all; the name says the format."""
    from PIL import Image

    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise UsageError(f"{path} has no suffix of a picture; such as {path.stem}.png")
    content = BytesIO()
    try:
        getattr(picture, "picture", picture).save(content, kind)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: no picture is written as {kind}: {error}; such as {path.stem}.png") from None
    write_whole_bytes(path, content.getvalue())
