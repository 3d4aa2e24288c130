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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pydantic import ConfigDict, Field, ValidationError

from plainnet.blocks.rows.meaning_hash import meaning_hash
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import PlainnetError, RunError, UsageError, not_written
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import json_value, read_text
from plainnet.platforms.comparing import Section
from plainnet.platforms.exceptions import Exceptions
from plainnet.platforms.networks import platform_digest, to_platform
from plainnet.platforms.platform import Platform, find_platform

if TYPE_CHECKING:
    from plainnet.network.plain_net import PlainNet

NONE = Exceptions()

__all__ = [
    "ABSENT",
    "CONVERTED",
    "EXCEPTED",
    "FAIL",
    "NOT_HERE",
    "PASS",
    "STALE",
    "Cell",
    "Change",
    "Entry",
    "Kind",
    "Listed",
    "PartWeights",
    "Support",
    "read_support",
    "update",
    "write_support",
]

PASS: Final = "pass"
FAIL: Final = "fail"
STALE: Final = "stale"
CONVERTED: Final = "converted"
"""It was converted, and not compared: this machine does not run it."""
ABSENT: Final = "not installed"
NOT_HERE: Final = "not here"
"""It is installed, and this machine is none that it runs on."""
EXCEPTED: Final = "excepted"
Kind = Literal["network", "backbone", "neck", "head", "block"]
Status = Literal["pass", "fail", "stale", "converted", "not installed", "not here", "excepted"]
TRIED: Final = (PASS, FAIL, CONVERTED)


class Cell(Section):
    """A network on a platform. error: the largest, in parts of the largest output; ms: of its own size, a hint."""

    status: Status
    error: float | None = None
    ms: float | None = None
    reason: str | None = None
    fingerprint: str | None = None
    date: str | None = None
    commit: str | None = None


class Change(Section):
    """A line of a network's history: what came of it on a platform, where that was another outcome than before."""

    date: str
    commit: str | None
    platform: str
    status: Status
    reason: str | None


class Entry(Section):
    """A network of the table, a part of one, or a block. said: what the network was named by, or the block's string. size: of
    the images that a block is given. backbone: which one. history: what changed, the last at the end.
    """

    said: str
    kind: Kind = "network"
    size: tuple[int, int] | None = Field(default=None, strict=False)
    layers: int
    backbone: str = ""
    head: str
    blocks: dict[str, int]
    cells: dict[str, Cell] = {}
    history: list[Change] = []


class Support(Section):
    """`support.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    networks: dict[str, Entry] = {}


class PartWeights(NamedTuple):
    """Where the weights of a part are in the file of its network. source, target: what their names begin with there, and in the
    network that the part is by itself. places: of the whole network's blocks (`plainnet.blocks.parts`).
    """

    source: str
    target: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """A network as it is now, or what is one in place of a part or a block: `weights` is the file of its trained weights, None
    for random ones of the seed 0; of a part that of its network, and `part` says which of them. backbone, head: what the table
    says of them.
    """

    name: str
    said: str
    structure: Structure
    size: tuple[int, int]
    num_classes: int
    norm_eps: float
    variant: Variant
    weights: Path | None = None
    part: PartWeights | None = None
    kind: Kind = "network"
    backbone: str = ""
    head: str = ""

    def entry(self, before: Entry | None) -> Entry:
        """Its line of the table, with what is known from before."""
        shape = Shape(self.structure.in_channels, *self.size)
        layers = self.structure.at(shape, variant=self.variant).counts(self.num_classes).layers
        return Entry(
            said=self.said,
            kind=self.kind,
            size=self.size if self.kind == "block" else None,
            layers=layers,
            backbone=self.backbone,
            head=self.head,
            blocks=dict(Counter(block.name for block in self.structure.blocks)),
            cells={} if before is None else before.cells,
            history=[] if before is None else before.history,
        )

    @cached_property
    def meaning(self) -> str:
        """SHA-256 of what decides about it on every platform: the rows, the weights; no torch is asked."""
        shape = Shape(self.structure.in_channels, *self.size)
        rows = meaning_hash(self.structure.rows(shape, variant=self.variant, expand=True))
        weights = "seed 0" if self.weights is None else _digest_of(self.weights)
        return json.dumps([rows, self.num_classes, self.norm_eps, weights])

    def fingerprint(self, platform_digest: str) -> str:
        """SHA-256 of what decides about it on one platform."""
        return hashlib.sha256(json.dumps([*json.loads(self.meaning), platform_digest]).encode()).hexdigest()


def _digest_of(path: Path) -> str:
    about = path.stat()
    return _file_digest(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _file_digest(path: Path, mtime: int, size: int) -> str:  # noqa: ARG001 - they say that it is the same file
    """SHA-256 of a file, which the parts of a network have in common."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def update(
    support: Support,
    networks: Sequence[Listed],
    platforms: Sequence[str],
    build: Callable[[Listed], PlainNet],
    *,
    commit: str | None = None,
    exceptions: Exceptions = NONE,
    only_exceptions: bool = False,
    rebuild: bool = True,
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[tuple[str, str, Cell | None, Cell]]:
    """Bring the table up to date: (network, platform, what it was, what it is) of each that was made again, or became stale.

    build: makes a network with its weights. exceptions: what is not tried. only_exceptions: only what did not pass, and what is
    an exception: one that passes is none any more. rebuild: False for a look alone, which calls what changed stale.
    """
    digests = {name: platform_digest(find_platform(name)) for name in platforms}
    for listed in networks:
        entry = support.networks[listed.name] = listed.entry(support.networks.get(listed.name))
        net: PlainNet | None = None
        for name in platforms:
            platform, before = find_platform(name), entry.cells.get(name)
            fingerprint = listed.fingerprint(digests[name])
            known = before is not None and before.fingerprint == fingerprint and before.status in TRIED
            if known and not (only_exceptions and before is not None and before.status == FAIL):
                continue
            if only_exceptions and before is not None and before.status in (PASS, CONVERTED):
                continue
            why = exceptions.why(listed.name, name)
            if (absent := _absent(platform)) is not None:
                cell = absent
            elif why is not None and not only_exceptions:
                cell = Cell(status=EXCEPTED, reason=why)
            elif not rebuild:
                cell = _stale(before)
            else:
                tell(f"{listed.name} on {name}")
                net = net or build(listed)
                cell = _tried(net, listed, name, fingerprint, commit)
                if why is not None and cell.status == FAIL:
                    cell = Cell(status=EXCEPTED, reason=why)
            if cell != before:
                entry.cells[name] = cell
                _note(entry, name, before, cell)
                yield listed.name, name, before, cell


def _absent(platform: Platform) -> Cell | None:
    """What is said of a platform that is not there at all; None for one that is."""
    if platform.missing():
        return Cell(status=ABSENT)
    why = platform.not_here()
    return None if why is None else Cell(status=NOT_HERE, reason=why)


def _stale(before: Cell | None) -> Cell:
    return Cell(status=STALE) if before is None else before.model_copy(update={"status": STALE})


def _tried(net: PlainNet, listed: Listed, name: str, fingerprint: str, commit: str | None) -> Cell:
    now: dict[str, Any] = {"fingerprint": fingerprint, "date": _today(), "commit": commit}
    with tempfile.TemporaryDirectory(prefix="plainnet-", ignore_cleanup_errors=True) as place:
        try:
            about = to_platform(net, name, Path(place) / "network", name=listed.name)
        except PlainnetError as error:
            return Cell(status=FAIL, reason=str(error).splitlines()[0], **now)
    if about.not_compared is not None:
        return Cell(status=CONVERTED, reason=about.not_compared, **now)
    largest = max(one.error or 0.0 for one in about.measured)
    return Cell(status=PASS, error=largest, ms=about.measured[0].ms, **now)


def _note(entry: Entry, platform: str, before: Cell | None, cell: Cell) -> None:
    """A line of the history where the outcome is another one."""
    if before is None or before.status != cell.status or before.reason != cell.reason:
        line = Change(date=_today(), commit=cell.commit, platform=platform, status=cell.status, reason=cell.reason)
        entry.history.append(line)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def read_support(path: Path) -> Support:
    """The table of a file; an empty one where there is none. `RunError` for a file that is no table."""
    if not path.exists():
        return Support()
    with reading(path, "table of support"):
        return _support(path)


def _support(path: Path) -> Support:
    text = read_text(path, what="table of support")
    try:
        found: Support = Support.model_validate(json_value(text, str(path)))
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
