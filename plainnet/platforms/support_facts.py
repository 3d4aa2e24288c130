"""What the page of the table of support tells, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plainnet.platforms.support import FAIL, STALE, Support

__all__ = ["SCHEMA", "support_facts"]

SCHEMA = "plainnet.support/1"
"""Changes with every change of a key's name or meaning."""


def support_facts(support: Support, platforms: Sequence[str]) -> dict[str, Any]:
    """The table with these columns, and the blocks of networks that fail, by how often they occur in it."""
    networks = []
    total, failing = dict[str, int](), dict[str, int]()
    for name, entry in support.networks.items():
        cells = {platform: entry.cells[platform] for platform in platforms if platform in entry.cells}
        fails = any(cell.status in (FAIL, STALE) for cell in cells.values())
        for block, count in entry.blocks.items() if entry.kind == "network" else ():
            total[block] = total.get(block, 0) + count
            failing[block] = failing.get(block, 0) + count * fails
        networks.append({
            "name": name,
            "backbone": entry.backbone,
            "head": entry.head,
            "layers": entry.layers,
            "cells": {platform: cell.model_dump() for platform, cell in cells.items()},
            "changed": max((line.date for line in entry.history), default=None),
        })  # fmt: skip
    blocks = sorted((block for block in total if failing[block]), key=lambda block: (-failing[block], block))
    return {
        "schema": SCHEMA,
        "platforms": list(platforms),
        "networks": networks,
        "blocks": [[block, total[block], failing[block]] for block in blocks],
    }
