"""What the recipes of scenes reach: measured once on one thread, segment in 106 s of the processor, detect in 148 s."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from plainnet.engine.run.schema import recipes
from plainnet.engine.run.training_run import load_config, train


@pytest.mark.tail
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("recipe", "metric", "bar"), [("segment", "iou/mean", 0.85), ("detect", "ap/50", 0.85)])
def test_a_recipe_reaches_its_bar(recipe: str, metric: str, bar: float, quiet: Console, tmp_path: Path) -> None:
    overrides = [f"run={tmp_path}/run", "device=cpu", "log.tensorboard=false"]
    config = load_config(recipes()[recipe], overrides=overrides)
    assert config.value.checkpoint.best == metric
    assert train(config, console=quiet).best["value"] > bar
