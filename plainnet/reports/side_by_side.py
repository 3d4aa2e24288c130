"""Several runs on one page: searches, or trainings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from plainnet.engine.run.kept_trainings import is_training
from plainnet.errors import UsageError
from plainnet.pages.page import Facts
from plainnet.reports.training_facts import training_facts
from plainnet.search.report import run_facts
from plainnet.search.runs.kept_runs import opened
from plainnet.search.runs.optimum_state import is_optimum
from plainnet.search.store import FILE_NAME

__all__ = ["side_by_side"]


def side_by_side(folders: Mapping[str, Path], title: str, *, trust: bool = False) -> Facts:
    """The facts of several runs. folders: what each is called on the page, and its folder. Raises `UsageError` where they are
    not all trainings, or all searches.
    """
    trainings = [name for name, folder in folders.items() if is_training(folder)]
    searches = [name for name, folder in folders.items() if _is_search(folder)]
    if len(trainings) == len(folders) > 0:
        runs = [{**training_facts(folder), "title": name} for name, folder in folders.items()]
        return Facts("trainings", {"title": title, "runs": runs})
    if len(searches) == len(folders) > 0:
        found = []
        for name, folder in folders.items():
            with opened(folder) as store:
                found.append({**run_facts(store, trust=trust).told, "title": name})
        return Facts("searches", {"title": title, "runs": found})
    others = [name for name in folders if name not in (*trainings, *searches)]
    said = f"{', '.join(others)} is neither" if others else f"{trainings[0]} is a training, {searches[0]} a search"
    raise UsageError(f"runs of one kind are compared, trainings or searches: {said}")


def _is_search(folder: Path) -> bool:
    if not (folder / FILE_NAME).is_file():
        return False
    with opened(folder) as store:
        return not is_optimum(store)
