"""What a table of support tells: its rows, what got worse, what to work on first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from plainnet.errors import UsageError, nearest
from plainnet.platforms.single_parts import BLOCKS
from plainnet.platforms.support import CONVERTED, FAIL, PASS, STALE, Cell, Entry, Support, read_support

__all__ = ["find_entry", "priority", "regressions", "table_rows"]


def regressions(changes: Iterable[tuple[str, str, Cell | None, Cell]]) -> list[str]:
    """What passed and fails now, a sentence each."""
    return [
        f"{name} passed on {platform} and fails: {now.reason}"
        for name, platform, before, now in changes
        if before is not None and before.error is not None and now.status == FAIL  # an error was found: it ran
    ]


def table_rows(support: Support, platforms: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The table's header and rows."""
    header = ["network", "backbone", "head", "layers", *platforms, "changed", "commit"]
    rows = []
    for name, entry in support.networks.items():
        cells = [entry.cells.get(platform) for platform in platforms]
        last = max(entry.history, key=lambda line: line.date, default=None)
        changed, commit = ("", "") if last is None else (last.date, (last.commit or "")[:12])
        rows.append([name, entry.backbone, entry.head, str(entry.layers), *map(_said, cells), changed, commit])
    return header, rows


def _said(cell: Cell | None) -> str:
    if cell is None:
        return "not tried"
    if cell.status == PASS:
        return f"pass {cell.error:.0e}, {cell.ms:.2f} ms" if cell.error is not None and cell.ms is not None else PASS
    if cell.reason is None or cell.status == STALE:
        return cell.status
    return f"{cell.status}{', ' if cell.status == CONVERTED else ': '}{cell.reason}"


def priority(support: Support, platforms: Sequence[str]) -> list[tuple[str, str]]:
    """What to work on first: networks that do not pass somewhere, then single parts, then the blocks of these by how often they
    occur in the networks of the table; each with why.
    """
    failing = {name: _failing(entry, platforms) for name, entry in support.networks.items()}
    networks = {name: entry for name, entry in support.networks.items() if entry.kind == "network"}
    parts = [name for name, entry in support.networks.items() if entry.kind not in ("network", "block")]
    total = sum((Counter(entry.blocks) for entry in networks.values()), Counter[str]())
    there = sum((Counter(entry.blocks) for name, entry in networks.items() if failing[name]), Counter[str]())
    single = {name.removeprefix(BLOCKS): failing[name] for name in failing if name.startswith(BLOCKS)}
    wanted = there.keys() | {block for block, why in single.items() if why}

    def why(block: str) -> str:
        own = f"; by itself {single[block] or 'it passes'}" if block in single else ""
        return f"{total[block]} in the table, {there[block]} where something fails{own}"

    ordered = sorted(wanted, key=lambda block: (-total[block], block))
    return [
        *((name, failing[name]) for name in [*networks, *parts] if failing[name]),
        *((block, why(block)) for block in ordered),
    ]


def _failing(entry: Entry, platforms: Sequence[str]) -> str:
    found = {p: entry.cells[p].status for p in platforms if p in entry.cells}
    return ", ".join(f"{status} on {p}" for p, status in found.items() if status in (FAIL, STALE))


def find_entry(path: Path, name: str) -> Entry:
    """A line of the table in a file; `UsageError` with the nearest name."""
    support = read_support(path)
    if name not in support.networks:
        near = nearest(name, support.networks)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{path} has no {name!r}; it has {', '.join(support.networks) or 'no networks'}{hint}")
    return support.networks[name]
