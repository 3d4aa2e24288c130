"""What lies in a folder and below it, an entry each, remembered until its files change. Nothing is written."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from plainnet.engine.run.kept_trainings import is_training, training_of
from plainnet.engine.tuning.tuning_folder import ASKED as TUNING
from plainnet.engine.tuning.tuning_result import read_tuning
from plainnet.errors import PlainnetError, UsageError
from plainnet.pages.network_page import headline
from plainnet.proxies.calibrated.calibration import read_calibration
from plainnet.reports.data_files import is_calibration
from plainnet.search.report.labels import in_words
from plainnet.search.runs.kept_runs import about_run
from plainnet.store.layout import RECORD as STORED
from plainnet.store.record import read_record
from plainnet.validation.calibration_facts import calibration_facts

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
CALIBRATION = "calibration"
CHECKED = ("search", CALIBRATION)
"""Kinds of which more is read when everything is listed."""
Stamp = tuple[tuple[str, int, int], ...]


class _Place(NamedTuple):
    """A folder, or a file, that something is kept in."""

    path: Path
    kind: str
    stamp: Stamp

    @property
    def changed(self) -> float:
        """When the newest of its files was changed, in seconds since 1970."""
        return max(each[1] for each in self.stamp) / 1e9


class _Known(NamedTuple):
    """What was read of a place. is_checked: whether all of it was what was written; what is in `CHECKED` is listed before that is
    known.
    """

    stamp: Stamp
    entry: Entry
    is_checked: bool


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
        self._known: dict[Path, _Known] = {}
        self._heads: dict[Path, tuple[Stamp, bool]] = {}
        self._unread = 0
        self._turn = threading.Lock()
        self.is_whole = True
        """Whether all folders were looked at the last time."""

    @property
    def is_read(self) -> bool:
        """Whether everything was read and checked the last time."""
        return not self._unread

    def entries(self, within: float = math.inf) -> list[Entry]:
        """Everything that is there, what was changed last first. within: seconds after which no more is read, beginning with what
        was changed last; what is left is listed as not read yet, and read by the calls that follow. Searches are checked when
        everything is read: that takes far longer than what a list tells of them.
        """
        with self._turn:
            return self._read(within)

    def _read(self, within: float) -> list[Entry]:
        there = sorted(self._places(), key=lambda place: -place.changed)
        found: dict[Path, _Known] = {}
        end = time.monotonic() + within
        for place in there:
            known = self._known.get(place.path)
            if known is None or known.stamp != place.stamp:
                if time.monotonic() >= end:
                    continue
                known = self._learned(place, check=math.isinf(within))
            found[place.path] = known
        for place in there:
            if place.path in found and not found[place.path].is_checked and time.monotonic() < end:
                found[place.path] = self._learned(place, check=True)
        self._known = found
        self._unread = len(there) - sum(each.is_checked for each in found.values())
        listed = [found[each.path].entry if each.path in found else self._unread_entry(each) for each in there]
        return sorted(listed, key=lambda entry: (-entry.changed, entry.path))

    def stamp(self, within: float = 0.0) -> int:
        """A number that changes when anything does, also when more was read. Nothing is opened for it, but what was not read yet,
        for so many seconds.
        """
        with self._turn:
            if self._unread and within:
                self._read(within)
            return hash((self._unread, *((str(place.path), place.stamp) for place in self._places())))

    def place(self, text: str) -> Path:
        """The folder or the file of an entry. Raises `UsageError` for one that is not there, or not under the root."""
        try:
            path = (self.root / text).resolve()
            inside = path.is_relative_to(self.root) and (path.is_dir() or (path.is_file() and is_calibration(path)))
        except (OSError, ValueError):
            inside = False
        if not inside:
            raise UsageError(f"there is no folder {text} here")
        if leading := [name for name in FILES if not self._is_inside(path / name)]:
            raise UsageError(f"{leading[0]} in {text} is a link that leads out of this folder")
        return path

    def _is_inside(self, path: Path) -> bool:
        """Whether a file is no link, or one that does not lead out."""
        return not path.is_symlink() or path.resolve().is_relative_to(self.root)

    def _places(self) -> Iterator[_Place]:
        for count, (folder, folders, names) in enumerate(os.walk(self.root), 1):
            self.is_whole = count <= FOLDERS
            if not self.is_whole:
                return
            folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
            path = Path(folder)
            if (KINDS.keys() | {TRAINING}).intersection(names):
                own = [name for name in FILES if name in names and self._is_inside(path / name)]
                if stamp := stamp_of(path, own):
                    yield _Place(path, _kind(own), stamp)
            yield from self._calibrations(path, names)

    def _calibrations(self, folder: Path, names: list[str]) -> Iterator[_Place]:
        """The calibrations among the files of a folder; of a file that did not change nothing is read."""
        for path in (folder / name for name in names if name.endswith(".json") and name not in FILES):
            stamp = _stamp_of_file(path)
            if not stamp or not self._is_inside(path):
                continue
            known = self._heads.get(path)
            if known is None or known[0] != stamp:
                known = self._heads[path] = (stamp, is_calibration(path))
            if known[1]:
                yield _Place(path, CALIBRATION, stamp)

    def _unread_entry(self, place: _Place) -> Entry:
        """An entry by the names of its files alone."""
        where = os.path.relpath(place.path, self.root)
        return Entry(place.kind, where, "", "not read yet", None, "", min(place.changed, time.time()))

    def _learned(self, place: _Place, *, check: bool) -> _Known:
        """What a place holds. check: whether it is read as a whole."""
        where, changed = os.path.relpath(place.path, self.root), min(place.changed, time.time())
        try:
            kind, what, state, value, name = _about(place.kind, place.path, check=check)
            entry = Entry(kind, where, what, state, value, name, changed)
            return _Known(place.stamp, entry, is_checked=check or place.kind not in CHECKED)
        except PlainnetError as error:
            entry = Entry(place.kind, where, "", "unreadable", None, "", changed, str(error))
            return _Known(place.stamp, entry, is_checked=True)


def _kind(names: list[str]) -> str:
    return next((kind for name, kind in KINDS.items() if name in names), "training")


def stamp_of(path: Path, names: list[str]) -> Stamp:
    """Name, time and size of the files that say what a folder is; nothing for a folder that holds nothing of ours."""
    if KINDS.keys().isdisjoint(names) and not (TRAINING in names and is_training(path)):
        return ()
    return tuple(each for name in FILES if name in names for each in _stamp_of_file(path / name))


def _stamp_of_file(path: Path) -> Stamp:
    """Nothing for a file that is gone, and for an empty one that says nothing: a reader of SQLite makes an empty log."""
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    is_something = stat.st_size or path.name in (STORED, TRAINING)
    return ((path.name, stat.st_mtime_ns, stat.st_size),) if is_something else ()


def _about(kind: str, path: Path, *, check: bool) -> tuple[str, str, str, float | None, str]:
    """The kind, as it turns out, and what it is, its state, its best figure and what that is called. check: whether every part is
    to be what was written.
    """
    if kind == "search":
        about = about_run(path, digests=check)
        name = in_words(about.score_name or "")
        return "optimum" if about.is_exact else kind, about.space, about.state, about.score, name
    if kind == "training":
        training = training_of(path)
        return kind, training.data, training.state, training.score, training.score_name
    if kind == CALIBRATION:
        return kind, *_about_calibration(path, check=check)
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


def _about_calibration(path: Path, *, check: bool) -> tuple[str, str, float | None, str]:
    """Its figure is known when it is checked: for that the model is fitted."""
    found = read_calibration(path)
    value = float(calibration_facts(found).told["left_out"]["spearman"][0]) if check else None
    return found.source, f"{len(found.names):,} networks", value, "Spearman"


def _about_tuning(path: Path) -> tuple[str, str, float | None, str]:
    found = read_tuning(path)
    over = sum(each.is_over for each in found.trials)
    best = None if found.best is None else found.trials[found.best].value
    keys = ", ".join(each.partition("=")[0] for each in found.vary)
    return keys, f"{over:,} of {found.asked:,} trials", best, found.metric
