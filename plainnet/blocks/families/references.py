"""Blocks that take values by name: where a network is more than a chain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Name, Names
from plainnet.blocks.rows.layers import Collect, Layers, Take

__all__ = ["From", "Outputs"]


class From(PlainNetBasicBlockClass):
    """What an earlier block put out, by the name that it has there, in place of what comes in; `in` is what came into the
    container around it.

    Experimental: how graphs are written may still change.
    """

    value: Name

    @cached_property
    def is_plain(self) -> bool:
        return False

    @cached_property
    def taken_names(self) -> tuple[str, ...]:
        return (self.value,)

    @property
    def taken_value(self) -> str:
        return self.value

    def channels_out(self, channels: int | None) -> int | None:  # noqa: ARG002
        return None

    def layers(self) -> Layers:
        return (Take(self.value),)


class Outputs(PlainNetBasicBlockClass):
    """The values that the network puts out, by name, as its last block.

    Experimental: how graphs are written may still change.
    """

    values: Names

    @cached_property
    def is_plain(self) -> bool:
        return False

    @cached_property
    def taken_names(self) -> tuple[str, ...]:
        return self.values

    def check(self) -> Iterator[str]:
        twice = next((name for name in self.values if self.values.count(name) > 1), None)
        if twice is not None:
            yield f"{twice} is put out twice"

    def channels_out(self, channels: int | None) -> int | None:  # noqa: ARG002
        return None

    def layers(self) -> Layers:
        return (Collect(self.values),)
