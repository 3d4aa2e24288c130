"""The small files of a run folder: its configuration, and what was left out of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from plainnet.configs import Config, dump_values
from plainnet.configs.references import lookup
from plainnet.engine.run.schema import TrainConfig
from plainnet.errors import RunError
from plainnet.results.tables import wrapped

if TYPE_CHECKING:
    from plainnet.engine.data.source import DataSource

__all__ = ["CONFIG", "print_line", "tell_notes", "write_config", "write_text"]

CONFIG = "config.yaml"
DATA_NOTES = "data.txt"
SHOWN_NOTE = 400
"""Characters of a note about the data on the console."""


def write_config(folder: Path, config: Config[TrainConfig], data: DataSource) -> None:
    """config.yaml says what is run, and what follows from the data; a value that came from it keeps the origin that it had
    there.
    """
    path = folder / CONFIG
    values = {**config.plain(), "run": str(folder.absolute()), "derived": _derived(data)}

    def origin(place: tuple[str | int, ...]) -> str:
        if place[0] == "derived":
            return f"the data ({config.value.data.type})"
        node = lookup(config.tree, ".".join(map(str, place)))
        if node is not None and node.place.line >= 0 and node.place.source == str(path):
            _, sign, note = node.place.text.splitlines()[node.place.line].rpartition("  # ")
            return note if sign else config.origin(place)
        return config.origin(place)

    write_text(path, dump_values(values, origin=origin))


def _derived(data: DataSource) -> dict[str, Any]:
    channels, *resolution = data.shape or [None]
    return {
        **({"in_channels": channels, "resolution": resolution} if data.shape else {}),
        "num_classes": len(data.classes),
        "classes": list(data.classes),
        "mean": list(data.mean),
        "std": list(data.std),
    }


def tell_notes(notes: Sequence[str], folder: Path, console: Console) -> None:
    """What the data leave out: whole in data.txt of the run, at most a few lines each on the console."""
    if not notes:
        return
    write_text(folder / DATA_NOTES, "".join(f"{note}\n" for note in notes))
    for note in notes:
        shown = note if len(note) <= SHOWN_NOTE else f"{note[:SHOWN_NOTE]} ... (all of it in {folder / DATA_NOTES})"
        print_line(console, f"note: {shown}")


def print_line(console: Console, line: str) -> None:
    """A line, broken between words where a terminal ends and whole in a file; a path stays whole."""
    width = console.width if console.is_terminal else None
    console.print(wrapped(line, width, indent=4), highlight=False, soft_wrap=True, markup=False)


def write_text(path: Path, text: str) -> None:
    """The whole text in the file, or the file as it was."""
    temporary = path.with_name(f".writing-{path.name}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
