"""The frame of every page: one style sheet, one script, a header, and sections. A page is one file and needs no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from plainnet.files.whole_files import make_folder_of, write_whole
from plainnet.pages.parts import address, escaped

__all__ = ["content_policy", "linked", "page", "write_page"]


def page(title: str, header: str, main: Iterable[str], *, data: Iterable[str] = ()) -> str:
    """A page. `header` and `main` are HTML; `data` are scripts of plain data for the page's own script."""
    parts = {
        "title": escaped(title),
        "style": _file("style.css"),
        "header": header,
        "main": "\n".join(main),
        "data": "".join(f"{each}\n" for each in data),
        "script": _file("script.js"),
    }
    # in one pass: a part may hold anything, also what looks like the place of another
    return re.sub(r"\{\{([a-z]+)\}\}", lambda place: parts[place[1]], _file("shell.html"))


def linked(text: str, links: Mapping[str, str], *, live: str = "") -> str:
    """A page with links at its top: what each is called, and where it leads. `live`: where a server tells of changes, at which
    the page takes its content anew.
    """
    each = (f'<a href="{address(where)}">{escaped(name)}</a>' for name, where in links.items())
    top = f"<nav>{' · '.join(each)}</nav>" if links else ""
    body = f'<body data-live="{escaped(live)}">' if live else "<body>"
    return text.replace("<body>", f"{body}{top}", 1)


def write_page(text: str, path: Path) -> Path:
    """Write a page; the path. `UsageError` where it cannot be written: a page that was there is then still there."""
    make_folder_of(path)
    write_whole(path, text)
    return path


def content_policy() -> str:
    """What a browser may do with a page, for a server's `Content-Security-Policy`: run this one script, take this one style
    sheet, and nothing from anywhere else. Sources: their SHA-256 digests, as CSP level 2 writes them.
    """
    script, style = (_digest(f"\n{_file(name)}") for name in ("script.js", "style.css"))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data: 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@lru_cache(maxsize=8)
def _file(name: str) -> str:
    return (files("plainnet.pages") / name).read_text(encoding="utf-8")
