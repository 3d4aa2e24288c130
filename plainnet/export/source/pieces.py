"""The fixed pieces of `model.py`."""

from __future__ import annotations

import json
import textwrap

from plainnet import __version__
from plainnet.export.network import Network
from plainnet.export.source.layout import WIDTH

__all__ = [
    "CHAIN",
    "HELPERS",
    "INITIALIZE",
    "INITIALIZE_RESIDUALS",
    "JOINS",
    "KINDS",
    "head",
    "net_source",
    "wrapped_docstring",
]

KINDS = {
    "nn.Conv2d": "conv",
    "nn.BatchNorm1d": "bn",
    "nn.BatchNorm2d": "bn",
    "nn.MaxPool2d": "pool",
    "nn.AvgPool2d": "pool",
    "nn.AdaptiveAvgPool2d": "pool",
    "nn.Flatten": "flatten",
    "nn.Linear": "linear",
    "nn.Dropout": "drop",
    "Residual": "res",
    "NoShortcut": "res",
    "Summation": "sum",
    "Concatenation": "cat",
    "Gate": "gate",
}

JOINS = {
    "Residual": '''
class Residual(nn.Module):
    """main(x) + skip(x); the identity where there is no skip."""

    def __init__(self, main: nn.Module, skip: nn.Module | None = None) -> None:
        super().__init__()
        self.main = main
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) + (x if self.skip is None else self.skip(x))
''',
    "NoShortcut": '''
class NoShortcut(nn.Module):
    """A residual unit whose shortcut is left out."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)
''',
    "Summation": '''
class Summation(nn.Module):
    """The sum of its branches."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for number, branch in enumerate(branches, 1):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.children()
        out = first(x)
        for branch in others:
            out = out + branch(x)
        return out
''',
    "Concatenation": '''
class Concatenation(nn.Module):
    """Its branches' outputs, one after the other along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for number, branch in enumerate(branches, 1):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)
''',
    "Gate": '''
class Gate(nn.Module):
    """x * net(x), as in squeeze-excite."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return x * self.net(x)
''',
}

CHAIN = '''
class Chain(nn.Sequential):
    """Layers one after the other, named by kind and number: conv1, bn1, act1, conv2, ...

    Chains within a chain are numbered: 0, 1, ...
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.extend(layers)

    def append(self, module: nn.Module) -> "Chain":
        kind = kind_of(module)
        number = sum(kind_of(other) == kind for other in self)
        self.add_module(f"{kind}{number + 1}" if kind else str(number), module)
        return self


def kind_of(module: nn.Module) -> str:
    return "" if isinstance(module, Chain) else KINDS.get(type(module), "act")
'''

HELPERS = {
    "conv": '''
def conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """A convolution that keeps the size of the map, but for its stride."""
    padding = (kernel_size - 1) // 2
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
    )
''',
    "conv_bn": '''
def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    act: type[nn.Module] | None = None,
) -> list[nn.Module]:
    """A convolution, batch norm, and the activation if there is one."""
    layers = [
        conv(in_channels, out_channels, kernel_size, stride, groups, bias),
        nn.BatchNorm2d(out_channels, eps=NORM_EPS),
    ]
    return layers if act is None else [*layers, act()]
''',
    "repeat": '''
def repeat(times: int, unit: Callable[[], Chain]) -> list[nn.Module]:
    """The layers of a unit that is made `times` times."""
    return [layer for _ in range(times) for layer in unit()]
''',
}

INITIALIZE = '''
@torch.no_grad()
def initialize(net: nn.Module) -> None:
    """Normal weights as the Zen-NAS networks were trained from."""
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.xavier_normal_(part.weight, gain=INIT_GAIN)
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0.0, INIT_GAIN * math.sqrt(2 / sum(part.weight.shape)))
        if isinstance(part, (nn.Conv2d, nn.Linear)) and part.bias is not None:
            nn.init.zeros_(part.bias)
'''

INITIALIZE_RESIDUALS = """\
    for part in net.modules():
        if isinstance(part, Residual):
            *_, last = part.main.modules()
            if isinstance(last, nn.BatchNorm2d):
                nn.init.zeros_(last.weight)  # a residual unit starts as its shortcut
"""


def wrapped_docstring(text: str, *, indent: int) -> list[str]:
    """The lines of a docstring."""
    pad = " " * indent
    if len(text) + indent + 6 <= WIDTH:
        return [f'{pad}"""{text}"""']
    lines = textwrap.wrap(f'"""{text}', WIDTH - indent - 3)  # three columns less, so that a lone line cannot be joined
    return [f"{pad}{line}" for line in (*lines, '"""')]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def head(network: Network, *, needs_callable: bool) -> str:
    """The docstring, the imports and the constants."""
    counts, shape = network.counts, network.shape
    size = " x ".join(map(str, shape.as_list()))
    blocks = [_quoted(str(block)) for block in network.structure.blocks]
    whole = _quoted(str(network.structure))
    structure = f"STRUCTURE = {whole}"
    if len(structure) > WIDTH and len(blocks) > 1:
        structure = "\n    ".join(["STRUCTURE = (", *([whole] if len(whole) + 4 <= WIDTH else blocks)]) + "\n)"
    variant = f" ({network.variant})" if str(network.variant) else ""
    lines = [
        f'"""{network.title}{variant}, a convolutional network; nothing is needed but torch.',
        "",
        f"{counts.params:,} parameters; {counts.macs:,} multiply-accumulates for one image of {size}.",
        f"Written by plainnet {__version__} for the structure {network.structure.hash}.",
        '"""',
        "",
        "import math",
        *(["from collections.abc import Callable"] if needs_callable else []),
        "",
        "import torch",
        "from torch import Tensor, nn",
        "",
        structure,
        f"IN_CHANNELS = {shape.channels}",
        f"RESOLUTION = {(shape.height, shape.width)}",
        f"NUM_CLASSES = {network.counts.output_shape.channels if network.brings_head else network.num_classes}",
        f"ANY_SIZE = {network.takes_any_size}  # whether other sizes than RESOLUTION fit",
        f"NUM_FEATURES = {network.counts.feature_shape.channels}",
        "NORM_EPS = 1e-3",
        "INIT_GAIN = 3.26033",
    ]
    return "\n".join(lines)


def net_source(network: Network, blocks: list[str]) -> str:
    """The class `Net`."""
    levels = tuple((level.block, level.channels, level.reduction) for level in network.levels)
    table = [f"    LEVELS = {levels}"]
    if len(table[0]) > WIDTH:
        table = ["    LEVELS = (", *(f"        {level}," for level in levels), "    )"]
    own_head = network.brings_head
    return "\n".join(
        [
            "class Net(nn.Module):",
            '    """The network; `LEVELS` are its feature maps: (last block, channels, reduction)."""',
            "",
            *table,
            "",
            *(_OWN_HEAD_INIT if own_head else _INIT).format(blocks="\n".join(blocks)).strip("\n").split("\n"),
            "",
            *(_OWN_HEAD_FORWARD if own_head else _FORWARD).strip("\n").split("\n"),
        ]
    )


_INIT = """
    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.blocks = Chain(
{blocks}
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(NUM_FEATURES, num_classes) if num_classes else nn.Identity()
        initialize(self)
"""

_OWN_HEAD_INIT = """
    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        if num_classes != NUM_CLASSES:
            raise ValueError(f"the structure ends in its own classifier of {{NUM_CLASSES}} outputs")
        self.blocks = Chain(
{blocks}
        )
        initialize(self)
"""

_LEVELS_FORWARD = '''
    def forward_levels(self, x: Tensor) -> list[Tensor]:
        """The feature maps of `LEVELS`, the largest first."""
        wanted = [block for block, _, _ in self.LEVELS]
        levels = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in wanted:
                levels.append(x)
        return levels
'''

_FORWARD = (
    '''
    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map, (N, C, H, W)."""
        return self.blocks(x)
'''
    + _LEVELS_FORWARD
    + '''
    def forward_head(self, x: Tensor) -> Tensor:
        """The logits (N, num_classes) of a feature map."""
        return self.head(self.flatten(self.pool(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))
'''
)

_OWN_HEAD_FORWARD = (
    _LEVELS_FORWARD
    + """
    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)
"""
)
