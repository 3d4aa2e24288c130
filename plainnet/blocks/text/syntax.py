"""From text to a syntax tree: names, parentheses, numbers. What the names mean is the reader's business.

    network := block*
    block   := NAME '(' [LABEL '|'] words [','] blocks (';' blocks)* ')'      words: numbers, and names of values

White space, line breaks and `#` comments may stand between any two tokens. Reading never fails: problems are collected,
and the scanner goes on behind them where it can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from plainnet.errors import Problem

__all__ = ["MAX_NESTING", "MAX_PROBLEMS", "GiveUpError", "Node", "Number", "Scanner"]

MAX_NESTING = 32
"""How deep blocks may be nested in blocks."""
MAX_PROBLEMS = 20
"""After so many problems the rest of the text is not looked at."""

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARENTHESIS = re.compile(r"[()]")
_LABEL = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.\-]*)[ \t]*\|")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.])")
_TAKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*+(?=(?:[ \t\r\n]++|#[^\n]*+)*+(?:[,)]|\Z))")
"""A name of a value: a word that stands for itself. Possessive (`*+`, `++`), so that nothing is tried twice, however many blanks
and comments follow.
"""
_WORD = re.compile(r"[^\s(),;|#]+|.", re.DOTALL)
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Number:
    """A number or a name as written, and where."""

    text: str
    start: int
    end: int
    is_name: bool = False


@dataclass
class Node:
    """A block as written: its name, label, numbers and branches of blocks, and where."""

    name: str
    start: int
    name_end: int
    end: int = 0
    label: str | None = None
    numbers: list[Number] = field(default_factory=list)
    branches: list[list[Node]] = field(default_factory=list)
    broken: bool = False
    """True if a problem inside was already reported."""
    known: object = None
    """what the text of this block is known to mean; nothing else was looked at then"""


class GiveUpError(Exception):
    """The scanner gives up on the rest of the text."""


class Scanner:
    """One pass over a text; `problems` holds what was wrong with it. `known` are blocks by text that need no second look."""

    def __init__(self, text: str, known: Mapping[str, object] = _NOTHING) -> None:
        self.text, self.position, self.known = text, 0, known
        self.ends = _ends(text) if known else {}
        self.problems: list[Problem] = []

    def report(self, message: str, start: int, end: int, *hints: str) -> None:
        self.problems.append(Problem(message, start, end, hints))
        if len(self.problems) >= MAX_PROBLEMS:
            raise GiveUpError

    def network(self) -> list[Node]:
        """All blocks of the text."""
        try:
            return self.blocks(0)
        except GiveUpError:
            return []

    def blocks(self, depth: int, closers: str = "") -> list[Node]:
        """Blocks up to the end of the text, or to one of `closers`, which is left in place."""
        nodes = []
        while (character := self.peek()) and character not in closers:
            match = _NAME.match(self.text, self.position)
            if match:
                nodes.append(self.block(match, depth))
            else:
                self.junk()
        return nodes

    def peek(self) -> str:
        """The next character that is no white space or comment; "" at the end."""
        match = _SPACE.match(self.text, self.position)
        assert match is not None
        self.position = match.end()
        return self.text[self.position : self.position + 1]

    def junk(self) -> None:
        match = _WORD.match(self.text, self.position)
        assert match is not None
        what = "unmatched )" if match.group() == ")" else f"unexpected {match.group()[:24]!r}"
        self.report(what, match.start(), match.end(), "accepted: a block such as SuperConvK3BNRELU(3,32,2,1)")
        self.position = match.end()

    def block(self, match: re.Match[str], depth: int) -> Node:
        end = self.ends.get(match.end())
        known = self.known.get(self.text[match.start() : end]) if end is not None else None
        if end is not None and known is not None:
            self.position = end
            return Node(match.group(), match.start(), match.end(), end, known=known)
        node = Node(match.group(), match.start(), match.end(), match.end())
        self.position = match.end()
        if self.peek() != "(":
            self.no_block(node)
            return node
        if depth > MAX_NESTING:
            self.problems.append(Problem(f"blocks are nested more than {MAX_NESTING} deep", node.start, node.name_end))
            raise GiveUpError
        opening = self.position
        self.position += 1
        self.peek()
        label = _LABEL.match(self.text, self.position)
        if label:
            node.label, self.position = label.group(1), label.end()
        self.numbers(node)
        self.branches(node, depth)
        if self.peek() == ")":
            self.position += 1
        else:
            self.report(
                f"the parenthesis of {node.name[:40]} is never closed",
                opening,
                opening + 1,
                "accepted: ) after the last argument",
            )
            node.broken = True
        node.end = self.position
        return node

    def no_block(self, node: Node) -> None:
        """A word without parentheses: a name before its block, a value's name where a block belongs, or a block cut short."""
        name, node.broken = node.name[:40], True
        if self.peek() in ("|", "="):
            hint = f"accepted: the name first in the parentheses of its block, as in ConvKX({name}|3,16,3,1)"
            self.report(f"{name} is a name before its block", node.start, self.position + 1, hint)
            self.position += 1
            return
        taken = (f"{name} is the name of a value, which From({name}) takes up",) if self.is_label(node.name) else ()
        self.report(f"{name} is not followed by (", node.start, node.name_end, *(taken or (f"accepted: {name}(...)",)))

    def is_label(self, word: str) -> bool:
        """Whether a block of the text has this name; asked where something is wrong."""
        return re.search(rf"\([ \t\r\n]*{re.escape(word)}[ \t]*\|", self.text) is not None

    def numbers(self, node: Node) -> None:
        """Numbers and names separated by commas, up to the first block or the end of the arguments."""
        wanted = False
        while (character := self.peek()) and character not in ");":
            match = _NUMBER.match(self.text, self.position)
            if character == ",":
                self.report("an argument is missing before this comma", self.position, self.position + 1)
                node.broken, self.position, wanted = True, self.position + 1, False
                continue
            if character == "|":
                hint = f"accepted: the name first, as in {node.name[:40]}(name|...)"
                self.report("a name stands before the arguments", self.position, self.position + 1, hint)
                node.broken, self.position = True, self.position + 1
                continue
            name = _TAKEN.match(self.text, self.position) if match is None else None
            if name is not None:
                node.numbers.append(Number(name.group(), name.start(), name.end(), is_name=True))
                self.position = name.end()
            elif match is None:
                if _NAME.match(self.text, self.position):
                    return
                self.bad_number(node)
            else:
                node.numbers.append(Number(match.group(), match.start(), match.end()))
                self.position = match.end()
            wanted = self.peek() == ","
            if wanted:
                self.position += 1
            elif self.peek() not in ("", ")", ";", "|") and not _NAME.match(self.text, self.position):
                self.report(
                    "a comma is missing", self.position, self.position + 1, "accepted: numbers separated by commas"
                )
                node.broken = True
        if wanted and not node.broken:
            self.report("an argument is missing after the last comma", self.position - 1, self.position)
            node.broken = True

    def bad_number(self, node: Node) -> None:
        match = _WORD.match(self.text, self.position)
        assert match is not None
        hint = "accepted: integers such as 32, separated by commas"
        if match.group()[0] in "'\"":
            hint = "accepted: numbers and names without quotes"
        self.report(f"{match.group()[:24]!r} is no number", match.start(), match.end(), hint)
        self.position = match.end() if match.group() not in "(" else match.start() + 1
        node.broken = True

    def branches(self, node: Node, depth: int) -> None:
        """Sequences of blocks separated by ;"""
        if self.peek() in (")", ""):
            return
        while True:
            node.branches.append(self.blocks(depth + 1, ");"))
            if self.peek() != ";":
                return
            self.position += 1


def _ends(text: str) -> dict[int, int]:
    """Where the block ends whose parenthesis opens at a place. Empty where a comment may hold parentheses, or blocks are nested
    too deep: then the whole text is looked at.
    """
    found: dict[int, int] = {}
    if "#" in text:
        return found
    opened: list[int] = []
    for match in _PARENTHESIS.finditer(text):
        if match.group() == "(":
            opened.append(match.start())
            if len(opened) > MAX_NESTING:
                return {}
        elif opened:
            found[opened.pop()] = match.end()
    return found
