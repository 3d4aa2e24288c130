"""What a network of components is made of, as a file or `KEY=VALUE`s say it: a backbone, a neck, heads, the size of images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from plainnet.configs import read_config
from plainnet.files.file_kinds import reading

__all__ = ["Components", "read_components"]

Side = Annotated[int, Field(ge=1, le=65_536)]
Component = str | dict[str, Any]


class Components(BaseModel):
    """Each component is a string, `type` with the arguments of a template, or `store:NAME`; and `from`."""

    model_config = ConfigDict(strict=True, extra="forbid")
    backbone: str = Field(description="A network string, a published name, or store:NAME.")
    neck: Component | None = Field(
        default=None, description="A string, store:NAME, or `type` with its arguments; `from`."
    )
    heads: dict[str, Component] = Field(
        description="Name -> a string, store:NAME, or `type` with its arguments; `from`."
    )
    resolution: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="R or [H, W] of the images."
    )

    @property
    def size(self) -> int | tuple[int, int] | None:
        """R or (H, W)."""
        found = self.resolution
        return (found[0], found[1]) if isinstance(found, list) else found


def read_components(source: Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Components:
    """The components of a file, or of plain data, and of `KEY=VALUE`s, of which `head=...` is the head of that name alone.

    Raises `ConfigError` with the place for what is none.
    """
    said = [f"heads.{item}" if re.match(r"head[.=]", item) else item for item in overrides]
    with reading(source, "file of components"):
        return read_config(source, Components, overrides=said).value
