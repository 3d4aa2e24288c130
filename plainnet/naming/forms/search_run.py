"""A search run: `RUN` for its best network, `RUN:3` for the third, `RUN#a1b2` for the one whose hash begins so."""

from __future__ import annotations

import re
from os.path import isdir, isfile
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from plainnet.blocks.rows.variants import Variant
from plainnet.errors import UsageError
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Known, Subject

if TYPE_CHECKING:
    from plainnet.search.store import Candidate, RunStore

__all__ = ["FORM"]

SOURCE = "from the run"
HASH_DIGITS = 12
SHOWN = 5


def _is_run(folder: str) -> bool:
    if not isdir(folder):  # also of a text that is too long for a path
        return False
    from plainnet.search.store.schema import FILE_NAME

    return isfile(Path(folder) / FILE_NAME)


def _folder(text: str) -> tuple[str, str, str]:
    """The folder of a run, and the sign and what stands behind it: ("runs/x", ":", "3"); "" for what is no run."""
    if _is_run(text):
        return text, "", ""
    for sign in (":", "#"):
        before, found, after = text.rpartition(sign)
        if found and _is_run(before):
            return before, sign, after
    return "", "", ""


def _takes(text: str) -> bool:
    return bool(_folder(text)[0])


def _read(text: str, reading: Reading) -> Subject:
    from plainnet.blocks.structure import parse
    from plainnet.search.runs.kept_runs import opened
    from plainnet.search.runs.trusting import need_blocks

    folder, sign, after = _folder(text)
    with opened(Path(folder)) as store:
        config = store.config
        if sign == "#":
            candidate, rank = _of_hash(store, after, folder), None
        else:
            rank = _rank(text, folder, after) if sign else 1
            candidate = _of_rank(store, rank, folder)
        need_blocks(store, [candidate.structure], trust=reading.trust)
        weights = _trained(store, candidate)
    structure = parse(candidate.structure, limits=reading.limits)
    which = f"rank {rank} of the search run" if rank is not None else "of the search run"
    name = f"{Path(folder).resolve().name}_{rank if rank is not None else structure.hash}"
    return Subject(
        text,
        f"{which} {folder}",
        structure,
        weights=weights,
        name=name,
        resolution=Known(config.resolution, SOURCE),
        num_classes=Known(config.num_classes, SOURCE),
        variant=Known(Variant(use_se=config.use_se), SOURCE),
        search={
            "run": folder,
            "rank": rank,
            "objective": " + ".join(config.objectives),
            "seed": config.seed,
            "values": dict(candidate.scores),
        },
    )


def _trained(store: RunStore, candidate: Candidate) -> Path | None:
    """The weights that the run trained the candidate to; None where it did not."""
    from plainnet.search.ladder.trainings import WEIGHTS, best_training

    training = best_training(store, candidate)
    return training.folder / WEIGHTS if training is not None and training.folder is not None else None


def _rank(text: str, folder: str, after: str) -> int:
    if not (after.isascii() and after.isdigit() and int(after[:9]) >= 1):
        raise UsageError(f"{text}: {after!r} is no rank; accepted: 1 for the best network of {folder}, 2 for the next")
    return int(after[:9])


def _of_rank(store: RunStore, rank: int, folder: str) -> Candidate:
    from plainnet.search.runs.kept_runs import best_of

    found = best_of(store, rank)
    if len(found) < rank:
        raise UsageError(f"{folder} has no network of rank {rank}; accepted: 1 to {len(found)}")
    return found[rank - 1]


def _of_hash(store: RunStore, digits: str, folder: str) -> Candidate:
    """The candidate whose hash begins with some hexadecimal digits, within the budgets or not."""
    if not re.fullmatch(rf"[0-9a-fA-F]{{1,{HASH_DIGITS}}}", digits):
        raise UsageError(
            f"{folder}#{digits}: {digits!r} is no beginning of a hash; accepted: 1 to {HASH_DIGITS} of 0-9a-f"
        )
    unsaid = 4 * (HASH_DIGITS - len(digits))
    first = int(digits, 16) << unsaid
    found = store.select(f"WHERE hash BETWEEN {first} AND {first + (1 << unsaid) - 1} ORDER BY id LIMIT {SHOWN + 1}")
    different = {candidate.hash: candidate for candidate in found}
    if not different:
        best = store.best(1)
        such = f", such as {best[0].short_hash}" if best else ""
        raise UsageError(
            f"{folder} has no candidate whose hash begins with {digits}; accepted: a hash{such} "
            f"(plainnet runs best {quote(str(folder))})"
        )
    if len(different) > 1:
        shown = ", ".join(candidate.short_hash for candidate in list(different.values())[:SHOWN])
        raise UsageError(f"{folder} has several candidates whose hash begins with {digits}: {shown}; give more digits")
    return found[0]


FORM = Form("a search run", "RUN[:RANK|#HASH]", 10, _takes, _read)
