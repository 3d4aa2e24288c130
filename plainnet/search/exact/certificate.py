"""The certificate of a bound: which space, budgets and objective it is for, and the prices that prove it.

It is plain data. `plainnet.search.exact.verify` checks one with a program of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainnet.errors import RunError, UsageError
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import json_value, read_text

__all__ = ["Certificate", "read_certificates"]

SCHEMA: Literal["plainnet.certificate/1"] = "plainnet.certificate/1"
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Data(BaseModel):
    """A certificate as JSON has it."""

    model_config = ConfigDict(strict=True, extra="ignore")

    version: Literal["plainnet.certificate/1"] = Field(alias="schema")
    config: str
    start: int
    prices: dict[str, Finite]
    count_worth: Finite
    axis: str | None
    bound: Finite
    structure: str | None = None
    value: Finite | None = None


@dataclass(frozen=True)
class Certificate:
    """What proves a bound: at these prices, no path of the places of a start structure is worth more than `bound`.

    config: the search's configuration as JSON; start: which of the space's start structures. prices: those of the budgets;
    count_worth: what an activation is worth on a path (the last term of the Zen-score is then that much less for
    each). axis: the budget that is counted along paths. bound: the value to be made large, prices times budgets included.
    structure, value: the best network of all start structures that was found, and what it is worth; None where none was.
    """

    config: str
    start: int
    prices: dict[str, float]
    count_worth: float
    axis: str | None
    bound: float
    structure: str | None = None
    value: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "schema": SCHEMA,
            "config": self.config,
            "start": self.start,
            "prices": self.prices,
            "count_worth": self.count_worth,
            "axis": self.axis,
            "bound": self.bound,
            "structure": self.structure,
            "value": self.value,
        }

    @classmethod
    def from_dict(cls, values: Any) -> Certificate:
        """The certificate that `as_dict` gave; `RunError` with the field for anything else."""
        try:
            found = _Data.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise RunError(f"this is no certificate: {f'{place}: ' if place else ''}{first['msg']}") from None
        kept = found.prices, found.count_worth, found.axis, found.bound, found.structure, found.value
        return cls(found.config, found.start, *kept)


def read_certificates(path: str | Path) -> list[Certificate]:
    """The certificates of a file: one for each start structure of a space. `RunError` with the file for what holds none."""
    with reading(path, "certificate"):
        return _certificates(path)


def _certificates(path: str | Path) -> list[Certificate]:
    try:
        values = json_value(read_text(Path(path), what="certificate"), str(path))
    except UsageError as error:
        raise RunError(f"{path} is no certificate: {error}") from None
    if not isinstance(values, list) or not values:
        raise RunError(f"{path} is no certificate: it holds no list of them")
    try:
        return [Certificate.from_dict(each) for each in values]
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
