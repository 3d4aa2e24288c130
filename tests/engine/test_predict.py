"""A trained network in use: any picture, and what its task says, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from plainnet.cli.predict import predict_command
from plainnet.engine import Predictor
from plainnet.engine.run.training_run import load_config, train
from plainnet.errors import ConfigError, RunError, UsageError
from plainnet.files.tensor_files import read_tensors

MINE = """
import torch
from torch import nn
from plainnet.engine import Ratio, Task

class Large(Task):
    \"\"\"One logit: is the digit five or more?\"\"\"
    def train_forward(self, batch):
        return {"logits": self.model(batch["image"]), "wanted": (batch["label"] > 4).float()[:, None]}
    def postprocess(self, outputs):
        share = outputs["logits"].sigmoid()[:, 0]
        return {"large": share > 0.5, "share": share}
    def metrics(self, outputs, batch):
        right = (outputs["logits"][:, 0] > 0) == (batch["label"] > 4)
        return {"accuracy": Ratio(right.sum(), len(right))}

class Silent(Large):
    def postprocess(self, outputs):
        return {}

class NeedsLabel(Large):
    def infer_forward(self, batch):
        return self.train_forward(batch)

class Net(nn.Module):
    def __init__(self, *, act, widths=(4,), extra: dict | None = None):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, widths[0]), act)
        self.fc = nn.Linear(widths[0], 1)
        self.extra = extra
    def forward(self, x):
        return self.fc(self.body(x))
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a task of one's own with a network of nested parts: large, silent, needs_label."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(MINE)
    for name in ("Large", "Silent", "NeedsLabel"):
        source = {
            "_base_": "quick",
            "model": {
                "_delete_": True,
                "type": "Net",
                "act": {"type": "SiLU"},
                "widths": [16],
                "extra": {"type": "as it is written"},
            },
            "task": {"type": name, "losses": [{"type": "BCEWithLogitsLoss", "takes": ["logits", "wanted"]}]},
            "train": {"epochs": 1},
            "log": {"tensorboard": False},
            "device": "cpu",
            "checkpoint": {"best": "accuracy"},
            "run": str(folder / name),
        }
        train(load_config(source, imports=[str(folder / "mine.py")]), console=Console(quiet=True))
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes") / "run"
    source = {
        "_base_": "quick",
        "model": {"_delete_": True, "type": "PlainNet", "structure": "SuperConvK3BNRELU(1,8,1,1)"},
        "train": {"epochs": 3},
        "log": {"tensorboard": False},
        "device": "cpu",
        "run": str(folder),
    }
    train(load_config(source), console=Console(quiet=True))
    return folder


def digits() -> np.ndarray[Any, Any]:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().images[:6] / 16)


def test_what_a_task_says_is_the_answer(mine: Path, tmp_path: Path) -> None:
    """One logit is no class: what its postprocess gives is printed, and computed as in validation."""
    predictor = Predictor(mine / "Large", imports=[str(mine / "mine.py")])
    images = digits().astype(np.float32)
    answers = predictor.predict(list(images))
    logits = predictor.model(predictor.normalize(torch.from_numpy(images)[:, None]))[:, 0]
    for answer, logit in zip(answers, logits.tolist(), strict=True):
        assert answer.classes == ()
        assert answer.outputs["large"] == (logit > 0)
        assert answer.outputs["share"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)
    Image.fromarray(np.uint8(images[0] * 255)).save(tmp_path / "zero.png")
    arguments = [str(mine / "Large"), str(tmp_path / "zero.png"), "--import", str(mine / "mine.py")]
    text = CliRunner().invoke(predict_command, arguments)
    assert text.stdout.startswith(f"{tmp_path / 'zero.png'}: large ")
    assert ", share 0." in text.stdout
    data = json.loads(CliRunner().invoke(predict_command, [*arguments, "--json"]).stdout)
    assert data.keys() == {"path", "outputs"}
    with pytest.raises(UsageError, match=r"Large gives no probabilities \(N, 10\) of the classes"):
        predictor(torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("Silent", r"the task Silent puts out logits, and does not say what that means: give it a postprocess"),
        ("NeedsLabel", r"infer_forward of NeedsLabel takes 'label' of the batch, and an image alone has none"),
    ],
)
def test_what_cannot_be_interpreted_is_refused(mine: Path, run: str, said: str) -> None:
    if run == "NeedsLabel":  # trained, but of no use for images alone
        assert (mine / run / "best.safetensors").exists()
    with pytest.raises(UsageError, match=said):
        Predictor(mine / run, imports=[str(mine / "mine.py")]).predict([digits()[0].astype(np.float32)])


def test_code_of_ones_own_must_be_named(mine: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no model Net that comes with plainnet: .* say --import FILE"):
        Predictor(mine / "Large")


def test_pictures_in_every_form_are_the_same(classifier: Path, tmp_path: Path) -> None:
    pixels = np.uint8(digits() * 255)
    folder = tmp_path / "pictures" / "sub"
    folder.mkdir(parents=True)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number}.png")
    (folder / "._0.png").write_text("left behind")
    (folder / "notes.txt").write_text("no image")
    predictor = Predictor(classifier)
    assert predictor.input_size == "8x8 pixels, grey, of longer ones the middle"
    forms: dict[str, list[Any]] = {
        "files": sorted(folder.glob("[0-9].png")),
        "a folder": [tmp_path / "pictures"],
        "texts": [str(path) for path in sorted(folder.glob("[0-9].png"))],
        "pictures": [Image.fromarray(image) for image in pixels],
        "arrays": list(pixels),
        "arrays with a channel": list(pixels[..., None]),
        "tensors": [torch.from_numpy(image)[None] for image in pixels],
        "colour": [np.stack([image] * 3, axis=-1) for image in pixels],
    }
    found = {name: [answer.probabilities for answer in predictor.predict(form)] for name, form in forms.items()}
    for name, answers in found.items():
        assert len(answers) == 6, name
        assert answers == found["files"], name
    floats = [answer.probabilities for answer in predictor.predict([image / np.float32(255) for image in pixels])]
    assert np.allclose(floats, found["files"], atol=1e-6)
    double = predictor.predict([Image.fromarray(pixels[0]).resize((31, 40))])
    assert len(double[0].classes) == 3


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((9, 8), np.float32), r"floats of \(1, 9, 8\), and the network takes \(1, 8, 8\)"),
        (np.full((8, 8), 200.0, np.float32), r"floats from 200 to 200; accepted: 0 to 1"),
        (np.full((8, 8), np.nan, np.float32), r"accepted: 0 to 1"),
        (np.zeros((8, 8), np.int64), r"an array \(8, 8\) of int64; accepted: uint8"),
        (np.zeros((8, 8, 2), np.uint8), r"an array \(8, 8, 2\) of uint8"),
        (np.zeros((0, 8), np.uint8), r"an array \(0, 8\)"),
        (torch.zeros(2, 1, 8, 8), r"has the shape \(2, 1, 8, 8\); accepted: a tensor \(C, H, W\)"),
    ],
)
def test_pictures_that_have_no_meaning_are_refused(classifier: Path, picture: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Predictor(classifier).predict([picture])


def test_folders_and_lists(classifier: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no images"):
        Predictor(classifier).predict([tmp_path])
    with pytest.raises(UsageError, match=r"predict takes a list of images"):
        Predictor(classifier).predict(tmp_path)  # type: ignore[arg-type]
    result = CliRunner().invoke(predict_command, [str(classifier), str(tmp_path)])
    assert "images are scaled to 8x8 pixels, grey" in result.stderr


# ---- weights to start from ----


def test_weights_without_their_classifier(classifier: Path, configured: Callable[..., Any], tmp_path: Path) -> None:
    import io

    start = (
        f"model={{_delete_: true, type: PlainNet, structure: 'SuperConvK3BNRELU(1,8,1,1)', num_classes: 12, "
        f"weights: {classifier}/best.safetensors}}"
    )
    options = ("train.epochs=1", "optim.lr=0", "optim.weight_decay=0")
    with pytest.raises(UsageError, match=r"head.weight \[10, 8\] where \[12, 8\] is meant.*model.new_head=true leaves"):
        train(configured(start, *options), console=Console(quiet=True))
    stream = io.StringIO()
    train(configured(start, "model.new_head=true", *options), console=Console(file=stream, width=200))
    assert "new, not loaded: head.bias, head.weight" in stream.getvalue()
    before, after = (read_tensors(run / "best.safetensors")[0] for run in (classifier, tmp_path / "run"))
    assert after["head.weight"].shape == (12, 8)
    weights = [name for name in before if name.endswith(("conv.weight", "conv1.weight", "bn.weight", "bn1.weight"))]
    assert weights
    for name in weights:
        assert torch.equal(before[name], after[name])


# ---- what a configuration's nested parts are, before anything is built ----


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"act": {"type": "SiLuu"}}, "model.act.type: there is no part SiLuu"),
        ({"act": {"type": "SiLU", "inplaice": True}}, "model.act.inplaice: SiLU has no argument inplaice"),
        ({"act": {"type": "ELU", "alpha": "x"}}, "model.act.alpha"),
        ({"act": [{"type": "ReLU"}, {"type": "SiLuu"}]}, "model.act.1.type: there is no part SiLuu"),
        ({"act": {"type": "PlainNet", "structure": "SuperConv("}}, "model.act.structure"),
        ({"act": {"first": {"type": "SiLuu"}}}, "model.act.first.type"),
    ],
)
def test_nested_parts_are_checked(mine: Path, model: dict[str, Any], said: str) -> None:
    source = {"_base_": "quick", "model": {"_delete_": True, "type": f"{mine / 'mine.py'}:Net", **model}}
    with pytest.raises(ConfigError) as caught:
        load_config(source)
    assert said in str(caught.value)
