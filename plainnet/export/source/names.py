"""Names in the source that is written: those that it needs itself are not to be had by blocks and their arguments."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterator

from plainnet.export.source import shared_source

__all__ = ["RESERVED", "free_name", "numbered"]

RESERVED = frozenset(
    {
        *dir(builtins),
        *keyword.kwlist,
        *keyword.softkwlist,
        *shared_source.JOINS,
        *shared_source.HELPERS,
        *shared_source.PARTS,
        "Graph",
        *("math", "torch", "nn", "Tensor", "Callable", "Chain", "KINDS", "kind_of", "initialize", "Net", "self", "_"),
        *(
            "STRUCTURE",
            "IN_CHANNELS",
            "RESOLUTION",
            "NUM_CLASSES",
            "OWN_HEAD",
            "ANY_SIZE",
            "NUM_FEATURES",
            "NORM_EPS",
            "INIT_GAIN",
        ),
    }
)
"""What `model.py` uses, and Python."""


def free_name(name: str, taken: Collection[str], *, suffix: str = "_") -> str:
    """The name, as a Python identifier, with `suffix` behind it as often as it takes to be free."""
    found = re.sub(r"\W", "_", name)
    found = found if found.isidentifier() or keyword.iskeyword(found) else f"_{found}"
    while found in RESERVED or found in taken:
        found += suffix
    return found


def numbered(base: str) -> Iterator[str]:
    """base, base2, base3, ..."""
    yield base
    number = 2
    while True:
        yield f"{base}{number}"
        number += 1
