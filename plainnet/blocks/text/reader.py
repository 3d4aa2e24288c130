"""From text to blocks: every text gives blocks or a `StructureError` that says what, where, what is accepted, and the
nearest name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, cast

from plainnet.blocks.registry import find_block, known_names, on_change
from plainnet.blocks.rows.block import Block, BoundField
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.text.syntax import MAX_PROBLEMS, GiveUpError, Node, Number, Scanner
from plainnet.errors import Problem, StructureError, nearest

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass

__all__ = ["first_name", "read_blocks", "read_first", "read_nodes"]

AnyBlock = TypeVar("AnyBlock", bound=Block)

MAX_DIGITS = 12
"""Longer numbers are out of every range."""

MAX_TEXT = 1_000_000
"""Longer texts are not read."""

_FLAT = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z_][A-Za-z0-9_]*+\([^()]*+\)")
_PLAIN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\(([0-9]{1,9}(?:,[0-9]{1,9})*)\)")
_WRITTEN_OUT = ("[", "{", "'", '"')
_known: BoundedMemo[str, PlainNetBasicBlockClass] = BoundedMemo(50_000)
"""Blocks by the text that they were read from."""
MAX_KNOWN = 2_000
"""Blocks with a longer text are not remembered."""
on_change(_known.clear)


def read_blocks(text: str) -> tuple[PlainNetBasicBlockClass, ...]:
    """The blocks of a text, in order."""
    if len(text) > MAX_TEXT:
        raise StructureError(f"the text has {len(text):,} characters; accepted: at most {MAX_TEXT:,}")
    pieces = _FLAT.findall(text)
    if sum(map(len, pieces)) == len(text):
        blocks = _read_pieces(pieces)
        if blocks:
            return tuple(blocks)
    if text.lstrip()[:1] in _WRITTEN_OUT:
        raise StructureError(
            [
                Problem(
                    "a network string does not begin with a bracket or a quote",
                    hints=(
                        "a TinyNAS structure, or a pasted list, is read by `plainnet convert` and plainnet.blocks.read_network",
                    ),
                )
            ]
        )
    scanner = Scanner(text, _known)
    nodes = scanner.network()
    read: list[PlainNetBasicBlockClass | None] = []
    for node in nodes:
        read.append(_read(node, scanner))
        if len(scanner.problems) >= MAX_PROBLEMS:
            break
    if not scanner.problems and not nodes:
        raise StructureError(
            [Problem("the structure is empty", hints=("accepted: blocks such as SuperConvK3BNRELU(3,32,2,1)",))]
        )
    if scanner.problems:
        raise StructureError(sorted(scanner.problems, key=lambda problem: problem.start), text=text)
    return tuple(block for block in read if block is not None)


def _read_pieces(pieces: list[str]) -> list[PlainNetBasicBlockClass] | None:
    """The blocks of pieces of text; None as soon as there are problems with one."""
    try:
        return [_known[piece] for piece in pieces]
    except KeyError:
        pass
    blocks = []
    for piece in pieces:
        block = _known.get(piece) or _read_piece(piece)
        if block is None:
            return None
        blocks.append(block)
    return blocks


def _read_piece(piece: str) -> PlainNetBasicBlockClass | None:
    """The one block of a piece of text; None if it is none, or if there are problems with it."""
    block = _read_plain(piece)
    if block is not None:
        return block
    scanner = Scanner(piece)
    nodes = scanner.network()
    block = _read(nodes[0], scanner) if len(nodes) == 1 else None
    return None if scanner.problems else block


def _read_plain(piece: str) -> PlainNetBasicBlockClass | None:
    """The block of a name and integers, the usual case, without a syntax tree; None for anything else or anything wrong."""
    match = _PLAIN.fullmatch(piece)
    found = find_block(match.group(1)) if match else None
    if match is None or found is None:
        return None
    cls, in_name = found
    numbers = match.group(2).split(",")
    if len(numbers) != len(cls.fields):
        return None
    try:
        block = cls(**in_name, **{field.name: int(number) for field, number in zip(cls.fields, numbers, strict=True)})
    except Exception:  # read once more, with the place of what is wrong
        return None
    _known[piece] = block
    return block


def read_nodes(text: str) -> list[Node]:
    """The syntax tree of a text that was read before: where each block stands."""
    return Scanner(text).network()


def first_name(text: str) -> str | None:
    """The name that a text begins with, if it begins with a block."""
    match = re.match(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\(", text)
    return match.group(1) if match else None


def read_first(text: str, cls: type[AnyBlock]) -> tuple[AnyBlock, str]:
    """Read one block of class `cls` from the front of a text: (block, rest)."""
    scanner = Scanner(text)
    scanner.peek()
    match = re.compile(r"[A-Za-z_]\w*").match(text, scanner.position)
    if match is None:
        raise StructureError([Problem("no block here", scanner.position, scanner.position + 1)], text=text)
    try:
        node = scanner.block(match, 0)
    except GiveUpError:
        raise StructureError(scanner.problems, text=text) from None
    block = _read(node, scanner)
    if scanner.problems:
        raise StructureError(scanner.problems, text=text)
    if not isinstance(block, cls):
        raise StructureError([Problem(f"{node.name} is no {cls.__name__}", node.start, node.name_end)], text=text)
    return block, text[node.end :]


def _read(node: Node, scanner: Scanner) -> PlainNetBasicBlockClass | None:
    """The block of a node, or None if there are problems with it (then they are reported)."""
    if node.known is not None:
        return cast("PlainNetBasicBlockClass", node.known)
    known = _known.get(key := scanner.text[node.start : node.end])
    if known is not None:
        return known
    children = [[_read(child, scanner) for child in branch] for branch in node.branches]
    found = find_block(node.name)
    if found is None and node.end == node.name_end:
        return None  # a word without parentheses was reported as such
    if found is None:
        _report(scanner, node, f"unknown block {node.name[:40]}", *_suggestions(node.name))
        return None
    if node.broken or any(child is None for branch in children for child in branch):
        return None
    cls, in_name = found
    arguments = _bind(
        cls.fields, node, cls.__name__ if cls.name_template == cls.__name__ else node.name, children, scanner
    )
    if arguments is None:
        return None
    try:
        block = cls(**in_name, **arguments).with_label(node.label)
    except StructureError as error:
        for problem in error.problems:
            _report(scanner, node, problem.message, *problem.hints, whole=True)
        return None
    except Exception as error:  # blocks are written by users
        _report(scanner, node, f"{node.name} cannot be made: {type(error).__name__}: {error}", whole=True)
        return None
    if not scanner.problems and len(key) <= MAX_KNOWN:
        _known[key] = block
    return block


SLIP = 0.9
"""Likeness above which a name is taken for another one misspelt: one letter of ten."""


@lru_cache(1000)  # a text that is wrong is often wrong in the same way throughout
def _suggestions(name: str) -> list[str]:
    """The nearest name; unless that is a slip of a letter away, the block may be the user's own, and its file was not named."""
    import difflib

    near = nearest(name, known_names())
    own = "a block of your own is known with --blocks FILE (in Python: load_blocks)"
    if near is None:
        return ["accepted: the names that `plainnet blocks` lists", own]
    is_slip = difflib.SequenceMatcher(None, name.lower()[:200], near.lower()).ratio() > SLIP
    return [f"did you mean {near}?", *([] if is_slip else [own])]


on_change(_suggestions.cache_clear)


def _report(scanner: Scanner, node: Node, message: str, *hints: str, whole: bool = False) -> None:
    scanner.problems.append(Problem(message, node.start, node.end if whole else node.name_end, hints))


def _bind(
    fields: tuple[BoundField, ...],
    node: Node,
    name: str,
    children: list[list[PlainNetBasicBlockClass | None]],
    scanner: Scanner,
) -> dict[str, object] | None:
    """The node's arguments by the names of the fields; None, and a report, where they do not fit."""
    numeric = [field for field in fields if not field.kind.is_children]
    holders = [field for field in fields if field.kind.is_children]
    usage = f"accepted: {name}({', '.join([_usage(field) for field in numeric] + [field.name for field in holders])})"
    if numeric and numeric[0].kind.is_names:
        return _bind_names(numeric[0], node, scanner)
    words = [number for number in node.numbers if number.is_name]
    for word in words:
        scanner.problems.append(_no_number(word, scanner))
    if words:
        return None
    required = sum(not field.optional for field in numeric)
    if not required <= len(node.numbers) <= len(numeric):
        wanted = str(required) if required == len(numeric) else f"{required} to {len(numeric)}"
        _report(scanner, node, f"{name} takes {wanted} numbers and gets {len(node.numbers)}", usage, whole=True)
        return None
    if bool(node.branches) and not holders:
        _report(scanner, node, f"{name} holds no blocks", usage, whole=True)
        return None
    if holders and (not children or not all(children)):
        _report(scanner, node, f"{name} has an empty {'branch' if len(children) > 1 else 'body'}", usage, whole=True)
        return None
    if holders and holders[0].kind.kind == "blocks" and len(children) > 1:
        _report(scanner, node, f"{name} holds one sequence of blocks, not branches", usage, whole=True)
        return None
    values = {
        field.name: _number(field, number, name, scanner) for field, number in zip(numeric, node.numbers, strict=False)
    }
    if None in values.values():
        return None
    for field in holders:
        branches = tuple(tuple(branch) for branch in children)
        values[field.name] = branches[0] if field.kind.kind == "blocks" else branches
    return values


def _no_number(word: Number, scanner: Scanner) -> Problem:
    """What is wrong with a word where a number belongs."""
    if find_block(word.text) is not None:
        return Problem(f"{word.text} is not followed by (", word.start, word.end, (f"accepted: {word.text}(...)",))
    hint = "accepted: integers such as 32, separated by commas"
    if scanner.is_label(word.text):
        hint = f"{word.text[:40]} is the name of a value, which From({word.text[:40]}) takes up"
    return Problem(f"{word.text[:24]!r} is no number", word.start, word.end, (hint,))


def _bind_names(field: BoundField, node: Node, scanner: Scanner) -> dict[str, object] | None:
    """The names that a block takes; None, and a report, where there are none or too many."""
    names = tuple([word.text for word in node.numbers])
    is_one = field.kind.kind == "name"
    if node.branches or not names or (is_one and len(names) > 1):
        wanted = "the name of one value" if is_one else "the names of values"
        usage = f"accepted: {node.name}(name)" if is_one else f"accepted: {node.name}(name,name)"
        _report(scanner, node, f"{node.name} takes {wanted}", usage, whole=True)
        return None
    return {field.name: names[0] if is_one else names}


def _usage(field: BoundField) -> str:
    return f"[{field.name}]" if field.optional else field.name


def _number(field: BoundField, number: Number, name: str, scanner: Scanner) -> object:
    """The value of a number for a field; None, and a report, where it is out of range."""
    value: float | None = None
    if len(number.text) <= MAX_DIGITS:
        value = float(number.text) if "." in number.text else int(number.text)
    if value is not None and field.kind.accepts(value):
        return value
    shown = number.text if len(number.text) <= 24 else number.text[:20] + "..."
    scanner.problems.append(
        Problem(f"{name}: {field.name} is {shown}", number.start, number.end, (f"accepted: {field.kind.accepted}",))
    )
    return None
