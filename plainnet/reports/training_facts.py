"""What a page tells about a training run, as plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from plainnet.blocks.rows.shapes import Shape
from plainnet.engine.run.kept_trainings import config_of, describe_training
from plainnet.engine.run.run_curves import changes_of, curves_of
from plainnet.errors import PlainnetError
from plainnet.files.text_files import read_text
from plainnet.naming import resolve
from plainnet.profiler.network_drawing import drawn_blocks
from plainnet.reports.image_extremes import image_extremes

__all__ = ["training_facts"]

TAIL = 8_192
"""Bytes at the end of a log that hold its last entry."""
_LINE = r"^(?=\d{4}-\d\d-\d\dT\S+ +[A-Z]+ +[\w.]+: )"
"""Where an entry of a log begins; it may have several lines."""


def training_facts(folder: Path, *, images: int = 0, trust: bool = False) -> dict[str, Any]:
    """Everything that the page shows, as far as the run is. `images`: so many of the worst and of the best ones, for which the
    network is run over its validation (`trust`: code that the run names, too). Raises `RunError` for no run, or a damaged one.
    """
    about = describe_training(folder)
    curves = curves_of(folder)
    best = about.get("best") or {}
    structure, blocks = _network(folder)
    configuration = read_text(folder / "config.yaml", what="configuration")
    quoted = quote(str(folder))
    commands = [f"plainnet train {quoted}"] if about["state"] != "finished" else []
    if about.get("weights"):
        commands += [f"plainnet predict {quoted} IMAGE", f"plainnet evaluate {quoted}"]
        commands += [] if images else [f"plainnet report {quoted} --images 8"]
    return {
        "title": folder.resolve().name,
        "state": about["state"],
        "model": about["model"].split(" ")[0],
        "data": about["data"],
        "task": about["task"],
        "asked": [f"{about['optimizer']}", f"seed {about['seed']}"],
        "best": {**best, "name": about["score_name"]} if best.get("value") is not None else None,
        "rounds": about["rounds"] if about.get("rounds") is not None else _rounds(curves),
        "of": about.get("of"),
        "parameters": about.get("parameters"),
        "structure": structure,
        "blocks": blocks,
        "curves": curves,
        "changes": changes_of(folder),
        "commands": commands,
        "problem": _problem(folder) if about["state"] == "unfinished" else None,
        "images": image_extremes(folder, images, trust=trust) if images else None,
        "classes": _classes(folder),
        "configuration": configuration,
    }


def _problem(folder: Path) -> str | None:
    """The error that ended a run, where that is the last thing that its log tells."""
    try:
        with (folder / "log.txt").open("rb") as file:
            file.seek(max(0, (folder / "log.txt").stat().st_size - TAIL))
            last = re.split(_LINE, file.read().decode("utf-8", "replace"), flags=re.MULTILINE)[-1]
    except OSError:
        return None
    _, ended, said = last.partition("ended by ")
    return said.strip() if ended else None


def _classes(folder: Path) -> list[str]:
    """The names of the classes, which the run took from its data; none where there are none."""
    derived = config_of(folder).derived
    return [str(name) for name in derived.classes or ()] if derived is not None else []


def _rounds(curves: Mapping[str, Any]) -> int:
    return max((len(curve) for parts in curves["rounds"].values() for curve in parts.values()), default=0)


def _network(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """The structure and its blocks; nothing where the model is none, or has no weights yet."""
    try:
        subject = resolve(str(folder))
        if subject.structure is None:
            return "", []
        size = subject.resolution.value
        height, width = size if isinstance(size, tuple) else (size, size)
        shape = Shape(subject.structure.in_channels, height, width)
        return str(subject.structure), drawn_blocks(subject.structure, shape, variant=subject.variant.value)
    except PlainnetError:
        return "", []
