"""What a page is made of, and what pages tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["SUBJECTS", "Facts", "Page"]

SUBJECTS = {
    "search": "a search run: plainnet report RUN --json",
    "optimum": "an exact search: plainnet report RUN --json",
    "sweep": "a sweep, searched or solved: plainnet report FOLDER --json",
    "training": "a training run: plainnet report RUN --json",
    "trainings": "training runs side by side: plainnet report FOLDER --json",
    "stored network": "a network of the store: plainnet report FOLDER --json",
    "searches": "searches side by side: plainnet report A B --json",
    "store": "a store of networks: plainnet report STORE --json",
    "support": "the table of support: plainnet support table --json",
    "analysis": "a network: plainnet analyze NETWORK --json",
    "comparison": "networks side by side: plainnet compare A B --json",
    "validation": "a score on one set of trained networks: plainnet validate SCORE --json",
    "validation on every set": "a score on all sets of trained networks: plainnet validate SCORE --set all --json",
    "calibration": "a score fitted to trained networks: plainnet report FILE --json",
}
"""What a page may tell of -> what that is, and what prints its facts."""


@dataclass(frozen=True)
class Page:
    """A page: the `PAGE` of a file `plainnet/pages/*_page.py`, which is found by being there.

    about: what it tells of, one of `SUBJECTS`.
    made: the page, as HTML, from the facts of one.
    name: of a further page about the same: what its link and its file (`report-NAME.html`) are called; the first has none.
    """

    about: str
    made: Callable[[Mapping[str, Any]], str]
    name: str = ""


class Facts(NamedTuple):
    """What pages about something are made of, as plain data. about: one of `SUBJECTS`."""

    about: str
    told: Mapping[str, Any]
