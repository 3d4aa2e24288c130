"""Genes: the blocks of candidates, interned, with everything about a block remembered on it.

A candidate is a tuple of genes. A mutation changes one or two of them, so a search meets the same genes again and
again: what a gene may become, what it costs at an input shape and what it adds to a score are worked out once. A block
object is made only then.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.layers import Layers
from plainnet.blocks.reader import read_blocks
from plainnet.blocks.registry import find_block
from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError

__all__ = ["Gene", "GenePool", "Genes", "Kind", "count_layers", "kind_of"]

YOUNG = 40_000
"""Genes that are remembered before the older half is forgotten (about 1 kB each)."""


class Kind(NamedTuple):
    """What all blocks of a name have in common: the class, the fields that the name holds, and where in the values of
    the string the arguments are that a search knows; -1 for none.
    """

    cls: type[PlainNetBasicBlockClass]
    in_name: dict[str, int]
    fields: tuple[str, ...]
    in_channels: int
    out_channels: int
    stride: int
    depth: int
    integers: bool
    trusted: bool
    """whether values within their ranges always make a block (it checks nothing else): it can then be made unchecked"""


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind:
    """The kind of a block name that is known to exist."""
    found = find_block(name)
    if found is None:
        raise UsageError(f"unknown block {name}")
    cls, in_name = found
    fields = tuple(field.name for field in cls.fields)
    kinds = [field.kind.kind for field in cls.fields]
    at = {field: index for index, field in enumerate(fields)}
    depth = kinds.index("depth") if "depth" in kinds else -1
    if not cls.checks_channels or any(field.kind.is_children for field in cls.fields):
        return Kind(cls, dict(in_name), fields, -1, -1, -1, -1, False, False)
    return Kind(
        cls,
        dict(in_name),
        fields,
        at.get("in_channels", -1),
        at.get("out_channels", -1),
        at.get("stride", -1),
        depth,
        all(field.kind.number is int for field in cls.fields),
        cls.check is PlainNetBasicBlockClass.check and cls.__post_init__ is PlainNetBasicBlockClass.__post_init__,
    )


class Gene:
    """One block of a candidate under a rule of its space: `name(values)`."""

    __slots__ = (
        "_layers",
        "_text",
        "depth",
        "entries",
        "entry",
        "gains",
        "less",
        "made",
        "moves",
        "name",
        "rule",
        "state",
        "values",
        "wide",
        "width_in",
        "width_out",
    )

    def __init__(self, rule: int, name: str, values: tuple[Any, ...], text: str | None = None) -> None:
        self.rule, self.name, self.values, self._text = rule, name, values, text
        self.state = -1  # where it was met last, and what it costs there: most blocks are met at one place
        self.entry: Any = None
        self.entries: dict[int, Any] | None = None  # the same for all places, once there are several
        self.gains: dict[Any, Any] = {}
        self.moves: Any = None
        self.less: Any = None
        self.made: PlainNetBasicBlockClass | None = None
        self._layers: Layers | None = None
        self.width_in: int | None = None
        self.width_out: int | None = None
        self.depth = 0
        self.wide = False

    def __repr__(self) -> str:
        return f"<{self.text}>"

    def __reduce__(self) -> Any:
        raise TypeError("genes belong to one pool; send their texts and rules")

    @property
    def text(self) -> str:
        """The block's canonical string. Most genes belong to candidates that are over a budget and never need it."""
        if self._text is None:
            written = map(str, self.values) if kind_of(self.name).integers else map(_number, self.values)
            self._text = f"{self.name}({','.join(written)})"
        return self._text

    @property
    def block(self) -> PlainNetBasicBlockClass:
        """The block itself, made anew."""
        if not self.values:
            return read_blocks(self.text)[0]
        kind = kind_of(self.name)
        if not kind.trusted:
            return kind.cls(**kind.in_name, **dict(zip(kind.fields, self.values, strict=True)))
        block = object.__new__(kind.cls)
        fields = block.__dict__
        fields["label"] = None
        fields.update(kind.in_name)
        fields.update(zip(kind.fields, self.values, strict=True))
        return block

    def layers(self) -> Layers:
        """What the block is made of: asked for what it costs, and again for its score if that is affordable."""
        if self._layers is None:
            self._layers = self.block.layers()
        return self._layers

    def kept_block(self) -> PlainNetBasicBlockClass:
        """The block itself, made once: for those who ask for it with every candidate."""
        if self.made is None:
            self.made = self.block
        return self.made


Genes = tuple[Gene, ...]

_depth = attrgetter("depth")


def count_layers(genes: Genes) -> int:
    """The layers of a candidate."""
    return sum(map(_depth, genes))


class GenePool:
    """The genes of one process: each (rule, name, values) is one object while it is in use."""

    def __init__(self) -> None:
        self._young: dict[tuple[int, str, tuple[Any, ...]], Gene] = {}
        self._old: dict[tuple[int, str, tuple[Any, ...]], Gene] = {}
        self.made = 0

    def gene(self, key: tuple[int, str, tuple[Any, ...]]) -> Gene:
        """The gene of (rule, name, values)."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key) or self._make(key)
            if len(self._young) >= YOUNG:
                self._old, self._young = self._young, {}
            self._young[key] = found
        return found

    def _make(self, key: tuple[int, str, tuple[Any, ...]]) -> Gene:
        rule, name, values = key
        self.made += 1
        kind = kind_of(name)
        gene = Gene(rule, name, values)
        gene.width_in = values[kind.in_channels] if kind.in_channels >= 0 else None
        gene.width_out = values[kind.out_channels] if kind.out_channels >= 0 else None
        gene.depth = values[kind.depth] if kind.depth >= 0 else gene.block.num_layers()
        gene.wide = kind.in_channels >= 0
        return gene

    def of_block(self, block: PlainNetBasicBlockClass, rule: int) -> Gene:
        """The gene of a block that stands under a rule."""
        if block.children:
            key = (rule, block.text, ())
            found = self._young.get(key)
            if found is None:
                found = self._young[key] = Gene(rule, block.text, (), block.text)
                found.width_in, found.width_out = block.channels_in(), block.channels_out(block.channels_in())
                found.depth, found.wide = block.num_layers(), False
            return found
        return self.gene((rule, block.name, tuple(getattr(block, field.name) for field in block.fields)))

    def of_structure(self, structure: Structure, rules: Iterable[int]) -> Genes:
        """The genes of a structure whose blocks stand under `rules`."""
        return tuple(self.of_block(block, rule) for block, rule in zip(structure.blocks, rules, strict=True))

    def with_input(self, gene: Gene, width: int) -> Gene | None:
        """The gene taking `width` channels; None if that is not for a search to change."""
        values = gene.values
        if not values:
            return gene if gene.width_in in (None, width) else None
        kind = kind_of(gene.name)
        if kind.in_channels >= 0:
            at = kind.in_channels
        elif kind.out_channels >= 0:
            at = kind.out_channels
        else:
            return gene if gene.width_in is None else None
        return self.gene((gene.rule, gene.name, (*values[:at], width, *values[at + 1 :])))


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value)).removesuffix(".0")
