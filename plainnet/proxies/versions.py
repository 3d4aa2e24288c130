"""Proxies whose definition has changed: which one a name means, and what the others are called."""

from __future__ import annotations

from plainnet.proxies.closed.composite import VERSION

__all__ = ["VERSIONS", "known_as", "with_version"]

VERSIONS = {"composite": VERSION}
"""What such a name means today; what was stored before there were versions is of the first."""


def known_as(proxy: str, version: int | None = None) -> str:
    """What figures of a version of a proxy are stored and shown under: the name alone for today's (and where none is said).

    >>> known_as("composite", 1), known_as("composite"), known_as("zen")
    ('composite(version=1)', 'composite', 'zen')
    """
    return proxy if version is None or version == VERSIONS.get(proxy) else f"{proxy}(version={version})"


def with_version(proxy: str) -> str:
    """The name with its version where it has one, for what must not be mixed with figures of another."""
    return f"{proxy}(version={VERSIONS[proxy]})" if proxy in VERSIONS else proxy
