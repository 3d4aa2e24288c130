"""Scoring a table of networks, with a file from which an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError

__all__ = ["ScoreFunction", "score_networks"]

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
    """The score of every structure; the same network is scored once.

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
                score = float(function(structure))
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
    """The scores of a file that was begun for the same networks; its last line may be cut off."""
    if not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        if lines == [""]:
            return {}
        found = json.loads(lines[0])
        records = [json.loads(line) for line in lines[1:-1]]
        scores = {str(record["structure"]): float(record["score"]) for record in records}
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is no file of scores; choose another one to resume from") from None
    if found != header:
        raise UsageError(
            f"{path} holds scores of {found.get('label') if isinstance(found, dict) else found!r} for other networks or"
            f" settings than {header['label']!r}; choose another file"
        )
    _drop_cut_off_line(path, lines)
    return scores


def _drop_cut_off_line(path: Path, lines: list[str]) -> None:
    if lines[-1]:
        path.write_text("\n".join([*lines[:-1], ""]), encoding="utf-8")


def _nowhere(record: dict[str, Any]) -> None:
    """Where scores go when no file is kept."""


@contextmanager
def _appending(path: str | Path | None, header: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], None]]:
    if path is None:
        yield _nowhere
        return
    try:
        file: TextIO = Path(path).open("a", encoding="utf-8", newline="\n")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from None

    def write(record: dict[str, Any]) -> None:
        file.write(json.dumps(record) + "\n")
        file.flush()

    with file:
        if file.tell() == 0:
            write(header)
        yield write
