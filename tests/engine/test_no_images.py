"""Samples that are no images go through everything that the engine does; what is for images says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plainnet.engine.data.checking import check_data
from plainnet.engine.run.build import build_data
from plainnet.engine.run.dry_run import dry_run
from plainnet.engine.run.evaluation import evaluate
from plainnet.engine.run.keeping import Said, keep_run
from plainnet.engine.run.predict import Predictor
from plainnet.engine.run.registry import Registry, load_module
from plainnet.engine.run.training_run import load_config, resume, train
from plainnet.errors import UsageError
from plainnet.naming import resolve

EXAMPLES = Path(__file__).parents[2] / "examples"
CODE = EXAMPLES / "classify_points.py"
QUIET = Console(quiet=True)


def config_of(folder: Path, *overrides: str) -> Any:
    small = {"train": 60, "val": 30}
    plain = load_module(str(CODE)).CONFIG
    source = {**plain, "data": {**plain["data"], **small}, "run": str(folder / "run"), "log": {"tensorboard": False}}
    return load_config({**source, "train": {"epochs": 1}}, overrides=overrides)


@pytest.fixture(scope="module")
def points_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    train(config_of(folder), console=QUIET)
    return folder / "run"


def test_points_are_trained_taken_up_and_judged(points_run: Path) -> None:
    judged = evaluate(points_run / "best.safetensors", imports=[str(CODE)])
    assert judged.samples == 30
    assert sum(map(sum, judged.tables["confusion"])) == 30
    summary = resume(points_run, overrides=["train.epochs=2"], console=QUIET)
    assert summary.complete
    assert "in_channels" not in (points_run / "config.yaml").read_text().partition("derived:")[2]


def test_a_plan_and_a_look_through_the_data_need_no_images(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    plan = dry_run(config)
    assert "60 training and 30 validation samples" in plan.headline
    assert "cloud" in plan.batches["training"]
    found = check_data(build_data(config.value.data, Registry()), "points")
    assert found.parts["training"].counts == {"sphere": 20, "box": 20, "tube": 20}
    assert "no images" in str(found.view().before)


def test_what_is_for_images_says_so(points_run: Path, tmp_path: Path) -> None:
    predictor = Predictor(points_run, imports=[str(CODE)])
    with pytest.raises(UsageError, match=r"takes no images; its task takes batches"):
        predictor.predict([EXAMPLES / "data" / "digit-1.png"])
    with pytest.raises(UsageError, match="takes no images"):
        keep_run(points_run, tmp_path / "store", Said())


def test_a_network_that_takes_no_images_is_named_without_a_size(points_run: Path) -> None:
    subject = resolve(str(points_run), imports=[str(CODE)])
    assert (subject.resolution.is_default, subject.channels) == (True, None)
    assert sum(p.numel() for p in subject.network.parameters()) == 13_187


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("data.mixup=0.2", "data.mixup"),
        ("data.augment=[{type: Flip}]", "data.augment"),
        ("data={mean: [0.5], std: [0.5]}", "data.mean"),
    ],
)
def test_augmentations_are_refused_where_there_are_no_images(tmp_path: Path, override: str, named: str) -> None:
    with pytest.raises(UsageError, match=rf"{named} is for images, and the data .* hold none"):
        dry_run(config_of(tmp_path, override))


def test_the_tracker_is_short() -> None:
    assert len((EXAMPLES / "track_digits.py").read_text().splitlines()) < 150
