"""Where a run's numbers and pictures go: files, TensorBoard, Weights & Biases, MLflow, and writers of one's own."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from small import make_trainer

from plainnet.configs import InvalidConfigError
from plainnet.engine.hooks.showing import ShowFeatures, ShowPredictions
from plainnet.engine.run.training_run import load_config, train
from plainnet.engine.writers.writer import Writer
from plainnet.errors import RunError, UsageError

QUIET = Console(quiet=True)
SHORT = ("train.epochs=1", "data.batch_size=512")
HERE = str(Path(__file__))


class Kept(Writer):
    """Keeps what it is told."""

    last: Kept

    def __init__(self, *, fails: str = "") -> None:
        self.told: list[tuple[str, Any]] = []
        self.fails, Kept.last = fails, self

    def open(self, run: Path, *, iteration: int, config: Any) -> None:
        self.told.append(("open", (run.name, iteration, config["optim"]["lr"])))

    def scalars(self, values: Any, iteration: int) -> None:
        if self.fails:
            raise ConnectionError(self.fails)
        self.told.append(("scalars", (iteration, dict(values))))

    def picture(self, name: str, pixels: Any, iteration: int) -> None:
        self.told.append(("picture", (name, iteration, pixels.shape, pixels.dtype)))

    def close(self) -> None:
        self.told.append(("close", None))


def kept_by(configured: Callable[..., Any], *overrides: str) -> list[tuple[str, Any]]:
    config = configured(*SHORT, f"log.writers=[{{type: '{HERE}:Kept'}}]", *overrides)
    train(config, console=QUIET)
    writer = config_writer()
    return writer.told


def config_writer() -> Any:
    """The writer that a run made last: of this file as the configuration imports it."""
    from plainnet.engine.run.registry import load_module

    return load_module(HERE).Kept.last


def test_a_writer_of_ones_own_is_told_everything(configured: Callable[..., Any]) -> None:
    told = kept_by(configured, "log.every=2")
    assert told[0] == ("open", ("run", 0, 0.1))
    assert told[-1] == ("close", None)
    rows = [about for what, about in told if what == "scalars"]
    assert [iteration for iteration, _ in rows] == [2, 3]
    assert {"step/loss", "step/accuracy", "step/lr"} <= set(rows[0][1])
    assert {"train/loss", "val/accuracy", "step/lr"} <= set(rows[1][1])


def test_a_writer_that_fails_is_named(configured: Callable[..., Any]) -> None:
    config = configured(*SHORT, f"log.writers=[{{type: '{HERE}:Kept', fails: no route}}]")
    with pytest.raises(RunError, match=r"Kept failed \(scalars\): no route"):
        train(config, console=QUIET)


def test_what_is_no_writer_is_told(configured: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="gave a Linear, not a Writer"):
        train(configured("log.writers=[{type: torch.nn.Linear, in_features: 1, out_features: 1}]"), console=QUIET)


@pytest.mark.parametrize(("kind", "package"), [("WandB", "wandb"), ("MLflow", "mlflow")])
def test_a_missing_package_is_told_with_its_extra(
    configured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, kind: str, package: str
) -> None:
    """When the configuration is read, at its place, and not after the data were."""
    found = importlib.util.find_spec
    module = f"plainnet.engine.writers.{package}_writer.find_spec"
    monkeypatch.setattr(module, lambda name: None if name == package else found(name))
    with pytest.raises(InvalidConfigError, match=rf"log\.writers\.0(.|\n)*pip install 'plainnet\[{package}\]'"):
        configured(f"log.writers=[{{type: {kind}}}]")


def test_predictions_are_pictures_of_the_run(configured: Callable[..., Any], tmp_path: Path) -> None:
    hooks = "hooks=[{type: ShowPredictions, count: 3, every: 2}]"
    train(configured("data.batch_size=512", "train.epochs=3", "data.val_batch_size=2", hooks), console=QUIET)
    files = sorted(str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run" / "pictures").rglob("*.png"))
    numbers = [f"pictures/{step:09d}/predictions-{number}.png" for step in (3, 9) for number in range(3)]
    assert files == numbers
    with Image.open(tmp_path / "run" / numbers[0]) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (160, 320, 3)
    truth, found = pixels[80:, :160], pixels[80:, 160:]
    assert truth.std() > 20  # the digit, not its normalised values cut off
    assert (truth == found).all()  # the lower half has no text


def test_predictions_go_to_tensorboard(configured: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    hooks = "hooks=[{type: ShowPredictions, count: 1}]"
    train(configured(*SHORT, hooks, "log.tensorboard=true"), console=QUIET)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Images("predictions/0")] == [3]
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "type: PlainNet" in text


def test_boxes_are_drawn_beside_what_was_found(tmp_path: Path) -> None:
    data = {"train": 12, "val": 6, "batch_size": 6, "val_batch_size": 4}
    source = {"_base_": "detect", "data": data, "train": {"epochs": 1}, "log": {"tensorboard": False}}
    hooks = [{"type": "ShowPredictions", "count": 5}]
    config = load_config({**source, "hooks": hooks, "device": "cpu", "run": str(tmp_path / "run")})
    train(config, console=QUIET)
    assert len(list((tmp_path / "run" / "pictures").rglob("predictions-*.png"))) == 5


@pytest.mark.parametrize(("reduce", "shape"), [("mean", (160, 160, 3)), ("max", (160, 160, 3)), ("top", (160, 320, 3))])
def test_feature_maps(reduce: str, shape: tuple[int, ...]) -> None:
    trainer, writer = shown_by(ShowFeatures(modules=["conv"], reduce=reduce, top=2, count=2))
    assert [about[0] for about in writer] == ["features/conv/0", "features/conv/1"] * 2
    assert {about[2] for about in writer} == {shape}
    assert not any(module._forward_hooks for module in trainer.module.modules())


def test_the_map_lies_over_the_image() -> None:
    hook = ShowFeatures(modules=["conv"], on_image=0.25)
    image = torch.zeros(1, 8, 8)
    alone = ShowFeatures(modules=["conv"], on_image=0)._drawn(image, torch.eye(8)[None])
    over = hook._drawn(image, torch.eye(8)[None]).image
    assert np.abs(over.astype(int) - (alone * 0.25)).max() <= 1


def shown_by(hook: Any) -> tuple[Any, list[Any]]:
    """The pictures of two validations of a small network, without a run folder."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.Linear(192, 10)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.head(self.conv(image).flatten(1))
            return logits

    trainer, writer = make_trainer(Net(), hooks=[hook]), Kept()
    trainer.register_writer(writer)
    trainer.writers.is_open = True
    trainer.fit()
    return trainer, [about for what, about in writer.told if what == "picture"]


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (lambda: ShowPredictions(count=0), "count is 0"),
        (lambda: ShowFeatures(modules=["conv"], reduce="sum"), "accepted: mean, max, top"),
        (lambda: shown_by(ShowFeatures(modules=["convs"])), "no module matches convs; did you mean conv"),
        (lambda: shown_by(ShowFeatures(modules=["head"])), "none of the modules head puts out maps"),
    ],
)
def test_what_cannot_be_shown_is_told(hook: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hook()


def test_weights_and_biases_offline(
    configured: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    overrides = ("log.writers=[{type: WandB, project: digits}]", "hooks=[{type: ShowPredictions, count: 1}]")
    train(configured(*SHORT, *overrides), console=QUIET)
    runs = list((tmp_path / "run" / "wandb").glob("offline-run-*"))
    assert len(runs) == 1
    assert next(iter(runs[0].glob("*.wandb"))).stat().st_size > 0
    assert len(list(runs[0].rglob("*.png"))) == 1
    assert (tmp_path / "run" / "wandb" / "run.txt").read_text().strip() in runs[0].name


@pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore:.*(deprecated|legacy):DeprecationWarning")
def test_mlflow(configured: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="mlflow keeps runs in a data base, which sqlalchemy is needed for")
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)  # beside a data base it keeps files where it is called
    place = f"sqlite:///{tmp_path}/mlflow.db"
    overrides = (f"log.writers=[{{type: MLflow, experiment: digits, uri: '{place}'}}]",)
    train(configured(*SHORT, *overrides, "hooks=[{type: ShowPredictions, count: 1}]"), console=QUIET)
    client = MlflowClient(tracking_uri=place)
    (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["optim.lr"] == "0.1"
    history = client.get_metric_history(run.info.run_id, "val/accuracy")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(point.step, round(point.value, 8)) for point in history] == [(3, lines[-1]["val/accuracy"])]
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"config.yaml", "pictures"}
