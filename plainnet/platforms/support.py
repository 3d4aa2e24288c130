"""The table of support: which networks run on which platforms, made again only where something changed that matters.

`support.json` keeps it: {"schema": 1, "networks": {NAME: {"said", "layers", "blocks", "cells": {PLATFORM: cell}, "history"}}}.
A cell says what came of it, and the fingerprint of all that decides about it: what the rows mean, the weights, the adapter, the
versions. A comment in a block, or another name of a variable, changes none of that; a norm that is taken away changes those
networks that use the block.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from plainnet.blocks.rows.meaning import meaning_hash
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import PlainnetError, RunError, UsageError, nearest, not_written
from plainnet.files.text_files import json_value, read_text
from plainnet.platforms.comparing import Section
from plainnet.platforms.networks import platform_digest, to_platform
from plainnet.platforms.platform import Platform, find_platform

if TYPE_CHECKING:
    from plainnet.network.plain_net import PlainNet

__all__ = [
    "Cell",
    "Entry",
    "Listed",
    "Support",
    "find_entry",
    "priority",
    "read_support",
    "regressions",
    "table_rows",
    "update",
    "write_support",
]

PASS: Final = "pass"
FAIL: Final = "fail"
STALE: Final = "stale"
ABSENT: Final = "not installed"
Status = Literal["pass", "fail", "stale", "not installed"]


class Cell(Section):
    """A network on a platform. error: the largest, in parts of the largest output; ms: of its own size, a hint."""

    status: Status
    error: float | None = None
    ms: float | None = None
    reason: str | None = None
    fingerprint: str | None = None
    date: str | None = None
    commit: str | None = None


class Entry(Section):
    """A network of the table. said: what it was named by. history: what changed, the last at the end."""

    said: str
    layers: int
    head: str
    blocks: dict[str, int]
    cells: dict[str, Cell] = {}
    history: list[dict[str, str | None]] = []


class Support(Section):
    """`support.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    networks: dict[str, Entry] = {}


@dataclass(frozen=True)
class Listed:
    """A network as it is now: `weights` is the file of its trained weights, None for random ones of the seed 0."""

    name: str
    said: str
    structure: Structure
    size: tuple[int, int]
    num_classes: int
    norm_eps: float
    variant: Variant
    weights: Path | None = None

    def entry(self, before: Entry | None) -> Entry:
        """Its line of the table, with what is known from before."""
        shape = Shape(self.structure.in_channels, *self.size)
        layers = self.structure.at(shape, variant=self.variant).counts(self.num_classes).layers
        blocks = Counter(block.name for block in self.structure.blocks)
        head = f"{self.num_classes:,} classes" if self.num_classes else "none"
        kept = {} if before is None else {"cells": before.cells, "history": before.history}
        return Entry(said=self.said, layers=layers, head=head, blocks=dict(blocks), **kept)  # type: ignore[arg-type]

    def fingerprint(self, platform: Platform) -> str:
        """SHA-256 of what decides about it on a platform; no torch is asked."""
        shape = Shape(self.structure.in_channels, *self.size)
        meaning = meaning_hash(self.structure.rows(shape, variant=self.variant, expand=True))
        weights = "seed 0" if self.weights is None else hashlib.sha256(self.weights.read_bytes()).hexdigest()
        about = [meaning, self.num_classes, self.norm_eps, weights, platform_digest(platform)]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def update(
    support: Support,
    networks: Sequence[Listed],
    platforms: Sequence[str],
    build: Callable[[Listed], PlainNet],
    *,
    commit: str | None = None,
    only_exceptions: bool = False,
    rebuild: bool = True,
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[tuple[str, str, Cell | None, Cell]]:
    """Bring the table up to date: (network, platform, what it was, what it is) of each that was made again, or became stale.

    build: makes a network with its weights. only_exceptions: only what did not pass. rebuild: False for a look alone, which
    calls what changed stale.
    """
    for listed in networks:
        entry = support.networks[listed.name] = listed.entry(support.networks.get(listed.name))
        net: PlainNet | None = None
        for name in platforms:
            platform, before = find_platform(name), entry.cells.get(name)
            fingerprint = listed.fingerprint(platform)
            known = before is not None and before.fingerprint == fingerprint and before.status in (PASS, FAIL)
            if known and not (only_exceptions and before is not None and before.status == FAIL):
                continue
            if only_exceptions and before is not None and before.status == PASS:
                continue
            if platform.missing():
                cell = Cell(status=ABSENT)
            elif not rebuild:
                cell = _stale(before)
            else:
                tell(f"{listed.name} on {name}")
                net = net or build(listed)
                cell = _tried(net, listed, name, fingerprint, commit)
            if cell != before:
                entry.cells[name] = cell
                _note(entry, name, before, cell)
                yield listed.name, name, before, cell


def _stale(before: Cell | None) -> Cell:
    return Cell(status=STALE) if before is None else before.model_copy(update={"status": STALE})


def _tried(net: PlainNet, listed: Listed, name: str, fingerprint: str, commit: str | None) -> Cell:
    now: dict[str, Any] = {"fingerprint": fingerprint, "date": _today(), "commit": commit}
    with tempfile.TemporaryDirectory(prefix="plainnet-", ignore_cleanup_errors=True) as place:
        try:
            about = to_platform(net, name, Path(place) / "network", name=listed.name)
        except PlainnetError as error:
            return Cell(status=FAIL, reason=str(error).splitlines()[0], **now)
    largest = max(one.error or 0.0 for one in about.measured)
    return Cell(status=PASS, error=largest, ms=about.measured[0].ms, **now)


def _note(entry: Entry, platform: str, before: Cell | None, cell: Cell) -> None:
    """A line of the history where the outcome is another one."""
    if before is None or before.status != cell.status or before.reason != cell.reason:
        line = {
            "date": _today(),
            "commit": cell.commit,
            "platform": platform,
            "status": cell.status,
            "reason": cell.reason,
        }
        entry.history.append(line)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def regressions(changes: Iterable[tuple[str, str, Cell | None, Cell]]) -> list[str]:
    """What passed and fails now, a sentence each."""
    return [
        f"{name} passed on {platform} and fails: {now.reason}"
        for name, platform, before, now in changes
        if before is not None and before.error is not None and now.status == FAIL  # an error was found: it ran
    ]


def table_rows(support: Support, platforms: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The table's header and rows."""
    header = ["network", "head", "layers", *platforms, "changed", "commit"]
    rows = []
    for name, entry in support.networks.items():
        cells = [entry.cells.get(platform) for platform in platforms]
        last = max(entry.history, key=lambda line: str(line["date"]), default=None)
        changed, commit = ("", "") if last is None else (str(last["date"]), str(last["commit"] or "")[:12])
        rows.append([name, entry.head, str(entry.layers), *map(_said, cells), changed, commit])
    return header, rows


def _said(cell: Cell | None) -> str:
    if cell is None:
        return "not tried"
    if cell.status == PASS:
        return f"pass {cell.error:.0e}, {cell.ms:.2f} ms" if cell.error is not None and cell.ms is not None else PASS
    return f"fail: {cell.reason}" if cell.status == FAIL else cell.status


def priority(support: Support, platforms: Sequence[str]) -> list[tuple[str, str]]:
    """What to work on first: networks that do not pass somewhere, then the blocks of these by how often they occur in the
    table; each with why.
    """
    found, blocks = list[tuple[str, str]](), Counter[str]()
    for name, entry in support.networks.items():
        failing = [p for p in platforms if (cell := entry.cells.get(p)) is not None and cell.status in (FAIL, STALE)]
        if failing:
            found.append((name, ", ".join(f"{entry.cells[p].status} on {p}" for p in failing)))
            blocks.update(entry.blocks)
    total = sum((Counter(entry.blocks) for entry in support.networks.values()), Counter[str]())
    ordered = sorted(blocks, key=lambda block: (-total[block], block))
    return [
        *found,
        *((block, f"{total[block]} in the table, {blocks[block]} where something fails") for block in ordered),
    ]


def find_entry(support: Support, name: str) -> Entry:
    """A network of the table; `UsageError` with the nearest name."""
    if name not in support.networks:
        near = nearest(name, support.networks)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"the table has no {name!r}; it has {', '.join(support.networks) or 'no networks'}{hint}")
    return support.networks[name]


def read_support(path: Path) -> Support:
    """The table of a file; an empty one where there is none. `RunError` for a file that is no table."""
    if not path.exists():
        return Support()
    try:
        found: Support = Support.model_validate(json_value(read_text(path, what="table of support"), str(path)))
    except UsageError as error:
        raise RunError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise RunError(f"{path} is no table of support: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return found


def write_support(path: Path, support: Support) -> None:
    """The whole table in the file, or the file as it was."""
    temporary = path.with_name(f".writing-{path.name}")
    data: Mapping[str, Any] = support.model_dump(mode="json", by_alias=True)
    try:
        temporary.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise not_written(path, error) from error
