"""Networks whose tensors are named by their parts: they run, are copied and traced as any other, and take old checkpoints."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import plainnet
from plainnet import PlainNet, parse
from plainnet.errors import UsageError
from plainnet.files.tensor_files import write_tensors
from plainnet.store.describing import describe_network
from plainnet.templates.components import compose

BACKBONE = "ConvKXBNRELU(3,8,3,2)SuperResK3K3(8,16,2,8,1)SuperResK3K3(16,32,2,16,1)"
TEXT = compose(
    BACKBONE,
    neck={"type": "fpn", "from": ["backbone.c2", "backbone.c3"], "channels": 12},
    heads={
        "masks": {"type": "dense", "from": "neck.p2", "num_classes": 4},
        "boxes": {"type": "anchor_free", "from": ["neck.p2", "neck.p3"], "num_classes": 3},
    },
    resolution=32,
)
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def outputs(net: nn.Module) -> list[Tensor]:
    with torch.no_grad():
        found = net.eval()(IMAGES)
    return list(found.values()) if isinstance(found, dict) else [found]


def same(net: nn.Module, other: nn.Module) -> bool:
    pairs = zip(outputs(net), outputs(other), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_parts_only_rename_the_tensors() -> None:
    net, plain = PlainNet(TEXT), PlainNet(TEXT, in_parts=False)
    assert not same(net, plain)
    own, old = net.state_dict(), plain.state_dict()
    assert list(net.part_prefixes.items()) == [
        ("backbone", "backbone."), ("neck", "neck."), ("heads.masks", "heads.masks."), ("heads.boxes", "heads.boxes."),
    ]  # fmt: skip
    assert [tuple(value.shape) for value in own.values()] == [tuple(value.shape) for value in old.values()]
    net.load_state_dict(old)
    assert same(net, plain)
    back = PlainNet(TEXT, in_parts=False)
    back.load_state_dict(own)
    assert same(back, net)
    assert parse(TEXT).hash == net.structure.hash == parse(TEXT.replace(".", "_")).hash


def test_a_checkpoint_inside_of_another_module() -> None:
    """As a task holds its network."""
    net, plain = nn.Sequential(PlainNet(TEXT)), nn.Sequential(PlainNet(TEXT, in_parts=False))
    net.load_state_dict(plain.state_dict())
    assert same(net, plain)


def test_a_checkpoint_of_another_network_is_refused_by_name() -> None:
    other = PlainNet(BACKBONE).state_dict()
    with pytest.raises(RuntimeError, match=r"neck\.0\.conv1\.weight"):
        PlainNet(TEXT).load_state_dict(other)


@pytest.mark.filterwarnings("ignore:.*jit.trace.*:DeprecationWarning")
def test_copies_and_traces() -> None:
    net = PlainNet(TEXT).eval()
    assert same(net, copy.deepcopy(net))
    assert same(net, pickle.loads(pickle.dumps(net)))
    chain = PlainNet(compose(BACKBONE, heads={"kinds": {"type": "classification", "num_classes": 5}})).eval()
    with torch.no_grad():
        assert torch.equal(torch.jit.trace(chain, IMAGES)(IMAGES), chain(IMAGES))  # type: ignore[no-untyped-call]
    exported = torch.export.export(net, (IMAGES,)).module()
    for a, b in zip(outputs(net), exported(IMAGES).values(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_levels_of_features() -> None:
    net, plain = (PlainNet(TEXT, features_only=True, out_indices=(0, 1), in_parts=each) for each in (True, False))
    net.load_state_dict(plain.state_dict())
    assert next(iter(net.state_dict())) == "backbone.0.conv1.weight"
    with torch.no_grad():
        pairs = list(zip(net.eval()(IMAGES), plain.eval()(IMAGES), strict=True))
    assert [tuple(a.shape) for a, _ in pairs] == [(2, 8, 16, 16), (2, 16, 8, 8)]
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_backbone_takes_the_weights_of_a_classifier(tmp_path: Path) -> None:
    net, trained = PlainNet(TEXT), PlainNet(BACKBONE, num_classes=7)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = plainnet.load_weights(net, trained.state_dict(), parts=["backbone"])
    names = [name for name in net.state_dict() if name.startswith("backbone.")]
    assert list(found.taken) == names
    assert set(found.taken.values()) == {(name.replace("backbone", "blocks"), "by a rule") for name in names}
    assert set(found.fresh) == set(net.state_dict()) - set(names)
    assert found.lines()[0] == f"loaded {len(names)} ({len(names)} by a rule)"
    for name, value in net.state_dict().items():
        wanted = trained.state_dict()[name.replace("backbone", "blocks")] if name in names else before[name]
        assert torch.equal(value, wanted)
    path = tmp_path / "detector.pt"
    torch.save(net.state_dict(), path)
    back = PlainNet(BACKBONE, num_classes=7)
    plainnet.load_weights(back, path, parts=["backbone"])
    with torch.no_grad():
        assert torch.equal(back.eval().forward_features(IMAGES), trained.eval().forward_features(IMAGES))


def test_weights_that_do_not_fit_change_nothing() -> None:
    net = PlainNet(TEXT)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    other = PlainNet(BACKBONE.replace("16,32", "16,64"), num_classes=7).state_dict()
    with pytest.raises(UsageError, match=r"backbone\.2\.res1\.main\.conv2\.weight \[32, 16, 3, 3\] where"):
        plainnet.load_weights(net, other, parts=["backbone"])
    with pytest.raises(UsageError, match=r"missing in the file: neck\.0\.conv1\.weight"):
        plainnet.load_weights(net, PlainNet(BACKBONE, num_classes=0).state_dict())
    with pytest.raises(UsageError, match=r"the network has no part 'head.masks'; .* did you mean heads.masks"):
        plainnet.load_weights(net, other, parts=["head.masks"])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_two_tensors_for_one_place_are_refused() -> None:
    net = PlainNet(TEXT)
    state = dict(net.state_dict())
    with pytest.raises(UsageError, match=r"skipped, of no use here: blocks\.0\.conv1\.weight"):
        plainnet.load_weights(net, {**state, "blocks.0.conv1.weight": state["backbone.0.conv1.weight"]})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*blocks\.0\.conv1\.weight"):
        net.load_state_dict({**state, "blocks.0.conv1.weight": state["backbone.0.conv1.weight"]})


def test_the_store_knows_the_same_parts() -> None:
    described = describe_network(parse(TEXT), (32, 32), classes=None, num_classes=0)
    assert described.structure.parts == {part: [prefix] for part, prefix in PlainNet(TEXT).part_prefixes.items()}
    assert [output.head for output in described.outputs] == [
        "heads.masks", "heads.boxes.places_p2", "heads.boxes.places_p3",
    ]  # fmt: skip


@pytest.mark.parametrize("in_parts", [True, False])
def test_a_file_of_weights_is_the_network(tmp_path: Path, *, in_parts: bool) -> None:
    net = PlainNet(TEXT, in_parts=in_parts)
    path = tmp_path / "weights.safetensors"
    write_tensors(path, net.state_dict(), metadata={"structure": TEXT, "num_classes": "0"})
    loaded = plainnet.load(path)
    assert next(iter(loaded.state_dict())) == "backbone.0.conv1.weight"
    assert same(loaded, net)
    plainnet.export_network(path, to="plainnet", out=tmp_path / "out", resolution=32)
    again = plainnet.load(tmp_path / "out")
    assert next(iter(again.state_dict())) == "backbone.0.conv1.weight"
    assert same(again, net)
