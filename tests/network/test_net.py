"""PlainNet as a torch module."""

from __future__ import annotations

import copy
import json
import pickle
from importlib.resources import files

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from plainnet import PlainNet, StructureError, UsageError, parse
from plainnet.network.published import published_networks

SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK1K3K1(8,16,2,8,1)SuperResIDWE2K3(16,24,2,16,2)SuperConvK1BNRELU(24,32,1,1)"
KEYS = json.loads(files("plainnet").joinpath("data/zennas_state_dict.json").read_text())


@pytest.fixture
def net() -> PlainNet:
    torch.manual_seed(0)
    return PlainNet(SMALL, num_classes=5, init="kaiming").eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 33, 29, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("network", published_networks().values(), ids=lambda network: network.name)
def test_every_published_network_is_built_and_counted_by_torch_as_by_us(network) -> None:  # type: ignore[no-untyped-def]
    from plainnet.blocks.network_counts import count_network
    from plainnet.blocks.rows.shapes import as_input_shape

    size = min(network.resolution, 224)
    counts = count_network(network.structure, as_input_shape(3, size), num_classes=network.num_classes)
    with torch.device("meta"):
        net = PlainNet(network.text, num_classes=network.num_classes, init="default").eval()
        with FlopCounterMode(display=False) as counter:
            out = net(torch.empty(1, 3, size, size))
    assert sum(parameter.numel() for parameter in net.parameters()) == counts.params
    assert counter.get_total_flops() == counts.flops
    assert list(out.shape) == [1, *counts.output_shape.as_list()]


def test_names_in_the_state_dict_are_readable_and_stable(net: PlainNet) -> None:
    keys = list(net.state_dict())
    assert keys[0] == "blocks.0.conv1.weight"
    assert "blocks.1.res1.main.conv2.weight" in keys
    assert "blocks.1.res1.skip.conv1.bias" in keys
    assert "blocks.2.res4.main.bn3.running_var" in keys
    assert keys[-2:] == ["head.weight", "head.bias"]
    with_se = PlainNet(SMALL, use_se=True).state_dict()
    assert "blocks.1.res1.main.gate1.net.conv1.weight" in with_se
    assert set(keys) <= set(with_se)


def test_features(net: PlainNet, images: torch.Tensor) -> None:
    features = net.forward_features(images)
    assert features.shape == (2, 32, 9, 8)
    assert torch.equal(net.forward_head(features), net(images))
    pooled = net.forward_head(features, pre_logits=True)
    assert torch.allclose(pooled, features.mean((2, 3)))
    headless = PlainNet(SMALL, num_classes=None).eval()
    assert headless(images).shape == (2, 32)


def test_as_a_backbone(images: torch.Tensor) -> None:
    backbone = PlainNet(SMALL, features_only=True).eval()
    assert [(level.channels, level.reduction) for level in backbone.feature_info] == [(8, 1), (16, 2), (32, 4)]
    maps = backbone(images)
    assert [tuple(level.shape) for level in maps] == [(2, 8, 33, 29), (2, 16, 17, 15), (2, 32, 9, 8)]
    chosen = PlainNet(SMALL, features_only=True, out_indices=(0, -1)).eval()
    chosen.load_state_dict(backbone.state_dict())
    assert [torch.equal(one, other) for one, other in zip(chosen(images), (maps[0], maps[2]), strict=True)] == [
        True,
        True,
    ]
    assert not any(key.startswith("head") for key in backbone.state_dict())
    with pytest.raises(
        UsageError, match=r"out_indices \[3\] are out of range; accepted: a sequence of levels from 0 to 2"
    ):
        PlainNet(SMALL, features_only=True, out_indices=(3,))


def test_levels_come_in_the_order_asked_for(images: torch.Tensor) -> None:
    backbone = PlainNet(SMALL, features_only=True).eval()
    maps = backbone(images)
    chosen = PlainNet(SMALL, features_only=True, out_indices=(2, 0, 0, -2)).eval()
    chosen.load_state_dict(backbone.state_dict())
    assert chosen.out_indices == (2, 0, 0, 1)
    assert [torch.equal(*pair) for pair in zip(chosen(images), [maps[2], maps[0], maps[0], maps[1]], strict=True)] == [
        True
    ] * 4


def test_blocks_behind_the_last_level_are_not_built(images: torch.Tensor) -> None:
    whole = PlainNet(SMALL, num_classes=7).eval()
    short = PlainNet(SMALL, features_only=True, out_indices=(1, 0)).eval()
    assert [len(whole.blocks), len(short.blocks), short.num_features] == [4, 2, 16]
    kept = [key for key in whole.state_dict() if key.startswith(("blocks.0.", "blocks.1."))]
    assert list(short.state_dict()) == kept
    found = short.load_state_dict(whole.state_dict(), strict=False)
    assert found.missing_keys == []
    expected = whole.blocks[:2](images)
    assert torch.equal(short(images)[0], expected)
    assert torch.equal(short.forward_features(images), expected)
    exported = torch.export.export(short, (images,)).module()
    assert torch.allclose(exported(images)[1], whole.blocks[0](images), atol=1e-6)


def test_a_published_network_by_name() -> None:
    with torch.device("meta"):
        net = PlainNet("resnet18", init="default")
        assert net.structure == published_networks()["resnet18"].structure
        assert sum(parameter.numel() for parameter in net.parameters()) == 11_689_512
    with pytest.raises(StructureError, match="did you mean resnet18"):
        PlainNet("resnet81")


def test_integers_of_numpy_are_integers() -> None:
    net = PlainNet(
        SMALL, num_classes=np.int64(5), in_channels=np.int32(3), resolution=(np.int64(32), 16),
        features_only=True, out_indices=np.array([1]),
    )  # fmt: skip
    assert net.out_indices == (1,)
    assert PlainNet(SMALL, num_classes=np.int64(5)).head.out_features == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 10.0}, "num_classes is 10.0; accepted: a positive integer, or None or 0"),
        ({"num_classes": True}, "num_classes is True"),
        ({"num_classes": "10"}, "num_classes is '10'"),
        ({"in_channels": 0}, "in_channels is 0; accepted: a positive integer"),
        ({"in_channels": "3"}, "in_channels is '3'"),
        ({"resolution": 0}, "resolution is 0; accepted: a positive integer R, or a pair"),
        ({"resolution": "32"}, "resolution is '32'"),
        ({"resolution": 32.5}, "resolution is 32.5"),
        ({"resolution": (3,)}, r"resolution is \(3,\); accepted"),
        ({"resolution": (3, -1)}, "resolution is -1; accepted"),
        ({"resolution": torch.zeros(2)}, "resolution is tensor"),
        ({"out_indices": 1}, r"out_indices is 1; accepted: a sequence of levels from 0 to 2, .*such as \(2,\)"),
        ({"out_indices": "02"}, "out_indices is '02'"),
        ({"out_indices": (0.5,)}, "out_indices is 0.5"),
        ({"out_indices": ()}, "out_indices is empty"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PlainNet(SMALL, features_only="out_indices" in arguments, **arguments)


def test_a_vector_is_no_backbone() -> None:
    with pytest.raises(UsageError, match="features_only needs a feature map"):
        PlainNet("Flatten(3)Linear(48,7,0)", resolution=4, features_only=True)


def test_copies_and_pickles_are_equal(net: PlainNet, images: torch.Tensor) -> None:
    expected = net(images)
    assert torch.equal(copy.deepcopy(net)(images), expected)
    assert torch.equal(pickle.loads(pickle.dumps(net))(images), expected)
    assert torch.allclose(net.to(memory_format=torch.channels_last)(images), expected, atol=1e-5)


def test_exports(net: PlainNet, images: torch.Tensor) -> None:
    expected = net(images)
    program = torch.export.export(
        net,
        (images,),
        dynamic_shapes=({0: torch.export.Dim("batch"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},),
    )
    assert torch.allclose(program.module()(images), expected, atol=1e-6)
    other = torch.randn(3, 3, 32, 32)
    assert torch.allclose(program.module()(other), net(other), atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiles(net: PlainNet, images: torch.Tensor) -> None:
    """The graph is whole; what a compiler makes of it is tried with the platform `torch.compile`."""
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(images), net(images), atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_runs_on_cuda(net: PlainNet, images: torch.Tensor) -> None:
    assert torch.allclose(net.cuda()(images.cuda()).cpu(), net.cpu()(images), atol=1e-3)


def test_a_structure_with_its_own_head_gets_no_other() -> None:
    net = PlainNet("ConvKX(3,8,3,2)BN(8)RELU(8)AdaptiveAvgPool(8,2)Flatten(8)Linear(32,7,1)", num_classes=1000).eval()
    assert net(torch.zeros(2, 3, 16, 16)).shape == (2, 7)
    assert net.num_classes == 7
    flat = PlainNet("ConvKX(3,8,3,2)Flatten(8)Linear(512,7,0)", resolution=16).eval()
    assert flat(torch.zeros(2, 3, 16, 16)).shape == (2, 7)


def test_initialisations() -> None:
    torch.manual_seed(0)
    net = PlainNet(SMALL, num_classes=10)
    weight = net.blocks[1].res1.main.conv2.weight
    assert weight.std().item() == pytest.approx(3.26033 * (2 / (8 * 9 + 8 * 9)) ** 0.5, rel=0.15)
    assert not net.blocks[1].res1.main.bn3.weight.any()
    assert net.blocks[1].res1.main.bn2.weight.eq(1).all()
    net.initialize("gaussian")
    assert net.blocks[1].res1.main.conv2.weight.std().item() == pytest.approx(1, rel=0.15)
    assert net.blocks[1].res1.main.bn3.weight.eq(1).all()
    for name in ("kaiming", "default"):
        net.initialize(name)
    with pytest.raises(UsageError, match="did you mean kaiming"):
        net.initialize("kaimming")


def test_batch_norm_epsilon_is_the_published_one(net: PlainNet) -> None:
    norms = [module.eps for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert set(norms) == {1e-3}
    other = PlainNet(SMALL, norm_eps=1e-5)
    assert {module.eps for module in other.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {1e-5}


@pytest.mark.parametrize("layout", [key for key in KEYS if key != "_about"])
def test_the_authors_checkpoints_are_loaded(layout: str) -> None:
    shapes = KEYS[layout]
    generator = torch.Generator().manual_seed(0)
    theirs = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    name, _, se = layout.partition("+")
    classes = shapes["fc_linear.netblock.weight"][0]
    net = PlainNet(published_networks()[name].text, num_classes=classes, use_se=bool(se))
    net.load_zennas_state_dict({f"module.{key}": value for key, value in theirs.items()})
    ours = net.state_dict()
    assert torch.equal(ours["blocks.0.conv1.weight"], theirs["module_list.0.module_list.0.netblock.weight"])
    assert torch.equal(ours["blocks.1.res1.skip.conv1.weight"], theirs["module_list.1.module_list.0.proj.0.weight"])
    assert torch.equal(
        ours["blocks.1.res1.skip.bn1.running_var"], theirs["module_list.1.module_list.0.proj.1.running_var"]
    )
    assert torch.equal(ours["head.bias"], theirs["fc_linear.netblock.bias"])
    floats = [value for key, value in ours.items() if not key.endswith("num_batches_tracked")]
    assert sum(value.sum().item() for value in floats) == pytest.approx(
        sum(value.sum().item() for value in theirs.values()), rel=1e-4
    )


def test_a_checkpoint_of_another_network_is_refused(net: PlainNet) -> None:
    layout = KEYS["zennet_cifar_model_size05M_res32"]
    with pytest.raises(UsageError, match="the checkpoint holds 462 tensors"):
        net.load_zennas_state_dict({key: torch.zeros(shape) for key, shape in layout.items()})


def test_what_cannot_be_is_refused_before_anything_is_allocated() -> None:
    with pytest.raises(StructureError, match="the structure takes 3 channels, in_channels is 1"):
        PlainNet(SMALL, in_channels=1)
    with pytest.raises(UsageError, match="num_classes is -1"):
        PlainNet(SMALL, num_classes=-1)
    with pytest.raises(StructureError, match="parameters are more than the limit"):
        PlainNet("ConvKX(3,1000000,3,1)ConvKX(1000000,1000000,3,1)")
    with pytest.raises(UsageError, match="unknown activation 'silo'"):
        PlainNet(SMALL, activation="silo")
    with pytest.raises(StructureError, match="unknown block"):
        PlainNet("Nothing(1)")


def test_variants_change_the_module(images: torch.Tensor) -> None:
    net = PlainNet(SMALL, no_reslink=True, activation="silu", use_se=True, num_classes=3)
    kinds = [type(module).__name__ for module in net.modules()]
    assert "Residual" not in kinds
    assert kinds.count("ReLU") == kinds.count("Gate") == 6
    assert kinds.count("SiLU") > 10
    assert net(images).shape == (2, 3)
    assert not [module for module in PlainNet(SMALL, no_bn=True).modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert str(parse(SMALL)) in repr(net)
    assert "use_se no_reslink activation=silu" in repr(net)
