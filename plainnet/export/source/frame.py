"""What frames the classes of `model.py`: its head with the constants, and the class `Net`."""

from __future__ import annotations

from plainnet import __version__
from plainnet.export.literals import literal
from plainnet.export.network import Network
from plainnet.export.source.layout import WIDTH

__all__ = ["head", "net_source"]

_COMMENTS = {
    "OWN_HEAD": "  # whether the structure ends in its own classifier",
    "ANY_SIZE": "  # whether other sizes than RESOLUTION fit",
}


def head(network: Network, *, needs_callable: bool) -> str:
    """The docstring, the imports and the constants."""
    counts, shape, constants = network.counts, network.shape, network.constants()
    text = constants.pop("STRUCTURE")
    size = " x ".join(map(str, shape.as_list()))
    blocks = [literal(str(block)) for block in network.structure.blocks]
    whole = literal(text)
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
        *(f"{name} = {literal(value)}{_COMMENTS.get(name, '')}" for name, value in constants.items()),
    ]
    return "\n".join(lines)


def net_source(network: Network, blocks: list[str]) -> str:
    """The class `Net`."""
    levels = tuple((level.block, level.channels, level.reduction) for level in network.levels)
    table = [f"    LEVELS = {levels}"]
    if len(table[0]) > WIDTH:
        table = ["    LEVELS = (", *(f"        {level}," for level in levels), "    )"]
    own_head = network.brings_head
    forward, kind = _OWN_HEAD_FORWARD if own_head else _FORWARD, "Chain"
    if not network.structure.is_plain:
        kind, forward = "Graph", forward.replace(_LEVELS_FORWARD, _GRAPH_LEVELS_FORWARD)
        if network.structure.output_names:
            forward = forward.replace("-> Tensor", "-> dict[str, Tensor]")
    return "\n".join(
        [
            "class Net(nn.Module):",
            '    """The network; `LEVELS` are its feature maps: (last block, channels, stride)."""',
            "",
            *table,
            "",
            *(_OWN_HEAD_INIT if own_head else _INIT)
            .format(blocks="\n".join(blocks), kind=kind)
            .strip("\n")
            .split("\n"),
            "",
            *forward.strip("\n").split("\n"),
        ]
    )


_INIT = """
    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.blocks = {kind}(
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
        self.blocks = {kind}(
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

_GRAPH_LEVELS_FORWARD = '''
    def forward_levels(self, x: Tensor) -> list[Tensor]:
        """The feature maps of `LEVELS`, the largest first."""
        return self.blocks.run(x)[1]
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
