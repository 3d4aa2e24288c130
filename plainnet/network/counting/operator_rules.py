"""What each of torch's operators costs, from the shapes of its arguments: the rules behind `count_module`.

The columns are those of `plainnet.blocks.rows.counts` and mean the same; `other_ops` is for what has no column there (1 for
each element of an elementwise operator's output, or of a reduction's input). A rule returns what an operator adds to
which column; moving, making and looking at data costs nothing; an operator without a rule is for the caller to name.

A rule of your own, for an operator that has none:

    @operator_rule("mine.attend")
    def attend(args, out):
        return {"macs": 2 * out.numel() * args[0].shape[-1], "activations": out.numel()}
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from plainnet.errors import RegistrationError, UsageError, nearest
from plainnet.network.counting.operator_others import OTHER_RULES, free
from plainnet.network.counting.operator_products import PRODUCT_RULES, Cost, Rule, elements, first_tensor

__all__ = ["OPERATION_COLUMNS", "CallCost", "OperatorRuleError", "call_cost", "operator_name", "operator_rule"]

OPERATION_COLUMNS = (
    "macs", "activations", "convolutions", "bias_ops", "norm_ops", "act_ops", "pool_ops", "add_ops", "mul_ops", "other_ops",
)  # fmt: skip
"""The columns that operators add to."""

CallCost = Callable[[Sequence[Any], dict[str, Any], Any], Cost | None]
"""From the arguments of a call by position and by name, and its output, to what it costs; None where nobody knows."""
_Arguments = tuple[tuple[str, Any], ...] | None

REDUCTIONS = frozenset({
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "count_nonzero", "linalg__powsum", "linalg_vector_norm",
    "logsumexp", "max", "mean", "min", "nansum", "norm", "prod", "std", "std_mean", "sum", "var", "var_mean",
})  # fmt: skip
"""The operators of `torch.ops.aten` that torch 2.13 tags as reductions, for versions without the tag."""


class OperatorRuleError(UsageError):
    """A rule of the user's own that fails, or gives what is no cost."""


_RULES: dict[str, Rule] = {**PRODUCT_RULES, **OTHER_RULES}
"""Operator -> its rule, those of users among them."""
_OWN: dict[str, tuple[str, str]] = {}
"""Where each rule of a user's own comes from: a file and a name in it."""


def operator_rule(*operators: Any) -> Callable[[Rule], Rule]:
    """A decorator that gives operators their rule: torch.ops.mine.attend, one of its overloads, or the name "mine.attend".

    The rule takes the arguments in the order of the operator's schema, with its defaults, and the output; it returns what a
    call adds to `OPERATION_COLUMNS` by name, as whole numbers. Raises `RegistrationError` for an operator that has a rule,
    unless it is the same function defined again.
    """
    if not operators or inspect.isfunction(operators[0]):
        raise UsageError('operator_rule is given operators, such as @operator_rule("mine.attend")')
    names = [_registered_name(operator) for operator in operators]

    def register(rule: Rule) -> Rule:
        code = getattr(rule, "__code__", None)
        home = (str(getattr(code, "co_filename", "")), str(getattr(rule, "__qualname__", rule)))
        for name in names:
            if name in _RULES and _OWN.get(name) != home:
                owner = f" by {_OWN[name][1]} of {_OWN[name][0]}" if name in _OWN else ""
                raise RegistrationError(f"{name} has a rule{owner}")
        for name in names:
            _RULES[name], _OWN[name] = rule, home
        _rule_of.cache_clear()
        return rule

    return register


def _registered_name(operator: Any) -> str:
    if not isinstance(operator, str):
        return operator_name(operator)
    namespace, dot, name = operator.replace("::", ".").partition(".")
    if not dot or not namespace or not name or "." in name:
        raise UsageError(f"{operator!r} is no operator; accepted: a name such as mine.attend, or torch.ops.mine.attend")
    return f"{namespace}.{name}"


@cache
def operator_name(operator: Any) -> str:
    """The operator's name without its overload: aten.add_.Tensor is "aten.add_", and a function of functions such as
    flex_attention is "higher_order.flex_attention".
    """
    if isinstance(operator, torch._ops.HigherOrderOperator):
        return f"higher_order.{operator._name}"
    return str(getattr(operator, "overloadpacket", operator))


def call_cost(operator: Any) -> CallCost:
    """What a call of an operator costs, as a function of its arguments and its output; None if no rule knows it.

    Without a rule of ours or of the user's, a formula of `torch.utils.flop_counter.register_flop_formula` counts, halved.
    """
    rule = _rule_of(operator)
    if rule is free:
        return _no_cost
    if rule is not None:
        return partial(_cost_by_rule, rule, _arguments(operator))
    formula = flop_registry.get(getattr(operator, "overloadpacket", operator))
    if formula is not None:
        return partial(_cost_by_formula, operator_name(operator), formula)
    return _COSTS_BY_KIND.get(_kind(operator), _unknown_cost)


def _cost_by_rule(
    rule: Rule, arguments: _Arguments, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> Cost | None:
    return rule(_positional(arguments, args, kwargs), out)


def _cost_by_formula(name: str, formula: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    return _of_torch(name, formula(*args, **kwargs, out_val=out), out)


def _no_cost(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:  # noqa: ARG001
    return {}


def _unknown_cost(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> None:  # noqa: ARG001
    return None


def _cost_of_pointwise(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:  # noqa: ARG001
    return {"other_ops": elements(first_tensor(out))}


def _cost_of_reduction(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost | None:  # noqa: ARG001
    return {"other_ops": elements(args[0])} if isinstance(args[0], Tensor) else None


_COSTS_BY_KIND: dict[str | None, CallCost] = {"pointwise": _cost_of_pointwise, "reduction": _cost_of_reduction}


@cache
def _rule_of(operator: Any) -> Rule | None:
    """The user's rule of an operator, else ours; views cost nothing. None without one. Forgotten when a rule is added."""
    name = operator_name(operator)
    if name in _OWN:
        return partial(_own_cost, name)
    if name.startswith("profiler.") or _kind(operator) == "view":
        return free
    return _RULES.get(name) or _RULES.get(name.removesuffix("_"))


@cache
def _kind(operator: Any) -> str | None:
    """ "view", "pointwise" or "reduction" by what torch says of the operator, or of what it is a variant of: squeeze_ and
    squeeze_copy are variants of squeeze.
    """
    if not isinstance(operator, torch._ops.OpOverload):
        return None
    namespace, _, name = operator_name(operator).partition(".")
    home = getattr(torch.ops, namespace)
    packets = [getattr(home, base, None) for base in (name, name.removesuffix("_"), name.removesuffix("_copy")) if base]
    overloads = [getattr(packet, each) for packet in packets if packet is not None for each in packet.overloads()]
    if operator.is_view or any(overload.is_view for overload in overloads if overload._overloadname != "out"):
        return "view"
    tags = {tag for overload in (operator, *overloads) for tag in overload.tags}
    if torch.Tag.pointwise in tags:
        return "pointwise"
    return "reduction" if _is_reduction(namespace, packets, tags) else None


def _is_reduction(namespace: str, packets: Sequence[Any], tags: set[Any]) -> bool:
    """What torch's tag says, and a list of its names where torch is older than the tag."""
    tag = getattr(torch.Tag, "reduction", None)
    if tag is not None:
        return tag in tags
    return namespace == "aten" and any(getattr(packet, "__name__", "") in REDUCTIONS for packet in packets)


def _own_cost(name: str, args: Sequence[Any], out: Any) -> Cost:
    try:
        cost = _RULES[name](args, out)
    except Exception as error:
        raise OperatorRuleError(f"the rule of {name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(cost, dict):
        raise OperatorRuleError(
            f"the rule of {name} gives {type(cost).__name__}; accepted: a dict of columns and counts"
        )
    for column, count in cost.items():
        if column not in OPERATION_COLUMNS:
            near = nearest(str(column), OPERATION_COLUMNS)
            hint = f"; did you mean {near}?" if near else ""
            raise OperatorRuleError(
                f"the rule of {name} gives {column}; accepted: {', '.join(OPERATION_COLUMNS)}{hint}"
            )
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise OperatorRuleError(f"the rule of {name} gives {column} {count!r}; accepted: a whole number, 0 or more")
    return cost


def _of_torch(name: str, flops: Any, out: Any) -> Cost:
    if not isinstance(flops, int) or flops < 0 or flops % 2:
        raise OperatorRuleError(
            f"torch's formula of {name} gives {flops!r} FLOPs, which are no whole number of multiply-accumulates; "
            "accepted: an even whole number, or a rule by operator_rule"
        )
    return {"macs": flops // 2, "activations": elements(first_tensor(out))}


def _positional(arguments: _Arguments, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
    """The arguments in the order of the operator's schema, with its defaults."""
    if arguments is None or (not kwargs and len(args) == len(arguments)):
        return args
    return [*args, *(kwargs.get(name, default) for name, default in arguments[len(args) :])]


@cache
def _arguments(operator: Any) -> _Arguments:
    """The names and defaults of an operator's schema; None where it has none."""
    schema = getattr(operator, "_schema", None)
    return None if schema is None else tuple((each.name, each.default_value) for each in schema.arguments)
