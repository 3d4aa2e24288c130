"""From a file of data to what its pages tell: what commands print with --json, and what `plainnet calibrate` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError, nearest
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import json_value, read_text
from plainnet.pages.found_pages import pages_about
from plainnet.pages.page import SUBJECTS, Facts
from plainnet.proxies.calibrated.calibration import KEY, read_calibration
from plainnet.validation.calibration_facts import calibration_facts
from plainnet.validation.validation_facts import is_validation, read_validation

__all__ = ["facts_of_file", "is_calibration"]

PRINTED = {
    "plainnet.analysis/2": "analysis",
    "plainnet.comparison/1": "comparison",
    "plainnet.support/1": "support",
}
"""The schema of what a command prints -> what it tells of: it is the facts of a page as it stands."""
TOLD = set(Facts._fields)
"""The keys of what `plainnet report --json` prints."""
ACCEPTED = (
    "the folder of a run or a store, what plainnet calibrate wrote, or what report, analyze, compare, validate or support table "
    "printed with --json"
)
HEAD = 64
"""Bytes that say whether a file is a calibration: its key is the first."""


def facts_of_file(path: Path) -> Facts:
    """What the pages about a file tell. Raises `UsageError` for a file that there is no page about, or a damaged one."""
    with reading(path, "file that there is a page about"):
        content = _content(path)
    if KEY in content:
        return calibration_facts(read_calibration(path))
    if is_validation(content):
        return read_validation(content, str(path))
    if content.keys() == TOLD:
        return _shown(Facts(**content), path)
    if content["schema"] not in PRINTED:
        accepted = next(name for name in PRINTED if name.startswith(_family(content)))
        raise UsageError(f"{path} is of the schema {content['schema']}; accepted: {accepted}")
    return _shown(Facts(PRINTED[content["schema"]], content), path)


def _content(path: Path) -> dict[str, Any]:
    """What a file says that there is a page about."""
    try:
        content = json_value(read_text(path, what="data"), str(path))
    except UsageError as error:
        raise UsageError(f"{error}; accepted: {ACCEPTED}") from None
    if isinstance(content, dict):
        families = {_family({"schema": name}) for name in PRINTED}
        if KEY in content or is_validation(content) or content.keys() == TOLD or _family(content) in families:
            return content
    raise UsageError(f"there is no page about {path}; accepted: {ACCEPTED}")


def _family(content: Mapping[str, Any]) -> str:
    """The schema of what a command printed, without its version."""
    return "".join(str(content.get("schema")).partition("/")[:2])


def _shown(facts: Facts, path: Path) -> Facts:
    """Facts that every page about them can be made of; `UsageError` for others, which are not what a command printed."""
    about = facts.about
    if not isinstance(about, str) or about not in SUBJECTS:
        near = nearest(str(about), SUBJECTS)
        raise UsageError(
            f"{path} tells of {about!r}, which there is no page about" + (f"; did you mean {near}?" if near else "")
        )
    try:
        for page in pages_about(about):
            page.made(facts.told)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        said = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"{path} is damaged: no page about {SUBJECTS[about].partition(':')[0]} can be made of it: {said}"
        ) from None
    return facts


def is_calibration(path: Path) -> bool:
    """Whether a file begins as a calibration does; nothing else of it is read."""
    try:
        with path.open("rb") as file:
            return f'"{KEY}"'.encode() in file.read(HEAD)
    except OSError:
        return False
