"""Modules of rows in which values are taken by name: what does not fit into modules inside of modules.

The names of parts, and so the keys of the `state_dict`, are those of any network: the path of each row. A part that maps
one value to one value is a module that can be called; a part that takes values from outside only holds its layers, and the
`Linked` module around it runs them one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from plainnet.blocks.rows.live_rows import INPUT

__all__ = ["Linked", "Step", "Wiring"]


class Step(NamedTuple):
    """One step of a `Wiring`: a part that is called, or values that meet."""

    part: tuple[str, ...]
    """where the part is; empty for values that meet"""
    meeting: str
    """"sum", "cat" or "gate"; empty for a part"""
    takes: tuple[int, ...]
    puts_out: int
    lets_go: tuple[int, ...]
    """the values that no later step takes"""


class Wiring:
    """In which order the parts of a module are called, and how values go from one to the other; `code` says it in the words of
    the string.

    steps: what is done, in order; every value has a number, -1 for what comes in.
    outputs: the values that are put out: one as it is, several in a list, or in a dict where `output_names` are given.
    names: what values are called.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        outputs: tuple[int, ...],
        *,
        output_names: tuple[str, ...] = (),
        as_list: bool = False,
        names: Mapping[int, str] | None = None,
    ) -> None:
        self.steps, self.outputs, self.output_names, self.as_list = tuple(steps), outputs, output_names, as_list
        self.names = dict(names or {})

    def run(self, owner: nn.Module, x: Tensor) -> Any:
        """What the parts of `owner` make of `x`."""
        values = {INPUT: x}
        del x
        for step in self.steps:
            taken = [values[value] for value in step.takes]
            for value in step.lets_go:
                del values[value]
            if step.part:
                part = owner
                for name in step.part:
                    part = getattr(part, name)
                values[step.puts_out] = part(taken.pop())
            else:
                values[step.puts_out] = _meet(step.meeting, taken)
            taken.clear()
        found = [values[value] for value in self.outputs]
        if self.output_names:
            return dict(zip(self.output_names, found, strict=True))
        return found if self.as_list else found[0]

    @property
    def code(self) -> str:
        """What `forward` does, a line a step, with the names of the string."""
        called = {INPUT: "_in"}
        lines = []
        for step in self.steps:
            takes = [called[value] for value in step.takes]
            called[step.puts_out] = out = self.names.get(step.puts_out, f"_{step.puts_out}")
            if step.part:
                lines.append(f"{out} = self.{'.'.join(step.part)}({takes[0]})")
            elif step.meeting == "cat":
                lines.append(f"{out} = cat([{', '.join(takes)}])")
            else:
                lines.append(f"{out} = {(' * ' if step.meeting == 'gate' else ' + ').join(takes)}")
        return "\n".join([*lines, f"return {', '.join([called[value] for value in self.outputs])}"])


class Linked(nn.Module):
    """Parts that take values of each other, run as `wiring` says."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        self.wiring = wiring

    def forward(self, x: Tensor) -> Any:
        return self.wiring.run(self, x)

    @property
    def code(self) -> str:
        """What `forward` does, a line a step, with the names of the string."""
        return self.wiring.code


def _meet(meeting: str, values: list[Tensor]) -> Tensor:
    if meeting == "cat":
        return torch.cat(values, dim=1)
    if meeting == "gate":
        return values[0] * values[1]
    found = values[0]
    for value in values[1:]:
        found = found + value
    return found
