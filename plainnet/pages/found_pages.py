"""The pages that there are about something, found and written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from urllib.parse import quote

import plainnet.pages as room
from plainnet.errors import UsageError, nearest
from plainnet.pages.page import SUBJECTS, Facts, Page
from plainnet.pages.shell import linked, write_page

__all__ = ["find_page", "ordered", "pages_about", "write_pages"]

SUFFIX = "_page"


@cache
def pages_about(about: str) -> tuple[Page, ...]:
    """The pages about something, one of `SUBJECTS`: the first one, and the further ones by name."""
    names = [each.name for each in iter_modules(room.__path__) if each.name.endswith(SUFFIX)]
    return ordered(import_module(f"{room.__name__}.{name}").PAGE for name in names)[about]


def ordered(pages: Iterable[Page]) -> dict[str, tuple[Page, ...]]:
    """Pages by what they tell of. `ValueError` for a page about what there is not, and for two of one name."""
    found: dict[str, dict[str, Page]] = {about: {} for about in SUBJECTS}
    for page in pages:
        if page.about not in found:
            raise ValueError(f"a page about {page.about!r}; accepted: {', '.join(SUBJECTS)}")
        if page.name in found[page.about]:
            raise ValueError(f"two pages about {page.about!r} are called {page.name!r}")
        found[page.about][page.name] = page
    return {about: tuple(named[name] for name in sorted(named)) for about, named in found.items()}


def find_page(about: str, name: str = "") -> Page:
    """A page by its name. Raises `UsageError` with the nearest one for what there is not."""
    named = {page.name: page for page in pages_about(about)}
    if name not in named:
        near = nearest(name, named)
        raise UsageError(f"there is no page {name!r} about a {about}" + (f"; did you mean {near}?" if near else ""))
    return named[name]


def write_pages(facts: Facts, path: Path) -> list[Path]:
    """Write every page about something: the first at `path`, the further ones beside it (`report-NAME.html`), each with links
    to the others; their paths. `UsageError` where one cannot be written: a page that was there is then still there.
    """
    pages = pages_about(facts.about)
    files = [path.with_stem(f"{path.stem}-{page.name}") if page.name else path for page in pages]
    links = {page.name or facts.about: quote(os.fsencode(file.name)) for page, file in zip(pages, files, strict=True)}
    return [
        write_page(linked(page.made(facts.told), links if len(links) > 1 else {}), file)
        for page, file in zip(pages, files, strict=True)
    ]
