"""Segmentation and detection from the recipe to pictures: trained for a moment, evaluated, used on files of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from plainnet.cli.main import main
from plainnet.cli.predict import predict_command
from plainnet.engine import Predictor
from plainnet.engine.data.images import center_crop, uncropped
from plainnet.engine.run.schema import recipes
from plainnet.engine.run.training_run import load_config, resume, train
from plainnet.errors import RunError, UsageError

TINY = ["data.train=12", "data.val=6", "data.batch_size=6", "data.val_batch_size=4", "log.tensorboard=false"]
STRUCTURES = {
    "segment": "ConvKXBNRELU(1,8,3,2)ConvKX(mask|8,11,1,1)Outputs(mask)",
    "detect": "ConvKXBNRELU(1,8,3,4)ConvKX(a|8,15,1,1)ConvKX(b|15,15,3,2)Outputs(a,b)",
}


@pytest.fixture(scope="module", params=["segment", "detect"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    name: str = request.param
    folder = tmp_path_factory.mktemp(name) / "run"
    options = [*TINY, f"model.structure='{STRUCTURES[name]}'", "train.epochs=2", f"run={folder}", "device=cpu"]
    train(load_config(recipes()[name], overrides=options), console=Console(quiet=True))
    return name, folder


def picture(folder: Path, width: int, height: int) -> Path:
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 255
    path = folder / f"{width}x{height}.png"
    Image.fromarray(pixels).save(path)
    return path


def last_line(folder: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {name: value for name, value in lines[-1].items() if name != "seconds"}


def test_a_run_says_what_its_task_is_judged_by(trained: tuple[str, Path]) -> None:
    name, folder = trained
    assert {"segment": "val/iou/mean", "detect": "val/ap/50"}[name] in last_line(folder)
    assert (folder / "best.safetensors").is_file()


@pytest.mark.slow
def test_a_run_goes_on_as_if_it_had_not_stopped(trained: tuple[str, Path], tmp_path: Path) -> None:
    name = trained[0]
    options = [*TINY, f"model.structure='{STRUCTURES[name]}'", "train.epochs=1", f"run={tmp_path}/run", "device=cpu"]
    train(load_config(recipes()[name], overrides=[*options, "schedule.type=constant"]), console=Console(quiet=True))
    resume(tmp_path / "run", overrides=["train.epochs=2"], console=Console(quiet=True))
    again = [*options[:-3], "train.epochs=2", f"run={tmp_path}/whole", "device=cpu", "schedule.type=constant"]
    train(load_config(recipes()[name], overrides=again), console=Console(quiet=True))
    assert last_line(tmp_path / "run") == last_line(tmp_path / "whole")


@pytest.mark.parametrize("size", [(64, 64), (200, 100), (33, 90)])
def test_it_is_used_on_images_of_any_size(trained: tuple[str, Path], size: tuple[int, int], tmp_path: Path) -> None:
    name, folder = trained
    path = picture(tmp_path, *size)
    result = CliRunner().invoke(predict_command, [str(folder), str(path), "--json", "--draw", str(tmp_path / "drawn")])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)["outputs"]
    if name == "segment":
        assert sum(answer["shares"].values()) == pytest.approx(1)
        assert set(answer["shares"]) <= {"background", *map(str, range(10))}
    else:
        for found in answer["objects"]:
            left, top, right, bottom = found["box"]
            assert 0 <= left <= right <= size[0]
            assert 0 <= top <= bottom <= size[1]
            assert found["class"] in "0123456789"
    with Image.open(tmp_path / "drawn" / f"0_{path.stem}.png") as drawn:
        assert drawn.size == (512, 512)
    text = CliRunner().invoke(predict_command, [str(folder), str(path)])
    assert text.stdout.startswith(f"{path}: ")


def test_pictures_that_cannot_be_written_are_one_sentence(trained: tuple[str, Path], tmp_path: Path) -> None:
    """A folder that is a file, one inside of a file, a name that is too long; and an image whose name nobody would choose."""
    path = picture(tmp_path, 33, 90)
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("x" * 300)):
        with pytest.raises(SystemExit) as end:
            main(["predict", str(trained[1]), str(path), "--draw", str(place)])
        assert end.value.code == 2
    odd = tmp_path / ("a'b\"c\n" + "x" * 200 + ".png")
    path.rename(odd)
    result = CliRunner().invoke(predict_command, [str(trained[1]), str(odd), "--draw", str(tmp_path / "drawn")])
    assert result.exit_code == 0, result.output
    assert [each.suffix for each in (tmp_path / "drawn").iterdir()] == [".png"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_classifier_draws_nothing(tmp_path: Path) -> None:
    structure = "model.structure='ConvKXBNRELU(1,4,3,2)'"
    train(
        load_config(recipes()["quick"], overrides=[structure, "train.epochs=1", f"run={tmp_path}/run", "device=cpu"]),
        console=Console(quiet=True),
    )
    with pytest.raises(UsageError, match="the task Classification draws nothing"):
        Predictor(tmp_path / "run").draw(np.zeros((8, 8), dtype=np.uint8))
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    asked = [str(tmp_path / "run"), str(tmp_path / "0.png"), "--draw", str(tmp_path / "drawn")]
    result = CliRunner().invoke(predict_command, asked)
    assert (result.stdout, str(result.exception)) == ("", "the task Classification draws nothing on images")
    assert not (tmp_path / "drawn").exists()


def test_networks_and_data_that_do_not_fit_are_told(tmp_path: Path) -> None:
    options = [*TINY, "train.epochs=1", "device=cpu", f"run={tmp_path}/run"]
    plain = "model.structure='ConvKXBNRELU(1,4,3,2)'"
    for name, said in (("segment", "one map of logits"), ("detect", "a detection takes maps")):
        with pytest.raises((UsageError, RunError), match=said):
            train(load_config(recipes()[name], overrides=[*options, plain]), console=Console(quiet=True))
    narrow = "model.structure='ConvKX(mask|1,4,3,2)Outputs(mask)'"
    with pytest.raises((UsageError, RunError), match="masks hold classes from 0 to 9, of 4"):
        train(load_config(recipes()["segment"], overrides=[*options, narrow]), console=Console(quiet=True))


@pytest.mark.parametrize("size", [(64, 64), (200, 100), (100, 200), (33, 90)])
def test_boxes_are_given_back_in_pixels_of_the_image(size: tuple[int, int]) -> None:
    """A bright box is found in what the network saw and lies, given back, where it was."""
    width, height = size
    pixels = np.zeros((height, width), dtype=np.uint8)
    left, top, right, bottom = width // 2 - 8, height // 2 - 6, width // 2 + 8, height // 2 + 10
    pixels[top:bottom, left:right] = 255
    for share in (1.0, 0.9):
        seen = np.array(center_crop(Image.fromarray(pixels), size=(64, 64), share=share)) > 127
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        box = torch.tensor([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], dtype=torch.float32)
        back = uncropped(box, (height, width), size=(64, 64), share=share)[0]
        clip = torch.tensor([left, top, right, bottom], dtype=torch.float32)
        assert (back - clip).abs().max() <= max(1.0, 0.6 * max(height, width) / 64)
