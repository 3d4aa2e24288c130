"""Stored results of validations: what a report quotes beside a proxy's score.

Figures on the sets that ship come with the package (`plainnet/data/trust.json`; `python -m plainnet.validation.shipped_trust`
writes it); `plainnet validate --store` adds the user's own in `trust.json` under `$PLAINNET_HOME`, by default `~/.plainnet`. A
user's figures come after the shipped ones, and replace those of the same proxy and table.

A proxy whose definition has changed has a name for each: `composite` is today's version, `composite(version=1)` the first. What
was stored before there were versions is of the first.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError
from plainnet.files.text_files import json_value, read_text
from plainnet.files.whole_files import make_folder_of, write_whole
from plainnet.proxies.versions import VERSIONS, known_as
from plainnet.validation.accuracy_table import NAS_BENCH_MACRO, NOT_FITTED
from plainnet.validation.ranking import FIELDS, Agreement, Estimate
from plainnet.validation.validate import Validation, agreement_as_dict

__all__ = [
    "Records",
    "enter",
    "mean_rank_correlation",
    "shipped",
    "shipped_record",
    "shipped_records",
    "store",
    "stored",
    "trust_sentences",
    "user_file",
    "write_records",
]

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


def shipped_records() -> Records:
    """All figures that ship, for who changes them: a copy."""
    return copy.deepcopy(_shipped())


def trust_sentences(proxy: str, *, version: int | None = None) -> list[str]:
    """What reports say of a proxy: a sentence with its rank correlation on every set that ships, one with those of params and
    MACs alone, and one for each table of the user's that it was validated on. Where a set has no figure of the proxy, that
    is said.

    >>> trust_sentences("depth")[0][:36]
    'Spearman 0.83 on NAS-Bench-Macro, 0.'
    """
    name, records = known_as(proxy, version), _all_records()
    sets = [table for table in _shipped() if table != (NAS_BENCH_MACRO if proxy == "composite_fitted" else NOT_FITTED)]
    sentences = _over_sets(name, {table: records[table] for table in sets})
    for table in [table for table in records if table not in _shipped()]:
        proxies = records[table]
        if name in proxies:
            sentence = (
                f"on {table}{_sample(proxies, name)} this proxy ranks with Spearman {_spearman(proxies[name]):.2f}"
            )
            sentences.append("; ".join([sentence, *(f"{other} alone {_spearman(proxies[other]):.2f}" for other in _SIMPLE
                                                    if other in proxies and other != name)]))  # fmt: skip
    return sentences


def mean_rank_correlation(proxy: str) -> float | None:
    """The mean Spearman of a proxy over the sets of trained networks that ship; None where one of them has no figure.

    >>> mean_rank_correlation("composite") > mean_rank_correlation("macs") > mean_rank_correlation("zen")
    True
    """
    records = _all_records()
    found = [records[table][proxy] for table in _shipped() if table != NOT_FITTED and proxy in records[table]]
    complete = len(found) == len(_shipped()) - (NOT_FITTED in _shipped())
    return sum(map(_spearman, found)) / len(found) if found and complete else None


_SIMPLE = ("params", "macs")
"""What any score has to be compared with."""


def _over_sets(name: str, records: Records) -> list[str]:
    """The sentences on the sets that ship; none where none of them has a figure."""
    measured = [table for table, proxies in records.items() if name in proxies]
    if not measured:
        return []
    found = ", ".join(
        f"{_spearman(records[table][name]):.2f} on {table}{_sample(records[table], name)}" for table in measured
    )
    missing = len(records) - len(measured)
    sentences = [f"Spearman {found}" + (f" (not measured on {missing} other sets)" if missing else "")]
    alone = [
        f"{other} {', '.join(f'{_spearman(records[table][other]):.2f}' for table in measured)}"
        for other in _SIMPLE
        if other != name and all(other in records[table] for table in measured)
    ]
    return [*sentences, f"alone: {'; '.join(alone)}"] if alone else sentences


def _sample(proxies: dict[str, dict[str, Any]], name: str) -> str:
    """How many networks a figure is of, where others of the same table are of more."""
    networks = proxies[name]["networks"]
    return f" ({networks:,} networks)" if networks < max(record["networks"] for record in proxies.values()) else ""


def store(validation: Validation, path: Path | None = None) -> Path:
    """Store a validation (and its baselines) in a file, the user's own by default; the file's path."""
    path = path or user_file()
    if path is None:
        raise UsageError("there is no home to store in; accepted: a folder in $PLAINNET_HOME")
    records = _read(path)
    enter(records, validation)
    return write_records(records, path)


def enter(records: Records, validation: Validation) -> None:
    """Put a validation and its baselines among records; a baseline that was judged on more networks than these stays."""
    proxies = records.setdefault(validation.table, {})
    for proxy, agreement in [(validation.proxy, validation.agreement), *validation.baselines.items()]:
        if proxy != validation.proxy and proxies.get(proxy, {"networks": 0})["networks"] > validation.networks:
            continue
        proxies[proxy] = {"networks": validation.networks, "agreement": _rounded(agreement)}
        if proxy in VERSIONS:
            proxies[proxy]["version"] = VERSIONS[proxy]


def write_records(records: Records, path: Path) -> Path:
    """Write a file of records whole, or leave the one that is there."""
    text = json.dumps({_MARK: 1, "tables": records}, indent=1) + "\n"
    make_folder_of(path)
    write_whole(path, text)
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
        if type(record.get("version", 1)) is not int:
            raise UsageError(f"{where}.version is {str(record['version'])[:40]!r}; accepted: an integer")
        for name in FIELDS:
            values = agreement.get(name) if isinstance(agreement, dict) else None
            if not isinstance(values, list) or not values or not all(map(_is_figure, values)):
                raise UsageError(f"{where}.agreement.{name} is {str(values)[:40]!r}; accepted: a list of numbers")
    return {
        table: {_as_of(proxy, record): record for proxy, record in proxies.items()} for table, proxies in tables.items()
    }


def _as_of(proxy: str, record: dict[str, Any]) -> str:
    """The name of what a record is of: one without a version is of the first."""
    return known_as(proxy, record.get("version", 1)) if proxy in VERSIONS else proxy


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
