"""A folder that `plainnet export` wrote: its provenance.json says which network it holds."""

from __future__ import annotations

from os.path import isdir, isfile
from pathlib import Path
from typing import Annotated, Any

from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import parse
from plainnet.errors import StructureError, UsageError
from plainnet.files.exported_tensors import EXPORTED, PROVENANCE
from plainnet.files.tensor_files import read_metadata
from plainnet.files.text_files import json_value, read_text
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Known, Subject

__all__ = ["FORM"]

SOURCE = "from the export"


def _takes(text: str) -> bool:
    return isdir(text) and isfile(Path(text) / PROVENANCE)


def _read(text: str, reading: Reading) -> Subject:
    folder = Path(text)
    about = _about(folder / PROVENANCE)
    try:
        structure = parse(about.structure, limits=reading.limits)
    except StructureError as error:
        first = str(error).splitlines()[0]
        raise UsageError(f"{folder / PROVENANCE}: {first} (blocks of your own: --blocks FILE)") from None
    _, height, width = about.input
    weights = next((folder / name for name in EXPORTED if (folder / name).is_file()), None)
    return Subject(
        text,
        f"of the exported folder {text}",
        structure,
        weights=weights,
        unread=f"in the files for {about.target}" if weights is None and about.weights is not None else "",
        name=about.name,
        resolution=Known(height if height == width else (height, width), SOURCE),
        num_classes=Known(_classes(weights, about.num_classes), SOURCE),
        variant=Known(Variant(**about.variant), SOURCE),
        norm_eps=Known(about.norm_eps, SOURCE),
        search=None if about.search.get("run") is None else about.search,
    )


def _classes(weights: Path | None, otherwise: int) -> int:
    """The classifier's outputs: the weights may have been given a fresh one of other classes."""
    if weights is None or weights.suffix != ".safetensors":
        return otherwise
    said = read_metadata(weights).get("num_classes", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 9 else otherwise


def _about(path: Path) -> Any:
    """What a provenance.json says, each value of the type that an export writes."""
    from pydantic import BaseModel, ConfigDict, Field, ValidationError

    side = Annotated[int, Field(ge=1, le=65_536)]

    class Variants(BaseModel):
        model_config = ConfigDict(strict=True, extra="forbid")
        use_se: bool = False
        no_reslink: bool = False
        no_bn: bool = False
        activation: str = "relu"

    class Search(BaseModel):
        model_config = ConfigDict(strict=True, extra="ignore")
        run: str | None = None
        rank: int | None = None
        objective: str | None = None
        seed: int | None = None
        values: dict[str, Any] = {}

    class About(BaseModel):
        model_config = ConfigDict(strict=True, extra="ignore")
        name: str
        target: str = "another program"
        weights: dict[str, str] | None = None
        structure: str
        variant: Variants
        norm_eps: Annotated[float, Field(gt=0, lt=1)]
        input: Annotated[list[side], Field(min_length=3, max_length=3)]
        num_classes: Annotated[int, Field(ge=0, le=100_000_000)]
        search: Search

    found = json_value(read_text(path, what=PROVENANCE), str(path))
    try:
        about = About.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise UsageError(f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return about.model_copy(update={"variant": about.variant.model_dump(), "search": about.search.model_dump()})


FORM = Form("an exported folder", "EXPORTED_FOLDER", 30, _takes, _read)
