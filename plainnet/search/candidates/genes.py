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
from plainnet.blocks.registry import find_block
from plainnet.blocks.rows.block import number_text
from plainnet.blocks.rows.layers import LayerError, Layers
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.structure import Structure
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import StructureError, UsageError
from plainnet.search.candidates.faults import FAULTS, fault_of

__all__ = ["UNKNOWN", "Gene", "GenePool", "Genes", "Kind", "count_layers", "kind_of"]

UNKNOWN = 0
"""The width that comes out where it depends on the map that comes in."""

FOLLOWING = ("in_channels", "in_features")
"""Arguments that follow from the block before."""
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
    """-1 as well where the class says itself what it takes and puts out"""
    out_channels: int
    stride: int
    depth: int
    """the argument that is the number of layers; -1 as well where the class counts them itself"""
    integers: bool
    trusted: bool
    """whether values within their ranges always make a block (it checks nothing else): it can then be made unchecked"""
    annotation: int
    """the number of channels that nothing depends on, and that is kept true all the same"""

    @property
    def holds_blocks(self) -> bool:
        """Whether there are blocks inside: a search leaves it as it is."""
        return any(field.kind.is_children for field in self.cls.fields)

    @property
    def follows(self) -> bool:
        """Whether its out_channels are what comes in, so that they cannot change by themselves."""
        takes = not self.cls.checks_channels or _overrides(self.cls, "channels_in")
        return "out_channels" in self.fields and "in_channels" not in self.fields and takes

    def changes(self, argument: str) -> bool:
        """Whether an argument is one that a rule may change: a whole number, and not what follows from the block before."""
        if argument not in self.fields or argument in FOLLOWING or (argument == "out_channels" and self.follows):
            return False
        return self.cls.fields[self.fields.index(argument)].kind.number is int and not self.holds_blocks


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
    if any(field.kind.is_children for field in cls.fields):
        return Kind(cls, dict(in_name), fields, -1, -1, -1, -1, False, False, -1)
    integers = all(field.kind.number is int for field in cls.fields)
    trusted = not _overrides(cls, "check", "__post_init__")
    if not cls.checks_channels:
        annotation = at.get("in_channels", at.get("out_channels", -1))
        return Kind(cls, dict(in_name), fields, -1, -1, -1, -1, integers, trusted, annotation)
    declares = not _overrides(cls, "channels_in", "channels_out", "set_input_channels")
    return Kind(
        cls,
        dict(in_name),
        fields,
        at.get("in_channels", -1) if declares and "out_channels" in at else -1,
        at.get("out_channels", -1),
        at.get("stride", -1),
        kinds.index("depth") if "depth" in kinds and not _overrides(cls, "num_layers") else -1,
        integers,
        trusted,
        -1,
    )


def _overrides(cls: type[PlainNetBasicBlockClass], *names: str) -> bool:
    return any(getattr(cls, name) is not getattr(PlainNetBasicBlockClass, name) for name in names)


class Gene:
    """One block of a candidate under a rule of its space: `name(values)`.

    width_in, width_out: the channels that it takes and puts out; None where it takes any and puts out what it takes.
    wide: whether both are arguments of its own. A block that is not (BN, or a container) follows what comes in, if at all.
    fault: what a block of the user's raised when it was asked about itself, or why it is no block.
    """

    __slots__ = (
        "_layers",
        "_text",
        "depth",
        "entries",
        "entry",
        "fault",
        "fixed",
        "gains",
        "lawful",
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
        self.fixed = False
        self.lawful: bool | None = None
        self.fault: BaseException | None = None

    def __repr__(self) -> str:
        return f"<{self.text}>"

    is_compound = False
    """whether it stands for several blocks (`plainnet.search.candidates.compounds`)"""

    def __reduce__(self) -> Any:
        raise TypeError("genes belong to one pool; send their texts and rules")

    @property
    def text(self) -> str:
        """The block's canonical string. Most genes belong to candidates that are over a budget and never need it."""
        if self._text is None:
            if kind_of(self.name).integers:
                self._text = f"{self.name}({','.join(map(str, self.values))})"
            else:
                self._text = f"{self.name}({','.join(map(number_text, self.values))})"
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

    def kept_blocks(self) -> tuple[PlainNetBasicBlockClass, ...]:
        """The block itself; those of a compound, one by one."""
        return (self.kept_block(),)

    @property
    def source(self) -> str:
        """What the gene is read back from."""
        return self.text


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
        self._following: BoundedMemo[tuple[int, str, tuple[Any, ...], int], Gene | None] = BoundedMemo(YOUNG)

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
        if kind.in_channels >= 0:
            gene.width_in, gene.width_out, gene.wide = values[kind.in_channels], values[kind.out_channels], True
            if kind.depth >= 0:
                gene.depth = values[kind.depth]
                return gene
        try:
            self._ask(gene, kind)
        except FAULTS as error:
            gene.fault = fault_of(error)
        return gene

    @staticmethod
    def _ask(gene: Gene, kind: Kind) -> None:
        """Learn from the block itself what its arguments do not say."""
        block = gene.block
        gene.depth = block.num_layers()
        if not gene.wide:
            gene.width_in, gene.width_out = _widths(block)
            if kind.annotation >= 0:
                gene.width_in = gene.values[kind.annotation]
            elif "in_channels" in kind.fields and "out_channels" in kind.fields and gene.values:
                own = gene.values[kind.fields.index("in_channels")], gene.values[kind.out_channels]
                gene.wide = own == (gene.width_in, gene.width_out)

    def of_block(self, block: PlainNetBasicBlockClass, rule: int) -> Gene:
        """The gene of a block that stands under a rule."""
        if block.children:
            key = (rule, block.text, ())
            found = self._young.get(key)
            if found is None:
                found = self._young[key] = Gene(rule, block.text, (), block.text)
                found.width_in, found.width_out = _widths(block)
                found.depth = block.num_layers()
            return found
        return self.gene((rule, block.name, tuple(getattr(block, field.name) for field in block.fields)))

    def of_structure(self, structure: Structure, rules: Iterable[int]) -> Genes:
        """The genes of a structure whose blocks stand under `rules`."""
        return tuple(self.of_block(block, rule) for block, rule in zip(structure.blocks, rules, strict=True))

    def with_input(self, gene: Gene, width: int) -> Gene | None:
        """The gene taking `width` channels; None if that is not for a search to change: a block that holds blocks, or that
        says itself that it cannot.
        """
        values = gene.values
        if not values:
            return gene if gene.width_in in (None, width) else None
        kind = kind_of(gene.name)
        if kind.in_channels >= 0:
            at = kind.in_channels
            return self.gene((gene.rule, gene.name, (*values[:at], width, *values[at + 1 :])))
        key = (gene.rule, gene.name, values, width)
        if key not in self._following:
            self._following[key] = self._asked_to_take(gene, width)
        return self._following[key]

    def _asked_to_take(self, gene: Gene, width: int) -> Gene | None:
        try:
            return self.of_block(gene.kept_block().set_input_channels(width), gene.rule)
        except (StructureError, LayerError):
            return None
        except FAULTS as error:
            faulty = Gene(gene.rule, gene.name, gene.values)
            faulty.fault = fault_of(error)
            return faulty


def _widths(block: PlainNetBasicBlockClass) -> tuple[int | None, int | None]:
    """The channels that a block takes and puts out; see `Gene`."""
    width = block.channels_in()
    if width is not None:
        return width, block.channels_out(width) or UNKNOWN
    if all(block.channels_out(each) == each for each in (997, 1009)):
        return None, None
    return None, block.channels_out(None) or UNKNOWN
