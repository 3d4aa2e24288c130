"""ConvNeXt: the network of the paper, weight for weight, and what may be asked of its layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import plainnet
from plainnet import PlainNet, parse
from plainnet.blocks import LN, ConvPatch, LayerScale
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows.channel_layers import PatchConv
from plainnet.blocks.rows.layer_arguments import LayerError
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.structure import Structure
from plainnet.errors import UnknownScoreError
from plainnet.network.published import find_published
from plainnet.store.importing import Wanted, read_foreign
from plainnet.templates.image_networks import convnext
from plainnet.testing import check_block

DEPTHS, WIDTHS = (1, 2, 1, 1), (8, 16, 24, 40)
SMALL = convnext(DEPTHS, WIDTHS)


class Unit(nn.Module):
    """x + gamma * branch(x), with the channels last between the depthwise convolution and the sum, as the authors write it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.wide, self.narrow = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        branch: Tensor = self.gamma * self.narrow(functional.gelu(self.wide(out)))
        return x + branch.permute(0, 3, 1, 2)


class MapNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x.permute(0, 2, 3, 1))
        return out.permute(0, 3, 1, 2)


class Reference(nn.Module):
    """ConvNeXt in torch alone."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 4), MapNorm(widths[0], eps=1e-6)]
        for before, depth, width in zip((widths[0], *widths), depths, widths, strict=False):
            layers += [] if before == width else [MapNorm(before, eps=1e-6), nn.Conv2d(before, width, 2, 2)]
            layers += [Unit(width) for _ in range(depth)]
        self.layers = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(widths[-1], eps=1e-6), nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.layers(x).mean((2, 3))))
        return out


def tensors_of(net: Reference) -> Iterator[Tensor]:
    """The weights in the order of the string."""
    for part in (*net.layers, net.norm, net.head):
        if isinstance(part, Unit):
            for layer in (part.depthwise, part.norm, part.wide, part.narrow):
                yield from layer.parameters()
            yield part.gamma
        else:
            yield from part.parameters()


@pytest.mark.parametrize("size", [(64, 64), (70, 51)])
def test_the_outputs_are_those_of_the_network_in_torch(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    reference = Reference(DEPTHS, WIDTHS, 10).eval()
    net = PlainNet(SMALL, num_classes=10, resolution=size).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.uniform_(-0.5, 1.0)
    found = [
        value.reshape(ours.shape) for value, ours in zip(tensors_of(reference), net.state_dict().values(), strict=True)
    ]
    net.load_state_dict(dict(zip(net.state_dict(), found, strict=True)))
    images = torch.randn(3, 3, *size)
    with torch.no_grad():
        assert torch.allclose(net(images), reference(images), rtol=1e-4, atol=1e-4)


NAMES = {
    "authors": (
        ("downsample_layers.0.0", "downsample_layers.0.1", "norm", "head"),
        ("downsample_layers.{s}.0", "downsample_layers.{s}.1"),
        (
            "stages.{s}.{u}.gamma",
            "stages.{s}.{u}.dwconv",
            "stages.{s}.{u}.norm",
            "stages.{s}.{u}.pwconv1",
            "stages.{s}.{u}.pwconv2",
        ),
    ),
    "torchvision": (
        ("features.0.0", "features.0.1", "classifier.0", "classifier.2"),
        ("features.{down}.0", "features.{down}.1"),
        (
            "features.{stage}.{u}.layer_scale",
            *(f"features.{{stage}}.{{u}}.block.{place}" for place in (0, 2, 3, 5)),
        ),
    ),
    "timm": (
        ("stem.0", "stem.1", "head.norm", "head.fc"),
        ("stages.{s}.downsample.0", "stages.{s}.downsample.1"),
        (
            "stages.{s}.blocks.{u}.gamma",
            *(f"stages.{{s}}.blocks.{{u}}.{part}" for part in ("conv_dw", "norm", "mlp.fc1", "mlp.fc2")),
        ),
    ),
    "transformers": (
        ("convnext.embeddings.patch_embeddings", "convnext.embeddings.layernorm", "convnext.layernorm", "classifier"),
        ("convnext.encoder.stages.{s}.downsampling_layer.0", "convnext.encoder.stages.{s}.downsampling_layer.1"),
        (
            "convnext.encoder.stages.{s}.layers.{u}.layer_scale_parameter",
            *(
                f"convnext.encoder.stages.{{s}}.layers.{{u}}.{part}"
                for part in ("dwconv", "layernorm", "pwconv1", "pwconv2")
            ),
        ),
    ),
}
"""How programs name the stem, the last norm and the classifier; what makes a map smaller; and a unit, its scale first."""


def written_by(program: str, reference: Reference) -> dict[str, Tensor]:
    """The state dict of the reference under a program's names, in the order in which it makes its modules."""
    ends, smaller, unit = NAMES[program]
    before, stages = dict[str, Tensor](), dict[str, Tensor]()
    layers = iter(reference.layers)

    def put(names: tuple[str, ...], parts: Sequence[nn.Module], into: dict[str, Tensor]) -> None:
        for name, part in zip(names, parts, strict=True):
            into |= {f"{name}.{kind}": value.detach() for kind, value in part.named_parameters()}

    put(ends[:2], (next(layers), next(layers)), before)
    for s, depth in enumerate(DEPTHS):
        where = {"s": s, "down": 2 * s, "stage": 2 * s + 1}
        if s:
            pair = (next(layers), next(layers))
            put(tuple(name.format(**where) for name in smaller), pair, before if program == "authors" else stages)
        for u in range(depth):
            part = next(layers)
            assert isinstance(part, Unit)
            scale, *names = (name.format(u=u, **where) for name in unit)
            stages[scale] = part.gamma.detach().reshape(-1, 1, 1) if program == "torchvision" else part.gamma.detach()
            put(tuple(names), (part.depthwise, part.norm, part.wide, part.narrow), stages)
    put(ends[2:], (reference.norm, reference.head), stages)
    return before | stages


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("program", NAMES)
def test_weights_of_other_programs_are_imported(program: str, suffix: str, tmp_path: Path) -> None:
    """They keep the scales before the convolutions, 1x1 convolutions as linear layers, and a safetensors file no order."""
    torch.manual_seed(0)
    reference = Reference(DEPTHS, WIDTHS, 10).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.uniform_(-0.5, 1.0)
    path = tmp_path / f"w{suffix}"
    theirs = {name: value.contiguous() for name, value in written_by(program, reference).items()}
    (torch.save if suffix == ".pth" else save_file)(theirs, path)
    foreign = read_foreign(path, Wanted(parse(SMALL), (64, 64), 1e-3, "c", "t"))
    foreign.matching.check(program)
    net = PlainNet(SMALL, num_classes=10, resolution=64).eval()
    net.load_state_dict(foreign.tensors)
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(net(images), reference(images), rtol=1e-4, atol=1e-4)


def test_counts_are_those_of_torch() -> None:
    structure = find_published("convnext_tiny").structure
    counts = count_network(structure, Shape(3, 224, 224), num_classes=1000)
    with torch.device("meta"):
        net, reference = PlainNet(structure), Reference((3, 3, 9, 3), (96, 192, 384, 768), 1000)
        for module in (net, reference):
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                module.eval()(torch.empty(1, 3, 224, 224))
            assert counter.get_total_flops() == 2 * counts.macs
            assert sum(parameter.numel() for parameter in module.parameters()) == counts.params == 28_589_128


def test_every_initialisation_begins_with_units_that_are_nearly_identities() -> None:
    for init in ("zennas", "kaiming", "gaussian", "default"):
        weights = PlainNet(SMALL, num_classes=10, init=init).state_dict()
        scales = [value for name, value in weights.items() if "scale1" in name]
        norms = {name: value for name, value in weights.items() if "ln1" in name}
        assert len(scales) == sum(DEPTHS)
        assert all(torch.equal(value, torch.full_like(value, 1e-6)) for value in scales)
        assert all((value == float(name.endswith("weight"))).all() for name, value in norms.items())


def test_what_scores_do_not_know_is_refused_with_its_place() -> None:
    scale = "ConvKX(3,8,3,1)BN(8)RELU(8)ResBlock(8,1,ConvKX(8,8,3,1)LayerScale(8))ConvKX(8,8,3,1)"
    for score in ("zen", "zen_mc", "composite", "composite_fitted", "residual_sensitivity"):
        with pytest.raises(UnknownScoreError, match=r"1\.ln1: .*LayerNorm; accepted: counts"):
            plainnet.score("ConvKX(3,8,3,1)LN(8)RELU(8)ConvKX(8,8,3,1)", score, resolution=16)
        with pytest.raises(UnknownScoreError, match=r"3\.\S*scale1: .*ChannelScale; accepted: counts"):
            plainnet.score(scale, score, resolution=16)
        patches = "ConvPatch(3,8,2)BN(8)RELU(8)ConvKX(8,8,3,1)BN(8)"
        assert plainnet.score(patches, score, resolution=16).mean is not None
    result = plainnet.analyze_model(SMALL, resolution=32, latency=False)
    assert result.zen is None
    assert any("LayerNorm" in note for note in result.notes)


def test_layers_of_maps_and_of_vectors() -> None:
    text = "ConvPatch(3,8,3)LN(8)AdaptiveAvgPool(8,2)Flatten(8)LN(32)Linear(32,5,1)LayerScale(5)"
    structure: Structure = parse(text)
    net = PlainNet(text, resolution=(11, 8)).eval()
    assert net(torch.randn(2, 3, 11, 8)).shape == (2, 5)
    counts = count_network(structure, Shape(3, 11, 8))
    assert counts.params == sum(parameter.numel() for parameter in net.parameters())
    assert structure.rows(Shape(3, 11, 8))[0].out_shape == Shape(8, 3, 2)
    with pytest.raises(plainnet.StructureError, match="patches of 4x4 do not fit on a map of 3x9"):
        parse("ConvPatch(3,8,4)").totals(Shape(3, 3, 9))
    with pytest.raises(LayerError, match="kernel_size is 4 and stride 2"):
        PatchConv(8, 4, 2)


@pytest.mark.parametrize("block", [LN, LayerScale, ConvPatch])
def test_the_blocks_keep_what_blocks_promise(block: type) -> None:
    check_block(block)
