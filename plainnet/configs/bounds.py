"""How large a configuration may be: 300 bytes can stand for more than a memory holds, so what they stand for is counted."""

from __future__ import annotations

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_FILES", "MAX_SHOWN", "Budget", "TooMuchError"]

MAX_BYTES = 1_000_000
"""Bytes of a file."""
MAX_DEPTH = 64
"""Levels of mappings, lists and references inside each other."""
MAX_VALUES = 50_000
"""Keys and values, each alias and each reference counted as what it stands for."""
MAX_CHARACTERS = 2_000_000
"""Characters of all texts, counted likewise."""
MAX_FILES = 100
"""Files that a configuration is made of."""
MAX_SHOWN = 50
"""Problems that are written out; the others are counted."""


class TooMuchError(Exception):
    """A bound was met; the message says which."""


class Budget:
    """Counts what has been made of a configuration, and how deep it stands."""

    def __init__(self) -> None:
        self.values = self.characters = self.depth = 0

    def spend(self, value: object) -> None:
        """Count one more value. Raises `TooMuchError`."""
        self.values += 1
        self.characters += len(value) if isinstance(value, str) else 0
        if self.values > MAX_VALUES:
            raise TooMuchError(f"more than {MAX_VALUES:,} keys and values, aliases and references written out")
        if self.characters > MAX_CHARACTERS:
            raise TooMuchError(f"more than {MAX_CHARACTERS:,} characters, aliases and references written out")

    def __enter__(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooMuchError(f"more than {MAX_DEPTH} levels of mappings, lists and references inside each other")

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
