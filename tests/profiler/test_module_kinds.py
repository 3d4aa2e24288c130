"""Kinds of modules with known figures: recurrent, sparse, quantised, attention, what is free; rules of one's own."""

from __future__ import annotations

import copy
import math
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

from plainnet import analyze_model
from plainnet.errors import RegistrationError, UsageError
from plainnet.profiler import module_counts
from plainnet.profiler.module_counts import ModuleCounts, _Counter, count_module
from plainnet.profiler.operator_rules import _OWN, _RULES, OPERATION_COLUMNS, OperatorRuleError, operator_rule


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def columns(found: ModuleCounts) -> dict[str, int]:
    return {column: getattr(found, column) for column in OPERATION_COLUMNS if getattr(found, column)}


@pytest.fixture(params=[False, True], ids=["meta", "cpu"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways of running a module: without data, and on the CPU."""
    if request.param:
        monkeypatch.setattr(module_counts, "blank_module", lambda module: None)  # noqa: ARG005
    return bool(request.param)


# ---- recurrent layers ----

RECURRENT: list[tuple[type[nn.RNNBase], dict[str, Any]]] = [
    (kind, options)
    for kind in (nn.LSTM, nn.GRU, nn.RNN)
    for options in (
        {},
        {"bias": False},
        {"num_layers": 3, "bidirectional": True},
        {"batch_first": True, "num_layers": 2, "dropout": 0.5},
        *(
            [{"proj_size": 2}, {"proj_size": 2, "bias": False, "num_layers": 2, "bidirectional": True}]
            * (kind is nn.LSTM)
        ),
        *([{"nonlinearity": "relu", "num_layers": 2}] * (kind is nn.RNN)),
    )
]


def taken_apart(layer: nn.Module, *inputs: Any) -> dict[str, int]:
    """What torch's own decomposition runs, step by step, without data."""
    counter = _Counter()
    with torch.no_grad(), counter:
        layer.eval()(*inputs)
    assert counter.uncounted == set()
    rows = counter.rows()
    return {column: total for column in OPERATION_COLUMNS if (total := sum(getattr(row, column) for row in rows))}


@pytest.mark.parametrize(("kind", "options"), RECURRENT, ids=[f"{k.__name__}-{'-'.join(o)}" for k, o in RECURRENT])
def test_a_recurrent_layer_costs_what_its_steps_cost(kind: Any, options: dict[str, Any], either_way: bool) -> None:
    layer = kind(4, 5, **options)
    found = count_module(layer, (3, 2, 4))
    expected = taken_apart(copy.deepcopy(layer).to("meta"), torch.empty(3, 2, 4, device="meta"))
    assert columns(found) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says which of its kernels it takes
        out, state = layer.eval()(torch.zeros(3, 2, 4))
    shapes = tuple(tuple(part.shape) for part in (state if isinstance(state, tuple) else (state,)))
    assert found.output_shape == (tuple(out.shape), shapes if isinstance(state, tuple) else shapes[0])
    assert sum(row.calls for row in found.operators if row.macs) == 1
    assert either_way == bool(found.notes)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_packed_batch_costs_its_steps_alone(kind: Any) -> None:
    lengths = [5, 3, 1]
    layer = kind(4, 6, num_layers=2, bidirectional=True)
    packed = pack_sequence([torch.zeros(length, 4) for length in lengths])
    found = count_module(layer, inputs=[packed])
    one_step = columns(count_module(layer, (1, 1, 4)))
    assert columns(found) == {column: 9 * count for column, count in one_step.items()}
    assert found.notes == ()

    class Packs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, words: Tensor) -> Any:
            return self.layer(pack_padded_sequence(words, torch.tensor(lengths), batch_first=True))

    inside = count_module(Packs(), (3, 5, 4))
    assert columns(inside) == columns(found)
    unsorted = pack_sequence([torch.zeros(length, 4) for length in (1, 5, 3)], enforce_sorted=False)
    assert isinstance(unsorted, PackedSequence)
    assert columns(count_module(layer, inputs=[unsorted])) == columns(found)


def test_steps_change_figures_and_not_the_work_of_counting() -> None:
    long = count_module(nn.LSTM(16, 32), (2000, 1, 16))
    assert long.macs == 2000 * 4 * 32 * (16 + 32)
    assert sum(row.calls for row in long.operators) == sum(
        row.calls for row in count_module(nn.LSTM(16, 32), (2, 1, 16)).operators
    )
    unbatched = count_module(nn.GRU(16, 32), (2000, 16))
    assert (unbatched.macs, unbatched.output_shape) == (2000 * 3 * 32 * 48, ((2000, 32), (1, 32)))
    cell = count_module(nn.LSTMCell(16, 32), (1, 16))
    assert 2000 * cell.macs == long.macs
    given = count_module(
        nn.LSTM(16, 32), inputs=[torch.zeros(4, 2, 16), (torch.zeros(1, 2, 32), torch.zeros(1, 2, 32))]
    )
    assert given.macs == 8 * 4 * 32 * 48


def test_a_recurrent_layer_that_torch_refuses_is_refused() -> None:
    with pytest.raises(UsageError, match=r"does not run on an input of 3x2x5: RuntimeError: input.size\(-1\)"):
        count_module(nn.LSTM(4, 6), (3, 2, 5))


def test_the_function_itself_is_counted_too() -> None:
    weights = [torch.zeros(24, 4), torch.zeros(24, 6)]

    def raw(x: Tensor, state: Tensor, *params: Tensor) -> Any:
        return torch.lstm(x, (state, state), params, False, 1, 0.0, False, False, False)

    assert count_module(Call(raw), inputs=[torch.zeros(3, 2, 4), torch.zeros(1, 2, 6), *weights]).macs == 6 * 24 * 10


# ---- products that torch's counter does not know ----


def sparse(*size: int, every: int = 3) -> Tensor:
    """A matrix with an element at every so many places."""
    numbers = torch.arange(math.prod(size)).view(size)
    return torch.where(numbers % every == 0, 1.0, 0.0)


class Sparse(nn.Module):
    """W x with a W of which few elements are stored."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.register_buffer("weight", getattr(sparse(6, 8), layout)())

    def forward(self, x: Tensor) -> Tensor:
        return self.weight @ x


@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr", "to_sparse_csc"])
def test_a_sparse_matrix_costs_what_it_stores(layout: str) -> None:
    found = count_module(Sparse(layout), (8, 5))
    assert (found.macs, found.activations, found.uncounted) == (16 * 5, 30, {})
    assert found.buffers == 16
    assert 16 * 4 < found.size_bytes <= 16 * 4 + 2 * 16 * 8
    assert found.notes[0].startswith("ran on the CPU")


SPARSE: list[tuple[str, Callable[..., Any], list[Tensor], int]] = [
    ("mm", torch.sparse.mm, [sparse(6, 8).to_sparse(), torch.zeros(8, 5)], 16 * 5),
    ("dense first", torch.mm, [torch.zeros(5, 6), sparse(6, 8).to_sparse()], 5 * 16),
    ("addmm", torch.sparse.addmm, [torch.zeros(6, 5), sparse(6, 8).to_sparse(), torch.zeros(8, 5)], 16 * 5),
    ("mv", torch.mv, [sparse(6, 8).to_sparse(), torch.zeros(8)], 16),
    ("bmm", torch.bmm, [sparse(2, 6, 8).to_sparse(), torch.zeros(2, 8, 5)], 32 * 5),
    ("hybrid", torch.sparse.mm, [torch.eye(4).to_sparse(), torch.zeros(4, 3)], 12),
    # 3 stored in each column of the one, 2 in each row of the other
    ("both", torch.sparse.mm, [torch.ones(3, 4).to_sparse(), torch.ones(4, 2).to_sparse()], 3 * 4 * 2),
    ("both, few", torch.sparse.mm, [torch.eye(4).to_sparse(), sparse(4, 6, every=2).to_sparse()], 12),
]


@pytest.mark.parametrize(("function", "inputs", "macs"), [c[1:] for c in SPARSE], ids=[c[0] for c in SPARSE])
def test_sparse_products(function: Callable[..., Any], inputs: list[Tensor], macs: int) -> None:
    found = count_module(Call(function), inputs=inputs)
    assert (found.macs, found.uncounted) == (macs, {})


KNOWN: list[tuple[str, nn.Module, list[Any], dict[str, int]]] = [
    # each of 4 x 3 x 5 weights meets each row once, and each row has 3 x 5 products of the two inputs
    (
        "bilinear",
        nn.Bilinear(3, 5, 4, bias=False),
        [torch.zeros(2, 3), torch.zeros(2, 5)],
        {"macs": 2 * 60, "activations": 8, "mul_ops": 30},
    ),
    (
        "conv_tbc",
        Call(torch.conv_tbc),
        [torch.zeros(7, 2, 3), torch.zeros(3, 3, 4), torch.zeros(4)],
        {"macs": 5 * 2 * 4 * 9, "activations": 40, "convolutions": 1, "bias_ops": 40},
    ),
    ("outer", Call(torch.addr), [torch.zeros(3, 4), torch.zeros(3), torch.zeros(4)], {"macs": 12, "activations": 12}),
    (
        "embedding bag",
        nn.EmbeddingBag(9, 4),
        [torch.zeros(2, 3, dtype=torch.long)],
        {"other_ops": 24},
    ),
    (
        "grid",
        Call(lambda x, grid: F.grid_sample(x, grid, align_corners=False)),
        [torch.zeros(1, 2, 5, 5), torch.zeros(1, 3, 3, 2)],
        {"other_ops": 18 * 7},
    ),
    ("affine grid", Call(lambda t: F.affine_grid(t, [1, 1, 3, 4], align_corners=False)), [torch.zeros(1, 2, 3)],
     {"macs": 12 * 2 * 3, "activations": 24}),
    ("index add", Call(lambda x, s: x.index_add(0, torch.zeros(3, dtype=torch.long, device=x.device), s)),
     [torch.zeros(2, 4), torch.zeros(3, 4)], {"other_ops": 12}),
    ("weight norm", nn.utils.parametrizations.weight_norm(nn.Linear(4, 5, bias=False)), [torch.zeros(2, 4)],
     {"macs": 40, "activations": 10, "other_ops": 60}),
    ("loss", Call(lambda x, y: F.cross_entropy(x, y)), [torch.zeros(3, 7), torch.zeros(3, dtype=torch.long)],
     {"act_ops": 21, "other_ops": 3}),
    ("fold", nn.Fold((4, 4), 2), [torch.zeros(1, 8, 9)], {"other_ops": 72}),
]  # fmt: skip


@pytest.mark.parametrize(("module", "inputs", "expected"), [c[1:] for c in KNOWN], ids=[c[0] for c in KNOWN])
def test_known_figures(module: nn.Module, inputs: list[Any], expected: dict[str, int], either_way: bool) -> None:
    found = count_module(module, inputs=inputs)
    assert (columns(found), found.uncounted) == (expected, {})
    assert either_way == bool(found.notes)


def test_flex_attention() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.nn.attention.flex_attention import flex_attention

        compiled = torch.compile(flex_attention)
    inputs = [torch.zeros(2, 3, 16, 8), torch.zeros(2, 3, 20, 8), torch.zeros(2, 3, 20, 4)]
    for function in (flex_attention, compiled):
        found = count_module(Call(function), inputs=inputs)
        assert found.macs == 6 * 16 * 20 * (8 + 4)
        assert found.act_ops == 6 * 16 * 20
        assert found.uncounted == {}
        assert found.output_shape == (2, 3, 16, 4)


# ---- quantised modules ----


@pytest.fixture
def eager_quantisation() -> Any:
    """torch's own quantisation, which torch says will move."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "x86" not in torch.backends.quantized.supported_engines:
            pytest.skip("this torch has no x86 engine")
        import torch.ao.quantization as quantisation

        yield quantisation


def test_dynamically_quantised_modules(eager_quantisation: Any) -> None:
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4, bias=False))
    small = eager_quantisation.quantize_dynamic(net, {nn.Linear})
    plain, found = count_module(net, (3, 6)), count_module(small, (3, 6))
    assert (found.macs, found.params, found.bias_ops, found.activations) == (
        plain.macs, plain.params, plain.bias_ops, plain.activations,
    )  # fmt: skip
    assert (plain.params, found.size_bytes, found.uncounted) == (30 + 5 + 20, 30 + 4 * 5 + 20, {})
    assert analyze_model(small, inputs=[torch.zeros(3, 6)], latency=False).weight_bytes == found.size_bytes


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_quantised_recurrent_layers(kind: Any, eager_quantisation: Any) -> None:
    net = nn.Sequential(kind(6, 5, num_layers=2, bidirectional=True))
    small = eager_quantisation.quantize_dynamic(net, {kind})
    plain, found = count_module(net, (7, 2, 6)), count_module(small, (7, 2, 6))
    assert (columns(found), found.params, found.uncounted) == (columns(plain), plain.params, {})
    biases = sum(p.numel() for name, p in net.named_parameters() if "bias" in name)
    assert found.size_bytes == plain.params - biases + 4 * biases


def test_statically_quantised_modules(eager_quantisation: Any) -> None:
    net = nn.Sequential(
        eager_quantisation.QuantStub(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 1), nn.Flatten(), nn.Linear(54, 2),
        eager_quantisation.DeQuantStub(),
    ).eval()  # fmt: skip
    plain = count_module(net, (1, 3, 5, 5))
    fused = eager_quantisation.fuse_modules(net, [["1", "2"]])
    fused.qconfig = eager_quantisation.get_default_qconfig("x86")
    prepared = eager_quantisation.prepare(fused)
    prepared(torch.rand(1, 3, 5, 5))
    found = count_module(eager_quantisation.convert(prepared), (1, 3, 5, 5))
    for column in ("macs", "params", "convolutions", "act_ops", "bias_ops", "activations"):
        assert getattr(found, column) == getattr(plain, column), column
    assert found.uncounted == {}
    weights = 108 + 24 + 108
    assert (
        found.size_bytes - weights - 4 * (4 + 6 + 2) == found.buffers * 4 + 4
    )  # a scale in float32, a zero point in int64


# ---- what is free ----

FREE: dict[str, Callable[[Tensor], Any]] = {
    "views in place": lambda x: x.clone().t_().unsqueeze_(0).squeeze_(0).transpose_(0, 1).swapaxes_(0, 1),
    "as_strided_": lambda x: x.clone().as_strided_((2, 2), (1, 1)),
    "copies of views": lambda x: [torch.t_copy(x), torch.expand_copy(x[:1], (3, 4)), torch.view_copy(x, (4, 3))],
    "profiler marks": lambda x: marked(x),
    "initialisation": lambda x: [
        x.clone().normal_(),
        x.clone().uniform_(),
        x.clone().bernoulli_(),
        x.clone().exponential_(),
        x.clone().zero_(),
        x.clone().fill_(2),
        nn.init.xavier_uniform_(torch.empty_like(x)),
        nn.init.kaiming_normal_(torch.empty_like(x)),
    ],
    "random tensors": lambda x: [torch.randn_like(x), torch.rand(3, device=x.device), torch.randint_like(x, 5)],
    "random order": lambda x: torch.randperm(5, device=x.device),
    "windows": lambda x: torch.hann_window(4, device=x.device),
    "triangles": lambda x: torch.tril_indices(3, 3, device=x.device),
    "scatters": lambda x: [torch.select_scatter(x, x[0], 0, 1), torch.diagonal_scatter(x, x.diagonal())],
    "index copy": lambda x: x.index_copy(0, torch.zeros(3, dtype=torch.long, device=x.device), x),
    "padding": lambda x: [F.pad(x[None], (1, 1), mode="replicate"), F.pad(x[None], (1, 1), mode="reflect")],
    "nearest": lambda x: F.interpolate(x[None], scale_factor=2, mode="nearest-exact"),
    "complex": lambda x: torch.view_as_real(torch.complex(x, x)),
    "rot90": lambda x: torch.rot90(x),
    "block_diag": lambda x: torch.block_diag(x, x),
    "diag_embed": lambda x: torch.diag_embed(x),
    "resize": lambda x: x.clone().resize_(2, 3),
    "detach": lambda x: x.clone().detach(),
    "asserts": lambda x: torch._assert_async(torch.ones((), dtype=torch.bool, device=x.device)),
}  # fmt: skip


def marked(x: Tensor) -> Tensor:
    with torch.autograd.profiler.record_function("a part"):
        return x.view(-1)


@pytest.mark.parametrize("function", FREE.values(), ids=FREE)
def test_what_moves_makes_or_looks_at_data_is_free(function: Callable[[Tensor], Any], either_way: bool) -> None:
    found = count_module(Call(function), (3, 4))
    assert (found.uncounted, columns(found)) == ({}, {})
    assert either_way == bool(found.notes), found.notes


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.clone().abs_(), {"other_ops": 12}),
        (lambda x: x.clone().add_(1).mul_(2), {"add_ops": 12, "mul_ops": 12}),
        (lambda x: x.clone().relu_(), {"act_ops": 12}),
        (lambda x: x.clone().clamp_(0, 1), {"act_ops": 12}),
        (lambda x: x.clone().eq_(1), {"other_ops": 12}),
        (lambda x: x.clone().floor_divide_(2), {"other_ops": 12}),
    ],
)
def test_in_place_costs_what_it_costs_elsewhere(function: Callable[[Tensor], Any], expected: dict[str, int]) -> None:
    found = count_module(Call(function), (3, 4))
    assert (columns(found), found.uncounted) == (expected, {})


# ---- torch's counter as the oracle ----

ORACLE: list[tuple[str, nn.Module, list[Tensor]]] = [
    ("mlp", nn.Sequential(nn.Linear(7, 5), nn.GELU(), nn.Linear(5, 3)), [torch.zeros(4, 7)]),
    ("convolutions", nn.Sequential(nn.Conv2d(3, 8, 3, 2, groups=1), nn.Conv2d(8, 8, 5, groups=8, dilation=2)),
     [torch.zeros(2, 3, 33, 29)]),
    ("transposed", nn.ConvTranspose2d(4, 6, 3, 2, output_padding=1), [torch.zeros(2, 4, 5, 7)]),
    ("transformer", nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2), [torch.zeros(2, 9, 16)]),
    ("decoder", nn.TransformerDecoderLayer(16, 2, 24, batch_first=True), [torch.zeros(2, 5, 16), torch.zeros(2, 9, 16)]),
    ("einsum", Call(lambda a, b: torch.einsum("bhid,bhjd->bhij", a, b)), [torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 6, 5)]),
    ("baddbmm", Call(torch.baddbmm), [torch.zeros(2, 3, 4), torch.zeros(2, 3, 5), torch.zeros(2, 5, 4)]),
]  # fmt: skip


@pytest.mark.parametrize(("module", "inputs"), [c[1:] for c in ORACLE], ids=[c[0] for c in ORACLE])
def test_torch_counts_the_same(module: nn.Module, inputs: list[Tensor], either_way: bool) -> None:
    counter = FlopCounterMode(display=False)
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.nn.attention.sdpa_kernel(
            torch.nn.attention.SDPBackend.MATH
        ):  # torch has no formula of the CPU's kernel
            with torch.no_grad(), counter:
                module.eval()(*inputs)
            found = count_module(module, inputs=inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    fused = count_module(module, inputs=inputs)
    assert (fused.macs, fused.act_ops) == (found.macs, found.act_ops)
    assert found.flops == counter.get_total_flops() > 0
    assert found.uncounted == {}
    assert either_way == bool(found.notes)


def test_scripted_and_traced_modules() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    plain = count_module(net, (1, 3, 4, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kinds = [torch.jit.script(net), torch.jit.trace(net, torch.zeros(1, 3, 4, 4)), torch.fx.symbolic_trace(net)]
    for kind in kinds:
        found = count_module(kind, (1, 3, 4, 4))
        assert (columns(found), found.params, found.size_bytes) == (columns(plain), plain.params, plain.size_bytes)


def test_what_vmap_splits_is_counted_whole() -> None:
    layer = nn.Linear(4, 5)
    assert count_module(Call(lambda x: torch.vmap(layer)(x)), (7, 4)).macs == 7 * 20


def test_counting_does_not_load_torchs_compiler() -> None:
    """torch wraps the methods of such classes in a function that imports its compiler when it is first called."""
    assert not hasattr(_Counter.__torch_dispatch__, "__wrapped__")


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
    with pytest.raises(RegistrationError, match=r"plainnet_tests.attend has a rule by .*attend of .*test_module_kinds"):
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
