"""Networks of search runs on the command line: RUN, or RUN:rank."""

from __future__ import annotations

from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.cli.structures import Resolved
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.export.provenance import Origin

__all__ = ["resolve_run"]


def resolve_run(text: str, *, trust: bool = False) -> tuple[Resolved, Origin] | None:
    """The network of a run folder, the best one or the one of a rank (from 1), and how it was found.

    None if the text names no folder with a run. trust: files with blocks that the run names may run, where they are needed.
    """
    from plainnet.search.store import FILE_NAME

    before, colon, after = text.rpartition(":")
    if isfile(Path(text) / FILE_NAME):  # a text too long for a path is no folder, and no error
        return _network(Path(text), 1, trust=trust)
    if colon and isfile(Path(before) / FILE_NAME):
        if not (after.isascii() and after.isdigit() and int(after[:9]) >= 1):
            raise UsageError(
                f"{text}: {after!r} is no rank; accepted: 1 for the best network of {before}, 2 for the next"
            )
        return _network(Path(before), int(after[:9]), trust=trust)
    return None


def _network(folder: Path, rank: int, *, trust: bool) -> tuple[Resolved, Origin]:
    from plainnet.blocks.structure import parse
    from plainnet.export.provenance import Origin
    from plainnet.search.runs.kept_runs import best_of, opened
    from plainnet.search.runs.trusting import need_blocks

    with opened(folder) as store:
        config, found = store.config, best_of(store, rank)
        if len(found) < rank:
            raise UsageError(f"{folder} has no network of rank {rank}; accepted: 1 to {len(found)}")
        candidate = found[rank - 1]
        need_blocks(store, [candidate.structure], trust=trust)
    structure = parse(candidate.structure)
    name, size = f"{folder.resolve().name}_{rank}", config.resolution
    resolved = Resolved(structure, name, size, config.num_classes, config.use_se, is_known=True)
    return resolved, Origin(str(folder), rank, " + ".join(config.objectives), config.seed, dict(candidate.scores))
