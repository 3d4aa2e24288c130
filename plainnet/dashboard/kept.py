"""What lies in a folder and below it, an entry each, remembered until its files change. Nothing is written."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plainnet.engine.run.kept_trainings import is_training, training_of
from plainnet.engine.tuning.tuning_folder import ASKED as TUNING
from plainnet.engine.tuning.tuning_result import read_tuning
from plainnet.errors import PlainnetError, UsageError
from plainnet.pages.network_page import headline
from plainnet.search.report.labels import in_words
from plainnet.search.runs.kept_runs import about_run
from plainnet.store.layout import RECORD as STORED
from plainnet.store.record import read_record

__all__ = ["Entry", "Kept"]

FOLDERS = 20_000
"""Folders that are looked at, at most: a dashboard over a whole disk says so in place of hanging."""
SKIPPED = ("checkpoints", "tensorboard", "conversions", "source", ".new", "__pycache__")
SEARCH, TRAINING, SWEEP = "run.sqlite", "config.yaml", "sweep.csv"
FILES = (
    SEARCH, f"{SEARCH}-wal", TRAINING, "log.jsonl", "summary.json", STORED, SWEEP, "sweep.json", TUNING, "trials.jsonl",
)  # fmt: skip
KINDS = {SEARCH: "search", STORED: "network", SWEEP: "sweep", TUNING: "tuning"}
"""What a folder is that has a file of this name; the first of these, and a training where there is none."""
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Entry:
    """A folder with something in it. what: the space, the data, the task; value: its best figure, with its name; None where
    there is none yet. problem: why it cannot be read.
    """

    kind: str
    path: str
    what: str
    state: str
    value: float | None
    value_name: str
    changed: float
    problem: str = ""


class Kept:
    """The entries under a folder. Links that lead out of it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        if not self.root.is_dir():
            raise UsageError(f"there is no folder {root}")
        self._known: dict[str, tuple[Stamp, Entry]] = {}
        self._unread = 0
        self._turn = threading.Lock()
        self.is_whole = True
        """Whether all folders were looked at the last time."""

    def entries(self, within: float = math.inf) -> list[Entry]:
        """Everything that is there, what was changed last first. within: seconds after which no more is read, beginning with what
        was changed last; what is left is listed as not read yet, and read by the calls that follow.
        """
        with self._turn:
            return self._read(within)

    def _read(self, within: float) -> list[Entry]:
        there = [(stamp_of(path, names), path, names) for path, names in self._folders()]
        there = sorted((each for each in there if each[0]), key=lambda each: -_changed(each[0]))
        found, listed, end = {}, [], time.monotonic() + within
        for stamp, path, names in there:
            known = self._known.get(str(path))
            if known is None or known[0] != stamp:
                if time.monotonic() >= end:
                    listed.append(self._unread_entry(path, names, stamp))
                    continue
                known = (stamp, self._entry(path, names, stamp))
            found[str(path)] = known
            listed.append(known[1])
        self._known, self._unread = found, len(listed) - len(found)
        return sorted(listed, key=lambda entry: (-entry.changed, entry.path))

    def stamp(self, within: float = 0.0) -> int:
        """A number that changes when anything does, also when more was read. Nothing is opened for it, but what was not read yet,
        for so many seconds.
        """
        with self._turn:
            if self._unread and within:
                self._read(within)
            return hash((self._unread, *((str(path), stamp_of(path, names)) for path, names in self._folders())))

    def folder(self, text: str) -> Path:
        """The folder of an entry. Raises `UsageError` for one that is not there, or not under the root."""
        try:
            path = (self.root / text).resolve()
            inside = path.is_relative_to(self.root) and path.is_dir()
        except (OSError, ValueError):
            inside = False
        if not inside:
            raise UsageError(f"there is no folder {text} here")
        return path

    def _folders(self) -> Iterator[tuple[Path, list[str]]]:
        for count, (place, folders, names) in enumerate(os.walk(self.root), 1):
            self.is_whole = count <= FOLDERS
            if not self.is_whole:
                return
            folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
            yield Path(place), names

    def _unread_entry(self, path: Path, names: list[str], stamp: Stamp) -> Entry:
        """An entry by the names of its files alone."""
        changed = min(_changed(stamp), time.time())
        return Entry(_kind(names), os.path.relpath(path, self.root), "", "not read yet", None, "", changed)

    def _entry(self, path: Path, names: list[str], stamp: Stamp) -> Entry:
        changed, where, kind = _changed(stamp), os.path.relpath(path, self.root), _kind(names)
        try:
            kind, what, state, value, name = _about(kind, path)
            return Entry(kind, where, what, state, value, name, changed=min(changed, time.time()))
        except PlainnetError as error:
            return Entry(kind, where, "", "unreadable", None, "", changed, str(error))


def _changed(stamp: Stamp) -> float:
    """When the newest of the files was changed, in seconds since 1970."""
    return max(each[1] for each in stamp) / 1e9


def _kind(names: list[str]) -> str:
    return next((kind for name, kind in KINDS.items() if name in names), "training")


def stamp_of(path: Path, names: list[str]) -> Stamp:
    """Name, time and size of the files that say what a folder is; nothing for a folder that holds nothing of ours."""
    if KINDS.keys().isdisjoint(names) and not (TRAINING in names and is_training(path)):
        return ()
    found = []
    for name in FILES:
        if name in names:
            try:
                stat = os.stat(path / name)
            except OSError:
                continue
            if stat.st_size or name in (STORED, TRAINING):  # a reader of SQLite makes an empty log, which says nothing
                found.append((name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _about(kind: str, path: Path) -> tuple[str, str, str, float | None, str]:
    """The kind, as it turns out, and what it is, its state, its best figure and what that is called."""
    if kind == "search":
        about = about_run(path)
        name = in_words(about.score_name or "")
        return "optimum" if about.is_exact else kind, about.space, about.state, about.score, name
    if kind == "training":
        training = training_of(path)
        return kind, training.data, training.state, training.score, training.score_name
    if kind == "tuning":
        return kind, *_about_tuning(path)
    if kind == "network":
        record = read_record(path / STORED)
        metric = headline([each.model_dump() for each in record.metrics])
        known = (metric["value"], metric["name"]) if metric else (None, "")
        return kind, record.identity.task, "stored", *known
    with (path / SWEEP).open(encoding="utf-8", errors="replace") as file:
        budget = file.readline().split(",", 1)[0].strip().removesuffix(" limit")
        return kind, in_words(budget), f"{sum(1 for _ in file):,} networks", None, ""


def _about_tuning(path: Path) -> tuple[str, str, float | None, str]:
    found = read_tuning(path)
    over = sum(each.is_over for each in found.trials)
    best = None if found.best is None else found.trials[found.best].value
    keys = ", ".join(each.partition("=")[0] for each in found.vary)
    return keys, f"{over:,} of {found.asked:,} trials", best, found.metric
