"""What kind of file one is, by what it says: a search space, a training configuration, a table of latencies, ...

A reader that finds that a file is none of its own asks, so that a person who mixed two up is told what it is and who takes it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.files.text_files import read_text

__all__ = ["KINDS", "RECORDS", "FileKind", "WrongFileError", "kind_of", "no_run_in", "reading", "refuse_records"]

_KEY = re.compile(r"^[\"']?([A-Za-z_]\w*)[\"']?[ \t]*:(?=\s|$)", re.MULTILINE)
"""A key at the top of a YAML file."""
_OBJECT = re.compile(r"\s*\[?\s*\{")
"""How JSON begins that holds an object, or several."""


@dataclass(frozen=True)
class FileKind:
    """name: of one of its kind. takers: the commands, with how the file is given to them.

    schema: how the value of its `schema` begins. keys: of which one at its top tells it from the others.
    """

    name: str
    takers: str
    keys: frozenset[str] = frozenset()
    schema: str = ""

    def has(self, said: dict[str, Any]) -> bool:
        """Whether a file that says this at its top is one."""
        if self.schema:
            return str(said.get("schema")).startswith(self.schema)
        return not self.keys.isdisjoint(said)


_MARKED = (
    FileKind("certificate", "`plainnet optimum --verify FILE` takes it", schema="plainnet.certificate/"),
    FileKind("table of latencies", "`plainnet lut` and --latency-table take it", schema="plainnet.lut/"),
    FileKind(
        "file of a sweep's optima", "`plainnet report` and `plainnet runs` take its folder", schema="plainnet.optima/"
    ),
    FileKind("search over settings", "`plainnet tune` and `plainnet runs` take its folder", schema="plainnet.tune/"),
    FileKind("network's analysis", "what takes a network, and `plainnet report`, take it", schema="plainnet.analysis/"),
    FileKind(
        "report of a command's --json",
        "`plainnet report` takes those of validate, compare and support table",
        schema="plainnet.",
    ),
    FileKind(
        "calibration",
        "`plainnet report FILE` and `plainnet score --proxy calibrated:FILE` take it",
        frozenset({"plainnet_calibration"}),
    ),
    FileKind("file of scores", "`plainnet validate --resume FILE` takes it", frozenset({"plainnet_scores"})),
    FileKind("file of validations", "`plainnet validate --store` writes it", frozenset({"plainnet_trust"})),
    FileKind("record of a stored network", "every command takes store:NAME", frozenset({"identity"})),
    FileKind("converted network's record", "`plainnet.from_platform` takes its folder", frozenset({"binary"})),
    FileKind("record of an export", "`plainnet analyze` takes its folder", frozenset({"initial_weights_seed"})),
)
"""Those with a key or a schema that nothing else has."""
_WRITTEN = (
    FileKind(
        "training configuration",
        "`plainnet train`, tune and config take it",
        frozenset(
            {"model", "task", "optim", "schedule", "train", "evaluators", "checkpoint", "hooks", "validate_also"}
        ),
    ),
    FileKind(
        "search space",
        "`plainnet search`, optimum, sweep and space take it",
        frozenset({"start", "blocks", "cell", "positions", "widths", "mutation", "split"}),
    ),
    FileKind(
        "file of components",
        "`plainnet analyze` and all that takes a network, train and store compose take it",
        frozenset({"backbone", "neck", "heads"}),
    ),
    FileKind("table of support", "`plainnet support --file FILE` takes it", frozenset({"networks"})),
)
"""Those that people write; one that says keys of two kinds is of none."""
KINDS = (*_MARKED, *_WRITTEN)
RECORDS = ("record of a stored network", "record of an export", "certificate", "report of a command's --json")
"""Files that say a structure and, apart from it, how it is meant: with a variant, at a size."""


class WrongFileError(UsageError):
    """A file of another kind than the one that was to be read."""


def kind_of(path: str | Path) -> FileKind | None:
    """The kind of a regular file; None for one that is of none, or of two, or cannot be read."""
    if not os.path.isfile(path):  # a pipe is read once
        return None
    try:
        said = _said(read_text(Path(path)))
    except UsageError:
        return None
    marked = next((kind for kind in _MARKED if kind.has(said)), None)
    written = [kind for kind in _WRITTEN if kind.has(said)]
    return marked or (written[0] if len(written) == 1 else None)


def _said(text: str) -> dict[str, Any]:
    """The keys at the top of a text: of JSON, of the first object of a list, of the first line of several, of YAML."""
    if _OBJECT.match(text):
        for part in (text, text.partition("\n")[0]):
            try:
                found = json.loads(part)
            except (ValueError, RecursionError):
                continue
            first = found[0] if isinstance(found, list) else found
            return first if isinstance(first, dict) else {}
    return dict.fromkeys(_KEY.findall(text))


@contextmanager
def reading(path: object, wanted: str) -> Iterator[None]:
    """Within it, a file is read as one of a kind: where that fails, and the file is one of another kind, `WrongFileError` says
    which, and who takes it. What is no path of a file, plain data for one, is left alone.
    """
    try:
        yield
    except WrongFileError:
        raise
    except PlainnetError as error:
        if not isinstance(path, str | Path) or (kind := kind_of(path)) is None or kind.name == wanted:
            raise
        raise _wrong(path, kind, wanted) from error


def refuse_records(path: Path) -> None:
    """Before a structure is read from a file: `WrongFileError` for a record, whose structure alone is another network."""
    kind = kind_of(path) if path.suffix == ".json" else None
    if kind is not None and kind.name in RECORDS:
        raise _wrong(path, kind, "structure")


def no_run_in(path: Path) -> PlainnetError:
    """What is raised where a run is looked for and there is no folder: a file may have been meant otherwise."""
    kind = kind_of(path)
    if kind is not None:
        return _wrong(path, kind, "folder of a run")
    return RunError(f"there is no run in {path}: {'it is a file' if os.path.isfile(path) else 'no such folder'}")


def _wrong(path: str | Path, kind: FileKind, wanted: str) -> WrongFileError:
    return WrongFileError(f"{path} is a {kind.name}, and no {wanted}; {kind.takers}")
