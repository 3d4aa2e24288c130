"""From a folder, or a file of data, to its pages."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from plainnet.engine.run.kept_trainings import find_trainings, is_training
from plainnet.engine.tuning.tuning_folder import is_tuning, read_asked, read_trials, run_of
from plainnet.errors import RunError, UsageError
from plainnet.files.lock import only_a_lock
from plainnet.pages.found_pages import write_pages
from plainnet.pages.page import Facts
from plainnet.reports.data_files import facts_of_file
from plainnet.reports.rung_curves import rung_curves
from plainnet.reports.stored_facts import is_store, is_stored, store_facts, stored_facts
from plainnet.reports.training_facts import training_facts
from plainnet.search.candidates.objectives import is_made_large
from plainnet.search.report import exact_sweep_facts, run_facts, sweep_facts
from plainnet.search.report.reproduce import exact_sweep_command, search_words
from plainnet.search.runs.kept_optima import is_exact_sweep, read_optima
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.kept_sweeps import config_of_sweep, read_sweep, runs_of_sweep
from plainnet.search.store import RunStore

__all__ = ["facts_of", "write_reports"]

FILES = {"sweep": "sweep.html", "trainings": "trainings.html", "store": "store.html"}
"""What is told of -> the file that the page is usually kept in; of all else it is `FILE`."""
FILE = "report.html"


def facts_of(
    folder: Path, *, trust: bool = False, page_of: Callable[[Path], str] | None = None, images: int = 0
) -> Facts:
    """What the pages about a folder, or a file of data, tell. `trust`: a run's own files may be run; `page_of`: where the page
    of a sweep's run is found; `images`: of a training, so many of the worst and of the best ones. Raises `RunError` for a folder
    that holds nothing of ours, or what is damaged.
    """
    if images and not is_training(folder):
        raise UsageError(f"{folder} is no training run, of whose images some are worst; leave --images out")
    if os.path.isfile(folder):
        return facts_of_file(folder)
    if is_stored(folder):
        return Facts("stored network", stored_facts(folder))
    if is_store(folder):
        return Facts("store", store_facts(folder, page_of))
    if is_training(folder):
        return Facts("training", training_facts(folder, images=images, trust=trust))
    if is_exact_sweep(folder):
        return _optima(folder, trust=trust)
    if any(True for _ in runs_of_sweep(folder)):
        return _sweep(folder, page_of)
    if os.path.isdir(folder) and not _is_search(folder):
        return _several(folder)
    with opened(folder) as store:
        return _run(store, trust=trust)


def write_reports(folder: Path, output: Path | None = None, *, trust: bool = False, images: int = 0) -> Iterator[Path]:
    """Write the pages about a folder or a file, and of a sweep those of its runs before; their paths. `output`: another place
    for the first one; `images`: as `facts_of` takes them.
    """
    for run, _, _ in runs_of_sweep(folder):
        with opened(run) as store:
            yield from write_pages(_run(store, trust=trust), run / FILE)
    beside = _beside if output is None and any(True for _ in runs_of_sweep(folder)) else None
    facts = facts_of(folder, trust=trust, images=images, page_of=beside)
    yield from write_pages(facts, output or _place(folder, facts.about))


def _place(folder: Path, about: str) -> Path:
    """Where the page of a folder is usually kept; of a file it is beside it."""
    if os.path.isdir(folder):
        return folder / FILES.get(about, FILE)
    place = folder.with_suffix(".html")
    if place == folder:
        raise UsageError(f"{folder} would be written over by its page; accepted: -o PAGE.html")
    return place


def _is_search(folder: Path) -> bool:
    return any(path.suffix == ".sqlite" for path in folder.iterdir())


def _run(store: RunStore, *, trust: bool) -> Facts:
    """A run, with the curves of what its ladder trained."""
    facts = run_facts(store, trust=trust)
    return facts._replace(told={**facts.told, "trainings": rung_curves(store)}) if store.config.trains else facts


def _several(folder: Path) -> Facts:
    """Trainings side by side: those in a folder and below it."""
    trainings = [path for path, about in find_trainings(folder) if not isinstance(about, Exception)]
    if not trainings:
        raise RunError(
            f"{folder} holds no run: run.sqlite is missing, and there is no sweep and no training{only_a_lock(folder)}"
        )
    tried = _tried(folder)
    runs = [{**training_facts(path), "title": tried.get(path, os.path.relpath(path, folder))} for path in trainings]
    return Facts("trainings", {"title": folder.resolve().name, "runs": runs})


def _tried(folder: Path) -> dict[Path, str]:
    """What each training of a search over settings is called: by the settings that it tried."""
    if not is_tuning(folder):
        return {}
    trials = read_trials(folder, read_asked(folder).varied)
    return {
        run_of(folder, each.number): ", ".join(f"{key}={_short(value)}" for key, value in each.values.items())
        for each in trials
    }


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _optima(folder: Path, *, trust: bool) -> Facts:
    """A sweep of optima, as it tells of itself when it ends."""
    found = read_optima(folder, trust=trust)
    command = exact_sweep_command(found.config, found.budget, found.limits)
    return exact_sweep_facts(found.solved, found.budget, command=command, config=found.config)


def _beside(run: Path) -> str:
    """The page of a sweep's run, seen from that of the sweep."""
    return f"{quote(run.name)}/{FILE}"


def _sweep(folder: Path, page_of: Callable[[Path], str] | None) -> Facts:
    """A sweep, as it tells of itself when it ends."""
    config, budget = config_of_sweep(folder)
    outcomes = read_sweep(folder)
    if not outcomes:
        raise UsageError(f"{folder} holds no sweep that came to an end")
    vary = f"{budget}={','.join(f'{each.limit:.12g}' for each in outcomes)}"
    words = ["plainnet", "sweep", *search_words(config), "--vary", vary, "--candidates", str(config.candidates)]
    higher = is_made_large(config.objectives[0])
    return sweep_facts(outcomes, command=shlex.join(words), higher=higher, config=config, page_of=page_of)
