"""The pieces of `model.py` that are the same for every network."""

from __future__ import annotations

__all__ = [
    "CHAIN",
    "HELPERS",
    "INITIALIZE",
    "INITIALIZE_RESIDUALS",
    "JOINS",
    "KINDS",
    "PARTS",
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
    "nn.ConvTranspose2d": "deconv",
    "nn.Upsample": "up",
    "Narrow": "part",
    "Shift": "shift",
    "Zero": "zero",
    "LayerNorm": "ln",
    "ChannelScale": "scale",
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
    "Narrow": '''
class Narrow(nn.Module):
    """The channels first .. first + channels - 1."""

    def __init__(self, first: int, channels: int) -> None:
        super().__init__()
        self.first = first
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.first : self.first + self.channels]
''',
    "Shift": '''
class Shift(nn.Module):
    """A map without its first row and column."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, 1:, 1:]
''',
    "Zero": '''
class Zero(nn.Module):
    """Zeros in the shape that a window of a stride would leave."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])
''',
}

JOINS |= {
    "LayerNorm": '''
class LayerNorm(nn.Module):
    """Layer norm over the channels of each place of a map (N, C, H, W), or of a vector (N, C)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        out = nn.functional.layer_norm(last, self.weight.shape, self.weight, self.bias, self.eps)
        return out.movedim(-1, 1)
''',
    "ChannelScale": '''
class ChannelScale(nn.Module):
    """x * weight, a number for each channel, next to nothing at first."""

    def __init__(self, channels: int, start: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.view(-1, *[1] * (x.dim() - 2))
''',
}

PARTS = {
    "Part": '''
class Part(nn.Module):
    """Parts with numbers and names, which are called one by one."""

    def __init__(self, *numbered: nn.Module, **named: nn.Module) -> None:
        super().__init__()
        for name, part in [*enumerate(numbered), *named.items()]:
            self.add_module(str(name), part)

    def __getitem__(self, number: int) -> nn.Module:
        return getattr(self, str(number))
''',
    "ResidualPart": '''
class ResidualPart(Part):
    """The branches of a residual unit whose shortcut comes from elsewhere."""
''',
    "ZeroMap": '''
class ZeroMap(nn.Module):
    """Zeros of a fixed shape, for as many images as come in."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.shape = (channels, height, width)

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros((x.shape[0], *self.shape))
''',
}
"""What networks need in which values are taken by name."""

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
