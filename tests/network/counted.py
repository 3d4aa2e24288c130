"""What the tests of counted modules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from plainnet.network.counting.module_counts import ModuleCounts
from plainnet.network.counting.operator_rules import OPERATION_COLUMNS


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def columns(found: ModuleCounts) -> dict[str, int]:
    return {column: getattr(found, column) for column in OPERATION_COLUMNS if getattr(found, column)}
