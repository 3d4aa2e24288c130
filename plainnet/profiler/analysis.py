"""The answer of `analyze_model`: a typed record with a versioned JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plainnet.network.counting.module_tree import ModuleCost

from plainnet.profiler.analysis_view import analysis_view, block_columns
from plainnet.results.result import Result, View

__all__ = ["SCHEMA", "Analysis", "BlockAnalysis"]

SCHEMA = "plainnet.analysis/2"
"""Changes with every change of a key's name or meaning."""


@dataclass(frozen=True)
class BlockAnalysis:
    """One block of a network (or one operator of a user's module): where it stands and what it costs for one image."""

    index: int
    name: str
    in_shape: list[int] | None
    out_shape: list[int] | None
    params: int | None
    """None for an operator, which has no parameters of its own"""
    macs: int
    activations: int
    layers: int | None
    """None for an operator"""
    convolutions: int
    operations: dict[str, int]
    """operations other than multiply-accumulates, each kind under its own name"""
    peak_activation_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "flops": 2 * self.macs}

    def copied(self) -> BlockAnalysis:
        """An equal record that shares nothing with this one that can be changed."""
        made = object.__new__(BlockAnalysis)  # a known network is little else than these copies
        fields = vars(made)
        fields.update(vars(self))
        fields["operations"] = self.operations.copy()
        if self.in_shape is not None:
            fields["in_shape"] = self.in_shape.copy()
        if self.out_shape is not None:
            fields["out_shape"] = self.out_shape.copy()
        return made


@dataclass(frozen=True)
class Analysis(Result):
    """What a network costs. Counts are exact, and for one image (for `inputs` of the caller's own as they are); see
    docs/counting.md for the conventions.
    """

    structure: str | None
    """the canonical string; None for a module of the user's own"""
    hash: str | None
    name: str | None
    input: list[int] | None
    """[C, H, W]; None for inputs of the caller's own"""
    variant: dict[str, Any]
    num_classes: int
    params: int
    """learnable scalars"""
    macs: int
    """multiply-accumulates of convolutions and linear layers"""
    layers: int | None
    """layers as the published work counts them; None for a module, which is no list of blocks"""
    convolutions: int
    activations: int
    """elements that convolutions and linear layers put out"""
    operations: dict[str, int]
    """operations other than multiply-accumulates, each kind under its own name"""
    weight_bytes: int
    peak_activation_bytes: int | None
    """the most bytes of activations that are alive at once, for the whole batch"""
    feature_shape: list[int] | None
    """[C, H, W] before pooling"""
    output_shape: Any
    """the shape for one image"""
    receptive_field: int | None
    """side of the input window that one element of the feature map sees"""
    stride: int | None
    """how much smaller the feature map is than the input"""
    blocks: list[BlockAnalysis]
    batch: int | None = 1
    """images at once, for latency and peak memory; None for inputs of the caller's own"""
    dtype: str = "float32"
    latency: dict[str, Any] | None = None
    """median_ms, p90_ms, p99_ms, ci95_ms and how they were measured"""
    memory: dict[str, Any] | None = None
    """bytes of weights, activations, gradients, optimizer states, at inference and in training (`plainnet.profiler.memory`)"""
    training: dict[str, Any] | None = None
    """multiply-accumulates of a step of training for one image: forward_macs, backward_macs, step_macs; what is uncounted"""
    zen: dict[str, Any] | None = None
    """mean, stderr, repeats, variant and how it was measured; the closed form; how far it can be trusted"""
    composite: dict[str, Any] | None = None
    """score (None if it is not finite) and how far it can be trusted"""
    inputs: dict[str, Any] | None = None
    """the shapes of inputs of the caller's own, by position (`inputs`) and by name (`kwargs`)"""
    modules: Sequence[ModuleCost] | None = None
    """the submodules of a module of the user's own, each with all that is inside of it; None for a structure, which has blocks"""
    module_times: dict[str, Any] | None = None
    """of the milliseconds of `modules`: how many passes were made, their sum, and the least of the whole passes"""
    machine: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """what could not be counted, and what else a reader should know"""
    network: dict[str, Any] | None = None
    """what was named, and where its size, classes and variant came from; None where a value was handed in"""
    schema: str = SCHEMA

    def copied(self, **changes: Any) -> Analysis:
        """This record, of counts alone, with other fields; it shares nothing with this one that can be changed."""
        made = object.__new__(Analysis)
        fields = {name: value.copy() if type(value) in (list, dict) else value for name, value in vars(self).items()}
        vars(made).update(fields, blocks=[block.copied() for block in self.blocks], **changes)
        return made

    def changed(self, **changes: Any) -> Analysis:
        """This record with other fields; the rest is shared."""
        made = object.__new__(Analysis)  # as dataclasses.replace does it, in a tenth of the time of a known network
        vars(made).update(vars(self), **changes)
        return made

    @property
    def flops(self) -> int:
        """2 * macs"""
        return 2 * self.macs

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        record = {
            "schema": self.schema,
            **{key: value for key, value in vars(self).items() if key not in ("blocks", "modules", "schema")},
            "modules": None if self.modules is None else [part.as_dict() for part in self.modules],
        }
        return {**record, "flops": self.flops, "blocks": [block.as_dict() for block in self.blocks]}

    def view(self, *, depth: int = 2) -> View:
        """What it is, the table of blocks, the totals. depth: how deep the table of a module's submodules goes; 0 for none."""
        return analysis_view(self, depth=depth)

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each block: every number, and each kind of other operations as a column."""
        return [*block_columns(self)]
