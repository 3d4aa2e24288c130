"""What a sweep of optima tells, kept beside its table: its page is made anew from it, and the dashboard shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainnet.errors import RunError
from plainnet.files.text_files import read_text
from plainnet.files.whole_files import write_whole
from plainnet.pages.page import Facts

__all__ = ["FILE", "read_sweep_facts", "write_sweep_facts"]

FILE = "sweep.json"
SCHEMA = "plainnet.sweep_facts/1"


class _Data(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Block(_Data):
    name: str
    text: str
    label: str | None
    layers: int
    params: int
    macs: int
    inner: Any = None
    into: list[int] = Field(alias="in", min_length=3, max_length=3)
    out: list[int] = Field(min_length=3, max_length=3)


class _Line(_Data):
    limit: float
    cost: float
    value: float
    scores: list[float | str | None]
    costs: list[float | None]
    structure: str
    hash: str
    beaten: bool
    page: None
    blocks: list[_Block]


class _Sweep(_Data):
    """The types of what is written, which is what a page is made of."""

    space: str
    asked: list[str]
    budget: str
    cost: str
    value: str
    solved: bool
    higher: bool
    seconds: float
    problems: list[tuple[float, str]]
    scores: list[str]
    costs: list[str]
    lines: list[_Line] = Field(min_length=1)
    bounds: list[tuple[float, float]]
    command: str


class _Kept(_Data):
    name: str = Field(alias="schema", pattern=f"^{SCHEMA}$")
    told: _Sweep


def write_sweep_facts(folder: Path, told: Mapping[str, Any]) -> None:
    """Keep what the page of a sweep of optima is made of. Raises `UsageError` where it cannot be written."""
    write_whole(folder / FILE, json.dumps({"schema": SCHEMA, "told": told}, allow_nan=False) + "\n")


def read_sweep_facts(folder: Path) -> Facts:
    """What was kept. Raises `RunError` for a file that is not there, cannot be read, or holds something else."""
    path = folder / FILE
    if not path.is_file():
        page = folder / "sweep.html"
        raise RunError(
            f"{folder} holds the optima of a sweep (plainnet sweep --exact), and no {FILE}, of which their page is made; "
            f"their table is {folder / 'sweep.csv'}" + (f", their page {page}" if page.is_file() else "")
        )
    text = read_text(path, what="facts of the sweep")
    try:
        kept = _Kept.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise RunError(f"{path} is damaged: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
    return Facts("sweep", kept.told.model_dump(by_alias=True))
