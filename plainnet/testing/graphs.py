"""Random networks whose blocks take values of each other by name: the same for the same seed, everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

__all__ = ["sample_graph"]

MAX_NESTING = 2
MAX_STRIDE = 8
_NAMES = ("stem", "a", "b", "c1", "skip", "x", "class", "e.1", "out-2", "3x", "v1")


@dataclass
class _Value:
    """What stands in the string for a value: its name ("" for none), channels and stride."""

    name: str
    channels: int
    stride: int


_KEPT = (
    *("Identity", "SE", "Swish", "ConvDW({},3,1)", "MaxPool({},3,1)", "AvgPool({},3,1)", "Zero({},1)"),
    *("Dropout({},0.3)", "SqueezeExcite({},2)", "LeakyRELU"),
)
"""Blocks that keep the shape of what comes in."""


def _seen(values: list[_Value]) -> list[_Value]:
    """The values that their names mean: of those with one name the last, which is the innermost."""
    return list({value.name: value for value in values}.values())


@dataclass
class _Writer:
    rng: Random
    more: tuple[str, ...] = ()
    """kinds of blocks beside convolutions, norms, activations and joins"""
    labels: int = 0

    def chain(
        self, value: _Value, visible: list[_Value], length: int, nesting: int
    ) -> tuple[str, _Value, list[_Value]]:
        """A sequence of blocks on a value: its text, what it puts out, and its named values."""
        text, mine = "", list[_Value]()
        for _ in range(length):
            part, value = self.block(value, _seen([*visible, *mine]), {known.name for known in mine}, nesting)
            mine += [value] if value.name else []
            text += part
        return text, value, mine

    def block(self, value: _Value, visible: list[_Value], mine: set[str], nesting: int) -> tuple[str, _Value]:
        """One block on a value, in a sequence whose blocks have the names `mine`."""
        rng = self.rng
        kind = rng.choice(
            ("conv", "conv", "conv", "conv", "kept", "kept", "from", "sum", "cat", "res", "nest", *self.more)
        )
        if kind == "from" and visible:
            taken = rng.choice(visible)
            return f"From({taken.name})", _Value("", taken.channels, taken.stride)
        name = self.name([known.name for known in visible if known.name not in mine] if nesting else [])
        label = f"{name}|" if name else ""
        if nesting < MAX_NESTING and kind in ("sum", "cat", "res", "nest", "up"):
            text, out = getattr(self, kind)(value, visible, nesting + 1, label)
            return text, _Value(name, out.channels, out.stride)
        if kind == "kept":
            return self.kept(value, label), _Value(name, value.channels, value.stride)
        if kind == "super":
            return self.super(value, rng.randint(1, 12), self.stride(value), label, name)
        return self.conv(value, rng.randint(1, 12), self.stride(value), label, name)

    def name(self, around: list[str]) -> str:
        """A name that no other block has, sometimes that of a block in a sequence around, which it then hides, or none."""
        if self.rng.random() < 0.45:
            return ""
        if self.more and around and self.rng.random() < 0.2:
            return self.rng.choice(around)
        self.labels += 1
        return f"{self.rng.choice(_NAMES)}_{self.labels}" if self.labels > len(_NAMES) else _NAMES[self.labels - 1]

    def stride(self, value: _Value) -> int:
        return self.rng.choice((1, 1, 2)) if value.stride < MAX_STRIDE else 1

    def conv(self, value: _Value, channels: int, stride: int, label: str = "", name: str = "") -> tuple[str, _Value]:
        kind = self.rng.choice(("ConvKX", "ConvKXBN", "ConvKXBNRELU"))
        kernel = self.rng.choice((1, 3, 3, 5))
        out = _Value(name, channels, value.stride * stride)
        return f"{kind}({label}{value.channels},{channels},{kernel},{stride})", out

    def kept(self, value: _Value, label: str) -> str:
        """A block that keeps the shape."""
        name = self.rng.choice(("BN", "RELU", *(_KEPT if self.more else ())))
        return name.format(f"{label}{value.channels}") if "{" in name else f"{name}({label}{value.channels})"

    def super(self, value: _Value, channels: int, stride: int, label: str, name: str) -> tuple[str, _Value]:
        """Sub-layers that are repeated."""
        kind, units = self.rng.choice(("SuperConvK3BNRELU", "ResNetK3K3", "SuperResK1K3K1")), self.rng.randint(1, 4)
        hidden = "" if kind == "SuperConvK3BNRELU" else f"{self.rng.randint(1, 6)},"
        out = _Value(name, channels, value.stride * stride)
        return f"{kind}({label}{value.channels},{channels},{stride},{hidden}{units})", out

    def up(self, value: _Value, visible: list[_Value], nesting: int, label: str) -> tuple[str, _Value]:  # noqa: ARG002
        """A map made larger, and as large as before by a stride: of any size."""
        rng, inner, width = self.rng, self.rng.randint(1, 6), self.rng.randint(1, 8)
        larger = rng.choice(
            ("Upsample({0},2,0)", "Upsample({0},2,1)", "ConvTranspose({0},{1},2,2,0)", "ConvTranspose({0},{1},4,2,1)")
        )
        text = larger.format(f"u|{value.channels}", inner)
        wide = inner if larger.startswith("Conv") else value.channels
        text += f"MultiSumBlock(From(u);BN({wide}))" if rng.random() < 0.5 else ""
        return f"Sequential({label}{text}ConvKX({wide},{width},3,2))", _Value("", width, value.stride)

    def branch(self, value: _Value, visible: list[_Value], nesting: int, channels: int, stride: int) -> str:
        """A branch that puts out `channels` at `stride`, from what comes in or from a value by name."""
        start = ""
        usable = [known for known in visible if known.stride <= stride]
        if usable and self.rng.random() < 0.6:
            value = self.rng.choice(usable)
            start = f"From({value.name})"
        elif self.rng.random() < 0.2:
            start = "From(in)"
        if start and (value.channels, value.stride) == (channels, stride) and self.rng.random() < 0.7:
            return start
        text, out, mine = self.chain(value, visible, self.rng.randint(0, 2), nesting)
        if out.stride > stride:
            text, out, mine = "", value, []
        usable = [known for known in mine if known.stride <= stride]
        if usable and self.rng.random() < 0.3:
            out = self.rng.choice(usable)
            text += f"From({out.name})"
        return start + text + self.conv(out, channels, stride // out.stride)[0]

    def sum(self, value: _Value, visible: list[_Value], nesting: int, label: str) -> tuple[str, _Value]:
        channels, stride = self.rng.randint(1, 8), value.stride * self.stride(value)
        if visible and self.rng.random() < 0.5:
            known = self.rng.choice(visible)
            channels, stride = known.channels, max(stride, known.stride)
        parts = [self.branch(value, visible, nesting, channels, stride) for _ in range(self.rng.randint(1, 3))]
        return f"MultiSumBlock({label}{';'.join(parts)})", _Value("", channels, stride)

    def cat(self, value: _Value, visible: list[_Value], nesting: int, label: str) -> tuple[str, _Value]:
        stride = value.stride * self.stride(value)
        widths = [self.rng.randint(1, 6) for _ in range(self.rng.randint(1, 3))]
        parts = [self.branch(value, visible, nesting, width, stride) for width in widths]
        return f"MultiCatBlock({label}{';'.join(parts)})", _Value("", sum(widths), stride)

    def res(self, value: _Value, visible: list[_Value], nesting: int, label: str) -> tuple[str, _Value]:
        body = self.branch(value, visible, nesting, value.channels, value.stride)
        return f"ResBlock({label}{value.channels},1,{body})", value

    def nest(self, value: _Value, visible: list[_Value], nesting: int, label: str) -> tuple[str, _Value]:
        text, out, _ = self.chain(value, visible, self.rng.randint(1, 4), nesting)
        return f"Sequential({label}{text})", out


def sample_graph(rng: Random, *, max_blocks: int = 8, in_channels: int = 3, more: bool = False) -> str:
    """A random network string for images of `in_channels`: values taken twice or not at all, long shortcuts, names inside of
    names, blocks that nothing depends on, and sometimes several outputs.

    more: also sub-layers that are repeated, gates, pools, zeros, maps that are made larger and smaller again, and names that hide
    those of blocks around them.
    """
    writer = _Writer(rng, ("super", "up") if more else ())
    first, value = writer.conv(_Value("", in_channels, 1), rng.randint(1, 8), 1, "first|", "first")
    text, value, mine = writer.chain(value, [value], rng.randint(1, max_blocks), 0)
    named = list({known.name: known for known in [_Value("first", 0, 0), *mine]})
    if rng.random() < 0.25:
        outputs = rng.sample(named, rng.randint(1, min(3, len(named))))
        return f"{first}{text}Outputs({','.join(outputs)})"
    return first + text
