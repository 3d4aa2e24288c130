"""A space of cells: codes of so many places, each of which has options; which codes are networks; and what they mean.

Everything that a search does with a cell follows from this: a mutation gives one place another option, a crossing takes
each place from either parent, a smaller relative has an option at one place that costs less.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from plainnet.blocks.base import PlainNetBasicBlockClass

__all__ = ["CellFamily", "Code"]

Code = tuple[Any, ...]
"""The option at each place."""


class CellFamily(ABC):
    """The cells of one published space, in networks of one size.

    name: what the space is called. sizes: name -> default of the numbers that say how large its networks are.
    places: the options of each place, those that cost least first.
    """

    name: ClassVar[str]
    sizes: ClassVar[dict[str, int]]
    places: tuple[Sequence[Any], ...]

    def __init__(self, **sizes: int) -> None:
        self.size = {**self.sizes, **sizes}

    @abstractmethod
    def read(self, text: str) -> Code:
        """The code that a text says; `UsageError` for what is none."""

    @abstractmethod
    def write(self, code: Code) -> str:
        """The text of a code, which `read` reads."""

    @abstractmethod
    def code_of(self, text: str) -> Code:
        """The first code of a network of this size; `UsageError` for another one."""

    @abstractmethod
    def blocks(self, code: Code) -> tuple[PlainNetBasicBlockClass, ...]:
        """The network of a code that is one."""

    @abstractmethod
    def is_network(self, code: Code) -> bool:
        """Whether a code is within the space's limits, and what it puts out depends on the images."""

    def ordered(self, code: Code) -> Code:
        """The code, with places in an order of their own where their order means nothing."""
        return code

    def neighbours(self, code: Code, *, cheaper: bool = False) -> Iterator[Code]:
        """Every network that differs at one place; or, of these, those whose option there costs less."""
        for number, options in enumerate(self.places):
            last = options.index(code[number]) if cheaper else len(options)
            for option in options[:last]:
                other = self.ordered((*code[:number], option, *code[number + 1 :]))
                if other != code and self.is_network(other):
                    yield other
