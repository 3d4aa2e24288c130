"""The pages of single entries, and of several side by side, with links to the further ones."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlencode

from plainnet.dashboard.kept import Kept
from plainnet.errors import UsageError
from plainnet.pages.found_pages import find_page, pages_about
from plainnet.pages.page import Facts
from plainnet.pages.shell import linked
from plainnet.reports import facts_of, side_by_side

__all__ = ["compared", "view_of"]

HOME = {"All of this folder": "/"}


def view_of(kept: Kept, path: str, name: str = "", *, live: str) -> str:
    """A page about an entry, as it is now: the first, or the one of a name. No Python file that the entry names is run."""

    def page_of(run: Path) -> str:
        return f"/at?{urlencode({'run': os.path.relpath(run, kept.root)})}"

    return _shown(facts_of(kept.place(path), page_of=page_of), name, f"/at?{urlencode({'run': path})}", live)


def compared(kept: Kept, paths: list[str], name: str = "", *, live: str) -> str:
    """Trainings side by side, or searches. Raises `UsageError` where a path is neither."""
    folders = {_name(folder, kept): folder for folder in (kept.place(path) for path in paths)}
    if not folders:
        raise UsageError("tick some runs first")
    query = urlencode([("run", path) for path in paths])
    return _shown(side_by_side(folders, "Compared"), name, f"/compare?{query}", live)


def _shown(facts: Facts, name: str, address: str, live: str) -> str:
    """A page with links to the list and to the other pages about the same; `address` is that of the first."""
    named = [page.name for page in pages_about(facts.about)]
    others = {each or facts.about: f"{address}&{urlencode({'page': each})}" if each else address for each in named}
    links = HOME | others if len(others) > 1 else HOME
    return linked(find_page(facts.about, name).made(facts.told), links, live=live)


def _name(folder: Path, kept: Kept) -> str:
    return os.path.relpath(folder, kept.root)
