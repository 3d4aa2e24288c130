"""What a network means: a hash of its rows, which a comment or a renamed variable in a block leaves alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from plainnet.blocks.rows.walk import Row

__all__ = ["meaning_hash"]


def meaning_hash(rows: Iterable[Row]) -> str:
    """SHA-256 of expanded rows: paths, layers with all their values, shapes. Equal networks have equal ones in every process."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row!r}\n".encode())
    return digest.hexdigest()
