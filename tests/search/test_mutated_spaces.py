"""Search spaces, configurations of TinyNAS and sweeps made wrong at random: they are searched, or named."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from plainnet.dashboard.kept import Kept
from plainnet.search.runs.sweep import sweep
from plainnet.search.space.space_files import shipped_spaces
from tests.mutations import command, faults, wrong_bytes, wrong_text
from tests.search.small import small_config
from tests.search.test_tinynas_searches import CONFIG, DEEPMAD

FEW = ("--candidates", 8, "--population", 4, "--islands", 1, "--ladder", "none", "--quiet", "--timeout", 5)
LIMITS = (1e5, 2e5)


def make_spaces(folder: Path) -> Path:
    """A space, a configuration of TinyNAS, a sweep, and a table of a sweep of optima."""
    folder.mkdir(parents=True)
    shutil.copy(shipped_spaces()["zennas-resnet"], folder / "space.yaml")
    (folder / "space.py").write_text(CONFIG.format(score=DEEPMAD, space="space_k1kxk1"), encoding="utf-8")
    config = small_config(candidates=40, population=4, epoch=20, islands=1, limits={"layers": 20})
    sweep(config, "params", LIMITS, folder / "sweep")
    (folder / "sweep" / "sweep.csv").write_text("budget,limit,zen\nparams,100000.0,30\n", encoding="utf-8")
    (folder / "exact").mkdir()
    rows = "budget, limit,value,bound,gap,structure\nparams,100000.0,3,3.1,0.1,x\n"
    (folder / "exact" / "sweep.csv").write_text(rows, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_spaces(tmp_path_factory.mktemp("spaces") / "sound")


def readers_of_space(file: Path) -> Iterator[Callable[[], object]]:
    yield command("space", "show", file)
    yield command("space", "check", file)
    yield command("space", "sample", file, "-n", 2)
    yield command("search", file, *FEW, "--max-params", "1e7", "--out", file.parent / "run")


def readers_of_sweep(file: Path) -> Iterator[Callable[[], object]]:
    folder = file.parent if file.suffix == ".csv" else file.parent.parent
    yield command("runs", "list", folder.parent)
    yield command("runs", "show", folder)
    yield command("runs", "best", folder, "-n", 2)
    yield command("report", folder, "--json")
    yield lambda: list(Kept(folder.parent).entries())
    yield command(
        "sweep", folder, "--vary", "params=1e5", "--candidates", 40, "--quiet", "--out", folder.parent / "again"
    )


PLACES = {
    "space.yaml": readers_of_space,
    "space.py": readers_of_space,
    "sweep/sweep.csv": readers_of_sweep,
    "exact/sweep.csv": readers_of_sweep,
    "sweep/params-100000/run.sqlite": readers_of_sweep,
}


def check(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        place = draw.choice([*PLACES, "space.yaml", "space.py"])
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        file = folder / place
        if file.suffix == ".sqlite":
            file.write_bytes(wrong_bytes(file.read_bytes(), draw))
        else:
            file.write_bytes(wrong_text(file.read_text(encoding="utf-8"), draw))
        said = ("no candidate within the budgets", "nothing in this space is within the budgets")
        found = faults(PLACES[place](file), file.name, file.parent.name, *said)
        assert found == [], (seed, place, *found)


@pytest.mark.parametrize(
    "seeds",
    [(*range(6), 93_011_002, 93_029_002, 96_004_000, 97_014_004), pytest.param(range(6, 300), marks=pytest.mark.tail)],
    ids=["short", "long"],
)
def test_wrong_spaces_are_searched_or_named(spaces: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check(spaces, tmp_path / "wrong", seeds)


def test_sound_ones_are_read(spaces: Path, tmp_path: Path) -> None:
    """What the fuzzer begins with is read: else it would try nothing."""
    shutil.copytree(spaces, tmp_path / "sound")
    for place in ("space.yaml", "space.py", "sweep/params-100000/run.sqlite"):
        shutil.rmtree(tmp_path / "sound" / "run", ignore_errors=True)
        for action in PLACES[place](tmp_path / "sound" / place):
            action()
