"""Pictures written to files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError, not_written

__all__ = ["save_picture"]


def save_picture(picture: Any, path: Path) -> None:
    """Write a Pillow image, or a `Visualizer`; the name says the format."""
    try:
        picture.save(path)
    except ValueError as error:  # a name without the suffix of a format
        raise UsageError(f"{path} has no suffix of a picture: {error}; such as {path.stem}.png") from None
    except OSError as error:
        with suppress(OSError):  # half a picture is none
            path.unlink()
        raise not_written(path, error) from None
