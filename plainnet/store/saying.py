"""What a person says of a stored network, that nobody can measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from plainnet.configs import read_config
from plainnet.store.record import Data, Identity, Input, Metric, Record, Training

__all__ = ["Facts", "read_facts", "with_facts"]

SAID: dict[type[BaseModel], tuple[str, ...]] = {
    Identity: ("paper", "licence", "parents", "tags"),
    Input: ("meaning", "range"),
    Training: tuple(name for name in Training.model_fields if name != "fine_tuning"),
    Data: tuple(name for name in Data.model_fields if name != "fingerprint"),
}
"""The fields of a record that may be said. All others follow from the network or are measured; mean, std and reader are those of
the weights' file, which is what reads images.
"""


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    maker: Any = create_model  # its overloads take no fields that are computed
    found: type[BaseModel] = maker(name, __base__=_Section, **fields)
    return found


def _said(section: type[BaseModel]) -> type[BaseModel]:
    known = section.model_fields
    return _model(f"Said{section.__name__}", {name: (known[name].annotation, known[name]) for name in SAID[section]})


SECTIONS = {"identity": _said(Identity), "input": _said(Input), "training": _said(Training), "data": _said(Data)}
Facts = _model(
    "Facts",
    {name: (section, section()) for name, section in SECTIONS.items()}
    | {"metrics": (list[Metric], []), "extra": (dict[str, Any], {})},
)
"""What may be said: these fields, the metrics (all of them, in place of those before), and whatever else there is to say."""


def read_facts(facts: Sequence[str]) -> BaseModel:
    """`KEY=VALUE`s, the values as YAML; `ConfigError` for another key, with the nearest."""
    found: BaseModel = read_config({}, Facts, overrides=facts).value
    return found


def with_facts(record: Record, facts: BaseModel) -> Record:
    """A record that says so, too; null takes something away."""
    said: Record = _laid_over(record, facts)
    extra = {key: value for key, value in {**record.extra, **said.extra}.items() if value is not None}
    return said.model_copy(update={"extra": extra})


def _laid_over(before: Any, said: Any) -> Any:
    """Sections keep what was not said."""
    if not (isinstance(before, BaseModel) and isinstance(said, BaseModel)):
        return said
    return before.model_copy(
        update={name: _laid_over(getattr(before, name), getattr(said, name)) for name in said.model_fields_set}
    )
