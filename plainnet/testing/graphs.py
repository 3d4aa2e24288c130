"""Random networks whose blocks take values of each other by name: the same for the same seed, everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass
class _Writer:
    rng: Random
    labels: int = 0
    seen: list[_Value] = field(default_factory=list)

    def chain(
        self, value: _Value, visible: list[_Value], length: int, nesting: int
    ) -> tuple[str, _Value, list[_Value]]:
        """A sequence of blocks on a value: its text, what it puts out, and its named values."""
        text, mine = "", list[_Value]()
        for _ in range(length):
            part, value = self.block(value, [*visible, *mine], nesting)
            if value.name:
                mine = [known for known in mine if known.name != value.name] + [value]
            text += part
        return text, value, mine

    def block(self, value: _Value, visible: list[_Value], nesting: int) -> tuple[str, _Value]:
        rng = self.rng
        kind = rng.choice(("conv", "conv", "conv", "norm", "act", "from", "sum", "cat", "res", "nest"))
        if kind == "from" and visible:
            taken = rng.choice(visible)
            return f"From({taken.name})", _Value("", taken.channels, taken.stride)
        name = self.name()
        label = f"{name}|" if name else ""
        if nesting < MAX_NESTING and kind in ("sum", "cat", "res", "nest"):
            text, out = getattr(self, kind)(value, visible, nesting + 1, label)
            return text, _Value(name, out.channels, out.stride)
        if kind in ("norm", "act"):
            return f"{'BN' if kind == 'norm' else 'RELU'}({label}{value.channels})", _Value(
                name, value.channels, value.stride
            )
        return self.conv(value, rng.randint(1, 12), self.stride(value), label, name)

    def name(self) -> str:
        """A name that no other block has, or that of a block in another sequence, or none."""
        if self.rng.random() < 0.45:
            return ""
        self.labels += 1
        return f"{self.rng.choice(_NAMES)}_{self.labels}" if self.labels > len(_NAMES) else _NAMES[self.labels - 1]

    def stride(self, value: _Value) -> int:
        return self.rng.choice((1, 1, 2)) if value.stride < MAX_STRIDE else 1

    def conv(self, value: _Value, channels: int, stride: int, label: str = "", name: str = "") -> tuple[str, _Value]:
        kind = self.rng.choice(("ConvKX", "ConvKXBN", "ConvKXBNRELU"))
        kernel = self.rng.choice((1, 3, 3, 5))
        out = _Value(name, channels, value.stride * stride)
        return f"{kind}({label}{value.channels},{channels},{kernel},{stride})", out

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


def sample_graph(rng: Random, *, max_blocks: int = 8, in_channels: int = 3) -> str:
    """A random network string for images of `in_channels`: values taken twice or not at all, long shortcuts, names inside of
    names, blocks that nothing depends on, and sometimes several outputs.
    """
    writer = _Writer(rng)
    first, value = writer.conv(_Value("", in_channels, 1), rng.randint(1, 8), 1, "first|", "first")
    text, value, mine = writer.chain(value, [value], rng.randint(1, max_blocks), 0)
    named = list({known.name: known for known in [_Value("first", 0, 0), *mine]})
    if rng.random() < 0.25:
        outputs = rng.sample(named, rng.randint(1, min(3, len(named))))
        return f"{first}{text}Outputs({','.join(outputs)})"
    return first + text
