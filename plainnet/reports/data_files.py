"""From a file of data to what its pages tell: what `plainnet calibrate` wrote, and what `plainnet validate --json` printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plainnet.errors import UsageError
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import json_value, read_text
from plainnet.pages.page import Facts
from plainnet.proxies.calibrated.calibration import KEY, read_calibration
from plainnet.validation.calibration_facts import calibration_facts
from plainnet.validation.validation_facts import is_validation, read_validation

__all__ = ["facts_of_file", "is_calibration"]

ACCEPTED = "the folder of a run, what plainnet calibrate wrote, or what plainnet validate --json printed"
HEAD = 64
"""Bytes that say whether a file is a calibration: its key is the first."""


def facts_of_file(path: Path) -> Facts:
    """What the pages about a file tell. Raises `UsageError` for a file that there is no page about, or a damaged one."""
    with reading(path, "file that there is a page about"):
        content = _content(path)
    return calibration_facts(read_calibration(path)) if KEY in content else read_validation(content, str(path))


def _content(path: Path) -> dict[str, Any]:
    """What the file of a calibration or a validation says."""
    try:
        content = json_value(read_text(path, what="data"), str(path))
    except UsageError as error:
        raise UsageError(f"{error}; accepted: {ACCEPTED}") from None
    if isinstance(content, dict) and (KEY in content or is_validation(content)):
        return content
    raise UsageError(f"there is no page about {path}; accepted: {ACCEPTED}")


def is_calibration(path: Path) -> bool:
    """Whether a file begins as a calibration does; nothing else of it is read."""
    try:
        with path.open("rb") as file:
            return f'"{KEY}"'.encode() in file.read(HEAD)
    except OSError:
        return False
