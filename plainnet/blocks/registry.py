"""Which names there are, and the class that each belongs to.

A class has one name (`ConvKX`), a family of names (`SuperConvK{kernel_size}BNRELU` for some kernel sizes), or an open
family (`ConvKXG{groups}` for any integer). Registration happens when the class is made; a second class of a name is an
error, unless it is the same class defined again (a notebook cell that is run twice).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plainnet.errors import PlainnetError, RegistrationError

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass

__all__ = ["block_classes", "find_block", "is_current", "known_names", "load_plugins", "on_change", "register"]

Found = tuple["type[PlainNetBasicBlockClass]", Mapping[str, int]]

_names: dict[str, Found] = {}
_open: list[tuple[re.Pattern[str], type[PlainNetBasicBlockClass]]] = []
_aliases: dict[str, str] = {}
_listeners: list[Callable[[], None]] = []
_plugins_loaded = False
redefinitions = 0
"""How often a class of blocks has taken the place of another one: what was made of the old class is then out of date."""


def on_change(listener: Callable[[], None]) -> None:
    """Call `listener` whenever the set of blocks changes (caches of what was read are then out of date)."""
    _listeners.append(listener)


def _same(old: type, new: type) -> bool:
    return (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)


def register(cls: type[Any], template: str, choices: Mapping[str, Sequence[int]], aliases: Sequence[str] = ()) -> None:
    """Enter every name of a class; `RegistrationError` if one of them belongs to another class."""
    open_fields = [name for name in re.findall(r"{(\w+)}", template) if not choices.get(name)]
    entries: dict[str, Found] = {}
    if not open_fields:
        keys = list(choices)
        for values in itertools.product(*choices.values()):
            entries[template.format(**dict(zip(keys, values, strict=True)))] = (
                cls,
                dict(zip(keys, values, strict=True)),
            )
    if aliases and "{" in template:
        raise RegistrationError(f"{cls.__qualname__}: a family of names has no aliases")
    pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[1-9][0-9]{0,6})", template)) if open_fields else None
    replaced = any(owner is not cls for _, owner in _open if _same(owner, cls))
    taken = [name for name in _names if pattern is not None and pattern.fullmatch(name)]
    for name in (*entries, *aliases, *taken):
        old = _lookup(name)
        replaced = replaced or (old is not None and old[0] is not cls)
        if old is not None and not _same(old[0], cls):
            raise RegistrationError(
                f"the block name {name} is taken by {old[0].__module__}.{old[0].__qualname__}; "
                f"give {cls.__module__}.{cls.__qualname__} another name"
            )
    _names.update(entries)
    _aliases.update(dict.fromkeys(aliases, template))
    if pattern is not None:
        _open[:] = [(known, owner) for known, owner in _open if not _same(owner, cls)]
        _open.append((pattern, cls))
    if replaced:
        global redefinitions
        redefinitions += 1
    for listener in _listeners:
        listener()


def is_current(block: Any) -> bool:
    """Whether a block, and every block inside of it, is of the class that its name stands for now."""
    found = _lookup(block.name)
    return (found is None or found[0] is type(block)) and all(map(is_current, block.children))


def find_block(name: str) -> Found | None:
    """The class of a name, and the fields that the name itself holds; None if there is none (plug-ins are then looked
    for first).
    """
    found = _lookup(name)
    if found is None and load_plugins():
        found = _lookup(name)
    return found


def _lookup(name: str) -> Found | None:
    found = _names.get(name) or _names.get(_aliases.get(name, ""))
    if found is not None:
        return found
    for pattern, cls in _open:
        match = pattern.fullmatch(name)
        if match:
            return cls, {field: int(value) for field, value in match.groupdict().items()}
    return None


def load_plugins() -> bool:
    """Import the blocks of the entry point group `plainnet.blocks`, once; True if that happened now."""
    global _plugins_loaded
    if _plugins_loaded:
        return False
    _plugins_loaded = True
    from importlib.metadata import entry_points

    for entry in entry_points(group="plainnet.blocks"):
        try:
            entry.load()
        except PlainnetError:
            raise
        except Exception as error:
            raise RegistrationError(
                f"the plug-in {entry.name} ({entry.value}) of plainnet.blocks cannot be imported: {error}"
            ) from error
    return True


def known_names() -> list[str]:
    """Every name that can be written, families spelled out, open families as ConvKXG{groups}."""
    return [*_names, *_aliases, *(cls.name_template for _, cls in _open)]


def block_classes() -> Iterator[type[PlainNetBasicBlockClass]]:
    """Every class of blocks, each once, in the order of registration."""
    seen: set[type] = set()
    for cls in [*(cls for cls, _ in _names.values()), *(cls for _, cls in _open)]:
        if cls not in seen:
            seen.add(cls)
            yield cls
