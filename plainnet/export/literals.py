"""Values as literals: what comes from outside is written as data, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plainnet.errors import UsageError

__all__ = ["MAX_NAME", "checked_name", "literal", "name_from", "one_line", "yaml_literal"]

MAX_NAME = 100
"""Characters of a network's name: with a suffix it is a file's name on every system."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)


def literal(value: object) -> str:
    """A value as a Python literal: None, booleans, numbers, texts, and lists, tuples and mappings of them."""
    return _literal(value, {None: "None", True: "True", False: "False"}, python=True)


def yaml_literal(value: object) -> str:
    """A value as YAML in one line (the flow style, texts in double quotes)."""
    return _literal(value, {None: "null", True: "true", False: "false"}, python=False)


def _literal(value: object, words: Mapping[object, str], *, python: bool) -> str:
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, (int, float)):
        return repr(float(value)) if python and isinstance(value, float) else _number(value)
    if isinstance(value, str):
        return '"' + "".join(map(_character, value)) + '"'
    if isinstance(value, Mapping):
        items = (
            f"{_literal(key, words, python=python)}: {_literal(item, words, python=python)}"
            for key, item in value.items()
        )
        return "{" + ", ".join(items) + "}"
    assert isinstance(value, (list, tuple)), f"no literal: {value!r}"
    parts = [_literal(item, words, python=python) for item in value]
    if python and isinstance(value, tuple):
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
    return f"[{', '.join(parts)}]"


def _number(value: float) -> str:
    """A number that every YAML reads as one: YAML 1.1 takes 4e-05 for a text and 4.0e-05 for a number."""
    if isinstance(value, int):
        return str(int(value))
    assert value - value == 0, "only finite numbers are written"
    mantissa, e, exponent = repr(float(value)).partition("e")
    return f"{mantissa if '.' in mantissa or not e else mantissa + '.0'}{e}{exponent}"


def _character(character: str) -> str:
    """A character within double quotes, as Python and YAML both read it."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """A text for a comment or a docstring: one line, printable, and nothing that would end it."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.replace("\\", "/").replace('"', "'").split())


def checked_name(name: str) -> str:
    """A name that a person gave to a network; `UsageError` for what is not made of letters, digits, `_`, `.` and `-`."""
    if len(name) <= MAX_NAME and _NAME.fullmatch(name):
        return name
    shown = one_line(name if len(name) <= 60 else f"{name[:59]}…")
    raise UsageError(
        f"the name {shown!r} cannot be a network's; accepted: letters, digits, _ . - (not . or - at the beginning), "
        f"up to {MAX_NAME} characters"
    )


def name_from(text: str) -> str:
    """A name made from a file's or a folder's: what no name may hold becomes _; "" where nothing is left of it."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:MAX_NAME].lstrip(".-")
    return name if re.search(r"[A-Za-z0-9]", name) else ""
