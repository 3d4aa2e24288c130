"""Stored results of validations: what a report quotes beside a proxy's score.

Figures on NAS-Bench-Macro ship with the package (`plainnet/data/trust.json`); `plainnet validate --store` adds the user's own
in `trust.json` under `$PLAINNET_HOME`, by default `~/.plainnet`. A user's figures come after the shipped ones, and replace
those of the same proxy and table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError, not_written
from plainnet.files.text_files import json_value, read_text
from plainnet.validation.ranking import FIELDS, Agreement, Estimate
from plainnet.validation.validate import Validation, agreement_as_dict

__all__ = ["shipped", "shipped_record", "store", "stored", "trust_sentences", "user_file"]

Records = dict[str, dict[str, dict[str, Any]]]
"""{table: {proxy: {"networks": n, "agreement": {...}}}}"""

_MARK = "plainnet_trust"


def user_file() -> Path | None:
    """Where a user's own results are stored; None for a user without a home (a number that no account has)."""
    named = os.environ.get("PLAINNET_HOME")
    if named:
        return Path(named) / "trust.json"
    home = os.path.expanduser("~")
    return None if home == "~" else Path(home) / ".plainnet" / "trust.json"


def stored(table: str, proxy: str) -> Agreement | None:
    """The stored figures of a proxy on a table, a user's own first."""
    return _agreement(_all_records(), table, proxy)


def shipped(table: str, proxy: str) -> Agreement | None:
    """The figures that ship with the package."""
    return _agreement(_shipped(), table, proxy)


def shipped_record(table: str, proxy: str) -> dict[str, Any] | None:
    """The shipped figures as they are stored: `networks`, and `agreement` with [value, low, high] of each figure."""
    return _shipped().get(table, {}).get(proxy)


def _agreement(records: Records, table: str, proxy: str) -> Agreement | None:
    record = records.get(table, {}).get(proxy)
    if record is None:
        return None
    return Agreement(*[Estimate(*map(float, record["agreement"][name])) for name in FIELDS])


def trust_sentences(proxy: str) -> list[str]:
    """What reports say of a proxy: one sentence for each table that it was validated on.

    >>> trust_sentences("composite")[0]
    'on NAS-Bench-Macro this proxy ranks with Spearman 0.97; depth alone 0.83'
    """
    sentences = []
    for table, proxies in _all_records().items():
        if proxy not in proxies:
            continue
        networks = proxies[proxy]["networks"]
        sample = f" ({networks} networks)" if networks < max(record["networks"] for record in proxies.values()) else ""
        sentence = f"on {table}{sample} this proxy ranks with Spearman {_spearman(proxies[proxy]):.2f}"
        if "depth" in proxies and proxy != "depth":
            sentence += f"; depth alone {_spearman(proxies['depth']):.2f}"
        sentences.append(sentence)
    return sentences


def store(validation: Validation, path: Path | None = None) -> Path:
    """Store a validation (and its baselines) in a file, the user's own by default; the file's path."""
    path = path or user_file()
    if path is None:
        raise UsageError("there is no home to store in; accepted: a folder in $PLAINNET_HOME")
    records = _read(path)
    proxies = records.setdefault(validation.table, {})
    for proxy, agreement in [(validation.proxy, validation.agreement), *validation.baselines.items()]:
        proxies[proxy] = {"networks": validation.networks, "agreement": _rounded(agreement)}
    text = json.dumps({_MARK: 1, "tables": records}, indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(path.name + f".{os.getpid()}")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        raise not_written(path, error) from None
    return path


def _rounded(agreement: Agreement) -> dict[str, list[float | str]]:
    return {
        name: [round(value, 4) if isinstance(value, float) else value for value in values]
        for name, values in agreement_as_dict(agreement).items()
    }


def _spearman(record: dict[str, Any]) -> float:
    return float(record["agreement"]["spearman"][0])


def _all_records() -> Records:
    merged: Records = {table: dict(proxies) for table, proxies in _shipped().items()}
    for table, proxies in _user_records().items():
        merged.setdefault(table, {}).update(proxies)
    return merged


def _user_records() -> Records:
    """A user's own results; none where the home is another user's, as in a container that was told a user by number."""
    path = user_file()
    if path is None or (not os.environ.get("PLAINNET_HOME") and not os.access(path.parent.parent, os.X_OK)):
        return {}
    return _read(path)


@cache
def _shipped() -> Records:
    records: Records = json.loads((files("plainnet") / "data" / "trust.json").read_text(encoding="utf-8"))["tables"]
    return records


def _read(path: Path) -> Records:
    if not path.exists():
        return {}
    content = json_value(read_text(path, what="file of validations"), f"{path} holds no stored validations")
    if not isinstance(content, dict) or content.get(_MARK) != 1:
        raise UsageError(f"{path} holds no stored validations: it was not written by plainnet")
    tables: Any = content.get("tables")
    for where, record in _named_records(tables, f"{path} is damaged: tables"):
        networks, agreement = record.get("networks"), record.get("agreement")
        if type(networks) is not int or networks < 1:
            raise UsageError(f"{where}.networks is {str(networks)[:40]!r}; accepted: a positive integer")
        for name in FIELDS:
            values = agreement.get(name) if isinstance(agreement, dict) else None
            if not isinstance(values, list) or not values or not all(map(_is_figure, values)):
                raise UsageError(f"{where}.agreement.{name} is {str(values)[:40]!r}; accepted: a list of numbers")
    records: Records = tables
    return records


def _is_figure(value: object) -> bool:
    """A number, or the name of one that JSON does not have."""
    return type(value) in (int, float) or value in ("nan", "inf", "-inf")


def _named_records(tables: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every record of every table, with its place; `UsageError` for what is no object of objects."""
    if not isinstance(tables, dict):
        raise UsageError(f"{where} is {str(tables)[:40]!r}; accepted: an object")
    for table, proxies in tables.items():
        if not isinstance(proxies, dict):
            raise UsageError(f"{where}.{table} is {str(proxies)[:40]!r}; accepted: an object")
        for proxy, record in proxies.items():
            if not isinstance(record, dict):
                raise UsageError(f"{where}.{table}.{proxy} is {str(record)[:40]!r}; accepted: an object")
            yield f"{where}.{table}.{proxy}", record
