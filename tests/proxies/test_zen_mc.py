"""The Monte-Carlo Zen-score: its definition by a slow twin, the published values, its seeds and its errors."""

from __future__ import annotations

import math
import subprocess
import sys
from statistics import fmean, stdev
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plainnet.blocks.rows.layers import Conv
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.rows.walk import Row
from plainnet.blocks.structure import parse
from plainnet.errors import StructureError, UsageError
from plainnet.network.plain_net import PlainNet
from plainnet.network.published import find_published
from plainnet.proxies.sampled import random_network
from plainnet.proxies.sampled.random_network import RandomNetwork, feature_rows
from plainnet.proxies.sampled.thin_layers import draw_outputs, is_thin
from plainnet.proxies.sampled.zen_mc import run_scores, zen_mc
from plainnet.proxies.seeds import derived_seed
from plainnet.testing.zen_twin import slow_zen

CIFAR_START = (
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,32,2,16,1)SuperResK3K3(32,64,2,32,1)"
    "SuperResK3K3(64,64,2,32,1)SuperConvK1BNRELU(64,128,1,1)"
)
EVERYTHING = (
    "SuperConvK3BNRELU(3,8,1,1)MaxPool(8,3,2)SuperResIDWE2K3(8,16,2,8,1)AvgPool(16,3,1)SE(16)"
    "MultiSumBlock(SuperConvK3BNRELU(16,16,1,1);ConvDW(16,3,1))MultiCatBlock(SuperConvK1BNRELU(16,8,1,1);ConvKX(16,8,3,1)BN(8)Swish(8))"
    "Dropout(16,0.5)SuperResK1KX(16,24,3,2,8,1)AdaptiveAvgPool(24,1)Flatten(24)Linear(24,5,1)"
)


class Recorder:
    """Keeps the weights that are drawn, in the order of the rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.weights: list[Tensor] = []
        self.noise: list[Tensor] = []
        draw, run = RandomNetwork._draw, RandomNetwork.run

        def record(runner: RandomNetwork, row: object, weights: Tensor) -> Tensor:
            found = draw(runner, row, weights)
            self.weights.append(found.clone())
            return found

        def record_run(runner: RandomNetwork, x: Tensor) -> Tensor:
            runner.draws_outputs = False
            self.noise = list(x.clone().chunk(2))
            return run(runner, x)

        monkeypatch.setattr(RandomNetwork, "_draw", record)
        monkeypatch.setattr(RandomNetwork, "run", record_run)


def score_of_module(module: nn.Module, x: Tensor, y: Tensor, variant: str) -> float:
    """The definition, with a module, its own batch norms and loops."""
    logs: list[float] = []
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]

    def see(part: nn.Module, inputs: tuple[Tensor]) -> None:  # noqa: ARG001
        logs.append(0.5 * math.log(float(inputs[0].transpose(0, 1).flatten(1).var(1).mean())))

    module.double().train()
    with torch.no_grad():
        hooks = [part.register_forward_pre_hook(see) for part in norms]
        first = module(x.double())
        for hook in hooks:
            hook.remove()
        second = module(y.double())
    if variant == "zennas":
        logs = [0.5 * math.log(float(part.running_var.mean())) for part in norms]
    return math.log(float((first - second).abs().sum()) / len(x)) + sum(logs)


def pour(weights: list[Tensor], module: nn.Module) -> None:
    """The recorded weights in a module, channels last as they were drawn."""
    layers = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    assert len(layers) == len(weights)
    for layer, weight in zip(layers, weights, strict=True):
        shape = layer.weight.shape
        if layer.weight.dim() == 4:
            weight = weight.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)
        layer.weight.data = weight.reshape(shape).double()
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


@pytest.mark.parametrize("variant", ["paper", "zennas"])
@pytest.mark.parametrize("keep_residual", [False, True])
def test_equal_to_a_module_with_the_same_weights(
    monkeypatch: pytest.MonkeyPatch, variant: str, keep_residual: bool
) -> None:
    structure = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,2)SuperResIDWE2K5(16,24,2,16,1)SE(24)MaxPool(24,3,2)"
    recorder = Recorder(monkeypatch)
    value = zen_mc(structure, resolution=19, batch=4, repeats=1, variant=variant, keep_residual=keep_residual).mean
    net = PlainNet(structure, num_classes=None, no_reslink=not keep_residual, init="gaussian")
    pour(recorder.weights, net)
    x, y = recorder.noise
    assert value == pytest.approx(score_of_module(net.blocks, x, y, variant), abs=1e-3)


def test_every_kind_of_layer_runs_as_in_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    value = zen_mc(EVERYTHING, resolution=21, batch=3, repeats=1, keep_residual=True).mean
    cut = EVERYTHING[: EVERYTHING.index("AdaptiveAvgPool")].replace("Dropout(16,0.5)", "")
    net = PlainNet(cut, num_classes=None, init="gaussian")
    pour(recorder.weights, net)
    x, y = recorder.noise
    assert value == pytest.approx(score_of_module(net.blocks, x, y, "paper"), abs=1e-3)


@pytest.mark.parametrize("variant", ["paper", "zennas"])
def test_the_same_distribution_as_the_straightforward_way(variant: str) -> None:
    """Mean and spread of 60 scores each: the means within 4 standard errors, the spreads within a factor of 1.5."""
    structure, number = parse("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,12,2,8,1)SuperResK1K3K1(12,16,2,8,1)"), 60
    fast = zen_mc(structure, resolution=12, batch=4, repeats=number, variant=variant).values
    slow = [slow_zen(structure, resolution=12, batch=4, seed=seed, variant=variant) for seed in range(number)]
    error = math.hypot(stdev(fast), stdev(slow)) / math.sqrt(number)
    assert fmean(fast) == pytest.approx(fmean(slow), abs=4 * error)
    assert 1 / 1.5 < stdev(fast) / stdev(slow) < 1.5


@pytest.mark.parametrize(
    ("name", "resolution", "batch", "repeats", "paper", "zennas"),
    [
        ("zennet_imagenet1k_flops400M_res224", 64, 8, 8, (130.15, 0.12), (79.93, 0.09)),
        (CIFAR_START, 32, 16, 16, (23.23, 0.07), (15.42, 0.06)),
        pytest.param(
            "zennet_cifar_model_size1M_res32", 32, 16, 16, (195.94, 1.08), (122.37, 0.95), marks=pytest.mark.slow
        ),
        pytest.param(
            "zennet_imagenet1k_latency12ms_res224", 64, 8, 4, (487.53, 0.29), (349.21, 0.28), marks=pytest.mark.slow
        ),
    ],
)
def test_published_monte_carlo_values(
    name: str, resolution: int, batch: int, repeats: int, paper: tuple[float, float], zennas: tuple[float, float]
) -> None:
    """Within 3 standard errors (of ours, and of a published mean of 8 repeats at least)."""
    structure = parse(name) if "(" in name else find_published(name).structure
    for variant, (mean, spread) in (("paper", paper), ("zennas", zennas)):
        found = zen_mc(structure, resolution=resolution, batch=batch, repeats=repeats, variant=variant)
        assert found.mean == pytest.approx(mean, abs=3 * spread * math.sqrt(1 / repeats + 1 / 8))
        assert spread / 3 < stdev(found.values) < 3 * spread


@pytest.mark.slow
@pytest.mark.parametrize(("name", "paper"), [("resnet18", 59.53), ("resnet34", 112.32), ("resnet50", 140.3)])
def test_the_papers_table_of_resnets(name: str, paper: float) -> None:
    """Table 5 (plain networks, R 224, B 16), within 0.15 %."""
    found = zen_mc(find_published(name).structure, resolution=224, batch=16, repeats=1, norm_eps=1e-5)
    assert found.mean == pytest.approx(paper, rel=0.0015)


def test_a_value_that_is_used_again_is_not_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout, left out here, hands on the very tensor that the other branch reads."""
    recorder = Recorder(monkeypatch)
    structure = "ConvKX(3,8,3,1)BN(8)MultiSumBlock(Dropout(8,0.5)RELU(8);ConvKX(8,8,3,1))BN(8)"
    value = zen_mc(structure, resolution=9, batch=4, repeats=1, keep_residual=True).mean
    net = PlainNet(structure.replace("0.5", "0"), num_classes=None, init="gaussian")
    pour(recorder.weights, net)
    x, y = recorder.noise
    assert value == pytest.approx(score_of_module(net.blocks, x, y, "paper"), abs=1e-3)


@pytest.mark.parametrize("variant", ["paper", "zennas"])
@pytest.mark.parametrize("keep_residual", [False, True])
def test_repeats_at_once_are_the_repeats_one_by_one(
    monkeypatch: pytest.MonkeyPatch, variant: str, keep_residual: bool
) -> None:
    """As accelerators run them; without drawn outputs, which are for one network at a time."""
    structure = parse(EVERYTHING)
    rows = feature_rows(structure.rows(Shape(3, 21, 21), variant=Variant(no_reslink=not keep_residual), expand=True))
    seeds = [derived_seed(0, structure.hash, k) for k in range(4)]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    runner = RandomNetwork(rows, 1e-3, generators, torch.device("cpu"), draws_outputs=False)
    at_once = run_scores(runner, (3, 3, 21, 21), 0.01, variant)
    monkeypatch.setattr(random_network, "is_thin", lambda *_: False)
    settings = {"resolution": 21, "batch": 3, "variant": variant, "keep_residual": keep_residual}
    assert at_once == pytest.approx(zen_mc(structure, repeats=4, **settings).values, abs=1e-3)


def conv_row(text: str, channels: int, size: int) -> tuple[Row, Conv]:
    (row,) = parse(text).rows(Shape(channels, size, size))
    assert isinstance(row.layer, Conv)
    return row, row.layer


@pytest.mark.parametrize("text", ["ConvKX(16,3000,3,1)", "ConvKX(16,3000,3,2)", "ConvKX(16,3000,1,2)"])
def test_drawn_outputs_have_the_distribution_of_drawn_weights(text: str) -> None:
    """Each output channel is a Gaussian vector over positions with the covariance of the patches; 3000 channels are samples
    of it, so an entry's standard error is at most (2 / 3000)^(1/2) of the variances.
    """
    row, layer = conv_row(text, 16, 4)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, 4, 4, generator=generator)
    x = torch.cat([x, x + 0.01 * torch.randn(x.shape, generator=generator)])
    out = draw_outputs(row, layer, x, 2, generator)
    assert out.shape == (4, 3000, *row.out_shape[1:])
    first, second = out.double().chunk(2)
    weights = torch.randn(3000, 16, layer.kernel_size, layer.kernel_size, generator=generator)
    reference = functional.conv2d(x, weights, stride=layer.stride, padding=layer.padding).double()
    patches = functional.unfold(x.double(), layer.kernel_size, padding=layer.padding, stride=layer.stride)
    a, b = patches.transpose(1, 2).chunk(2)
    for drawn in (first, second - first):
        rows = drawn.permute(0, 2, 3, 1).reshape(-1, 3000)
        exact = (a if drawn is first else b - a).reshape(len(rows), -1)
        exact = exact @ exact.T
        scale = exact.diagonal().sqrt()
        error = (rows @ rows.T / 3000 - exact) / scale / scale[:, None]
        assert float(error.abs().max()) < 6 * math.sqrt(2 / 3000)
        assert float((rows.mean(1) / scale).abs().max()) < 6 / math.sqrt(3000)
    assert float(out.std()) == pytest.approx(float(reference.std()), rel=0.02)


def test_where_positions_depend_on_each_other_weights_are_drawn() -> None:
    row, layer = conv_row("ConvKX(16,64,3,1)", 16, 2)
    assert draw_outputs(row, layer, torch.zeros(4, 16, 2, 2), 2, torch.Generator().manual_seed(0)) is None


def test_thin_layers_are_those_with_few_positions() -> None:
    for text, size, images, thin in (
        ("ConvKX(512,512,3,1)", 2, 16, True),
        ("ConvKX(512,512,3,1)", 32, 16, False),
        ("ConvKX(16,16,1,1)", 4, 16, False),
        ("ConvDW(512,3,1)", 2, 16, False),
    ):
        row, layer = conv_row(text, 512 if "512" in text else 16, size)
        assert is_thin(row, layer, images) == thin


@pytest.mark.parametrize("variant", ["paper", "zennas"])
def test_thin_layers_leave_the_distribution_of_scores_alone(monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    structure, number = parse("SuperConvK3BNRELU(3,48,2,1)SuperResK3K3(48,64,2,48,2)SuperConvK1BNRELU(64,256,1,1)"), 60
    settings = {"resolution": 8, "batch": 4, "repeats": number, "variant": variant}
    drawn: list[bool] = []

    def counted(*arguments: Any) -> Tensor | None:
        found = draw_outputs(*arguments)
        drawn.append(found is not None)
        return found

    monkeypatch.setattr(random_network, "draw_outputs", counted)
    thin = zen_mc(structure, **settings)
    assert sum(drawn) >= 4 * number
    slow = [slow_zen(structure, resolution=8, batch=4, seed=seed, variant=variant) for seed in range(number)]
    error = math.hypot(stdev(thin.values), stdev(slow)) / math.sqrt(number)
    assert thin.mean == pytest.approx(fmean(slow), abs=4 * error)
    assert 1 / 1.5 < stdev(thin.values) / stdev(slow) < 1.5


def test_without_batch_norm_the_score_is_the_same_thing() -> None:
    """What a batch norm divides by is added back, so a network without them has about the score of one with them."""
    chain = "SuperConvK3BNRELU(3,64,1,1)SuperConvK3BNRELU(64,64,2,3)"
    with_norms = zen_mc(chain, resolution=16, batch=8, repeats=8)
    without = zen_mc(chain, resolution=16, batch=8, repeats=8, network=Variant(no_bn=True))
    assert without.mean == pytest.approx(with_norms.mean, rel=0.05)


def test_seeds() -> None:
    found = zen_mc(CIFAR_START, resolution=16, batch=4, repeats=3, seed=5)
    assert len(set(found.values)) == 3
    assert zen_mc(CIFAR_START, resolution=16, batch=4, repeats=2, seed=5).values == found.values[:2]
    assert zen_mc(CIFAR_START, resolution=16, batch=4, repeats=3, seed=6).values != found.values
    code = (
        "import torch; torch.set_num_threads(1); from plainnet.proxies.sampled.zen_mc import zen_mc;"
        f"print(repr(zen_mc({CIFAR_START!r}, resolution=16, batch=4, repeats=3, seed=5).values))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == repr(found.values)


def test_global_generators_are_not_touched() -> None:
    before = torch.get_rng_state()
    zen_mc(CIFAR_START, resolution=8, batch=2, repeats=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_record() -> None:
    found = zen_mc(CIFAR_START, resolution=(16, 12), batch=4, repeats=5)
    assert found.repeats == 5
    assert found.mean == pytest.approx(fmean(found.values))
    assert found.stderr == pytest.approx(stdev(found.values) / math.sqrt(5))
    low, high = found.ci95
    # the 97.5 % quantile of Student's t with 4 degrees of freedom
    assert (high - low) / 2 == pytest.approx(2.776445 * found.stderr, rel=1e-5)
    record = found.as_dict()
    assert (record["resolution"], record["batch"], record["variant"]) == ((16, 12), 4, "paper")
    one = zen_mc(CIFAR_START, resolution=8, batch=2, repeats=1)
    assert (one.stderr, one.ci95) == (None, None)


def test_infinity_is_reported_as_such() -> None:
    """Three hundred layers without batch norm leave the range of float64."""
    deep = "SuperConvK3BNRELU(3,64,1,300)"
    found = zen_mc(deep, resolution=4, batch=2, repeats=1, network=Variant(no_bn=True))
    assert not math.isfinite(found.mean)
    assert found.as_dict()["mean"] in ("inf", "nan")


@pytest.mark.parametrize(
    ("structure", "options", "message"),
    [
        (CIFAR_START, {"variant": "zenas"}, "did you mean zennas"),
        (CIFAR_START, {"batch": 0}, "batch is 0"),
        (CIFAR_START, {"repeats": 0}, "repeats is 0"),
        (CIFAR_START, {"gamma": 0.0}, "gamma is 0"),
        (CIFAR_START, {"batch": 1, "resolution": 4}, "sees one value for each channel"),
        (CIFAR_START, {"variant": "zennas", "network": Variant(no_bn=True)}, "has no batch norm"),
        (CIFAR_START, {"device": "warp"}, "device 'warp' cannot be used"),
        ("AdaptiveAvgPool(3,1)Flatten(3)Linear(3,4,1)", {}, "no feature map"),
    ],
)
def test_wrong_settings(structure: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        zen_mc(structure, **{"resolution": 16, **options})


def test_a_structure_that_does_not_fit() -> None:
    with pytest.raises(StructureError, match="no output"):
        zen_mc("ConvKX(3,8,4,1)BN(8)", resolution=1)


def test_a_device_that_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise NotImplementedError(
            "Could not run it on the 'MPS' backend. It could be that a hundred parts are missing. X\nmore"
        )

    monkeypatch.setattr(torch, "empty", refused)
    with pytest.raises(UsageError) as caught:
        zen_mc(CIFAR_START, resolution=8, device="mps")
    assert str(caught.value) == "device 'mps' cannot be used: Could not run it on the 'MPS' backend"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none() -> None:
    with pytest.raises(UsageError, match="device 'cuda' cannot be used"):
        zen_mc(CIFAR_START, resolution=8, device="cuda")
