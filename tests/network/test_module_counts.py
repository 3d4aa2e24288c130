"""Counts of any module, against formulas worked out by hand; nothing hidden, nothing left behind."""

import copy
import json
import random
import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.network.counting import counted_run
from plainnet.network.counting.module_counts import count_module
from plainnet.network.counting.operator_rules import OPERATION_COLUMNS
from plainnet.network.plain_net import PlainNet
from plainnet.network.published import find_published


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Tensor) -> Tensor:
        return self.function(*args)


def counted(module: nn.Module, *shape: int) -> dict[str, int]:
    found = count_module(module, shape)
    assert found.uncounted == {}
    assert found.notes == ()
    return {column: getattr(found, column) for column in OPERATION_COLUMNS if getattr(found, column)}


CASES = [
    (
        "conv",
        nn.Conv2d(4, 6, 3, padding=1),
        (2, 4, 5, 7),
        {"macs": 2 * 6 * 35 * 36, "activations": 420, "convolutions": 1, "bias_ops": 420},
    ),
    (
        "grouped",
        nn.Conv2d(4, 6, 3, 2, 1, groups=2, bias=False),
        (1, 4, 5, 7),
        {"macs": 6 * 12 * 18, "activations": 72, "convolutions": 1},
    ),
    (
        "dilated 1d",
        nn.Conv1d(4, 6, 3, dilation=2, bias=False),
        (1, 4, 10),
        {"macs": 6 * 6 * 12, "activations": 36, "convolutions": 1},
    ),
    (
        "3d",
        nn.Conv3d(2, 3, (1, 2, 3), bias=False),
        (1, 2, 4, 4, 4),
        {"macs": 3 * 24 * 12, "activations": 72, "convolutions": 1},
    ),
    # a transposed convolution: every input element meets out_channels / groups * kernel weights
    (
        "transposed",
        nn.ConvTranspose2d(4, 6, 3, 2, groups=2, bias=False),
        (1, 4, 5, 7),
        {"macs": 140 * 3 * 9, "activations": 6 * 11 * 15, "convolutions": 1},
    ),
    ("linear", nn.Linear(5, 3), (2, 5), {"macs": 30, "activations": 6, "bias_ops": 6}),
    ("linear of 3 axes", nn.Linear(5, 3), (2, 4, 5), {"macs": 120, "activations": 24, "bias_ops": 24}),
    ("batch norm", nn.BatchNorm2d(3), (2, 3, 4, 5), {"norm_ops": 240}),
    ("batch norm without statistics", nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 5), {"norm_ops": 600}),
    ("instance norm", nn.InstanceNorm2d(3), (2, 3, 4, 5), {"norm_ops": 600}),
    ("layer norm", nn.LayerNorm(5), (2, 3, 5), {"norm_ops": 150}),
    ("group norm", nn.GroupNorm(2, 4), (1, 4, 3, 3), {"norm_ops": 180}),
    ("max pool", nn.MaxPool2d(3, 2, 1), (1, 2, 7, 7), {"pool_ops": 2 * 16 * 9}),
    ("oblong pool", nn.AvgPool2d((1, 3)), (1, 2, 6, 6), {"pool_ops": 2 * 12 * 3}),
    ("max pool 1d", nn.MaxPool1d(2), (1, 2, 8), {"pool_ops": 16}),
    ("3d pool", nn.AvgPool3d(2), (1, 2, 4, 4, 4), {"pool_ops": 128}),
    # windows of 7 elements in 3: [0,3) [2,5) [4,7)
    ("adaptive pool", nn.AdaptiveAvgPool2d(3), (1, 2, 7, 7), {"pool_ops": 2 * 81}),
    ("global pool", nn.AdaptiveAvgPool2d(1), (1, 2, 7, 7), {"pool_ops": 98}),
    ("functional mean", Call(lambda x: x.mean([2, 3])), (1, 2, 7, 7), {"pool_ops": 98}),
    ("mean of features", Call(lambda x: x.mean(-1)), (2, 7), {"other_ops": 14}),
    (
        "activations",
        nn.Sequential(nn.ReLU(inplace=True), nn.GELU(), nn.Hardswish(), nn.PReLU(), nn.Softmax(1)),
        (2, 7),
        {"act_ops": 70},
    ),
    ("residual", Call(lambda x: x + x), (2, 7), {"add_ops": 14}),
    (
        "gate",
        Call(lambda x: x * x.mean([2, 3], keepdim=True).sigmoid()),
        (1, 2, 3, 3),
        {"pool_ops": 18, "act_ops": 2, "mul_ops": 18},
    ),
    ("matmul", Call(lambda x: x @ x.transpose(-1, -2)), (2, 3, 4, 5), {"macs": 6 * 16 * 5, "activations": 96}),
    ("einsum", Call(lambda x: torch.einsum("bij,bkj->bik", x, x)), (2, 4, 5), {"macs": 2 * 16 * 5, "activations": 32}),
    ("mv and dot", Call(lambda x: torch.dot(torch.mv(x, x[0]), x[0])), (5, 5), {"macs": 30, "activations": 6}),
    ("addbmm", Call(lambda x: torch.addbmm(x[0], x, x)), (2, 3, 3), {"macs": 54, "activations": 9, "bias_ops": 9}),
    (
        "functional conv",
        Call(lambda x: functional.conv2d(x, x[:, :, :3, :3])),
        (1, 2, 5, 5),
        {"macs": 9 * 18, "activations": 9, "convolutions": 1},
    ),
    (
        "moved data",
        Call(lambda x: torch.cat([x.permute(1, 0).contiguous().view(-1), functional.pad(x, (1, 1)).reshape(-1)])),
        (2, 7),
        {},
    ),
    ("bilinear", nn.Upsample(scale_factor=2, mode="bilinear"), (1, 1, 2, 2), {"mul_ops": 16 * 4, "add_ops": 16 * 3}),
    ("elementwise", Call(lambda x: x.exp()), (2, 7), {"other_ops": 14}),
    ("reduction", Call(lambda x: x.amax(1)), (2, 7), {"other_ops": 14}),
]


@pytest.mark.parametrize(("module", "shape", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_operators(module: nn.Module, shape: tuple[int, ...], expected: dict[str, int]) -> None:
    assert counted(module, *shape) == expected


@pytest.mark.parametrize(("module", "shape", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_operators_on_the_cpu(
    module: nn.Module, shape: tuple[int, ...], expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_run, "blank_module", lambda module: None)  # noqa: ARG005
    found = count_module(module, shape)
    assert {column: getattr(found, column) for column in OPERATION_COLUMNS if getattr(found, column)} == expected
    assert "ran on the CPU" in found.notes[0]


def test_resnet50_is_counted_as_published() -> None:
    found = count_module(PlainNet(find_published("resnet50").text), (1, 3, 224, 224))
    assert (found.macs, found.params, found.activations) == (4_089_184_256, 25_557_032, 11_113_984 + 1000)
    assert found.flops == 2 * found.macs
    assert found.output_shape == (1, 1000)
    assert found.size_bytes == 4 * 25_557_032 + 4 * 53_120 + 8 * 53
    assert found.buffers == 53_120 + 53
    assert json.loads(json.dumps(found.as_dict()))["macs"] == found.macs


def test_attention_counts_projections_and_both_products() -> None:
    batch, length, width = 2, 5, 8
    layer = nn.MultiheadAttention(width, 2, batch_first=True)
    found = count_module(layer, inputs=(torch.zeros(batch, length, width),) * 3)
    assert found.macs == batch * (4 * length * width * width + 2 * length * length * width)
    assert found.uncounted == {}


@pytest.mark.parametrize("on_cpu", [False, True])
def test_scaled_dot_product_attention(on_cpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if on_cpu:
        monkeypatch.setattr(counted_run, "blank_module", lambda module: None)  # noqa: ARG005
    inputs = (torch.zeros(2, 3, 5, 8), torch.zeros(2, 3, 7, 8), torch.zeros(2, 3, 7, 4))
    found = count_module(Call(functional.scaled_dot_product_attention), inputs=inputs)
    assert found.macs == 6 * 5 * 7 * (8 + 4)
    assert found.act_ops == 6 * 5 * 7
    assert found.uncounted == {}


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True}])
def test_lstm_is_the_same_on_both_ways(options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.LSTM(4, 5, **options)
    on_meta = counted(layer, 3, 2, 4)
    monkeypatch.setattr(counted_run, "blank_module", lambda module: None)  # noqa: ARG005
    on_cpu = count_module(layer, (3, 2, 4))
    assert {column: getattr(on_cpu, column) for column in on_meta} == on_meta
    if not options:
        assert on_meta["macs"] == 3 * 2 * 4 * 5 * (4 + 5)


def test_shared_parameters_count_once() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    second.bias.requires_grad_(False)
    found = count_module(nn.Sequential(first, second, first), (1, 4))
    assert (found.params, found.trainable_params, found.macs) == (24, 20, 48)


class TopK(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        values, places = (x + 1).topk(2)
        return values, {"places": places}


def test_what_cannot_be_counted_is_named() -> None:
    found = count_module(nn.Sequential(nn.Linear(4, 4), TopK()), (3, 4))
    assert found.uncounted == {"aten.topk": 1}
    assert "aten.topk" in found.notes[0]
    assert (found.macs, found.add_ops) == (48, 12)
    assert found.output_shape == ((3, 2), {"places": (3, 2)})


class DataDependent(nn.Module):
    """Cannot run without data, and changes a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return self.linear(x) if x.sum().item() >= 0 else x


def test_modules_that_need_data_run_on_the_cpu() -> None:
    module = DataDependent()
    found = count_module(module, (2, 4))
    assert found.macs == 32
    assert "ran on the CPU" in found.notes[0]
    assert ".item()" in found.notes[0]
    assert found.notes[1].startswith("it looks at values (aten._local_scalar_dense): with other values it may cost")
    assert module.seen == 0
    other = count_module(module, inputs=[-torch.ones(2, 4)])
    assert (other.macs, other.notes[1:]) == (0, found.notes[1:])


class Chosen(nn.Module):
    def __init__(self, choose: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.choose = choose

    def forward(self, x: Tensor) -> Tensor:
        return self.choose(x).sum()


@pytest.mark.parametrize(
    ("choose", "operator"),
    [
        (lambda x: x[x > 0], "aten.index"),
        (lambda x: x.masked_select(x > 0), "aten.masked_select"),
        (lambda x: x.repeat_interleave(torch.full((2,), 3, device=x.device), 0), "aten.repeat_interleave"),
        (lambda x: x[torch.tensor([1, 0], device=x.device)] + x.nonzero().sum(), "aten.nonzero"),
    ],
)
def test_what_is_chosen_by_values_is_told(choose: Callable[[Tensor], Tensor], operator: str) -> None:
    """Sizes that follow from values; numbers that only say where something is do not."""
    notes = count_module(Chosen(choose), (2, 4)).notes
    assert any(note.startswith(f"it looks at values ({operator}): with other values") for note in notes), notes


class Restless(nn.Module):
    """Changes itself, and draws random numbers, whenever it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.table = torch.ones(4)
        self.calls: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(1)
        self.table = self.table + torch.rand(4) + random.random()
        return self.drop(self.norm(x)) + self.table


@pytest.mark.parametrize("on_cpu", [False, True])
def test_the_module_is_left_as_found(on_cpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if on_cpu:
        monkeypatch.setattr(counted_run, "blank_module", lambda module: None)  # noqa: ARG005
    module = nn.Sequential(nn.Linear(4, 4), Restless())
    module[0].eval()
    module[0].register_forward_hook(lambda *args: None)  # noqa: ARG005
    before = copy.deepcopy(module)
    names, hooks = [name for name, _ in module.named_buffers()], len(module[0]._forward_hooks)
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    count_module(module, (2, 4))
    assert torch.equal(torch.rand(2), expected)
    assert torch.is_grad_enabled()
    assert [name for name, _ in module.named_buffers()] == names
    assert len(module[0]._forward_hooks) == hooks
    assert [part.training for part in module.modules()] == [part.training for part in before.modules()]
    assert module[1].calls == []
    assert torch.equal(module[1].table, torch.ones(4))
    assert vars(module[1]).keys() == vars(before[1]).keys()
    for key, value in module.state_dict().items():
        assert torch.equal(value, before.state_dict()[key])
        assert value.device.type == "cpu"


class NotCopied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.lock = nn.Linear(4, 4), threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def test_a_module_that_cannot_be_copied_is_counted_in_place() -> None:
    module = NotCopied()
    found = count_module(module, (2, 4))
    assert found.macs == 32
    assert "in place" in found.notes[0]
    assert module.training


def test_half_precision_and_integer_inputs() -> None:
    half = count_module(nn.Conv2d(3, 4, 3, bias=False).half(), (1, 3, 8, 8))
    assert (half.macs, half.size_bytes) == (36 * 4 * 27, 2 * 108)
    tokens = count_module(nn.Embedding(10, 4), inputs=(torch.zeros(2, 3, dtype=torch.long),))
    assert (tokens.macs, tokens.params, tokens.output_shape) == (0, 40, (2, 3, 4))


def test_a_module_that_does_not_run_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="does not run on an input of 1x4x8x8"):
        count_module(nn.Conv2d(3, 4, 3), (1, 4, 8, 8))


def test_a_shape_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="input_shape is"):
        count_module(nn.Conv2d(3, 4, 3), (1, 3, -8, 8))


def test_a_compiled_module_is_counted() -> None:
    compiled = torch.compile(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()), backend="eager")
    assert counted(compiled, 1, 3, 8, 8) == {"macs": 36 * 4 * 27, "activations": 144, "convolutions": 1, "act_ops": 144}
