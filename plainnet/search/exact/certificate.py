"""The certificate of a bound: which space, budgets and objective it is for, and the prices that prove it.

It is plain data. `plainnet.search.exact.verify` checks one with a program that shares no code with the solver.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plainnet.errors import RunError

__all__ = ["Certificate", "read_certificates"]


@dataclass(frozen=True)
class Certificate:
    """What proves a bound: at these prices, no path of the places of a start structure is worth more than `bound`.

    config: the search's configuration as JSON; start: which of the space's start structures. prices: those of the budgets;
    count_worth: what an activation is worth on a path (the last term of the Zen-score is then that much less for
    each). axis: the budget that is counted along paths. bound: the value to be made large, prices times budgets included.
    """

    config: str
    start: int
    prices: dict[str, float]
    count_worth: float
    axis: str | None
    bound: float

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "schema": "plainnet.certificate/1",
            "config": self.config,
            "start": self.start,
            "prices": self.prices,
            "count_worth": self.count_worth,
            "axis": self.axis,
            "bound": self.bound,
        }

    @classmethod
    def from_dict(cls, values: Any) -> Certificate:
        """The certificate that `as_dict` gave; `RunError` for anything else."""
        try:
            if values["schema"] != "plainnet.certificate/1":
                raise ValueError(values["schema"])
            prices = {str(name): float(price) for name, price in values["prices"].items()}
            axis = None if values["axis"] is None else str(values["axis"])
            return cls(
                str(values["config"]),
                int(values["start"]),
                prices,
                float(values["count_worth"]),
                axis,
                float(values["bound"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"this is no certificate: {type(error).__name__}: {error}") from None


def read_certificates(path: str | Path) -> list[Certificate]:
    """The certificates of a file: one for each start structure of a space."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is no certificate: {error}") from None
    if not isinstance(values, list) or not values:
        raise RunError(f"{path} is no certificate: it holds no list of them")
    return [Certificate.from_dict(each) for each in values]
