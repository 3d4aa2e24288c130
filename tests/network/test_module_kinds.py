"""Kinds of modules with known figures: sparse, quantised, attention and others, and what is free."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from plainnet import UsageError, analyze_model
from plainnet.network.counting.counted_run import OperatorCounter
from plainnet.network.counting.module_counts import count_module
from tests.network.counted import Call, columns

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
    if not hasattr(TorchDispatchMode, "supports_higher_order_operators"):  # torch 2.6: docs/reliability.md
        with pytest.raises(UsageError, match="flex_attention"):
            count_module(Call(flex_attention), inputs=inputs)
        return
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
    assert not hasattr(OperatorCounter.__torch_dispatch__, "__wrapped__")


# ---- what torch fuses, and what compiled modules are ----


def encoder_layer() -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()


def test_a_fused_encoder_layer_has_the_products_of_its_parts() -> None:
    """TorchScript runs the kernel that hides them; everywhere else it is told not to."""
    words = torch.zeros(2, 5, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fused = count_module(torch.jit.script(encoder_layer()), inputs=[words])
    plain = count_module(encoder_layer(), inputs=[words])
    assert "aten._transformer_encoder_layer_fwd" in {row.operator for row in fused.operators}
    for column in ("macs", "activations", "norm_ops", "act_ops"):
        assert getattr(fused, column) == getattr(plain, column), column
    # torch adds the bias of a linear layer by itself where its input has gaps
    assert fused.bias_ops + fused.add_ops == plain.bias_ops + plain.add_ops
    assert fused.uncounted == {}


def test_fused_attention_has_the_products_of_its_parts() -> None:
    layer, words = encoder_layer().self_attn, torch.zeros(2, 5, 16)

    def attend(x: Tensor) -> Any:
        into, outof = (layer.in_proj_weight, layer.in_proj_bias), (layer.out_proj.weight, layer.out_proj.bias)
        return torch._native_multi_head_attention(x, x, x, 16, 4, *into, *outof)

    found = count_module(Call(attend), inputs=[words])
    plain = count_module(Call(lambda x: layer(x, x, x, need_weights=False)), inputs=[words])
    assert (found.macs, found.bias_ops, found.uncounted) == (plain.macs, plain.bias_ops + plain.add_ops, {})


@pytest.mark.parametrize(
    ("one", "other", "offsets", "macs"),
    [
        ((8, 16), (2, 16, 24), [3, 8], 8 * 16 * 24),
        ((2, 8, 16), (2, 16, 24), None, 2 * 8 * 16 * 24),
        ((8, 16), (16, 24), [8, 16], 8 * 16 * 24),
        ((2, 8, 16), (16, 24), [8, 24], 8 * 16 * 24),
    ],
)
def test_products_of_groups(one: Any, other: Any, offsets: Any, macs: int) -> None:
    left, right = torch.zeros(one, dtype=torch.bfloat16), torch.zeros(other, dtype=torch.bfloat16)
    right = right.mT.contiguous().mT
    ends = None if offsets is None else torch.tensor(offsets, dtype=torch.int32)
    found = count_module(Call(torch._grouped_mm), inputs=[left, right], kwargs={} if ends is None else {"offs": ends})
    assert (found.macs, found.uncounted) == (macs, {})


@pytest.mark.parametrize("freeze", [False, True])
def test_compiled_modules_are_counted_as_what_they_came_from(*, freeze: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(nn.Sequential(nn.Linear(6, 9), nn.ReLU()).eval(), torch.zeros(5, 6))
        found = count_module(torch.jit.freeze(traced) if freeze else traced, (5, 6))
    assert (found.macs, found.act_ops, found.uncounted) == (5 * 54, 45, {})


def test_sequences_of_several_lengths() -> None:
    linear = nn.Linear(6, 6)

    def call(x: Tensor) -> Tensor:
        parts = torch.nested.nested_tensor([x[:3], x[3:]], layout=torch.jagged)
        return linear(parts).values()

    found = count_module(Call(call), (8, 6))
    assert (found.macs, found.uncounted) == (8 * 36, {})
