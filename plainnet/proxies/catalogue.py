"""Where proxies come from: the shipped ones, a file of the user's, installed plug-ins."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from plainnet.blocks.user import load_python_file
from plainnet.errors import PlainnetError, RegistrationError, UsageError, nearest
from plainnet.proxies.calibrated.names import is_calibrated
from plainnet.proxies.contract import Proxy, register, registered
from plainnet.proxies.shipped import SHIPPED

__all__ = ["SHIPPED", "find_proxy", "known_proxies", "load_proxies"]

GROUP = "plainnet.proxies"
"""The entry point group of installed plug-ins."""


PARTS = {
    "zen_leading": "a search compares candidates by the leading terms of zen alone; accepted: zen, the whole closed form "
    "(plainnet runs best RUN shows what a search found by them)",
}
"""What searches tell of that is part of a proxy -> what it is, and which proxy is meant."""


def known_proxies() -> list[str]:
    """Every name that can be asked for: shipped, loaded, installed."""
    return list(dict.fromkeys([*SHIPPED, *registered(), *_entry_points()]))


def find_proxy(name: str) -> Proxy:
    """The proxy of a name (`calibrated:FILE` too); `UsageError` with the nearest name if there is none."""
    found = registered().get(name)
    if found is not None:
        return found
    if is_calibrated(name):
        from plainnet.proxies.calibrated.calibration import calibrated_proxy

        return calibrated_proxy(name)
    if name in SHIPPED:
        import_module(SHIPPED[name])
    if name not in registered():
        _load_plugin(name)
    if name not in registered():
        if name in PARTS:
            raise UsageError(f"{name} is no proxy: {PARTS[name]}")
        known = known_proxies()
        near = nearest(name, known)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"unknown proxy {name!r}; accepted: {', '.join(known)}{hint}")
    return registered()[name]


def load_proxies(path: str | Path) -> list[Proxy]:
    """The proxies of a Python file: the functions that it marks with `@proxy`, or, if it marks none, all its public
    functions.
    """
    module = load_python_file(path, "plainnet_user_proxies")
    marked = [made for made in registered().values() if made.function.__module__ == module.__name__]
    if marked:
        return marked
    functions = [
        value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    ]
    if not functions:
        raise UsageError(
            f"{path} holds no proxy; accepted: a function of `module`, `images`, ... that returns a number"
        )
    return [register(Proxy(function.__name__, function), reserved=SHIPPED) for function in functions]


def _entry_points() -> list[str]:
    from importlib.metadata import entry_points

    return [entry.name for entry in entry_points(group=GROUP)]


def _load_plugin(name: str) -> None:
    """Import the plug-in of a name, if one is installed, and register its function unless it does so itself."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        try:
            function = entry.load()
        except PlainnetError:
            raise
        except Exception as error:
            raise RegistrationError(
                f"the plug-in {entry.name} ({entry.value}) of {GROUP} cannot be imported: {error}"
            ) from error
        if name not in registered():
            register(Proxy(name, function), reserved=SHIPPED)
