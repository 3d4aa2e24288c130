"""Warnings about what is legal but hardly meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows.layers import Conv
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import Row, dead_rows
from plainnet.blocks.structure import Structure

__all__ = ["LintWarning", "dead_parts", "lint"]

_SHOWN = 4
"""So many layers of a block are named that nothing depends on."""
BOTTLENECK = 4
"""Channels that fall below the input's by more than this factor, and rise again, are a bottleneck of the whole network."""


@dataclass(frozen=True)
class LintWarning:
    """One warning: its rule, the block it is about (by number, from 0), and what it says."""

    rule: str
    block: int
    message: str

    def __str__(self) -> str:
        return f"block {self.block}: {self.message} [{self.rule}]"


def lint(structure: Structure, shape: Shape, *, variant: Variant = PLAIN) -> list[LintWarning]:
    """Everything that is worth a second look, in the order of the blocks."""
    rows = structure.rows(shape, variant=variant)
    shapes = [shape, *(totals.out_shape for totals in structure.totals(shape, variant=variant))]
    warnings = [warning for rule in _RULES for warning in rule(structure, shapes, rows)]
    if not structure.is_plain:
        warnings += _dead(structure, rows, dead_rows(structure.blocks, shape, variant))
    return sorted(dict.fromkeys(warnings), key=lambda warning: warning.block)


def dead_parts(structure: Structure, shape: Shape, *, variant: Variant = PLAIN) -> list[str]:
    """What nothing depends on that the network puts out, a sentence for each block with some: it is in no count."""
    found = _dead(structure, structure.rows(shape, variant=variant), dead_rows(structure.blocks, shape, variant))
    return [warning.message for warning in found]


def _dead(structure: Structure, rows: list[Row], dead: list[Row]) -> Iterator[LintWarning]:
    """Blocks, and layers inside of blocks, that nothing which the network puts out depends on."""
    alive = {row.block_number for row in rows}
    for number in dict.fromkeys(row.block_number for row in dead):
        what = str(structure.blocks[number])
        if number in alive:
            paths = [row.path.partition(".")[2] for row in dead if row.block_number == number]
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            what = f"{', '.join(paths[:_SHOWN])}{more} of {what}"
        yield LintWarning("dead", number, f"nothing depends on {what}: it is neither counted nor built")


def _every_block(structure: Structure) -> Iterator[tuple[int, PlainNetBasicBlockClass]]:
    """Every block with the number of the outermost block that it is in."""
    for number, outer in enumerate(structure.blocks):
        waiting = [outer]
        while waiting:
            block = waiting.pop()
            waiting += block.children
            yield number, block


def _tiny_maps(structure: Structure, shapes: list[Shape], rows: list[Row]) -> Iterator[LintWarning]:  # noqa: ARG001
    for row in rows:
        if isinstance(row.layer, Conv) and "gate" not in row.path:
            height, width = row.in_shape.height, row.in_shape.width
            if row.layer.stride > 1 and min(height, width) == 1:
                yield LintWarning(
                    "stride-on-1x1",
                    row.block_number,
                    f"stride {row.layer.stride} on a map of {height}x{width}: nothing is left",
                )
            elif row.layer.kernel_size > 1 and max(height, width) == 1:
                kernel = f"{row.layer.kernel_size}x{row.layer.kernel_size}"
                yield LintWarning(
                    "kernel-on-1x1", row.block_number, f"a {kernel} convolution on a 1x1 map sees mostly padding"
                )


def _even_kernels(structure: Structure, shapes: list[Shape], rows: list[Row]) -> Iterator[LintWarning]:  # noqa: ARG001
    for row in rows:
        if isinstance(row.layer, Conv) and row.layer.kernel_size % 2 == 0 and row.layer.stride == 1:
            yield LintWarning(
                "even-kernel",
                row.block_number,
                f"an even kernel of {row.layer.kernel_size} shrinks the map by one at each convolution",
            )


def _odd_channels(structure: Structure, shapes: list[Shape], rows: list[Row]) -> Iterator[LintWarning]:  # noqa: ARG001
    for number, block in _every_block(structure):
        for name in ("out_channels", "bottleneck_channels"):
            channels = getattr(block, name, None)
            if isinstance(channels, int) and channels % 8:
                yield LintWarning(
                    "channels-not-8", number, f"{name} {channels} is no multiple of 8, which many devices run slower"
                )


def _width_bottleneck(structure: Structure, shapes: list[Shape], rows: list[Row]) -> Iterator[LintWarning]:  # noqa: ARG001
    for number in range(len(structure.blocks) - 1):
        before, here, after = shapes[number], shapes[number + 1], shapes[number + 2]
        if here.is_vector or after.is_vector:
            continue
        narrow = here.channels * BOTTLENECK
        if narrow <= before.channels and narrow <= after.channels and here[1:] == before[1:]:
            widths = f"{before.channels} -> {here.channels} -> {after.channels}"
            yield LintWarning(
                "width-bottleneck", number, f"all information passes through {here.channels} channels ({widths})"
            )


def _undone_strides(structure: Structure, shapes: list[Shape], rows: list[Row]) -> Iterator[LintWarning]:  # noqa: ARG001
    meets = max((number for number, block in enumerate(structure.blocks) if block.taken_names), default=-1)
    for number in range(meets + 1, len(structure.blocks)):  # up to there maps grow to meet values of before
        before, after = shapes[number], shapes[number + 1]
        if not (before.is_vector or after.is_vector) and after.height > before.height:
            yield LintWarning(
                "undone-stride", number, f"the map grows from {before} to {after}: an earlier stride is undone"
            )


def _wrong_annotations(structure: Structure, shapes: list[Shape], rows: list[Row]) -> Iterator[LintWarning]:  # noqa: ARG001
    for number, block in enumerate(structure.blocks):
        declared = getattr(block, "out_channels", None)
        if not block.checks_channels and declared != shapes[number].channels:
            yield LintWarning(
                "channel-annotation",
                number,
                f"{block} is written for {declared} channels and gets {shapes[number].channels}",
            )


def _late_activation(structure: Structure, shapes: list[Shape], rows: list[Row]) -> Iterator[LintWarning]:  # noqa: ARG001
    def is_activation(block: PlainNetBasicBlockClass) -> bool:
        return not block.checks_channels and block.name != "Dropout"

    for number, (first, second) in enumerate(zip(structure.blocks, structure.blocks[1:], strict=False), 1):
        if is_activation(first) and first == second:
            yield LintWarning("repeated-activation", number, f"{second} after {first} changes little or nothing")


_RULES: tuple[Callable[[Structure, list[Shape], list[Row]], Iterator[LintWarning]], ...] = (
    _tiny_maps,
    _even_kernels,
    _odd_channels,
    _width_bottleneck,
    _undone_strides,
    _wrong_annotations,
    _late_activation,
)
