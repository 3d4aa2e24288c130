"""The cross-check: closed forms and four other counters side by side, with every difference explained by name.

The counts of `plainnet.blocks` are held against the built module: its own tensors, the operators that torch executes,
torch's FlopCounterMode, fvcore and thop. The last two count other things besides multiply-accumulates; each of these is
worked out from the rows and named, and what then remains, the residual, must be 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plainnet.blocks.network_counts import count_network, head_layers
from plainnet.blocks.rows.channel_layers import ChannelScale, LayerNorm
from plainnet.blocks.rows.layers import AdaptivePool, Norm, Pool
from plainnet.blocks.rows.map_layers import ConvTranspose, Resize
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import Row
from plainnet.network.network_names import as_network
from plainnet.profiler.counters import COUNTERS, Subject
from plainnet.profiler.measured_view import shape_text
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["Comparison", "Difference", "Verification", "verify_counts"]


@dataclass(frozen=True)
class Difference:
    """Something that another counter counts, and how much of it there is."""

    reason: str
    count: int

    def __str__(self) -> str:
        return f"{self.reason}: {self.count:,}"


@dataclass(frozen=True)
class Comparison:
    """One quantity as another counter counts it: counted = factor * closed_form + differences + residual."""

    counter: str
    quantity: str
    """a column of `plainnet.blocks.rows.counts`"""
    counted: int
    closed_form: int
    factor: int
    """2 where the counter counts a multiply-accumulate as two operations"""
    differences: tuple[Difference, ...]

    @property
    def residual(self) -> int:
        """What is left unexplained: 0, or one of the two is wrong."""
        return self.counted - self.factor * self.closed_form - sum(part.count for part in self.differences)

    def as_dict(self) -> dict[str, Any]:
        """All fields and `residual`, ready for JSON."""
        return {**vars(self), "differences": [vars(part) for part in self.differences], "residual": self.residual}

    @property
    def terms(self) -> list[str]:
        """What the counter counts otherwise, in words."""
        twice = [f"{self.counter} counts 2 per multiply-accumulate"] if self.factor != 1 else []
        return [*twice, *(f"{self.counter} counts {difference}" for difference in self.differences)]

    @property
    def verdict(self) -> str:
        """Whether the two agree, differ by what is known, or differ."""
        return f"UNEXPLAINED {self.residual:,}" if self.residual else "explained" if self.terms else "agrees"


@dataclass(frozen=True)
class Verification(Result):
    """What `verify_counts` found."""

    structure: str
    input: list[int]
    """[C, H, W]"""
    num_classes: int
    variant: dict[str, Any]
    closed_form: dict[str, int]
    output_shape: Any
    """a list of sides; by name where the network puts out several maps"""
    built_output_shape: Any
    comparisons: tuple[Comparison, ...]
    unavailable: dict[str, str]
    """counters that could not be asked, and why"""

    @property
    def ok(self) -> bool:
        """Whether nothing is left unexplained."""
        return self.output_shape == self.built_output_shape and not any(part.residual for part in self.comparisons)

    def as_dict(self) -> dict[str, Any]:
        """All fields and `ok`, ready for JSON."""
        return {**vars(self), "comparisons": [part.as_dict() for part in self.comparisons], "ok": self.ok}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each comparison."""
        return [part.as_dict() for part in self.comparisons]

    def view(self) -> View:
        """Every quantity by every counter; what explains a difference stands below."""
        rows = []
        for quantity in dict.fromkeys(part.quantity for part in self.comparisons):
            rows.append([quantity, "closed form", f"{self.closed_form[quantity]:,}", ""])
            parts = [part for part in self.comparisons if part.quantity == quantity]
            rows += [[quantity, part.counter, f"{part.counted:,}", part.verdict] for part in parts]
        shapes = "agrees" if self.output_shape == self.built_output_shape else f"closed form: {self.output_shape}"
        rows.append(["output shape", "module", shape_text(self.built_output_shape), shapes])
        table = Table(["quantity", "counter", "counted", ""], rows, left=2)
        reasons = [(f"{part.quantity}:", "; ".join(part.terms)) for part in self.comparisons if part.terms]
        unasked = [("", f"{name} was not asked: {why}") for name, why in self.unavailable.items()]
        return View((), [table], [*reasons, *unasked])


def verify_counts(
    structure: Any,
    resolution: int | tuple[int, int] = 224,
    num_classes: int | None = 1000,
    variant: Variant = PLAIN,
) -> Verification:
    """Hold the closed forms of a structure against the built module and four other counters.

    Builds the module several times and runs it once (fvcore needs a real run; the others use shapes alone).
    """
    parsed = as_network(structure).as_structure()
    shape = as_input_shape(parsed.in_channels, resolution)
    counts = count_network(parsed, shape, num_classes=num_classes, variant=variant)
    closed = counts.sums._asdict()
    tail = head_layers(counts.feature_shape, num_classes)
    rows = parsed.rows(shape, variant=variant, expand=True, tail=tail)
    subject = Subject(parsed, shape, num_classes, variant)
    comparisons: list[Comparison] = []
    unavailable: dict[str, str] = {}
    for name, ask in COUNTERS.items():
        try:
            answers = ask(subject)
        except Exception as error:  # a third party's counter may fail in any way it likes
            unavailable[name] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            continue
        for quantity, counted in answers.items():
            factor, differences = explain(name, quantity, rows)
            comparisons.append(Comparison(name, quantity, counted, closed[quantity], factor, tuple(differences)))
    return Verification(
        structure=str(parsed),
        input=shape.as_list(),
        num_classes=num_classes or 0,
        variant=variant.options(),
        closed_form=closed,
        output_shape=parsed.at(shape, variant=variant).output_shape(num_classes),
        built_output_shape=subject.built_output_shape(),
        comparisons=tuple(comparisons),
        unavailable=unavailable,
    )


Explanation = tuple[str, type, Callable[[Any, Shape, Shape], int]]


def _average_pool(layer: Pool, shape: Shape, out: Shape) -> int:  # noqa: ARG001
    return out.elements if layer.kind == "avg" else 0


def _adaptive_in_thop(layer: AdaptivePool, shape: Shape, out: Shape) -> int:
    """thop's own formula in floating point, cut to an integer as thop does it."""
    window = (shape.height / layer.output_size) * (shape.width / layer.output_size)
    return int((window + 1) * out.elements)


def _transposed_in_thop(layer: ConvTranspose, shape: Shape, out: Shape) -> int:
    """thop takes a transposed convolution for one whose window slides over the output, stride^2 times as many places."""
    return (out.elements - layer.out_channels * shape.height * shape.width) * shape.channels * layer.kernel_size**2


_UPSAMPLING = {"fvcore": {"nearest": 1, "bilinear": 4}, "thop": {"nearest": 1, "bilinear": 11}}
"""What the counters count for each element that upsampling puts out."""

_EXPLANATIONS: dict[str, tuple[Explanation, ...]] = {
    "fvcore": (
        ("2 per batch norm element", Norm, lambda layer, shape, out: 2 * out.elements),  # noqa: ARG005
        ("5 per layer norm element", LayerNorm, lambda layer, shape, out: 5 * out.elements),  # noqa: ARG005
        ("1 per element that adaptive pooling reads", AdaptivePool, lambda layer, shape, out: shape.elements),  # noqa: ARG005
        (
            "1 per element of nearest upsampling, 4 of bilinear",
            Resize,
            lambda layer, shape, out: _UPSAMPLING["fvcore"][layer.mode] * out.elements,  # noqa: ARG005
        ),
    ),
    "thop": (
        ("4 per batch norm element", Norm, lambda layer, shape, out: 4 * out.elements),  # noqa: ARG005
        ("1 per element that average pooling puts out", Pool, _average_pool),
        ("1 per element that adaptive pooling reads and 1 per element it puts out", AdaptivePool, _adaptive_in_thop),
        (
            "1 per element of nearest upsampling, 11 of bilinear",
            Resize,
            lambda layer, shape, out: _UPSAMPLING["thop"][layer.mode] * out.elements,  # noqa: ARG005
        ),
        ("a transposed convolution as one that slides over its output", ConvTranspose, _transposed_in_thop),
    ),
}
"""What these counters add to the multiply-accumulates, by the kind of row."""

_UNSEEN: tuple[Explanation, ...] = (
    ("none of the params of layer norms", LayerNorm, lambda layer, shape, out: -2 * out.channels),  # noqa: ARG005
    ("none of the params of layer scales", ChannelScale, lambda layer, shape, out: -out.channels),  # noqa: ARG005
)
"""What thop leaves out of the params: modules that are not of torch."""


def explain(counter: str, quantity: str, rows: Iterable[Row]) -> tuple[int, list[Difference]]:
    """The factor and the differences with which a counter counts a quantity."""
    explanations = _EXPLANATIONS.get(counter, ()) if quantity == "macs" else ()
    if (counter, quantity) == ("thop", "params"):
        explanations = _UNSEEN
    differences = []
    for reason, kind, amount in explanations:
        count = sum(amount(row.layer, row.in_shape, row.out_shape) for row in rows if isinstance(row.layer, kind))
        differences += [Difference(reason, count)] if count else []
    return (2 if (counter, quantity) == ("FlopCounterMode", "macs") else 1), differences
