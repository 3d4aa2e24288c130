"""Any way to name a network, turned into a `Subject`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.structure import LONG_TEXT, Structure
from plainnet.errors import UnknownNetworkError, nearest
from plainnet.files.lock import only_a_lock
from plainnet.naming.form import Form, Reading
from plainnet.naming.forms.structure_text import NETWORK_STRING
from plainnet.naming.subject import Known, Subject
from plainnet.network.published import published_networks

__all__ = ["known_forms", "resolve", "resolve_all"]

OBJECTS = "a structure string, a Structure, an nn.Module or what plainnet.resolve returns"
SHOWN = 3
"""Runs of a folder that an error names."""
MOST_NAMES = 2_000
"""Entries of a folder that a nearest name is looked for among."""


@cache
def known_forms() -> tuple[Form, ...]:
    """The ways to name a network in a text, in the order in which they are asked."""
    from plainnet.naming import forms as room

    found: list[Form] = [import_module(f"{room.__name__}.{each.name}").FORM for each in iter_modules(room.__path__)]
    return tuple(sorted(found, key=lambda form: (form.place, form.name)))


def resolve(
    network: object,
    *,
    trust: bool = False,
    imports: Iterable[str] = (),
    drop_bits: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Subject:
    """The network that is meant, with all that is known of it.

        subject = plainnet.resolve("runs/mine:3")       # the third of a search run
        subject.structure, subject.resolution.value, subject.num_classes.source

    network: a network string (or another form that is read), a file (`FILE:2` for its second structure), `-` for standard
        input, a published name, a search run (`RUN`, `RUN:rank`, `RUN#hash`), a training run, a file of weights, an exported
        folder, `file.py:function`; a `Structure`, an `nn.Module`, a `Subject`. What is on the disk wins over a name.
    trust: Python files with blocks that a search run names may run. imports: your files and modules that
        it needs: blocks, and what a trained network comes from.

    A text is to be trusted as far as the files that it can name: for what strangers write, `plainnet.parse` reads network
    strings and nothing else. Raises `UnknownNetworkError` (a `UsageError`) for what names nothing, `StructureError` for a
    wrong string, `TypeError` for what is no network.
    """
    if isinstance(network, Subject):
        return network
    if isinstance(network, Structure):
        return Subject("a Structure", "a structure", network)
    if isinstance(network, (str, os.PathLike)):
        imports = _imported(imports)
        return _of_text(os.fspath(network), Reading(trust, imports, drop_bits, limits))
    return _of_module(network)


def _imported(names: Iterable[str]) -> tuple[str, ...]:
    """The caller's files and modules, imported before anything is read: a network may be made of blocks that they hold."""
    found = tuple(names)
    if found:
        from plainnet.engine.run.registry import load_module

        for name in found:
            load_module(name)
    return found


def resolve_all(networks: Sequence[object], **reading: Any) -> list[Subject]:
    """Each of several networks; those that are called the same are told apart by a number."""
    found = [resolve(network, **reading) for network in networks]
    labels = [subject.label for subject in found]
    return [
        replace(subject, name=f"{subject.label} ({number + 1})") if labels.count(subject.label) > 1 else subject
        for number, subject in enumerate(found)
    ]


_strings: BoundedMemo[str, Subject] = BoundedMemo(1_000)
"""What network strings were read as, where only something on the disk of just that name could be meant instead."""
on_change(_strings.clear)
_AS_USUAL = Reading(False, (), False, DEFAULT_LIMITS)
_ELSEWHERE = (":", "#")
"""What stands in names of things inside of files and runs."""


def _of_text(text: Any, reading: Reading) -> Subject:
    if not isinstance(text, str):
        raise TypeError(f"a network is {OBJECTS}, not {type(text).__name__}")
    known = _strings.get(text)
    if known is not None and reading == _AS_USUAL and not os.path.lexists(text):
        return known
    subject = _read(text, reading)
    is_string = subject.form == NETWORK_STRING and len(text) <= LONG_TEXT
    if is_string and reading == _AS_USUAL and not any(sign in text for sign in _ELSEWHERE):
        _strings[text] = subject
    return subject


def _read(text: str, reading: Reading) -> Subject:
    takers = [form for form in known_forms() if form.takes(text)]
    if not takers:
        raise UnknownNetworkError(_unknown(text))
    subject = takers[0].read(text, reading)
    others = [form.name for form in takers[1:]]
    if not others:
        return subject
    return replace(
        subject, notes=(f"{text} is read as {takers[0].name}, and not as {', '.join(others)}", *subject.notes)
    )


def _of_module(network: object) -> Subject:
    torch_nn = sys.modules.get("torch.nn")  # without torch there is no module
    if torch_nn is None or not isinstance(network, torch_nn.Module):
        raise TypeError(f"a network is {OBJECTS}, not {type(network).__name__}")
    from plainnet.network.plain_net import PlainNet

    name, source = type(network).__qualname__, "from the module"
    if not isinstance(network, PlainNet):
        return Subject(name, "a module", module=network, name=name)
    return Subject(
        name,
        "a PlainNet",
        network.structure,
        network,
        num_classes=Known(network.num_classes, source),
        variant=Known(network.variant, source),
        norm_eps=Known(network.norm_eps, source),
    )


def _unknown(text: str) -> str:
    """What a text is not, and the nearest name that there is."""
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    path = text.rpartition(":")[0] if text.rpartition(":")[2].isdigit() else text.partition("#")[0]
    if os.path.isdir(path):
        inside = _networks_in(path)
        there = f"; it holds {', '.join(inside)}" if inside else only_a_lock(path)
        return (
            f"{shown} is a directory; accepted: a folder with a search run, a training run or an export, a file, a "
            f"structure or a published network{there}"
        )
    near = nearest(path, [*published_networks(), *_beside(path)])
    return (
        f"{shown!r} is no structure, no file and no published network"
        + (f"; did you mean {near}?" if near else "")
        + " (`plainnet list` shows the networks, `plainnet analyze --help` every way to name one)"
    )


def _networks_in(folder: str) -> list[str]:
    """Some folders of a folder that name networks: the runs of a sweep."""
    names = sorted(name for name in _beside(os.path.join(folder, "x")) if os.path.isdir(name))
    return list(islice((name for name in names if any(form.takes(name) for form in known_forms())), SHOWN))


def _beside(text: str) -> list[str]:
    """What lies in the folder that a path leads to."""
    parent = Path(text).parent
    with suppress(OSError, ValueError), os.scandir(parent) as entries:
        return [str(parent / entry.name) for entry in islice(entries, MOST_NAMES)]
    return []
