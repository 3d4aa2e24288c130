"""Where proxies come from: the shipped ones, a file of the user's, installed plug-ins."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from plainnet.blocks.user import load_python_file
from plainnet.errors import PlainnetError, RegistrationError, UsageError, nearest
from plainnet.profiler.proxies.base import Proxy, register, registered

__all__ = ["SHIPPED", "find_proxy", "known_proxies", "load_proxies"]

_HERE = "plainnet.profiler.proxies"

SHIPPED = {
    "zen": f"{_HERE}.closed_forms",
    "composite": f"{_HERE}.closed_forms",
    "composite_fitted": f"{_HERE}.closed_forms",
    "residual_sensitivity": f"{_HERE}.closed_forms",
    "madnas": f"{_HERE}.closed_forms",
    "deepmad": f"{_HERE}.closed_forms",
    "rho": f"{_HERE}.closed_forms",
    "params": f"{_HERE}.closed_forms",
    "macs": f"{_HERE}.closed_forms",
    "depth": f"{_HERE}.closed_forms",
    "zen_mc": f"{_HERE}.zen_proxy",
    "naswot": f"{_HERE}.activation_codes",
    "linear_regions": f"{_HERE}.activation_codes",
    "swap": f"{_HERE}.activation_codes",
    "synflow": f"{_HERE}.synflow",
    "snip": f"{_HERE}.gradients",
    "grasp": f"{_HERE}.gradients",
    "grad_norm": f"{_HERE}.gradients",
    "fisher": f"{_HERE}.gradients",
    "zico": f"{_HERE}.gradients",
    "jacob_cov": f"{_HERE}.jacobians",
    "ntk_cond": f"{_HERE}.jacobians",
    "meco": f"{_HERE}.meco",
    "az_nas": f"{_HERE}.az_nas",
    "az_expressivity": f"{_HERE}.az_nas",
    "az_progressivity": f"{_HERE}.az_nas",
    "az_trainability": f"{_HERE}.az_nas",
    "az_complexity": f"{_HERE}.az_nas",
}
"""The proxies that come with plainnet -> the module that registers each; it is imported when the proxy is asked for."""

GROUP = "plainnet.proxies"
"""The entry point group of installed plug-ins."""


def known_proxies() -> list[str]:
    """Every name that can be asked for: shipped, loaded, installed."""
    return list(dict.fromkeys([*SHIPPED, *registered(), *_entry_points()]))


def find_proxy(name: str) -> Proxy:
    """The proxy of a name; `UsageError` with the nearest name if there is none."""
    found = registered().get(name)
    if found is not None:
        return found
    if name in SHIPPED:
        import_module(SHIPPED[name])
    if name not in registered():
        _load_plugin(name)
    if name not in registered():
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
