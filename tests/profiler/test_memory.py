"""Memory, against what torch's own profiler saw allocated in a run with data, and that nothing stays on the module."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import plainnet
from plainnet import PlainNet
from plainnet.errors import UsageError
from plainnet.profiler.fused_memory import FUSED
from plainnet.profiler.memory import measure_memory


class Words(nn.Module):
    """Embedding, attention, and a mask that is given by name."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)

    def forward(self, words: Tensor, *, mask: Tensor) -> Tensor:
        out: Tensor = self.encoder(self.embedding(words), src_key_padding_mask=mask)
        return out


class Shared(nn.Module):
    """One layer twice, a branch that is kept, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        kept = self.conv(x)
        return {"deep": self.conv(kept).relu().exp(), "shallow": kept.mean((2, 3))}


class Deciding(nn.Module):
    """What it does depends on the contents, so it does not run without them."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) if x.sum().item() > 1e9 else self.linear(x).relu()
        return out


def plain(structure: str) -> PlainNet:
    return PlainNet(structure, num_classes=10, init="default")


class Attending(nn.Module):
    """Attention of an input with itself, which torch runs as one operator."""

    def __init__(self, *, weights: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.weights = weights

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        found, shares = self.attention(x, x, x, need_weights=self.weights, key_padding_mask=mask)
        out: Tensor = found + shares.sum() if self.weights else found
        return out


def encoder(**how: Any) -> Any:
    return lambda: nn.TransformerEncoderLayer(32, 4, dropout=0.0, batch_first=True, **{"dim_feedforward": 64, **how})


IMAGE = (4, 3, 64, 64)
WORDS = {"input_shape": (2, 100, 32)}
PADDED = {"inputs": [torch.zeros(2, 100, 32), torch.zeros(2, 100, dtype=torch.bool)]}
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "residual": (lambda: plain("SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,32,2,32,2)"), {"input_shape": IMAGE}),
    "depthwise": (lambda: plain("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,16,2,16,2)"), {"input_shape": IMAGE}),
    "gates": (lambda: plain("SuperConvK3BNRELU(3,8,2,1)SuperResK1DWSEK1(8,16,3,2,24,2)"), {"input_shape": IMAGE}),
    "perceptron": (lambda: nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 8)), {"input_shape": (32, 64)}),
    "pooling": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.AvgPool2d(2), nn.Flatten()), {"input_shape": IMAGE}),
    "shared": (Shared, {"input_shape": IMAGE}),
    "attention": (
        Words,
        {"inputs": [torch.zeros(2, 30, dtype=torch.int64)], "kwargs": {"mask": torch.zeros(2, 30, dtype=torch.bool)}},
    ),
    "an encoder of long texts": (encoder(), WORDS),
    "of short ones": (encoder(activation="gelu"), {"input_shape": (2, 10, 32)}),
    "with norms first": (encoder(norm_first=True), WORDS),
    "with a wide hidden layer": (encoder(dim_feedforward=2048), WORDS),
    "with a mask of pairs": (encoder(), {"inputs": [torch.zeros(2, 100, 32), torch.zeros(100, 100)]}),
    "attention alone": (lambda: Attending(weights=False), WORDS),
    "attention whose weights are put out": (lambda: Attending(weights=True), WORDS),
    "padded attention": (lambda: Attending(weights=False), PADDED),
}


def arguments(given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    if "input_shape" in given:
        return [torch.randn(given["input_shape"])], {}
    return given["inputs"], given.get("kwargs", {})


def tensors(value: Any) -> list[Tensor]:
    parts = value.values() if isinstance(value, dict) else [value]
    return [part for part in parts if isinstance(part, Tensor)]


def allocated(module: nn.Module, given: dict[str, Any], *, training: bool) -> int:
    """The most bytes that torch's profiler saw allocated between two operators, with the inputs: what operators give back before
    they end is theirs. Fused attention is the operators that it is made of."""
    args, kwargs = arguments(given)
    module.train(training)
    with (
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found,
        torch.set_grad_enabled(training),
    ):
        out = module(*args, **kwargs)
        if training:
            sum((part.sum() for part in tensors(out)), torch.zeros(())).backward()
        del out
    events = sorted(found.profiler.kineto_results.events(), key=lambda event: (event.start_ns(), -event.end_ns()))
    names = {str(func.name()) for func in FUSED}
    now = peak = sum(value.nbytes for value in [*args, *kwargs.values()])
    ends, changes = [], []
    until = 0
    for event in events:
        if event.name() == "[memory]":
            changes.append((event.start_ns(), event.nbytes()))
        elif event.name().startswith("aten::") and event.name() not in names and event.start_ns() >= until:
            until = event.end_ns()
            ends.append((until, None))
    for _, change in sorted([*changes, *ends], key=lambda each: (each[0], each[1] is None)):
        if change is None:
            peak = max(peak, now)
        else:
            now += change
    return peak


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_peaks_are_what_torch_allocates_within_two_percent(name: str) -> None:
    make, given = CASES[name]
    module = make()
    found = measure_memory(module, **given)
    assert not found.notes
    inference = allocated(copy.deepcopy(module), given, training=False)
    assert found.activation_peak_bytes == pytest.approx(inference, rel=0.02)
    assert found.training_peak_bytes is not None
    in_training = found.training_peak_bytes - found.weight_bytes - found.buffer_bytes
    assert in_training == pytest.approx(allocated(copy.deepcopy(module), given, training=True), rel=0.02)


@pytest.mark.parametrize("name", CASES)
def test_what_is_saved_for_backward_is_what_autograd_saves(name: str) -> None:
    """Without contents and with them the same storages are packed."""
    make, given = CASES[name]
    module = make().train()
    found = measure_memory(module, **given)
    weights = {value.untyped_storage().data_ptr() for value in [*module.parameters(), *module.buffers()]}
    saved: dict[int, int] = {}
    kept = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        kept.append(tensor.detach())
        return tensor

    args, kwargs = arguments(given)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        torch.stack([part.sum() for part in tensors(module(*args, **kwargs))]).sum()
    assert found.saved_bytes == pytest.approx(sum(saved.values()), rel=0.02)
    gradients = sum(parameter.nbytes for parameter in module.parameters())
    assert (found.weight_bytes, found.gradient_bytes) == (gradients, gradients)
    assert found.optimizer_bytes == {"sgd": 0, "sgd_momentum": gradients, "adam": 2 * gradients}


def test_a_longer_branch_keeps_its_input_alive() -> None:
    """By hand: x (1000), y = f(x) (1000), z = f(y) with x, y and z alive; then only x and z."""

    class Kept(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x + 1).exp() + x

    found = measure_memory(Kept(), (1, 250))
    assert found.activation_peak_bytes == 3 * 1000
    assert (found.saved_bytes, found.training_peak_bytes, found.gradient_bytes, found.optimizer_bytes) == (None,) * 4


def test_what_does_not_run_without_data_runs_on_a_copy_and_says_so() -> None:
    module = Deciding()
    found = measure_memory(module, (8, 4))
    assert "with data" in found.notes[0]
    assert found.saved_bytes is not None
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_an_operator_of_which_nobody_knows_what_it_holds_is_named() -> None:
    """Texts of several lengths are nested tensors in torch's encoder."""
    padding = torch.arange(20).repeat(2, 1) >= torch.tensor([[20], [12]])
    module = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)
    found = measure_memory(module, inputs=[torch.zeros(2, 20, 32)], kwargs={"src_key_padding_mask": padding})
    assert any("_transformer_encoder_layer_fwd" in note and "not counted" in note for note in found.notes)


def test_frozen_weights_have_no_gradients() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
    net[0].requires_grad_(False)
    found = measure_memory(net, (2, 8))
    assert found.gradient_bytes == net[1].weight.nbytes + net[1].bias.nbytes
    net.requires_grad_(False)
    assert measure_memory(net, (2, 8)).gradient_bytes is None


def test_a_module_that_does_not_run_is_named() -> None:
    with pytest.raises(UsageError, match="does not run on an input of 2x9"):
        measure_memory(nn.Linear(8, 4), (2, 9))


@pytest.mark.parametrize(
    "make", [Deciding, Shared, lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())]
)
def test_nothing_stays_on_the_module(make: Any) -> None:
    """Values, gradients, mode, hooks, attributes, generators and the grad mode are as they were."""
    module = make().train()
    module(torch.randn(IMAGE) if isinstance(module, Shared) else torch.randn(8, 4))
    parts = list(module.modules())
    before = [(dict(vars(part)), part.training, len(part._forward_hooks)) for part in parts]
    state, generator = copy.deepcopy(module.state_dict()), torch.random.get_rng_state()
    measure_memory(module, IMAGE if isinstance(module, Shared) else (8, 4))
    assert [(vars(part).keys(), part.training, len(part._forward_hooks)) for part in parts] == [
        (names.keys(), training, hooks) for names, training, hooks in before
    ]
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert torch.is_grad_enabled()


def test_memory_is_in_the_record_and_follows_the_type() -> None:
    structure = "SuperConvK3BNRELU(3,8,2,1)"
    single, half = (
        plainnet.analyze_model(
            structure, resolution=16, num_classes=10, batch=2, latency=False, zen=False, memory=True, dtype=dtype
        )
        for dtype in ("float32", "bfloat16")
    )
    assert single.memory is not None
    assert half.memory is not None
    assert single.memory["weight_bytes"] == single.weight_bytes == 2 * half.memory["weight_bytes"]
    assert single.memory["activation_peak_bytes"] == 2 * half.memory["activation_peak_bytes"]
    text = " ".join(str(single).split())
    assert "saved for backward" in text
    module = plainnet.analyze_model(nn.Linear(4, 2), inputs=[torch.zeros(3, 4)], latency=False, memory=True)
    assert module.memory is not None
    assert module.memory["gradient_bytes"] == 4 * 10


@pytest.mark.parametrize("layers", [1, 2])
def test_what_an_lstm_keeps_for_its_backward_pass_is_measured(layers: int) -> None:
    """Without contents torch says that it keeps nothing."""

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(64, 96, layers, batch_first=True)

        def forward(self, words: Tensor) -> Tensor:
            out: Tensor = self.lstm(words)[0]
            return out

    given = {"input_shape": (8, 40, 64)}
    found = measure_memory(Words(), **given)
    assert found.training_peak_bytes is not None
    in_training = found.training_peak_bytes - found.weight_bytes - found.buffer_bytes
    assert in_training == pytest.approx(allocated(Words(), given, training=True), rel=0.02)
    assert "what an LSTM keeps for its backward pass is known when it runs" in found.notes[0]
    assert measure_memory(Words(), **given, training=False).notes == ()
