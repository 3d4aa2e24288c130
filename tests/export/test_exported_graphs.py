"""ONNX, torch.export and TorchScript: the same outputs at any batch and size, the same parameters and MACs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import plainnet
from plainnet.errors import UsageError
from plainnet.export import Network, export_network
from plainnet.platforms.graphs import read_exported
from tests.export.conftest import TEXT, images, scrambled

SIZES = [(1, 16, 16), (3, 33, 47), (2, 64, 40), (1, 8, 8)]
"""Batch, height, width; an odd size among them, and one whose last map has few pixels."""

TINYNAS = (
    "ConvKXBNRELU(3,8,3,2)SuperResK1KXK1(8,16,3,2,8,2)SuperResK1DWSEK1(16,16,3,2,24,1)SuperResKXKX(16,24,5,2,8,1)"
    "MaxPool(24,3,2)"
)
"""Its shortcuts are average poolings that hang over the edge of odd maps; at 16x16 the last map is one pixel."""

pytestmark = pytest.mark.filterwarnings("ignore")  # torch warns of its own functions while it exports and loads


NETWORKS = {
    "tinynas": Network(plainnet.parse(TINYNAS), 16, 10),
    "tinynas with squeeze-excite": Network(plainnet.parse(TINYNAS), 16, 10, plainnet.Variant(use_se=True)),
    "zennet with squeeze-excite": Network(plainnet.parse(TEXT), 16, 10, plainnet.Variant(use_se=True)),
}


def close(found: Tensor, expected: Tensor, exact: Tensor) -> bool:
    """As near to the module's outputs as these are to what it gives in double precision, which depends on the processor."""
    own_error = float((expected - exact).abs().max())
    return torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()) + 4 * own_error)


def in_double(module: Any, sample: Tensor) -> Tensor:
    found: Tensor = copy.deepcopy(module).double()(sample.double())
    return found.float()


def load_pt2(folder: Path) -> Any:
    return read_exported(folder / "model.pt2")


def load_script(folder: Path) -> Any:
    return torch.jit.load(str(folder / "model.ts"))


def load_onnx(folder: Path) -> Callable[[Tensor], Tensor]:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda batch: torch.tensor(session.run(None, {"images": batch.numpy()})[0])


LOADERS = {"torchscript": load_script, "torch.export": load_pt2, "onnx": load_onnx}


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("target", LOADERS)
def test_outputs_at_other_batches_and_sizes(target: str, export: Callable[..., Path], reference: Any) -> None:
    net = LOADERS[target](export(target))
    for batch, height, width in SIZES:
        sample = images(batch, 3, height, width)
        assert close(net(sample), reference(sample), in_double(reference, sample))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("target", LOADERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_poolings_that_hang_over_the_edge_and_gates(name: str, target: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    weights = tmp_path / "weights.pt"
    torch.save(scrambled(network.build()).state_dict(), weights)
    export_network(network, to=target, out=tmp_path / "net", weights=weights)
    plain = network.build()
    plain.load_state_dict(torch.load(weights, weights_only=True))
    net, plain = LOADERS[target](tmp_path / "net"), plain.eval()
    for batch, height, width in SIZES:
        sample = images(batch, 3, height, width)
        expected, exact = plain(sample), in_double(plain, sample)
        assert close(net(sample), expected, exact)
        assert not close(net(sample.flip(0, 3)), expected, exact)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["torchscript", "torch.export"])
def test_params_and_macs_of_torch_graphs(target: str, export: Callable[..., Path], network: Network) -> None:
    net = LOADERS[target](export(target))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net(images(1, *network.shape))
    assert counter.get_total_flops() // 2 == network.counts.macs
    assert sum(parameter.numel() for parameter in net.parameters()) == network.counts.params


@pytest.mark.slow
def test_macs_of_the_onnx_graph(export: Callable[..., Path], network: Network) -> None:
    """Every Conv and Gemm of the graph: its weights times the pixels that it puts out."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = onnx.load(export("onnx") / "model.onnx")
    assert [value.name for value in model.graph.input] == ["images"]
    assert [value.name for value in model.graph.output] == ["logits"]
    (shape,) = [value.type.tensor_type.shape for value in model.graph.input]
    assert [dim.dim_param or dim.dim_value for dim in shape.dim] == ["batch", 3, "height", "width"]
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    for node in layers:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.output[0]))
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [node.output[0] for node in layers]
    outputs = session.run(names, {"images": images(1, *network.shape).numpy()})
    macs = 0
    for node, output in zip(layers, outputs, strict=True):
        macs += int(torch.Size(weights[node.input[1]]).numel()) * int(torch.Size(output.shape[2:]).numel())
    assert macs == network.counts.macs


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("target", LOADERS)
def test_a_structure_of_one_size_has_a_free_batch(target: str, tmp_path: Path) -> None:
    network = Network(plainnet.parse("SuperConvK3BNRELU(3,4,2,1)Flatten(4)Linear(256,10,1)"), 16)
    export_network(network, to=target, out=tmp_path / "net")
    torch.manual_seed(0)
    plain, net = network.build().eval(), LOADERS[target](tmp_path / "net")
    for batch in (1, 3, 4):
        sample = images(batch, 3, 16, 16)
        assert close(net(sample), plain(sample), in_double(plain, sample))


FIXED = {
    "onnx": "SuperConvK3BNRELU(3,4,2,1)AdaptiveAvgPool(4,3)ConvKX(4,4,3,1)",
    "torch.export": "SuperConvK3BNRELU(3,4,2,1)Flatten(4)Linear(36,10,1)",
    "torchscript": "SuperConvK3BNRELU(3,4,2,1)Flatten(4)Linear(36,10,1)",
}
"""Networks whose height and width a target cannot leave free, at a size that the pooling does not divide."""


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("target", LOADERS)
def test_what_cannot_be_free_is_fixed_and_said(target: str, tmp_path: Path) -> None:
    network = Network(plainnet.parse(FIXED[target]), 5, 10)
    told: list[str] = []
    export_network(network, to=target, out=tmp_path / "net", tell=told.append)
    assert len(told) == 1
    assert told[0].startswith("Height and width are fixed at 5x5: ")
    assert told[0] in (tmp_path / "net" / "README.md").read_text()
    assert json.loads((tmp_path / "net" / "provenance.json").read_text())["note"] == told[0]
    torch.manual_seed(0)
    plain, net = network.build().eval(), LOADERS[target](tmp_path / "net")
    for batch in (1, 2, 5):
        sample = images(batch, 3, 5, 5)
        assert close(net(sample), plain(sample), in_double(plain, sample))


FREE = {
    "adaptive pooling": ("SuperConvK3BNRELU(3,8,2,1)AdaptiveAvgPool(8,2)", 16, ["torch.export", "torchscript"]),
    "dropout on one pixel": (
        "SuperConvK3BNRELU(3,8,2,1)SuperConvK3BNRELU(8,8,2,1)SuperConvK3BNRELU(8,8,2,1)Dropout(8,0.5)",
        8,
        ["torch.export", "torchscript"],
    ),
    "even kernels": ("ConvKX(3,8,2,2)ConvKX(8,8,4,2)AvgPool(8,2,2)", 24, ["torch.export", "torchscript"]),
}


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", FREE)
def test_what_can_be_free_is_free_at_its_own_size_and_below_its_stride(name: str, tmp_path: Path) -> None:
    text, size, targets = FREE[name]
    network = Network(plainnet.parse(text), size, 10)
    torch.manual_seed(0)
    plain = network.build().eval()
    for target in targets:
        told: list[str] = []
        export_network(network, to=target, out=tmp_path / target, tell=told.append)
        net = LOADERS[target](tmp_path / target)
        assert told == []
        for side in (size, size + 1, 2 * size + 3, 21):
            sample = images(2, 3, side, side + 2)
            assert close(net(sample), plain(sample), in_double(plain, sample))


def wrong_output(net: Any) -> Any:
    return lambda sample: 1.01 * net(sample)


def wrong_shape(net: Any) -> Any:
    return lambda sample: net(sample)[:, :-1]


def wrong_when_odd(net: Any) -> Any:
    return lambda sample: net(sample) + (sample.shape[-1] % 2)


def failing(net: Any) -> Any:  # noqa: ARG001
    def run(sample: Tensor) -> Tensor:
        raise RuntimeError(f"no kernel\nfor {sample.shape}")

    return run


@pytest.mark.parametrize("wrong", [wrong_output, wrong_shape, wrong_when_odd, failing])
def test_a_graph_that_is_not_the_network_is_not_announced(
    wrong: Callable[[Any], Any], network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, told = torch.jit.load, list[str]()
    monkeypatch.setattr(torch.jit, "load", lambda path: wrong(real(path)))
    if wrong is wrong_when_odd:
        export_network(network, to="torchscript", out=tmp_path / "net", tell=told.append)
        assert "with free ones the graph's outputs differ from the network's at 1x3x17x19" in told[0]
        return
    with pytest.raises(UsageError, match=r"small-net cannot be exported to TorchScript: the graph"):
        export_network(network, to="torchscript", out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_torch_failing_is_an_error_of_ours(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setattr(torch.export, "export", broken)
    with pytest.raises(
        UsageError, match=r"small-net cannot be exported to torch\.export: RuntimeError: no such operator$"
    ):
        export_network(network, to="pt2", out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["onnx", "torch.export", "torchscript"])
def test_zeros_of_one_size_are_exported_at_that_size(tmp_path: Path, to: str) -> None:
    told: list[str] = []
    text = "ConvKXBN(3,9,3,2)ConvKXBN(9,9,3,2)Zero(9,1)ConvKXBN(9,9,3,1)"
    export_network(
        Network(plainnet.parse(text), 32, 5), to=to, out=tmp_path / "x", tell=lambda line: told.append(str(line))
    )
    assert any("fixed at 32x32" in line for line in told)
