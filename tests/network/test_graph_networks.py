"""Networks whose blocks take values of each other: the module, against the rows and against what torch measures."""

from __future__ import annotations

import copy
import pickle
import warnings
import weakref
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from plainnet import PlainNet, PlainnetError, parse
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows.layers import Act, Add, Collect, Concat, Join, Leaf, Norm, Scale, Sum
from plainnet.blocks.rows.live_rows import Row
from plainnet.blocks.rows.memory import peak_elements
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import UsageError
from plainnet.network.linked import Linked
from plainnet.network.modules import leaf_module
from plainnet.testing.graphs import sample_graph

SHAPE = Shape(3, 17, 19)
NET = (
    "ConvKXBNRELU(e1|3,8,3,1)ConvKXBNRELU(e2|8,16,3,2)ResBlock(16,1,ConvKX(16,16,3,1)MultiSumBlock(BN(16);From(e2)))"
    "MultiCatBlock(RELU(16);From(e1)ConvKX(8,8,3,2))Sequential(BN(x|24)RELU(24)MultiSumBlock(BN(24);From(x)))"
)


def tensors(out: Any) -> list[Tensor]:
    return list(out.values()) if isinstance(out, dict) else list(out) if isinstance(out, (list, tuple)) else [out]


@pytest.mark.parametrize("start", [0, *[pytest.param(n, marks=pytest.mark.tail) for n in range(30, 2010, 30)]])
def test_counts_of_random_graphs_are_what_torch_executes(start: int) -> None:
    for seed in range(start, start + 30):
        structure = parse(sample_graph(Random(seed), more=seed % 2 == 1))
        counts = count_network(structure, SHAPE, num_classes=5)
        with torch.device("meta"):
            net = PlainNet(structure, num_classes=5, resolution=SHAPE[1:], init="default").eval()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                out = net(torch.empty(2, *SHAPE))
        assert sum(parameter.numel() for parameter in net.parameters()) == counts.params, structure
        assert counter.get_total_flops() == 4 * counts.macs, structure
        if structure.output_names:
            assert list(out) == list(structure.output_names)
        else:
            assert list(out.shape[1:]) == counts.output_shape.as_list()


def test_a_module_does_what_its_rows_say() -> None:
    """The outputs are those of the rows run one after the other, with the module's own layers."""
    for seed in range(25):
        structure = parse(sample_graph(Random(1000 + seed)))
        net = PlainNet(structure, num_classes=None, resolution=SHAPE[1:], init="kaiming").eval()
        x = torch.randn(2, *SHAPE)
        values: dict[int, Any] = {-1: x}
        rows = structure.rows(SHAPE, expand=True)
        with torch.no_grad():
            for number, row in enumerate(rows):
                given = [values[value] for value in row.inputs]
                values[number] = run(row, given, net.blocks)
            expected = values[len(rows) - 1]
            found = net.forward_features(x)
        assert all(torch.equal(a, b) for a, b in zip(tensors(found), tensors(expected), strict=True)), structure


def run(row: Row, given: list[Tensor], blocks: nn.Module) -> Any:
    if isinstance(row.layer, Leaf):
        return blocks.get_submodule(row.path)(given[0])
    if isinstance(row.layer, Collect):
        return dict(zip(row.layer.names, given, strict=True))
    if isinstance(row.layer, Concat):
        return torch.cat(given, 1)
    if isinstance(row.layer, Scale):
        return given[0] * given[1]
    assert isinstance(row.layer, (Add, Sum))
    found = given[0]
    for value in given[1:]:
        found = found + value
    return found


def test_the_rows_are_the_graph_that_torch_traces() -> None:
    """Every layer of the module takes what its row says: the same edges, sums and concatenations told by their parts."""

    class Tracer(fx.Tracer):
        def is_leaf_module(self, m: nn.Module, name: str) -> bool:  # noqa: ARG002
            return m.__module__.startswith("torch.nn")

    for seed in range(12):
        structure = parse(sample_graph(Random(2000 + seed)))
        net = PlainNet(structure, num_classes=None, resolution=SHAPE[1:], init="default")
        traced: dict[str, Any] = {}
        known: dict[fx.Node, Any] = {}
        for node in Tracer().trace(net).nodes:
            parts = [known[part] for part in node.all_input_nodes]
            if node.op == "call_module" and isinstance(net.get_submodule(str(node.target)), nn.Identity):
                known[node] = parts[0]  # a branch without layers
            elif node.op == "call_module" and str(node.target).startswith("blocks."):
                known[node] = str(node.target).removeprefix("blocks.")
                traced[known[node]] = parts[0]
            elif node.op == "call_function":
                name = "cat" if node.target is torch.cat else "add"
                whole = [known[part] for part in (node.args[0] if name == "cat" else node.args)]
                known[node] = joined(name, whole)
            else:
                known[node] = parts[0] if parts else "x"
        values: dict[int, Any] = {-1: "x"}
        for number, row in enumerate(structure.rows(SHAPE, expand=True)):
            given = [values[value] for value in row.inputs]
            if isinstance(row.layer, Join):
                values[number] = joined("cat" if isinstance(row.layer, Concat) else "add", given)
            elif isinstance(row.layer, Leaf):
                assert traced.pop(row.path) == given[0], (structure, row)
                values[number] = row.path
        assert not traced


def joined(name: str, parts: list[Any]) -> Any:
    """Sums of sums are one sum, whatever the order."""
    if name == "cat":
        return ("cat", *parts)
    flat = [
        inner for part in parts for inner in (part[1:] if isinstance(part, tuple) and part[0] == "add" else (part,))
    ]
    return ("add", *sorted(flat, key=repr)) if len(flat) > 1 else flat[0]


class Meter(TorchDispatchMode):
    """The bytes of the tensors that operators put out and that are still there: what torch needs at most."""

    def __init__(self, *there: Tensor) -> None:
        super().__init__()
        self.refs: list[tuple[weakref.ref[Tensor], int]] = [(weakref.ref(tensor), tensor.nbytes) for tensor in there]
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        known = {id(ref()) for ref, _ in self.refs}
        if isinstance(out, Tensor) and id(out) not in known:
            self.refs.append((weakref.ref(out), out.nbytes))
        self.refs = [(ref, size) for ref, size in self.refs if ref() is not None]
        self.peak = max(self.peak, sum(size for _, size in self.refs))
        return out


def executed(rows: list[Row], images: list[Tensor], layers: dict[str, nn.Module]) -> None:
    """Run rows as an inference runtime does: values are dropped when nothing needs them, and written over where that is said."""
    values = {-1: images.pop()}
    for number, row in enumerate(rows):
        later = {value for following in rows[number + 1 :] for value in following.inputs}
        dying = [value for value in dict.fromkeys(row.inputs) if value not in later]
        given = [values[value] for value in row.inputs]
        for value in dying:
            del values[value]
        if isinstance(row.layer, (Act, Norm)) and dying:
            out = given[0].clamp_(min=0)
        elif isinstance(row.layer, (Add, Sum)) and dying:
            place = row.inputs.index(dying[0])
            out = given.pop(place)
            for value in given:
                out.add_(value)
        elif isinstance(row.layer, (Act, Norm)):
            out = given[0].clamp(min=0)
        elif isinstance(row.layer, (Add, Sum)):
            out = given[0].clone()
            for value in given[1:]:
                out.add_(value)
        elif isinstance(row.layer, Collect):
            return
        elif isinstance(row.layer, Concat):
            out = torch.cat(given, 1)
        else:
            out = layers[row.path](given[0])
        values[number] = out
        del given, out


def test_peak_memory_is_what_torch_needs_at_most() -> None:
    """Values that wait for later blocks included: the bytes of living tensors after each operator."""
    for seed in range(25):
        structure = parse(sample_graph(Random(3000 + seed)))
        rows = structure.rows(SHAPE, expand=True)
        layers = {row.path: leaf_module(row.layer, row.in_shape) for row in rows if isinstance(row.layer, Leaf)}
        images = [torch.randn(1, *SHAPE)]
        with torch.no_grad(), Meter(*images) as meter:
            executed(rows, images, layers)
        assert meter.peak == 4 * peak_elements(rows, SHAPE), structure
        assert meter.peak == 4 * max(part.peak_elements for part in structure.totals(SHAPE))


def test_parts_that_take_values_from_outside_say_so_and_the_others_can_be_called() -> None:
    net = PlainNet(NET, num_classes=10)
    assert isinstance(net.blocks, Linked)
    assert net.blocks.code.splitlines()[:2] == ["e1 = self.0(_in)", "e2 = self.1(e1)"]
    assert next(iter(net.state_dict())) == "blocks.0.conv1.weight"
    blocks = dict(net.blocks.named_children())
    assert blocks["4"](torch.randn(2, 24, 9, 9)).shape == (2, 24, 9, 9)
    with pytest.raises(PlainnetError, match="takes values from outside"):
        blocks["3"](torch.randn(2, 16, 9, 9))


def test_a_graph_is_copied_pickled_compiled_and_trained() -> None:
    net = PlainNet(NET, num_classes=10).eval()
    x = torch.randn(2, 3, 17, 19)
    with torch.no_grad():
        expected = net(x)
        for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), torch.compile(net, backend="eager")):
            assert torch.equal(other(x), expected)
        exported = torch.export.export(net, (x,)).module()
        assert torch.allclose(exported(x), expected)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert torch.allclose(torch.jit.trace(net, x)(x), expected)
    net.train()(x).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


SCRIPTING = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The TorchScript type system:UserWarning")
"""What torch says of its own modules."""


@SCRIPTING
@pytest.mark.parametrize("start", [0, *[pytest.param(n, marks=pytest.mark.tail) for n in range(5, 100, 5)]])
def test_random_graphs_become_torchscript_for_every_size(start: int) -> None:
    for seed in range(start, start + 5):
        net = PlainNet(sample_graph(Random(seed), more=seed % 2 == 1), num_classes=4, resolution=16).eval()
        if net.has_one_size:
            continue
        script = torch.jit.script(net)
        assert script.state_dict().keys() == net.state_dict().keys()
        for size in ((16, 16), (24, 40)):
            x = torch.randn(2, 3, *size)
            expected, found = net(x), script(x)
            if isinstance(expected, dict):
                assert list(found) == list(expected)
                assert all(torch.equal(found[name], value) for name, value in expected.items())
            else:
                assert torch.equal(found, expected)


@SCRIPTING
def test_a_script_keeps_its_mode_and_levels_and_takes_no_zeros_of_one_size() -> None:
    levels = PlainNet("ConvKXBNRELU(3,8,3,1)Dropout(8,0.5)ConvKX(8,8,3,2)", features_only=True, resolution=16)
    script, x = torch.jit.script(levels), torch.randn(1, 3, 16, 16)
    assert script.training
    assert not script.eval().training
    assert all(torch.equal(a, b) for a, b in zip(script(x), levels.eval()(x), strict=True))
    with pytest.raises(UsageError, match=r"accepted: torch\.jit\.trace"):
        torch.jit.script(PlainNet("ConvKX(3,8,3,1)Zero(8,1)", resolution=16))


def test_the_last_norm_of_an_open_residual_branch_starts_at_zero_as_any_other() -> None:
    open_one = "ConvKX(a|3,8,3,1)RELU(8)ResBlock(8,1,MultiSumBlock(ConvKX(8,8,3,1);From(a))BN(8))"
    net = PlainNet(open_one, num_classes=10)
    assert not net.blocks.get_submodule("2.res1.main.1.bn1").weight.any()


def test_several_outputs_are_a_dict_and_features_are_a_list() -> None:
    text = "ConvKXBNRELU(3,8,3,2)ConvKXBNRELU(c2|8,16,3,2)ConvKXBNRELU(c3|16,32,3,2)Outputs(c3,c2)"
    out = PlainNet(text)(torch.randn(2, 3, 32, 32))
    assert {name: tuple(value.shape) for name, value in out.items()} == {"c3": (2, 32, 4, 4), "c2": (2, 16, 8, 8)}
    net = PlainNet(text, features_only=True, out_indices=(0, 2))
    assert [tuple(value.shape) for value in net(torch.randn(2, 3, 32, 32))] == [(2, 8, 16, 16), (2, 32, 4, 4)]
    assert [(level.block, level.channels, level.reduction) for level in net.feature_info] == [
        (0, 8, 2),
        (1, 16, 4),
        (2, 32, 8),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ConvKX(a|3,4,3,1)ConvKX(4,2,1,1)MultiCatBlock(From(a)RELU(4)ConvKX(4,2,1,1);From(a)MultiSumBlock(Zero(4,1)BN(4));BN(2))",
        "ConvKX(a|3,4,3,2)Sequential(RELU(4)Zero(4,1)BN(4)MultiSumBlock(BN(4);From(a)))",
        "ConvKX(3,4,3,2)Sequential(MultiSumBlock(ConvKX(x|4,4,1,1)ConvKX(4,9,3,2)Zero(9,1)ConvKX(9,4,1,1)Upsample(4,2);From(in)))",
    ],
)
def test_zeros_are_made_like_a_value_that_is_there(text: str) -> None:
    """A value inside of a part that is called cannot be taken, whatever its shape."""
    structure = parse(text)
    net = PlainNet(structure, num_classes=None, init="default", resolution=(16, 12)).eval()
    found = net.forward_features(torch.randn(2, 3, 16, 12))
    assert list(found.shape[1:]) == structure.at(Shape(3, 16, 12)).out_shape.as_list()


def test_values_are_let_go_after_their_last_use() -> None:
    net = PlainNet(NET, num_classes=10).eval()
    made: list[weakref.ref[Tensor]] = []
    alive: list[int] = []
    for part in net.blocks.children():
        for leaf in part.modules():
            if not list(leaf.children()):
                leaf.register_forward_hook(lambda module, given, out: made.append(weakref.ref(out)))  # noqa: ARG005
    net.head.register_forward_pre_hook(lambda module, given: alive.append(sum(ref() is not None for ref in made)))  # noqa: ARG005
    with torch.no_grad():
        net(torch.randn(2, 3, 17, 19))
    assert len(made) > 10
    assert alive == [0]


@pytest.mark.parametrize(
    "text",
    [
        "ConvKXBN(3,9,3,2)ConvKXBN(9,9,3,2)Zero(9,1)ConvKXBN(9,9,3,1)",
        "ConvKXBN(a|3,4,3,1)ConvKXBN(4,9,3,2)MultiSumBlock(Identity(9);From(a)Zero(4,1)ConvKXBN(4,9,3,2))",
    ],
)
def test_zeros_of_one_size_take_no_images_of_another(text: str) -> None:
    """Nothing that is there has the size of these zeros, so they have that of the images which the network was built for."""
    net = PlainNet(text, num_classes=5, resolution=(17, 19))
    assert net(torch.zeros(2, 3, 17, 19)).shape == (2, 5)
    with pytest.raises(UsageError, match="17x19, and these are of 32x32"):
        net(torch.zeros(2, 3, 32, 32))
    free = PlainNet(text.replace("Zero(9,1)", "").replace("Zero(4,1)", ""), num_classes=5)
    assert free(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
