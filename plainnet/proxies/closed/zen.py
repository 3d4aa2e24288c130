"""The Zen-score in closed form: from the string alone, without drawing a weight.

Definition (Lin et al., Zen-NAS, ICCV 2021, arXiv:2102.01063, as it reproduces the paper's table): residual links and
their projections removed, weights N(0, 1), x and e standard normal of shape (B, 3, R, R), f the feature map before global
pooling in training mode,

    zen = log mean over the batch of sum |f(x) - f(x + gamma e)|  +  sum over batch norms of 1/2 log V,

V the mean over channels of the batch variance (unbiased) of the norm's input. Both parts are almost deterministic; how
they follow from the string, and how well: docs/proxies/zen.md.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from plainnet.blocks import Shape, Structure, Variant
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import as_input_shape
from plainnet.blocks.rows.walk import WalkError
from plainnet.errors import NoFeatureMapError, UnknownScoreError, UsageError, nearest
from plainnet.network.network_names import at_its_size
from plainnet.proxies.closed.meanfield.borders import root_mean
from plainnet.proxies.closed.meanfield.correlated import closed_units
from plainnet.proxies.closed.meanfield.mean_field_layers import State, initial, moments, settled
from plainnet.proxies.closed.meanfield.program import (
    Program,
    Segment,
    Segments,
    Transfer,
    behind,
    compile_block,
    correlation_at,
    level_of,
)
from plainnet.proxies.closed.meanfield.steps import run

__all__ = ["VARIANTS", "ZenScorer", "zen_of_table", "zen_score"]

VARIANTS: Final = ("paper", "zennas")
"""`paper`: the definition. `zennas`: as the authors' search code reads it, running variances after two passes: every batch
norm adds 1/2 log(0.81 + 0.19 V).
"""
STATES = 200_000
"""So many states are remembered, then all is forgotten."""


class _Memory:
    """What is known for one batch size and one variant of networks."""

    def __init__(self, network: Variant, batch_size: int) -> None:
        self.network, self.batch_size = network, batch_size
        self.programs: BoundedMemo[tuple[str, Shape], Program] = BoundedMemo(50_000)
        self.segments: Segments = BoundedMemo(100_000)
        self.states: list[State] = []
        self.numbers: dict[State, int] = {}

    def number(self, state: State) -> int:
        found = self.numbers.get(state)
        if found is None:
            found = self.numbers[state] = len(self.states)
            self.states.append(state)
        return found

    def forget(self) -> None:
        self.programs.clear()
        self.segments.clear()
        self.states.clear()
        self.numbers.clear()

    def program(self, block: PlainNetBasicBlockClass, shape: Shape) -> Program:
        found = self.programs[block.text, shape] = compile_block(block, shape, self.network, self.segments)
        return found

    def transfer(self, program: Program, number: int) -> Transfer:
        """What a block does to a state: what its segments do to it, one after the other."""
        parts: list[Transfer] = []
        state = number
        for segment, times in program.segments:
            for _ in range(times):
                part = segment.transfers.get(state) or self._segment_transfer(segment, state)
                parts.append(part)
                state = part.state
        found = Transfer(
            sum([part.definition for part in parts]), sum([part.zennas for part in parts]), state, [], tuple(parts), {}
        )
        program.transfers[number] = found
        return found

    def _segment_transfer(self, segment: Segment, number: int) -> Transfer:
        definition, zennas, state, links = run(segment.operations, self.states[number], self.batch_size)
        found = Transfer(definition, zennas, self.number(settled(state)), links, (), {})
        segment.transfers[number] = found
        return found


class ZenScorer:
    """The closed form with its settings: `scorer(structure)` is a float. Keep one for a search: it remembers blocks.

    resolution: of the square input, or (height, width).
    variant: one of `VARIANTS`.
    batch_size, gamma: of the definition (B, and the size of the perturbation).
    network: how the blocks are read (activation, squeeze-excite, without batch norm); shortcuts are always removed.
    """

    def __init__(
        self,
        resolution: int | tuple[int, int] = 32,
        *,
        variant: str = "paper",
        batch_size: int = 16,
        gamma: float = 0.01,
        network: Variant | None = None,
    ) -> None:
        if variant not in VARIANTS:
            near = nearest(variant, VARIANTS)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"unknown variant {variant!r} of the Zen-score; accepted: {', '.join(VARIANTS)}{hint}")
        if batch_size < 1 or not gamma > 0:
            raise UsageError(f"batch_size is {batch_size}, gamma is {gamma}; accepted: positive numbers")
        self.resolution = resolution
        self.zennas = variant == "zennas"
        self.network = replace(network or Variant(), no_reslink=True)
        self._memory = _memory(self.network, batch_size)
        self._level = level_of(1 / math.sqrt(1 + gamma * gamma))
        self._starts: dict[int, tuple[Shape, State]] = {}

    def __call__(self, network: Any) -> float:
        """The score of a network, named in any way, at this size and in this variant; `StructureError` where the input does not
        fit it, `UsageError` without a feature map.
        """
        structure, _, _ = at_its_size(network, self.resolution, otherwise=32, variant=self.network)
        memory, zennas = self._memory, self.zennas
        programs = memory.programs
        if len(memory.states) > STATES:
            memory.forget()
        shape, state = self._start(structure)
        if not structure.is_plain:
            closed_units(structure.at(shape, variant=self.network))
        number, level, score, has_map = memory.number(state), self._level, 0.0, False
        for block in structure.units:
            program = programs.get((block.text, shape))
            if program is None:
                program = self._compile(block, shape, structure)
            transfer = program.transfers.get(number)
            if transfer is None:
                transfer = memory.transfer(program, number)
            score += transfer.zennas if zennas else transfer.definition
            after = transfer.levels.get(level)
            level = behind(transfer, level) if after is None else after
            number, shape = transfer.state, program.out_shape
            has_map = has_map or program.has_map
            if program.ends:
                break
        if not has_map:
            raise NoFeatureMapError(
                "the Zen-score needs a feature map: the structure has no convolution before its pooling"
            )
        return score + last_term(shape, memory.states[number], level)

    def _start(self, structure: Structure) -> tuple[Shape, State]:
        channels = structure.in_channels
        found = self._starts.get(channels)
        if found is None:
            shape = as_input_shape(channels, self.resolution)
            structure.totals(shape)
            state = initial(shape.height, shape.width)
            found = self._starts[channels] = shape, state
        return found

    def _compile(self, block: PlainNetBasicBlockClass, shape: Shape, structure: Structure) -> Program:
        try:
            return self._memory.program(block, shape)
        except WalkError:
            structure.rows(self._start(structure)[0], variant=self.network)
            raise
        except UnknownScoreError as error:
            raise UnknownScoreError(f"{structure.units.index(block)}.{error}") from None


@lru_cache(100_000)
def last_term(shape: Shape, state: State, level: int) -> float:
    """log of the mean sum of |f(x) - f(x + gamma e)| on the last map; -inf where all of it is expected to be 0 (behind a gate
    that is a mean of zero, say).
    """
    unit, of = state.unit, moments(state)
    difference = unit.difference(correlation_at(level)) * of.root * root_mean(state.size, state.border, unit)
    return math.log(shape.elements * difference) + state.log_scale / 2 if difference > 0 else -math.inf


@lru_cache(64)
def _memory(network: Variant, batch_size: int) -> _Memory:
    return _Memory(network, batch_size)


@lru_cache(64)
def _scorer(
    resolution: int | tuple[int, int], variant: str, batch_size: int, gamma: float, network: Variant | None
) -> ZenScorer:
    return ZenScorer(resolution, variant=variant, batch_size=batch_size, gamma=gamma, network=network)


def _forget() -> None:
    _memory.cache_clear()
    _scorer.cache_clear()


on_change(_forget)


def zen_score(
    structure: Any,
    resolution: int | tuple[int, int] | None = None,
    *,
    variant: str = "paper",
    batch_size: int = 16,
    gamma: float = 0.01,
    network: Variant | None = None,
) -> float:
    """The Zen-score of a network in closed form (natural logarithm).

    structure: whatever `plainnet.resolve` takes. resolution: R or (H, W); by default what is known of the network, 32 otherwise.
    The other arguments are those of `ZenScorer`.

    >>> round(zen_score("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperConvK1BNRELU(16,128,1,1)"), 1)
    15.4
    """
    found, size, of_network = at_its_size(structure, resolution, otherwise=32, variant=network or Variant())
    return _scorer(size, variant, batch_size, gamma, of_network)(found)


def zen_of_table(table: NetworkTable, *, variant: str = "paper", batch_size: int = 16, gamma: float = 0.01) -> float:
    """The same of a network at an input size; it is remembered with the table."""
    score: float = table.remembered(
        ("zen", variant, batch_size, gamma),
        lambda: _scorer(table.resolution, variant, batch_size, gamma, table.variant)(table.structure),
    )
    return score
