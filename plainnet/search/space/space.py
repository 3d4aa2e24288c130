"""A search space as data: where a search starts, what it may change, and what it must not.

    name: mine
    start: SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,1)
    blocks:
      - names: [SuperResK3K3, SuperResK5K5]       # each may become any of `become` (by default: of these)
        change:
          out_channels: &width {factors: [2, 1, 0.5], minimum: 8, maximum: 2048, step: 8}
          bottleneck_channels: *width
          sub_layers: {add: [-1, 0, 1], minimum: 1}
    positions:
      - at: 0
        freeze: [out_channels]

`plainnet space check FILE` reads one; the shipped ones are in `plainnet/search/space/spaces/`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from plainnet.blocks.rows.limits import MOST_SIDE
from plainnet.configs import dump_values

__all__ = ["BlockRule", "CellRule", "Change", "PositionRule", "Space", "Split", "Widths"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Change(_Model):
    """How one argument of a block may change: exactly one of `factors`, `add`, `values` and `ratios`, each choice
    equally likely; then the nearest multiple of `step` (half to even) from `minimum` to `maximum`.

    It is a constraint, too: no block of a candidate has a value that it does not accept, and a `ratios` argument stays a
    multiple of `of` when that changes.
    """

    factors: list[float] | None = Field(default=None, min_length=1, description="what the value is multiplied by")
    add: list[int] | None = Field(default=None, min_length=1, description="what is added to the value")
    values: list[int] | None = Field(default=None, min_length=1, description="what the value may be")
    ratios: list[float] | None = Field(default=None, min_length=1, description="multiples of the argument `of`")
    of: str = Field(default="out_channels", description="the argument that `ratios` multiply")
    minimum: int = Field(default=1, ge=0, description="the least value; the least of `values` where they are given")
    maximum: int | None = Field(
        default=None, ge=1, description="the greatest value; the argument's own limit by default"
    )
    step: int = Field(default=1, ge=1, description="values are multiples of this")

    @model_validator(mode="before")
    @classmethod
    def _values_have_a_least(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "minimum" not in given:
            values = given.get("values")
            if isinstance(values, list) and values and all(type(each) is int and each >= 0 for each in values):
                return {**given, "minimum": min(values)}
        return given

    @model_validator(mode="after")
    def _one_kind(self) -> Change:
        given = [name for name in ("factors", "add", "values", "ratios") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"one of factors, add, values and ratios is needed, {len(given)} are given")
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError(f"maximum {self.maximum} is below minimum {self.minimum}")
        if self.maximum is not None and self.greatest < self.least:
            raise ValueError(f"no multiple of step {self.step} is from {self.minimum} to {self.maximum}")
        if any(not 0 < factor < 1e6 for factor in (*(self.factors or ()), *(self.ratios or ()))):
            raise ValueError("factors and ratios are positive numbers")
        outside = [each for each in self.values or () if self.limited(each) != each]
        if outside:
            raise ValueError(f"values: {outside[0]} is not accepted itself; accepted: {self.accepted}")
        return self

    @property
    def least(self) -> int:
        """The least value that is accepted."""
        return -(-self.minimum // self.step) * self.step

    @property
    def greatest(self) -> float:
        """The greatest value that is accepted; infinite where nothing limits it."""
        return math.inf if self.maximum is None else self.maximum // self.step * self.step

    @property
    def accepted(self) -> str:
        """What is accepted, in words."""
        if self.values is not None:
            return ", ".join(map(str, sorted(set(self.values))))
        what = f"a multiple of {self.step}" if self.step > 1 else "a whole number"
        to = f"from {self.least} to {self.greatest}" if self.maximum is not None else f"of at least {self.least}"
        return f"{what} {to}"

    def limited(self, value: float) -> int:
        """`value` as this argument may have it."""
        number = max(self.least, round(value / self.step) * self.step)
        return int(min(number, self.greatest))

    def accepts(self, value: int) -> bool:
        """Whether an argument may have a value (a multiple of another argument: whatever that is)."""
        if self.values is not None:
            return value in self.values
        return self.least <= value <= self.greatest and value % self.step == 0

    def nearest(self, value: int, low: float, high: float) -> int | None:
        """The accepted value from `low` to `high` that is nearest to `value`, the lesser of two; None if there is none."""
        if self.values is not None:
            within = [each for each in self.values if low <= each <= high]
            return min(within, key=lambda each: (abs(each - value), each), default=None)
        low, high = max(self.least, -(-low // self.step) * self.step), min(self.greatest, high // self.step * self.step)
        if low > high:
            return None
        return int(min(max(round(value / self.step) * self.step, low), high))

    def options(self, value: int) -> list[int]:
        """What `value` may become, each entry equally likely (an entry that stands twice is twice as likely)."""
        if self.factors is not None:
            return [self.limited(value * factor) for factor in self.factors]
        if self.add is not None:
            return [self.limited(value + step) for step in self.add]
        return list(self.values or ())

    def multiples(self, value: int) -> list[int]:
        """What an argument may be that is a multiple of another one of `value`."""
        return [self.limited(value * ratio) for ratio in self.ratios or ()]


class BlockRule(_Model):
    """What blocks of some names may become. A name may hold `*` for any text."""

    names: list[str] = Field(min_length=1, description="names of blocks; * stands for any text")
    become: list[str] | None = Field(
        default=None,
        description="the names that they may become; by default those of `names` that take the same arguments",
    )
    change: dict[str, Change] = Field(default_factory=dict, description="argument -> how it may change")


class PositionRule(_Model):
    """What is different for some blocks of the start structure (and what grows out of them)."""

    at: int | list[int] = Field(description="positions in the start structure; -1 is the last block")
    freeze: list[str] | Literal["all"] = Field(
        default_factory=list, description="arguments that stay; `name` for the kind of block; or all"
    )
    become: list[str] | None = Field(default=None, description="the names that these blocks may become")
    change: dict[str, Change] = Field(default_factory=dict, description="argument -> how it may change here")

    @property
    def positions(self) -> list[int]:
        return self.at if isinstance(self.at, list) else [self.at]


class Split(_Model):
    """A block of many sub-layers becomes two: `first` of them, and the rest with stride 1."""

    at_least: int = Field(default=6, ge=2, description="sub-layers from which a block is split")
    first: int = Field(default=3, ge=1, description="sub-layers of the first part")

    @model_validator(mode="after")
    def _rest_remains(self) -> Split:
        if self.first >= self.at_least:
            raise ValueError(f"first ({self.first}) must be less than at_least ({self.at_least})")
        return self


class Widths(_Model):
    """How out_channels may go along the network, behind the first block: for every two neighbours of which one may change
    its out_channels. (Blocks without an out_channels of their own, such as BN, are passed over.)
    """

    at_least_input: bool = Field(default=False, description="no block puts out fewer channels than it takes")
    at_most_input_times: float | None = Field(default=None, ge=1, description="growth of one block at most")
    at_most_next: bool = Field(default=False, description="no block puts out more channels than the next one")


class Mutation(_Model):
    """How much of a parent one mutation changes."""

    blocks: int = Field(default=2, ge=1, description="blocks drawn, with replacement")
    blocks_at_first: int = Field(default=1, ge=1, description="blocks drawn while the population is small")
    first_population: int = Field(default=10, ge=0, description="the population up to which it is small")
    redirect: bool = Field(
        default=False, description="also let a `From` take another value that it can see, where widths and maps fit"
    )
    arguments: Literal["all", "one"] = Field(
        default="all", description="draw all changeable arguments of a block anew, or one"
    )


class CellRule(_Model):
    """The cells of a published space, in networks of a size."""

    family: str = Field(description="the space whose cells they are: nas-bench-201, nas-bench-101 or darts")
    sizes: dict[str, int] = Field(default_factory=dict, description="how large the networks are: channels, cells, ...")


class Space(_Model):
    """A search space: of blocks under rules, or of cells by their codes. `limits` and `objectives` are defaults that a search
    may override.
    """

    name: str = Field(description="what the space is called")
    about: str = Field(default="", description="one line for people")
    start: list[str] = Field(
        min_length=1,
        description="the structure, or structures, that a search starts from; codes, where there is a `cell`",
    )
    blocks: list[BlockRule] = Field(
        default_factory=list, description="what blocks may become; the first rule that fits counts"
    )
    cell: CellRule | None = Field(default=None, description="what the codes mean, in place of rules for blocks")
    positions: list[PositionRule] = Field(default_factory=list, description="overrides for single positions")
    split: Split | None = Field(default=None, description="how deep blocks are split in two; by default they are not")
    widths: Widths = Field(default=Widths(), description="rules for out_channels along the network")
    mutation: Mutation = Field(default=Mutation(), description="how much a mutation changes")
    limits: dict[str, float] = Field(default_factory=dict, description="budget -> its limit: params, macs, layers, ...")
    objectives: list[str] = Field(default_factory=lambda: ["zen"], min_length=1, description="what is optimised")
    resolution: int = Field(default=224, ge=1, le=MOST_SIDE, description="side of the input image")
    num_classes: int = Field(default=1000, ge=0, description="outputs of the classifier; 0 for none")
    use_se: bool = Field(default=False, description="networks are counted with squeeze-excite")

    @field_validator("name")
    @classmethod
    def _fit_for_a_folder(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
            raise ValueError(
                "a name is made of letters, digits, '_', '.' and '-', and begins with one of the first two"
            )
        return value

    @field_validator("start", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _blocks_or_cells(self) -> Space:
        if self.cell is None and not self.blocks:
            raise ValueError("blocks is missing: what the blocks of a start may become; or cell, for a space of cells")
        for name in ("blocks", "positions", "split") if self.cell is not None else ():
            if getattr(self, name):
                raise ValueError(
                    f"{name} is for spaces of blocks, and cell makes it one of cells: the codes have rules of their own"
                )
        return self

    def dump(self) -> str:
        """The space as YAML that reads back as the same."""
        return dump_values(self.model_dump(mode="json", exclude_none=True))
