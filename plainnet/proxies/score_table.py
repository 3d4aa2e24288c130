"""Scoring a table of networks, with a file from which an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from plainnet.blocks.structure import Structure
from plainnet.errors import PlainnetError, UnknownScoreError, UsageError, not_written
from plainnet.files.text_files import json_value, read_text
from plainnet.files.whole_files import write_whole

__all__ = ["ScoreFunction", "score_networks"]

_NOT_FINITE = ("nan", "inf", "-inf")
"""How numbers that JSON does not have are written."""
ScoreFunction = Callable[[Structure], float]
Progress = Callable[[int, int], None]


def score_networks(
    structures: Sequence[Structure],
    function: ScoreFunction,
    *,
    label: str = "",
    resume: str | Path | None = None,
    progress: Progress | None = None,
) -> list[float]:
    """The score of every structure, nan where the proxy's theory does not say one; the same network is scored once.

    With `resume`, each score is appended to that file (JSON lines) as soon as it is known, and those that it holds are not
    worked out again. `label` says what is scored (proxy and settings): a file of another label, or of other networks, is a
    `UsageError`. `progress` is called with (networks done, networks in all).
    """
    distinct = list({structure.text: structure for structure in structures}.values())
    header = {"plainnet_scores": 1, "label": label, "networks": _digest(distinct)}
    known = _read(Path(resume), header) if resume is not None else {}
    with _appending(resume, header) as write:
        for number, structure in enumerate(distinct, 1):
            if structure.text not in known:
                try:
                    score = float(function(structure))
                except UnknownScoreError:
                    score = math.nan
                known[structure.text] = score
                write({"structure": structure.text, "score": _as_json(score)})
            if progress is not None:
                progress(number, len(distinct))
    return [known[structure.text] for structure in structures]


def _digest(structures: Sequence[Structure]) -> str:
    texts = "\n".join(sorted(structure.text for structure in structures))
    return hashlib.blake2b(texts.encode(), digest_size=8).hexdigest()


def _as_json(score: float) -> float | str:
    return score if math.isfinite(score) else repr(score)


def _read(path: Path, header: dict[str, Any]) -> dict[str, float]:
    """The scores of a file that was begun for the same networks; its last line may be cut off. `UsageError` names the line
    and the field of what is damaged.
    """
    if not path.exists():
        return {}
    lines = read_text(path, what="file of scores").split("\n")
    if lines == [""]:
        return {}
    try:
        found = json_value(lines[0], str(path))
    except UsageError:
        found = None
    if not isinstance(found, dict) or "plainnet_scores" not in found:
        raise UsageError(f"{path} is no file of scores; choose another one to resume from")
    if found != header:
        raise UsageError(
            f"{path} holds scores of {str(found.get('label'))[:200]!r} for other networks or settings than "
            f"{header['label']!r}; choose another file"
        )
    scores = dict(_score(line, f"{path} is damaged: line {number}") for number, line in enumerate(lines[1:-1], 2))
    _drop_cut_off_line(path, lines)
    return scores


def _score(line: str, where: str) -> tuple[str, float]:
    """A structure and its score, as a line of the file holds them."""
    record = json_value(line, where)
    if not isinstance(record, dict):
        raise UsageError(f"{where}: {str(record)[:40]!r}; accepted: an object of structure and score")
    structure, score = record.get("structure"), record.get("score")
    if not isinstance(structure, str):
        raise UsageError(f"{where}: structure is {str(structure)[:40]!r}; accepted: a string")
    if isinstance(score, bool) or not (isinstance(score, (int, float)) or score in _NOT_FINITE):
        raise UsageError(f"{where}: score is {str(score)[:40]!r}; accepted: a number, or {', '.join(_NOT_FINITE)}")
    return structure, float(score)


def _drop_cut_off_line(path: Path, lines: list[str]) -> None:
    if lines[-1]:
        write_whole(path, "\n".join([*lines[:-1], ""]))


def _nowhere(record: dict[str, Any]) -> None:
    """Where scores go when no file is kept."""


@contextmanager
def _appending(path: str | Path | None, header: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], None]]:
    if path is None:
        yield _nowhere
        return
    try:
        file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - a buffer would be written again when it is closed
    except OSError as error:
        raise not_written(path, error) from None

    def write(record: dict[str, Any]) -> None:
        data = f"{json.dumps(record)}\n".encode()
        try:
            while data:
                data = data[file.write(data) :]
        except OSError as error:
            raise not_written(path, error) from None

    with file:
        if file.tell() == 0:
            try:
                write(header)
            except PlainnetError:
                with suppress(OSError):  # it would be no file of scores
                    os.unlink(path)
                raise
        yield write
