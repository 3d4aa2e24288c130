"""Who reads the names of networks. The room `naming` does; the package hands its reader in here, so that the rooms below
take every name that there is and know nothing of runs, files and exports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["hand_in", "resolved"]

_readers: list[Callable[..., Any]] = []


def hand_in(reader: Callable[..., Any]) -> None:
    """Let a function read all names from now on; it gives a `plainnet.Subject`."""
    _readers[:] = [reader]


def resolved(network: Any, **reading: Any) -> Any:
    """The `plainnet.Subject` of whatever names a network, as `plainnet.resolve` gives it."""
    return _readers[0](network, **reading)
