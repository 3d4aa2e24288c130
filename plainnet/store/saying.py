"""What a person says of a stored network, that nobody can measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from plainnet.configs import read_config
from plainnet.store.record import Record

__all__ = ["Facts", "read_facts", "with_facts"]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Data(_Section):
    version: str | None = Field(default=None, description="Of the data that it was trained on, as a text.")


class _Input(_Section):
    meaning: str | None = Field(default=None, description="Of the channels: grey, RGB, BGR, RGBI, RGB+mask, ...")


class Facts(_Section):
    """What may be said."""

    data: _Data = _Data()
    input: _Input = _Input()
    extra: dict[str, Any] = Field(default={}, description="Whatever else there is to say.")


def read_facts(facts: Sequence[str]) -> Facts:
    """`KEY=VALUE`s, the values as YAML; `ConfigError` for another key, with the nearest."""
    return read_config({}, Facts, overrides=facts).value


def with_facts(record: Record, facts: Facts) -> Record:
    """A record that says so, too; null takes something away."""
    changes: dict[str, Any] = {}
    if "version" in facts.data.model_fields_set:
        changes["data"] = record.data.model_copy(update={"version": facts.data.version})
    if "meaning" in facts.input.model_fields_set:
        changes["input"] = record.input.model_copy(update={"meaning": facts.input.meaning})
    extra = {**record.extra, **facts.extra}
    changes["extra"] = {key: value for key, value in extra.items() if value is not None}
    return record.model_copy(update=changes)
