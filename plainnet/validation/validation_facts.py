"""What pages tell about validations, from what `plainnet validate --json` prints."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plainnet.errors import UsageError
from plainnet.pages.page import Facts
from plainnet.results.numbers import LARGEST
from plainnet.validation.across_sets import AcrossSets
from plainnet.validation.ranking import FIELDS
from plainnet.validation.validate import Validation

__all__ = ["Figures", "is_validation", "read_validation", "sets_facts", "validation_facts"]

Finite = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Text = Annotated[str, Field(pattern="^(nan|inf|-inf)$")]
"""What `number_as_json` makes of a number that is not finite."""
Count = Annotated[int, Field(ge=0)]
Figures = dict[
    Annotated[str, Field(pattern=f"^({'|'.join(FIELDS)})$")], tuple[Finite | Text, Finite | Text, Finite | Text]
]
"""An agreement as `agreement_as_dict` writes it: each figure with both ends of its interval."""


class _Agreement(BaseModel):
    model_config = ConfigDict(extra="ignore")
    agreement: Figures
    baselines: dict[str, Figures]

    @model_validator(mode="after")
    def _all_figures(self) -> _Agreement:
        for name, found in {"agreement": self.agreement, **self.baselines}.items():
            if missing := [field for field in FIELDS if field not in found]:
                raise ValueError(f"{name} lacks {', '.join(missing)}")
        return self


class _Validation(_Agreement):
    """On one set."""

    proxy: str
    table: str
    distinct_networks: Count
    unscored: list[str]
    resamples: Count
    ceiling: dict[str, tuple[Finite | Text, Finite | Text]] | None
    scores: Annotated[list[tuple[str, Finite | Text, Finite]], Field(min_length=3)]


class _Set(_Agreement):
    networks: Count


class _Sets(BaseModel):
    """On every set."""

    model_config = ConfigDict(extra="ignore")
    proxy: str
    sets: Annotated[dict[str, _Set | None], Field(min_length=1)]
    mean: dict[str, Finite | None]
    worst: dict[str, tuple[str, Finite] | None]

    @model_validator(mode="after")
    def _same_scores(self) -> _Sets:
        if self.proxy not in self.mean or self.mean.keys() != self.worst.keys():
            raise ValueError("mean and worst are those of the score and of what it stands beside")
        return self


def validation_facts(validation: Validation) -> Facts:
    """The facts of a proxy on one table."""
    return Facts("validation", validation.to_dict())


def sets_facts(found: AcrossSets) -> Facts:
    """The facts of a proxy on several sets."""
    return Facts("validation on every set", found.to_dict())


def is_validation(content: dict[str, Any]) -> bool:
    """Whether JSON is what `plainnet validate` prints."""
    return "proxy" in content and ("agreement" in content or "sets" in content)


def read_validation(content: dict[str, Any], where: str) -> Facts:
    """The facts of a validation that was printed as JSON. `UsageError` with `where` and the field for what is damaged."""
    about, kind = ("validation on every set", _Sets) if "sets" in content else ("validation", _Validation)
    try:
        return Facts(about, kind.model_validate(content).model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where} is damaged: {f'{place}: ' if place else ''}{first['msg']}") from None
