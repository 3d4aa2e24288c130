"""Sweeps of optima that were kept: what was asked for, and what was proven under each limit of a budget, in sweep.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import cache
from os.path import isdir, isfile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from plainnet.errors import PlainnetError, RunError, StructureError
from plainnet.files.text_files import json_value, read_text
from plainnet.files.whole_files import write_whole
from plainnet.search.exact.result import Network, Optimum
from plainnet.search.runs.trusting import make_readable
from plainnet.search.settings.config import SearchConfig

__all__ = ["Optima", "find_optima", "is_exact_sweep", "read_optima", "write_optima"]

FILE = "sweep.json"
SCHEMA = "plainnet.optima/1"
Solved = tuple[tuple[float, Optimum], ...]


@dataclasses.dataclass(frozen=True)
class Optima:
    """What `sweep --exact` found. config: what was asked for, but for the budget that varies; solved: (limit, optimum) each."""

    config: SearchConfig
    budget: str
    solved: Solved

    @property
    def limits(self) -> list[float]:
        """The limits, in their order."""
        return [limit for limit, _ in self.solved]

    @property
    def networks(self) -> list[tuple[float, Network]]:
        """The best network of each limit that has one."""
        return [(limit, found.best) for limit, found in self.solved if found.best is not None]

    @property
    def state(self) -> str:
        """finished, or "not proven" where a gap is larger than was asked for."""
        return (
            "not proven" if any(found.reason in ("feasible", "none found") for _, found in self.solved) else "finished"
        )


def is_exact_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep of optima (`sweep --exact`), which keeps no runs."""
    return isfile(folder / FILE)


def find_optima(folder: Path) -> Iterator[tuple[Path, Optima | PlainnetError]]:
    """The sweeps of optima in a folder and below it, each with what it is or what is wrong with it. Networks of blocks of the
    user's own are not read: a list runs no code.
    """
    for path in sorted(folder.rglob(FILE)) if isdir(folder) else ():
        try:
            optima = _values_of(path)
            if not optima.config.blocks:
                _read_networks(optima, path, trust=False)
            yield path.parent, optima
        except PlainnetError as error:
            yield path.parent, error


def write_optima(folder: Path, optima: Optima) -> None:
    """Write sweep.json. Raises `UsageError` where it cannot be written."""
    values = {
        "schema": SCHEMA,
        "config": json.loads(optima.config.to_json()),
        "budget": optima.budget,
        "solved": [[limit, dataclasses.asdict(found)] for limit, found in optima.solved],
    }
    write_whole(folder / FILE, json.dumps(values, allow_nan=False) + "\n")


def read_optima(folder: Path, *, trust: bool = False) -> Optima:
    """What `write_optima` wrote, every value of its type; `RunError` for anything else, `UsageError` for networks of blocks that
    only a Python file would bring. trust: it may run.
    """
    path = folder / FILE
    optima = _values_of(path)
    _read_networks(optima, path, trust=trust)
    return optima


def _values_of(path: Path) -> Optima:
    """What a file says, but for its networks, which stay texts."""
    values = json_value(read_text(path), str(path))
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise RunError(f"{path} is damaged: its schema is not {SCHEMA}")
    config = SearchConfig.from_json(json.dumps(values.get("config")))
    try:
        solved = _adapter().validate_json(json.dumps(values.get("solved")), strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("solved", *problem["loc"])))
        raise RunError(f"{path} is damaged: {where}: {problem['msg']}") from None
    optima = Optima(config, str(values.get("budget")), solved)
    if any(optima.budget not in network.costs or not network.scores for _, network in optima.networks):
        raise RunError(f"{path} is damaged: a network does not say what it costs of the budget, or what it is worth")
    return optima


def _read_networks(optima: Optima, path: Path, *, trust: bool) -> None:
    try:
        make_readable(optima.config, (network.structure for _, network in optima.networks), trust=trust)
    except StructureError as error:
        raise RunError(f"{path} is damaged: {str(error).splitlines()[0]}") from None


@cache
def _adapter() -> TypeAdapter[Solved]:
    return TypeAdapter(Solved)
