"""A block as a plain value: what the walk, the counts and the reader stand on.

A block is a frozen value: it is declared by annotations and says in `layers()` which primitive layers it is made of.
Reading, printing, range errors, counting, building, mutation and documentation follow from these two. It holds no
tensors and is not a torch module.
"""

from __future__ import annotations

import copy
import dataclasses
import operator
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from plainnet.blocks.fields import FieldKind, field_kind
from plainnet.blocks.registry import register
from plainnet.blocks.rows.layers import Layers
from plainnet.blocks.rows.value_names import IN, canonical_block, scope_of
from plainnet.errors import Problem, RegistrationError, StructureError

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass

__all__ = ["Block", "BoundField", "number_text"]


class BoundField(NamedTuple):
    """A declared argument of a block class: its name, what it is, and whether it may be left out."""

    name: str
    kind: FieldKind
    optional: bool


class Block:
    """A block as a plain value: its declaration, its text, the blocks inside, and what `layers()` says.

    Blocks derive from `PlainNetBasicBlockClass`, which stands on the walk, the counts and the reader:

        class SuperResK3K3(PlainNetBasicBlockClass):
            in_channels: Channels
            out_channels: Channels
            ...
            def layers(self): ...

    Class attributes that a block may set:
    name_template: a family of names, such as "SuperConvK{kernel_size}BNRELU"; by default the class's own name.
    name_choices: the values of the fields in the template; a field that is not listed takes any positive integer.
    aliases: other names that are read as this one.
    abstract: true for a base of blocks that is no block itself (said as a class argument, and not inherited).
    """

    name_template: ClassVar[str] = ""
    name_choices: ClassVar[Mapping[str, Sequence[int]]] = {}
    aliases: ClassVar[Sequence[str]] = ()
    fields: ClassVar[tuple[BoundField, ...]] = ()
    """The arguments in the string, in order (those in the name are not among them)."""
    checks_channels: ClassVar[bool] = True
    """False where a declared number of channels is an annotation that nothing depends on (activations)."""

    label: str | None
    """The optional name that the string gives to this block (`label|`); no part of what the block is."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__doc__ = cls.__doc__ or ""  # or dataclass would make one up
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        if abstract:
            return
        if "name_template" not in vars(cls):
            cls.name_template = cls.__name__
        cls.fields = tuple(_bind_fields(cls))
        register(cls, cls.name_template, cls.name_choices, cls.aliases)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", None)
        problems = [] if self._holds_plain_numbers() else self._taken_as_numbers()
        problems += [] if problems else [Problem(f"{self.name}: {message}") for message in self.check()]
        if problems:
            raise StructureError(problems)

    def _holds_plain_numbers(self) -> bool:
        """Whether every argument is an integer in its range: the usual case, half a million times in a search."""
        values = vars(self)
        for name, kind, _ in self.fields:
            value = values[name]
            if type(value) is not int or not kind.minimum <= value <= kind.maximum:
                return False
        return True

    def _taken_as_numbers(self) -> list[Problem]:
        """Integers of other libraries become Python's; what is wrong with the arguments one by one."""
        for field in self.fields:
            value = getattr(self, field.name)
            if type(value) is bool and field.kind.kind != "flag":
                continue  # True is no number of channels
            if field.kind.number is int and type(value) is not int and hasattr(value, "__index__"):
                object.__setattr__(self, field.name, operator.index(value))  # numpy's integers, say
        problems = [
            Problem(f"{self.name}: {field.name} is {value!r}", hints=(f"accepted: {field.kind.accepted}",))
            for field in self.fields
            if not field.kind.is_children and not field.kind.accepts(value := getattr(self, field.name))
        ]
        problems += [
            Problem(f"{self.name} holds no block")
            for field in self.fields
            if field.kind.is_children and not self._filled(field)
        ]
        return problems

    def _filled(self, field: BoundField) -> bool:
        value = getattr(self, field.name)
        return bool(value) and (field.kind.kind == "blocks" or all(value))

    # What a block says of itself ----------------------------------------------------------------

    def layers(self) -> Layers:
        """The primitive layers (or blocks) that this block is made of, in order."""
        raise NotImplementedError(f"{type(self).__name__} does not say in layers() what it is made of")

    def check(self) -> Iterator[str]:
        """What is wrong with the arguments beyond their ranges, one message each."""
        return iter(())

    # What follows from it -----------------------------------------------------------------------

    def unasked(self) -> Self:
        """A copy that remembers no answer: what it says follows from its arguments as they are then."""
        other = copy.copy(self)
        for name in [name for name in vars(other) if isinstance(getattr(type(self), name, None), cached_property)]:
            del vars(other)[name]
        return other

    @cached_property
    def said_layers(self) -> Layers:
        """What `layers()` says, asked once: a block is a value."""
        return self.layers()

    @cached_property
    def said_channels(self) -> tuple[int | None, int | None]:
        """The channels that the block declares to take, and those that it then puts out."""
        wanted = self.channels_in()
        return wanted, self.channels_out(wanted)

    @cached_property
    def name(self) -> str:
        """The name as it stands in the string."""
        return self.name_template.format(**vars(self)) if "{" in self.name_template else self.name_template

    @cached_property
    def text(self) -> str:
        """The canonical string of this block, without the names that nothing in it takes: two blocks are equal if their
        texts are.
        """
        if self.is_plain:
            return f"{self.name}({self.written_arguments(_texts, str)})"
        return canonical_block(self)

    def __str__(self) -> str:
        return self._written

    @cached_property
    def _written(self) -> str:
        label = f"{self.label}|" if self.label else ""
        return f"{self.name}({label}{self.written_arguments(lambda chain: ''.join(map(str, chain)), str)})"

    def written_arguments(
        self, text_of: Callable[[Sequence[PlainNetBasicBlockClass]], str], name_of: Callable[[str], str]
    ) -> str:
        """What stands between the parentheses, where a sequence of blocks and a value's name are written so."""
        words: list[str] = []
        for field in self.fields:
            value = getattr(self, field.name)
            if field.kind.is_names:
                words += map(name_of, value if isinstance(value, tuple) else (value,))
            elif not field.kind.is_children:
                words.append(number_text(value))
        branches = [text_of(sequence) for sequence in self.sequences]
        return ",".join([*words, ";".join(branches)] if branches else words)

    def __repr__(self) -> str:
        return f"<{self}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @cached_property
    def sequences(self) -> tuple[tuple[PlainNetBasicBlockClass, ...], ...]:
        """The sequences of blocks inside this one, as they stand in the string."""
        found: list[tuple[PlainNetBasicBlockClass, ...]] = []
        for field in self.fields:
            if field.kind.is_children:
                value = getattr(self, field.name)
                found.extend(value if field.kind.kind == "branches" else (value,))
        return tuple(found)

    @cached_property
    def children(self) -> tuple[PlainNetBasicBlockClass, ...]:
        """The blocks inside this one, in the order of the string."""
        return tuple([child for sequence in self.sequences for child in sequence])

    @cached_property
    def is_plain(self) -> bool:
        """Whether every value inside goes to the next block and nowhere else: nothing is taken by name or thrown away."""
        return all(child.is_plain for child in self.children)

    @cached_property
    def taken_names(self) -> tuple[str, ...]:
        """The names of values outside of this block that it takes; none where it is closed."""
        if self.is_plain:
            return ()
        free = dict.fromkeys(name for sequence in self.sequences for name in scope_of(sequence).free)
        return tuple(name for name in free if name != IN)

    @property
    def taken_value(self) -> str | None:
        """The name of the value that this block is, in place of what comes in; None for all but `From`."""
        return None

    @property
    def chains(self) -> tuple[tuple[PlainNetBasicBlockClass, ...], ...]:
        """The sequences of blocks inside this one: each begins with what comes into it."""
        return (self.children,) if self.children else ()

    def check_outputs(self, outs: Sequence[int | None]) -> Iterator[str]:  # noqa: ARG002
        """What is wrong with the numbers of channels that the `chains` put out together (None: not known)."""
        return iter(())

    def num_layers(self) -> int:
        """How many layers the published work counts here."""
        raise NotImplementedError

    def replace(self, **changes: Any) -> Self:
        """This block with other arguments; `StructureError` if they are out of range."""
        return dataclasses.replace(self, **changes).with_label(self.label)  # type: ignore[type-var]

    def with_label(self, label: str | None) -> Self:
        """This block under another label."""
        if label == self.label:
            return self
        block = dataclasses.replace(self)  # type: ignore[type-var]
        object.__setattr__(block, "label", label)
        return block

    def channels_in(self) -> int | None:
        """The number of channels that this block takes; None if it takes any."""
        value = getattr(self, "in_channels", None) if self.checks_channels else None
        return value if isinstance(value, int) else None

    def channels_out(self, channels: int | None) -> int | None:
        """The number of channels that this block puts out for `channels` coming in; None if that depends on the map."""
        value = getattr(self, "out_channels", None) if self.checks_channels else channels
        return value if isinstance(value, int) else None


def _texts(chain: Sequence[Block]) -> str:
    return "".join([block.text for block in chain])


def number_text(value: float) -> str:
    """A number as the canonical string writes it."""
    return str(value) if isinstance(value, int) else format(Decimal(repr(float(value))), "f").removesuffix(".0")


_BASES = {__name__, "plainnet.blocks.base"}
"""Where the classes are that every block inherits from."""


def _bind_fields(cls: type[Block]) -> Iterator[BoundField]:
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise RegistrationError(f"{cls.__qualname__}: an annotation cannot be resolved: {error}") from error
    in_name = set(cls.name_choices) | {part.split("}")[0] for part in cls.name_template.split("{")[1:]}
    own = {"label", *(name for base in cls.__mro__ if base.__module__ in _BASES for name in vars(base))}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in own:
            raise RegistrationError(
                f"{cls.__qualname__}.{field.name}: every block has something of this name; accepted: another one, such as"
                f" {field.name}_"
            )
        kind = field_kind(hints[field.name])
        if kind is None:
            raise RegistrationError(
                f"{cls.__qualname__}.{field.name}: annotate it with one of plainnet.blocks.fields (Channels, Stride, Depth, ...)"
            )
        if field.name not in in_name:
            yield BoundField(field.name, kind, field.default is not dataclasses.MISSING)
