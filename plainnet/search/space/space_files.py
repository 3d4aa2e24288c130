"""Where spaces come from: the shipped ones, files, configurations of TinyNAS; read and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plainnet.blocks.formats.foreign import read_network
from plainnet.configs import Config, InvalidConfigError, read_config
from plainnet.errors import StructureError, UsageError, nearest
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import read_text
from plainnet.search.space.space import Space
from plainnet.search.space.space_check import space_problems
from plainnet.search.space.tinynas_config import read_tinynas_config
from plainnet.search.space.tinynas_start import fitted_start, greatest_growth, widen

__all__ = ["load_space", "shipped_spaces"]

SHIPPED = Path(__file__).parent / "spaces"


def shipped_spaces() -> dict[str, Path]:
    """Name -> file of the spaces that come with the package."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def load_space(source: str | Path | Mapping[str, Any] | Space) -> Space:
    """The space of a shipped name, a YAML file, a configuration of TinyNAS (a .py file, which is read and not run), or plain
    data; `InvalidConfigError` with every problem and its place."""
    if isinstance(source, Space):
        return source
    shipped = shipped_spaces()
    if isinstance(source, str) and source in shipped:
        source = shipped[source]
    if isinstance(source, str):
        path = Path(source)
        if not os.path.isfile(path):
            near = nearest(source, shipped)
            raise UsageError(
                f"no search space {source!r}, and no file of that name; shipped: {', '.join(shipped)}"
                + (f"; did you mean {near}?" if near else "")
            )
        source = path
    called = "python"
    if isinstance(source, Path) and source.suffix == ".py":
        called, source = str(source), _from_tinynas(source)
    try:
        with reading(source, "search space"):
            config: Config[Space] = read_config(source, Space, named=shipped, called=called)
    except InvalidConfigError:
        if isinstance(source, Path) and _holds_network(source):
            raise UsageError(
                f"{source} holds a network, and no search space; accepted: a file with the network as `start`, and what may "
                "become of its blocks, such as `plainnet space show zennas-resnet` prints"
            ) from None
        raise
    problems = space_problems(config)
    if problems:
        raise InvalidConfigError(problems)
    return config.value


def _holds_network(path: Path) -> bool:
    try:
        return bool(read_network(read_text(path), drop_bits=True).structure.blocks)
    except (UsageError, StructureError):
        return False


def _from_tinynas(path: Path) -> dict[str, Any]:
    """The space of a configuration of TinyNAS: the shipped one of its kind, from the configuration's start."""
    found = read_tinynas_config(path)
    shipped = load_space(found.pop("base"))
    base = shipped.model_dump(mode="json", exclude_none=True)
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem).lstrip("_.-") or "tinynas"
    said = widen(base["blocks"], found["start"], shipped)
    found["start"], rounded = fitted_start(found["start"], Space.model_validate({**base, "start": found["start"]}))
    if rounded:
        said.append(f"the start is rounded as its rules round what they change: {', '.join(rounded)}")
    most, growth = base["widths"].get("at_most_input_times"), greatest_growth(found["start"])
    if most is not None and growth > most:
        base["widths"]["at_most_input_times"] = growth
        said.append(f"a block may grow {growth:g} times, as one of the start does, and not {most:g}")
    found["about"] = "; ".join([found["about"], *said])
    return {**base, **found, "name": name, "num_classes": 0}
