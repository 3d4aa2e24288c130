"""The saver's rule: a condition on the metrics of a validation, `acc > best and loss < 0.5`."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

from plainnet.errors import UsageError, nearest

__all__ = ["SaveRule", "check_rule"]

BEST = "best"
ALIASES = {"acc": "accuracy"}
OPERATORS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
LONGEST, DEEPEST = 500, 20
ACCEPTED = "comparisons (<, <=, >, >=), and, or, not, numbers, metrics of the validation, and best"


class SaveRule:
    """When the weights of a validation become the best: comparisons, and, or, not over its metrics and numbers; `best` is the
    value of `checkpoint.best` at the best validation so far, and the first is better than none. What is no number makes its
    comparison false. It is read as Python, and nothing in it is called.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            if len(text) > LONGEST:
                raise SyntaxError(f"it has {len(text)} characters; accepted: {LONGEST}")
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
            raise UsageError(f"{text[:80]!r} is no rule: {why}; such as: acc > best and loss < 0.5") from None
        self.names: list[str] = []
        self._check(self.tree, 0)

    def _check(self, node: ast.expr, depth: int) -> None:
        if isinstance(node, ast.BoolOp) and depth < DEEPEST:
            for each in node.values:
                self._check(each, depth + 1)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and depth < DEEPEST:
            self._check(node.operand, depth + 1)
        elif isinstance(node, ast.Compare) and all(type(op) in OPERATORS for op in node.ops):
            for each in (node.left, *node.comparators):
                self._check_term(each)
        else:
            self._refuse(node)

    def _check_term(self, node: ast.expr) -> None:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            node = node.operand
        if isinstance(node, ast.Name):
            self.names.append(ALIASES.get(node.id, node.id))
        elif not isinstance(node, ast.Constant) or not _is_number(node.value):
            self._refuse(node)

    def _refuse(self, node: ast.expr) -> None:
        raise UsageError(f"{ast.unparse(node)[:60]!r} in the rule {self.text[:80]!r}; accepted: {ACCEPTED}")

    def check(self, metrics: Collection[str], metric: str) -> None:
        """Refuse a name that is no metric."""
        for name in self.names:
            if name != BEST and name not in metrics:
                near = nearest(name, metrics)
                hint = f"; did you mean {near}?" if near else ""
                raise UsageError(
                    f"checkpoint.save names {name}, and the metrics are {', '.join(metrics)}, and best ({metric}){hint}"
                )

    def __call__(self, metrics: Mapping[str, float], metric: str, best: float) -> bool:
        """Whether the weights of a validation with these metrics become the best.

        best: of `metric` so far, the worst of all where there is none.
        """
        self.check(metrics, metric)
        return self._holds(self.tree, metrics, best)

    def _holds(self, node: ast.expr, metrics: Mapping[str, float], best: float) -> bool:
        if isinstance(node, ast.BoolOp):
            found = [self._holds(each, metrics, best) for each in node.values]
            return all(found) if isinstance(node.op, ast.And) else any(found)
        if isinstance(node, ast.UnaryOp):
            return not self._holds(node.operand, metrics, best)
        assert isinstance(node, ast.Compare)
        terms = [node.left, *node.comparators]
        return all(
            self._compared(op, one, other, metrics, best)
            for op, one, other in zip(node.ops, terms[:-1], terms[1:], strict=True)
        )

    def _compared(
        self, op: ast.cmpop, one: ast.expr, other: ast.expr, metrics: Mapping[str, float], best: float
    ) -> bool:
        left, right = (self._value(term, metrics, best) for term in (one, other))
        return OPERATORS[type(op)](left, right)  # nothing is more or less than what is no number

    def _value(self, node: ast.expr, metrics: Mapping[str, float], best: float) -> float:
        if isinstance(node, ast.UnaryOp):
            return -self._value(node.operand, metrics, best)
        if isinstance(node, ast.Name):
            name = ALIASES.get(node.id, node.id)
            return best if name == BEST else float(metrics[name])
        assert isinstance(node, ast.Constant)
        assert isinstance(node.value, int | float)
        return float(node.value)


def check_rule(text: str | None) -> None:
    """Refuse a rule that cannot be read."""
    if text is not None:
        SaveRule(text)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
