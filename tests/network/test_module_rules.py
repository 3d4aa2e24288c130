"""Rules of one's own, inputs of one's own, and modules that are left as they were."""

from __future__ import annotations

import copy
import random
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry, register_flop_formula

from plainnet import analyze_model
from plainnet.errors import RegistrationError, UsageError
from plainnet.network.counting.module_counts import count_module
from plainnet.network.counting.operator_rules import (
    _OWN,
    _RULES,
    REDUCTIONS,
    OperatorRuleError,
    _rule_of,
    operator_rule,
)
from tests.network.counted import Call, columns

# ---- rules of one's own ----


@pytest.fixture
def own_operator() -> Any:
    """torch.ops.plainnet_tests.attend, new for each test, and the registries as they were."""
    rules, own, formulas = dict(_RULES), dict(_OWN), dict(flop_registry)
    with torch.library._scoped_library("plainnet_tests", "DEF") as library:
        library.define("attend(Tensor a, Tensor b, float scale=2.0) -> Tensor")
        library.impl("attend", lambda a, b, scale=2.0: scale * a @ b, "CompositeExplicitAutograd")
        yield torch.ops.plainnet_tests.attend
    for registry, before in ((_RULES, rules), (_OWN, own), (flop_registry, formulas)):
        registry.clear()  # type: ignore[attr-defined]
        registry.update(before)  # type: ignore[attr-defined]
    _rule_of.cache_clear()


INPUTS = [torch.zeros(3, 4), torch.zeros(4, 5)]


def test_an_operator_gets_a_rule(own_operator: Any) -> None:
    module = Call(lambda a, b: own_operator(a, b).relu())
    assert count_module(module, inputs=INPUTS).uncounted == {"plainnet_tests.attend": 1}

    @operator_rule(own_operator)
    def attend(args: Any, out: Any) -> dict[str, int]:
        assert args[2] == 2.0  # the schema's default
        return {"macs": out.numel() * args[0].shape[-1], "activations": out.numel()}

    found = count_module(module, inputs=INPUTS)
    assert (columns(found), found.uncounted) == ({"macs": 60, "activations": 15, "act_ops": 15}, {})
    with pytest.raises(RegistrationError, match=r"plainnet_tests.attend has a rule by .*attend of .*test_module_rules"):
        operator_rule("plainnet_tests::attend")(lambda args, out: {})  # noqa: ARG005
    with pytest.raises(RegistrationError, match=r"aten.mm has a rule"):
        operator_rule(torch.ops.aten.mm.default)(attend)


def test_torchs_own_formulas_count(own_operator: Any) -> None:
    @register_flop_formula(own_operator)
    def formula(a: Any, b: Any, scale: float = 2.0, out_shape: Any = None, **kwargs: Any) -> int:  # noqa: ARG001
        return int(2 * a[0] * a[1] * b[1])

    found = count_module(Call(own_operator), inputs=INPUTS)
    assert (found.macs, found.activations, found.uncounted) == (60, 15, {})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda args, out: {"mac": 1}, r"gives mac; accepted: macs, .*did you mean macs\?"),  # noqa: ARG005
        (lambda args, out: {"macs": 1.5}, r"gives macs 1.5; accepted: a whole number"),  # noqa: ARG005
        (lambda args, out: {"macs": -1}, r"gives macs -1; accepted"),  # noqa: ARG005
        (lambda args, out: 7, r"gives int; accepted: a dict"),  # noqa: ARG005
        (lambda args, out: args[9], r"the rule of plainnet_tests.attend failed: IndexError"),  # noqa: ARG005
    ],
)
def test_a_rule_that_is_wrong_is_said(own_operator: Any, rule: Any, message: str) -> None:
    operator_rule(own_operator)(rule)
    with pytest.raises(OperatorRuleError, match=message):
        analyze_model(Call(own_operator), inputs=INPUTS, latency=False)


def test_a_formula_of_odd_flops_is_no_count(own_operator: Any) -> None:
    register_flop_formula(own_operator)(lambda *args, **kwargs: 7)  # noqa: ARG005
    with pytest.raises(OperatorRuleError, match=r"gives 7 FLOPs, which are no whole number of multiply-accumulates"):
        count_module(Call(own_operator), inputs=INPUTS)


@pytest.mark.parametrize("operator", ["attend", "a.b.c", "", ".x"])
def test_names_of_operators_have_two_parts(operator: str) -> None:
    with pytest.raises(UsageError, match=r"is no operator; accepted: a name such as mine\.attend"):
        operator_rule(operator)
    with pytest.raises(UsageError, match="operator_rule is given operators"):
        operator_rule()


# ---- inputs ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing is said about the input"),
        ({"inputs": torch.zeros(2, 4)}, r"inputs is a Tensor; accepted: a list of the forward's positional arguments"),
        ({"inputs": {"x": torch.zeros(2, 4)}}, r"inputs is a dict; accepted: a list .*kwargs=\{...\} for those by name"),
        ({"inputs": 3}, "inputs is a int"),
        ({"kwargs": [torch.zeros(2, 4)]}, r"kwargs is a list; accepted: a dict"),
        ({"input_shape": (3, 4), "inputs": [torch.zeros(2, 4)]}, r"input_shape is \(3, 4\), and the first of inputs is \(2, 4\)"),
        ({"inputs": [torch.zeros(2, 5)]}, "does not run on these inputs"),
        ({"kwargs": {"inptu": torch.zeros(2, 4)}}, "unexpected keyword argument 'inptu'"),
    ],
)  # fmt: skip
def test_inputs_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        count_module(nn.Linear(4, 4), **options)


class Nested(nn.Module):
    """Adds up what it finds, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, parts: Any, *, extra: Any = None) -> Any:
        total = self.linear(parts["a"][0])
        parts["a"][1].add_(1)
        return {"sum": total + extra["b"].float().sum(), "same": parts["a"][1]}


def test_inputs_are_left_as_they_were(either_way: bool) -> None:
    first, second = torch.ones(2, 4), torch.ones(3)
    mask = torch.ones(2, dtype=torch.bool)
    found = count_module(Nested(), inputs=[{"a": [first, second]}], kwargs={"extra": {"b": mask}})
    assert (found.macs, found.add_ops, found.other_ops) == (32, 8 + 3, 2)
    assert found.input_shape == {"inputs": [{"a": [(2, 4), (3,)]}], "kwargs": {"extra": {"b": (2,)}}}
    assert found.output_shape == {"sum": (2, 4), "same": (3,)}
    assert torch.equal(second, torch.ones(3))
    assert either_way == bool(found.notes)
    result = analyze_model(Nested(), inputs=[{"a": [first, second]}], kwargs={"extra": {"b": mask}}, dtype="bfloat16")
    assert result.latency is not None
    assert torch.equal(second, torch.ones(3))
    with pytest.raises(UsageError, match="a structure takes one image"):
        analyze_model("ConvKX(3,8,3,1)", inputs=[first])


# ---- nothing stays ----


class Restless(nn.Module):
    """Changes whatever it holds when it runs; copied or not."""

    def __init__(self, *, copies: bool) -> None:
        super().__init__()
        self.copies = copies
        self.linear, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.register_buffer("seen", torch.zeros(()))
        self.table, self.calls, self.notes = torch.ones(4), [0], {"runs": 0}

    def __deepcopy__(self, memo: Any) -> Any:
        if not self.copies:
            raise TypeError("not to be copied")
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(vars(self), memo))
        return new

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(len(self.calls))
        self.notes["runs"] += 1
        self.fresh = x
        self.seen += 1
        self.table = self.table + torch.rand(4, device=x.device) + random.random() + float(np.random.rand())
        self.linear.weight.add_(1)
        self.linear.register_forward_hook(lambda *args: None)  # noqa: ARG005
        self.register_buffer("late", x.sum(0))
        self.linear.half().to(x.dtype)
        self.train()
        return self.norm.eval()(self.linear(x))


def state_of(module: nn.Module) -> list[Any]:
    found: list[Any] = [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]
    found += [torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype(), len(warnings.filters)]
    for name, part in module.named_modules():
        values = {key: value for key, value in vars(part).items() if not isinstance(value, (Tensor, dict, list))}
        found.append((name, sorted(vars(part)), values))
        found += [(key, list(value)) for key, value in vars(part).items() if isinstance(value, (dict, list))]
        found += [
            (key, value.tolist(), value.dtype, value.device, value.requires_grad)
            for key, value in {**part._parameters, **part._buffers, **vars(part)}.items()
            if isinstance(value, Tensor)
        ]
    return found  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(
    copies=st.booleans(), training=st.booleans(), frozen=st.booleans(), latency=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]), hook=st.booleans(), fails=st.booleans(),
)  # fmt: skip
def test_nothing_stays_on_the_module(
    copies: bool, training: bool, frozen: bool, latency: bool, dtype: torch.dtype, hook: bool, fails: bool
) -> None:
    module = Restless(copies=copies).to(dtype).train(training)
    module.linear.weight.requires_grad_(not frozen)
    module.norm.train(not training)
    if hook:
        module.norm.register_forward_pre_hook(lambda *args: None)  # noqa: ARG005
    before = state_of(module)
    inputs = [torch.zeros(2, 5 if fails else 4, dtype=dtype)]
    try:
        analyze_model(
            module, inputs=inputs, latency=latency and copies, dtype=str(dtype).removeprefix("torch."), threads=1
        )
    except UsageError:
        assert fails
    assert state_of(module) == before


def test_the_list_of_reductions_is_torchs() -> None:
    """Versions of torch without the tag count as those with it."""
    tag = getattr(torch.Tag, "reduction", None)
    if tag is None:
        pytest.skip("this torch has no tag for reductions")
    names = {
        schema.name.partition("::")[2] for schema in torch._C._jit_get_all_schemas() if schema.name[:6] == "aten::"
    }
    packets = {name: getattr(torch.ops.aten, name, None) for name in names}
    tagged = {
        name
        for name, packet in packets.items()
        if packet is not None and any(tag in getattr(packet, each).tags for each in packet.overloads())
    }
    assert len(names) > 500
    assert {name for name in tagged if not name.endswith("_")} == REDUCTIONS
