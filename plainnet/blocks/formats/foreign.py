"""What a text says of a network, in whatever form it came: a network string, pasted in quotes or as a list; a TinyNAS
structure as a literal, as JSON, in a configuration; a GENet string. What is none of them is named in one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from plainnet.blocks.formats.genet_format import GENET_NOTE, from_genet, is_genet
from plainnet.blocks.formats.tinynas_format import from_tinynas, is_tinynas, tinynas_notes
from plainnet.blocks.registry import find_block
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.text.literals import Opaque, Statement, read_statements
from plainnet.blocks.text.reader import first_name
from plainnet.errors import StructureError

__all__ = ["ForeignNetwork", "is_written_out", "names_structures", "read_network"]

Found = str | Sequence[Mapping[str, Any]]
"""A structure as it was found: a network string, or the dicts of TinyNAS."""

MAX_FOUND = 1000
"""Of so many structures in one file at most can one be chosen."""
MAX_QUOTED = 2
"""A structure may stand in a string in a string."""
_QUOTED = re.compile(r"['\"]class['\"]\s*:|\bclass\s*=|\)\s*['\"]")
"""What a string that holds the text of a structure has in it."""

_NOT_SEVERAL = "there is no structure {}: the text holds one network"
_LEAD = re.compile(r"(?:\s|\ufeff|#[^\n]*+)*+")  # possessive: never backtracks
_WORD = re.compile(r"([A-Za-z_]\w*)\s*(\(|=(?!=)|:)?")
_YAML = re.compile(r"^[ \t]*(?:- )?([\w.\-]{1,60}):(?:[ \t]|$)", re.MULTILINE)
_BLOCK_ALONE = re.compile(r"\s*[A-Za-z_]\w*\s*\([^()]*\)\s*")
_ASSIGNED = re.compile(r"\s*[A-Za-z_]\w*\s*=\s*([A-Za-z_]\w*)\s*\(")
_BETWEEN = re.compile(r"\)\s*,\s*(?=[A-Za-z_]\w*\s*\()")


class ForeignNetwork(NamedTuple):
    """A network that was read, and what a reader should know about the reading."""

    structure: Structure
    notes: tuple[str, ...] = ()


def is_written_out(text: str) -> bool:
    """Whether a text can only be meant as a network that is written out, and not as a name of one."""
    return "(" in text or text.lstrip()[:1] in ("[", "{", "'", '"')


def read_network(
    text: str, *, number: int | None = None, drop_bits: bool = False, limits: Limits = DEFAULT_LIMITS
) -> ForeignNetwork:
    """The network of a text in any of the forms above.

    number: which one, from 1, of a text that holds several; the first one, with a note, if nobody says.
    drop_bits: read quantised TinyNAS blocks as those in full precision.
    Raises `StructureError`, in one sentence for a text that is something else altogether.
    """
    try:
        structure = parse(text, limits=limits)  # the usual case
    except StructureError as error:
        return _in_another_form(text, error, number, drop_bits, limits)
    if number not in (None, 1):
        raise StructureError(_NOT_SEVERAL.format(number))
    return ForeignNetwork(structure)


def _in_another_form(
    text: str, error: StructureError, number: int | None, drop_bits: bool, limits: Limits
) -> ForeignNetwork:
    """The network of a text that is no network string as it stands: `error` says why."""
    cleaned = _unpasted(text)
    if _is_string(cleaned):
        if number not in (None, 1):
            raise StructureError(_NOT_SEVERAL.format(number))
        return _of_string(cleaned, None if cleaned != text else error, error, limits)
    statements = _statements(text, cleaned)
    found = list(_structures(statements))
    if not found:
        raise StructureError(_something_else(cleaned) or _without_structure(statements))
    return _chosen(found, number, drop_bits, limits)


def names_structures(text: str) -> bool:
    """Whether a Python file writes down a structure, as the configurations of TinyNAS do."""
    try:
        return any(True for _ in _structures(read_statements(text)))
    except StructureError:
        return False


def _unpasted(text: str) -> str:
    """The text without what pasting leaves: backslashes at ends of lines, backquotes, `name =` before the first block, a
    comma behind the last one.
    """
    if "\\" in text:
        text = re.sub(r"\\[ \t]*\r?\n", "\n", text)
    stripped = text.strip()
    if stripped[:1] == "`" and stripped[-1:] == "`":
        stripped = text = stripped.strip("`")
    assigned = _ASSIGNED.match(text)
    if assigned and find_block(assigned[1]):
        stripped = text = text[assigned.start(1) :]
    return stripped[:-1] if stripped[-2:-1] == ")" and stripped[-1] in ",;\\" else text


def _is_string(text: str) -> bool:
    """Whether a text is to be read as a network string: it begins with a block, or with nothing that Python knows."""
    lead = _LEAD.match(text)
    word = _WORD.match(text, lead.end() if lead else 0)
    if word is None:
        return _LEAD.fullmatch(text) is not None
    if word[2] == "(":
        return word[1] != "dict" and (find_block(word[1]) is not None or "=" not in text)
    return word[2] is None and word[1] not in (
        "import",
        "from",
        "def",
        "class",
        "if",
        "try",
        "with",
        "r",
        "b",
        "u",
        "f",
    )


def _statements(text: str, cleaned: str) -> list[Statement]:
    """The values of a text as it was given (in Python a backslash at the end of a line belongs there), or else of what is
    left of it without what pasting leaves.
    """
    try:
        with suppress(StructureError):
            return read_statements(text)
        return read_statements(cleaned)
    except StructureError:
        if (other := _something_else(text)) is not None:
            raise StructureError(other) from None
        raise


def _of_string(text: str, error: StructureError | None, original: StructureError, limits: Limits) -> ForeignNetwork:
    """The network of a text that begins as a network string does, or as a GENet string.

    error: what is wrong with the text, where that is known; original: what is wrong with the text as it was given.
    """
    if is_genet(text):
        return ForeignNetwork(parse(from_genet(text), limits=limits), (GENET_NOTE,))
    if error is None:
        with suppress(StructureError):
            return ForeignNetwork(parse(text, limits=limits))
    if _BETWEEN.search(text) and find_block(first_name(text) or ""):
        joined = _BETWEEN.sub(") ", text)  # blocks separated by commas, as in a list
        return ForeignNetwork(parse(joined, limits=limits))
    if (other := _something_else(text)) is not None:
        raise StructureError(other) from None
    raise original  # the places are those of the text as it was given


def _structures(statements: Sequence[Statement]) -> Iterator[Found]:
    """Every structure in the values of a text, in order, each once; where there is none, those in the texts of strings."""
    seen: list[Any] = []
    for quotes in (0, MAX_QUOTED):
        for statement in statements:
            for found in _inside(statement.value, quotes):
                if found not in seen and len(seen) < MAX_FOUND:
                    seen.append(found)
                    yield found
        if seen:
            return


def _inside(value: Any, quotes: int) -> Iterator[Found]:
    """The structures of a value; `quotes`: in how many strings one may stand (a config may hold the text of a structure)."""
    if isinstance(value, (str, Opaque)):
        text = value if isinstance(value, str) else value.source
        if _is_network(text):
            yield text
        elif quotes and isinstance(value, str) and _QUOTED.search(text):
            with suppress(StructureError):  # any other text of a config
                for statement in read_statements(text):
                    yield from _inside(statement.value, quotes - 1)
    elif is_tinynas(value):
        yield value
    elif isinstance(value, Mapping):
        if value.get("space_arch") == "Cnn3DNet":
            raise StructureError("3-D TinyNAS structures are not read; accepted: 2-D ones (space_arch CnnNet)")
        for part in [value] if "class" in value else value.values():
            yield from _inside([part] if part is value else part, quotes)
    elif isinstance(value, list):
        texts = [part.source if isinstance(part, Opaque) else part for part in value]
        if value and all(isinstance(text, str) and _BLOCK_ALONE.fullmatch(text) for text in texts):
            yield "".join(texts)  # the blocks of one network, each an entry of its own
        else:
            for part in value:
                yield from _inside(part, quotes)


def _is_network(text: str) -> bool:
    name = first_name(_unpasted(text))
    return name is not None and text.rstrip(" ,;\t\r\n")[-1:] == ")" and find_block(name) is not None


def _chosen(found: list[Found], number: int | None, drop_bits: bool, limits: Limits) -> ForeignNetwork:
    if number is not None and not 1 <= number <= len(found):
        there = "one structure" if len(found) == 1 else f"{len(found)} structures"
        raise StructureError(f"there is no structure {number}: the text holds {there}; accepted: 1 to {len(found)}")
    several = f"the first of {len(found)} structures is read; FILE:2 names the second one"
    notes = [several] if number is None and len(found) > 1 else []
    chosen = found[(number or 1) - 1]
    if isinstance(chosen, str):
        read = read_network(chosen, limits=limits)
        return ForeignNetwork(read.structure, (*notes, *read.notes))
    structure = from_tinynas(chosen, drop_bits=drop_bits, limits=limits)
    return ForeignNetwork(structure, (*notes, *tinynas_notes(chosen)))


def _something_else(text: str) -> str | None:
    """One sentence about a text that is certainly no structure; None if it may be one."""
    start = text.lstrip("\ufeff \t\r\n")
    accepted = "accepted: a network string, or a TinyNAS structure"
    if start.startswith("<"):
        return f"the text is HTML or XML (it begins with {start.split()[0][:20]!r}), and no structure; {accepted}"
    if start.startswith("#!") and "python" not in start.split("\n", 1)[0]:
        return f"the text is a script ({start.splitlines()[0][:40]!r}), and no structure; {accepted}"
    keys = list(dict.fromkeys(_YAML.findall(text[:100_000])))
    lines = sum(1 for line in text[:100_000].splitlines() if line.strip() and not line.lstrip().startswith("#"))
    if keys and start[:1] not in "[{(" and 2 * len(_YAML.findall(text[:100_000])) >= lines and not _is_network(text):
        shown = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
        return (
            f"the text is a YAML file (its keys: {shown}), and no structure; {accepted}. "
            "`plainnet train` takes a training configuration, `plainnet search` a search space"
        )
    first = start.split("\n", 1)[0].strip()
    if "\n" in start and first.count(",") >= 1 and not any(bracket in first for bracket in "([{='\""):
        return f"the text is a table (its columns: {first[:60]}), and no structure; {accepted}. `plainnet validate` takes a table"
    return None


def _without_structure(statements: Sequence[Statement]) -> str:
    wanted = (
        "a TinyNAS structure is a list of dicts such as {'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3}"
    )
    if len(statements) == 1 and statements[0].name is None:
        value = statements[0].value
        if isinstance(value, Mapping):
            shown = ", ".join(str(key)[:24] for key in list(value)[:4])
            return f"the text is a dict with the keys {shown or 'of nothing'}, and none of them holds a structure; {wanted}"
        return f"the text is a {type(value).__name__}, and no structure; {wanted}"
    names = ", ".join(statement.name for statement in statements[:6] if statement.name)
    return f"the text is Python that assigns {names or 'nothing'}, and no structure (structure_info = [...]); {wanted}"
