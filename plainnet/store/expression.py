"""The language of `store find`: Python's comparisons over the fields and metrics of a record, as a condition in SQL.

    task == "cls" and acc > 0.7
    "head" in parts and params / 1e6 < 5 and not name == "resnet18"
    kind in ("network", "backbone") and digits.val.accuracy >= 0.9 and extra.object_size > 20

It is read as Python, of which comparisons, `and`, `or`, `not`, `in`, `is None`, arithmetic, names and constants are accepted;
nothing is called, and nothing of a text becomes SQL but its structure. What is not known is neither true nor false, and a
condition that is neither does not find: `params > 5` and `not params > 5` both leave out what has no params.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from plainnet.errors import UsageError, nearest
from plainnet.store.record_fields import ALIASES, FREE, LISTS, MEMBERS, NUMBER, TEXT, TRUTH, columns, short_names

__all__ = ["Condition", "compiled"]

ANY = "any"
"""The kind of what has no fixed type: it is compared with what it is compared with, where it is of that type."""
JSON_TYPES = {TEXT: "'text'", NUMBER: "'integer', 'real', 'true', 'false'", TRUTH: "'integer', 'true', 'false'"}
LIST, NONE = "list", "nothing"
COMPARISONS = {ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
LONGEST, DEEPEST = 2_000, 50
ACCEPTED = "comparisons, and, or, not, in, is None, + - * /, names of fields and metrics, numbers, texts"


@dataclass(frozen=True)
class Condition:
    """SQL over the index's tables, with `n` the row of a network, and its values."""

    sql: str
    values: tuple[Any, ...]
    kind: str = TRUTH
    words: tuple[Any, ...] = ()
    """Of a list that was written out."""


class _Compiler:
    def __init__(self, text: str, metrics: Collection[str]) -> None:
        self.text, self.metrics = text, metrics

    def refuse(self, node: ast.AST, why: str) -> UsageError:
        start, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None) or len(self.text)
        what = self.text.encode()[start:end].decode(errors="replace")
        return UsageError(f"{_short(what)!r} in {_short(self.text)!r}: {why}")

    def truth(self, node: ast.expr, depth: int = 0) -> Condition:
        """A condition: true, false, or unknown (NULL)."""
        if depth > DEEPEST:
            raise UsageError(f"the condition is nested more than {DEEPEST} deep")
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(value, depth + 1) for value in node.values]
            word = " AND " if isinstance(node.op, ast.And) else " OR "
            return Condition(f"({word.join(part.sql for part in parts)})", tuple(v for p in parts for v in p.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(node.operand, depth + 1)
            return Condition(f"(NOT {inner.sql})", inner.values)
        if isinstance(node, ast.Compare):
            operands = [self.value(each, depth + 1) for each in (node.left, *node.comparators)]
            nodes = [node.left, *node.comparators]
            found = [self.compared(op, operands[k], operands[k + 1], nodes[k : k + 2]) for k, op in enumerate(node.ops)]
            return Condition(
                f"({' AND '.join(one.sql for one in found)})", tuple(v for one in found for v in one.values)
            )
        found_value = self.value(node, depth)
        if found_value.kind not in (TRUTH, ANY):
            raise self.refuse(node, f"it is {_article(found_value.kind)}, and a condition is true or false")
        return Condition(f"({_typed(found_value, TRUTH)} <> 0)", found_value.values)

    def value(self, node: ast.expr, depth: int = 0) -> Condition:
        if depth > DEEPEST:
            raise UsageError(f"the condition is nested more than {DEEPEST} deep")
        if isinstance(node, ast.Constant):
            return self.constant(node)
        if isinstance(node, ast.Name | ast.Attribute):
            return self.name(node)
        if isinstance(node, ast.Tuple | ast.List):
            parts = [self.value(each, depth + 1) for each in node.elts]
            if any(part.sql not in ("?", "(-?)") for part in parts):
                raise self.refuse(node, "a list holds numbers or texts")
            words = (-part.values[0] if part.sql == "(-?)" else part.values[0] for part in parts)
            return Condition("", (), LIST, tuple(words))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            inner = self.number(node.operand, depth + 1)
            return Condition(f"(-{inner.sql})" if isinstance(node.op, ast.USub) else inner.sql, inner.values, NUMBER)
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            left, right = self.number(node.left, depth + 1), self.number(node.right, depth + 1)
            return Condition(
                f"({left.sql} {ARITHMETIC[type(node.op)]} {right.sql})", left.values + right.values, NUMBER
            )
        if isinstance(node, ast.BoolOp | ast.Compare) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return self.truth(node, depth)
        raise self.refuse(node, f"it is not accepted here; accepted: {ACCEPTED}")

    def constant(self, node: ast.Constant) -> Condition:
        value = node.value
        if value is None:
            return Condition("NULL", (), NONE)
        if isinstance(value, bool):
            return Condition("?", (float(value),), TRUTH)
        if isinstance(value, int | float):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if not math.isfinite(number):
                raise self.refuse(node, "it is no finite number")
            return Condition("?", (number,), NUMBER)
        if isinstance(value, str) and _is_unicode(value):
            return Condition("?", (value,), TEXT)
        raise self.refuse(node, f"it is not accepted here; accepted: {ACCEPTED}")

    def number(self, node: ast.expr, depth: int) -> Condition:
        found = self.value(node, depth)
        if found.kind not in (NUMBER, ANY):
            raise self.refuse(node, f"it is {_article(found.kind)}; accepted: a number")
        return Condition(_typed(found, NUMBER), found.values, NUMBER)

    def name(self, node: ast.expr) -> Condition:
        words = _dotted(node)
        if words is None:
            raise self.refuse(node, f"it is not accepted here; accepted: {ACCEPTED}")
        if words in LISTS:
            return Condition(words, (), LIST)
        said = ALIASES.get(words, words)
        place = said if said in columns() else short_names().get(said)
        if place is not None:
            return Condition(f'n."{place}"', (), columns()[place])
        last = words.rpartition(".")
        metric = f"{last[0]}{last[1]}{ALIASES.get(last[2], last[2])}"
        if metric in self.metrics:
            return Condition("(SELECT value FROM metrics WHERE name = ? AND id = n.id)", (metric,), NUMBER)
        if said in (*FREE, *MEMBERS) or any(said.startswith(f"{section}.") for section in FREE):
            path = "$" + "".join(f'."{word}"' for word in said.split("."))
            return Condition(_found("json_extract(d.record, p.path)"), (path,), ANY)
        known = [*LISTS, *short_names(), *columns(), *MEMBERS, *sorted(self.metrics), *ALIASES]
        near = nearest(words, known)
        metrics = ", ".join(name for name in sorted(self.metrics) if "." not in name) or "none yet"
        hint = f"; did you mean {near}?" if near else ""
        raise self.refuse(
            node,
            f"there is no field and no metric of that name{hint} (fields: plainnet store find --fields; metrics: {metrics})",
        )

    def compared(self, op: ast.cmpop, left: Condition, right: Condition, nodes: list[ast.expr]) -> Condition:
        if isinstance(op, ast.Is | ast.IsNot) or (
            isinstance(op, ast.Eq | ast.NotEq) and NONE in (left.kind, right.kind)
        ):
            return self.with_none(op, left, right, nodes)
        if isinstance(op, ast.In | ast.NotIn):
            found = self.membership(left, right, nodes)
            return found if isinstance(op, ast.In) else Condition(f"(NOT {found.sql})", found.values)
        for one, node in zip((left, right), nodes, strict=True):
            if one.kind in (LIST, NONE):
                raise self.refuse(
                    node,
                    f'it is {_article(one.kind)}; accepted: "word" in it' if one.kind == LIST else "accepted: is None",
                )
        kinds = {left.kind, right.kind} - {ANY}
        if len(kinds) > 1:
            raise self.refuse(nodes[0], f"it is {_article(left.kind)}, and is compared with {_article(right.kind)}")
        values = left.values + right.values
        each_kind = [
            f"({_typed(left, kind)} {COMPARISONS[type(op)]} {_typed(right, kind)})" for kind in kinds or (NUMBER, TEXT)
        ]  # of two of any type that which both are
        return Condition(each_kind[0] if kinds else f"coalesce({', '.join(each_kind)})", values * len(each_kind))

    def with_none(self, op: ast.cmpop, left: Condition, right: Condition, nodes: list[ast.expr]) -> Condition:
        if right.kind != NONE or left.kind in (NONE, LIST):
            raise self.refuse(nodes[0], "accepted: FIELD is None, FIELD is not None")
        positive = isinstance(op, ast.Is | ast.Eq)
        return Condition(f"({left.sql} IS {'NULL' if positive else 'NOT NULL'})", left.values)

    def membership(self, left: Condition, right: Condition, nodes: list[ast.expr]) -> Condition:
        if right.kind == LIST and right.sql:  # a list of the record
            if left.kind != TEXT:
                raise self.refuse(nodes[0], f"it is {_article(left.kind)}, and {right.sql} are texts")
            if left.sql == "?":  # looked up once for all
                return Condition(
                    "(n.id IN (SELECT id FROM lists WHERE list = ? AND word = ?))", (right.sql, *left.values)
                )
            there = f"EXISTS (SELECT 1 FROM lists WHERE list = ? AND id = n.id AND word = {left.sql})"
            sql = f"(CASE WHEN {left.sql} IS NOT NULL THEN {there} END)"
            return Condition(sql, (*left.values, right.sql, *left.values))
        if right.kind == LIST:
            kind = left.kind
            wrong = [word for word in right.words if isinstance(word, str) != (kind == TEXT)]
            if kind == LIST or (kind != ANY and wrong):
                raise self.refuse(nodes[1], f"it holds what is not {_article(kind)}")
            if not right.words:
                raise self.refuse(nodes[1], "it is empty")
            return Condition(f"({left.sql} IN ({', '.join('?' * len(right.words))}))", left.values + right.words)
        if right.kind == ANY and left.kind in (TEXT, NUMBER):
            return _in_any(left, right)
        if right.kind == left.kind == TEXT:
            return Condition(f"(instr({right.sql}, {left.sql}) > 0)", right.values + left.values)
        raise self.refuse(
            nodes[1], f"nothing is in {_article(right.kind)}; accepted: a list, a text, {', '.join(LISTS)}"
        )


def compiled(text: str, metrics: Collection[str]) -> Condition:
    """A condition; `UsageError` for what is none, with the nearest name. metrics: those that the store knows."""
    if len(text) > LONGEST:
        raise UsageError(f"the condition has {len(text)} characters; accepted: {LONGEST}")
    text = text.strip()
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise UsageError(f'{_short(text)!r} is no condition: {why}; such as: task == "cls" and acc > 0.7') from None
    return _Compiler(text, metrics).truth(tree.body)


def _typed(value: Condition, kind: str) -> str:
    """The SQL of a value; one of any type only where it is of this one."""
    if value.kind != ANY:
        return value.sql
    found = "json_extract(d.record, p.path)"
    found = f"CAST({found} AS REAL)" if kind == NUMBER else found  # 7 / 2 is 3.5, as in Python
    return _found(f"CASE WHEN json_type(d.record, p.path) IN ({JSON_TYPES[kind]}) THEN {found} END")


def _found(expression: str) -> str:
    """SQL of an expression over a network's document and a place in it, the one value of the condition."""
    return f"(SELECT {expression} FROM documents AS d, (SELECT ? AS path) AS p WHERE d.id = n.id)"


def _in_any(left: Condition, right: Condition) -> Condition:
    """A text or a number in what has no fixed type: a part of a text, a member of a list, a key of a mapping."""
    types = JSON_TYPES[left.kind]
    member = f"EXISTS (SELECT 1 FROM json_each(d.record, p.path) AS w WHERE w.type IN ({types}) AND w.value = q.word)"
    key = "EXISTS (SELECT 1 FROM json_each(d.record, p.path) AS w WHERE w.key = q.word)"
    part = "instr(json_extract(d.record, p.path), q.word) > 0"
    texts = f"WHEN 'text' THEN {part} WHEN 'object' THEN {key}" if left.kind == TEXT else ""
    sql = (
        f"(SELECT CASE json_type(d.record, p.path) WHEN 'array' THEN {member} {texts} END FROM documents AS d, "
        f"(SELECT ? AS path) AS p, (SELECT {left.sql} AS word) AS q WHERE d.id = n.id AND q.word IS NOT NULL)"
    )
    return Condition(sql, right.values + left.values)


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _dotted(node.value)
        return None if above is None else f"{above}.{node.attr}"
    return None


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _article(kind: str) -> str:
    return {TEXT: "a text", NUMBER: "a number", TRUTH: "true or false", LIST: "a list", NONE: "None"}.get(
        kind, "a value"
    )
