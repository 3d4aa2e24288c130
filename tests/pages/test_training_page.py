"""The page of a training: its worst and best images, and what its time went into."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.engine import load_config, train
from plainnet.engine.run.evaluation import evaluate
from plainnet.errors import UsageError
from plainnet.pages.training_page import training_page
from plainnet.reports import facts_of
from plainnet.reports.image_extremes import names_code
from plainnet.reports.training_facts import training_facts
from tests.pages.page_facts import training

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trainings") / "run"
    config = {"_base_": "quick", "model": {"structure": NET}, "run": str(folder)}
    train(load_config(config, overrides=["train.epochs=1", "device=cpu", "log.tensorboard=false"]))
    return folder


def test_the_worst_and_the_best_images_are_those_of_the_largest_and_smallest_loss(run: Path) -> None:
    cases: list[dict[str, Any]] = []
    evaluate(run / "best.safetensors", cases=cases.extend)
    ordered = sorted(cases, key=lambda case: case["loss"])
    found = facts_of(run, images=3).told["images"]
    assert [each["sample"] for each in found["best"]] == [case["sample"] for case in ordered[:3]]
    assert [each["sample"] for each in found["worst"]] == [case["sample"] for case in ordered[:-4:-1]]
    assert found["of"] == len(cases) == 360
    worst = ordered[-1]
    assert {name: found["worst"][0][name] for name in ("label", "answer", "value")} == {
        "label": worst["label"],
        "answer": worst["answer"],
        "value": worst["loss"],
    }


def test_its_pictures_are_the_images(run: Path) -> None:
    from PIL import Image

    from plainnet.engine.data.digits import digits

    for image in facts_of(run, images=2).told["images"]["worst"]:
        picture = Image.open(io.BytesIO(base64.b64decode(image["picture"].partition(",")[2])))
        kept = digits().val.fetch([image["sample"]], [0])
        assert list(picture.convert("L").tobytes()) == (kept["image"].flatten() * 255).round().int().tolist()
        assert str(int(kept["label"][0])) == image["label"]


def test_the_command_shows_them(run: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["report", str(run), "--images", "2", "-o", str(tmp_path / "page.html")], catch_exceptions=False
    )
    assert done.exit_code == 0
    page = (tmp_path / "page.html").read_text()
    assert len(re.findall("<img src='data:image/png", page)) == 4
    assert "<h2>The worst images</h2>" in page
    told = json.loads(CliRunner().invoke(cli, ["report", str(run), "--json"]).stdout)["told"]
    assert told["images"] is None, "nothing is run where nobody asks"
    assert f"plainnet report {run} --images 8" in told["commands"]


def test_what_cannot_be_shown_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no training run"):
        facts_of(tmp_path, images=2)
    for name in ("config.yaml", "log.jsonl"):
        (tmp_path / name).write_text((run / name).read_text())
    with pytest.raises(UsageError, match="no trained weights yet"):
        facts_of(tmp_path, images=2)
    (tmp_path / "best.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    mine = (run / "config.yaml").read_text().replace("  type: digits", "  type: mine.py:images")
    (tmp_path / "config.yaml").write_text(mine)
    (tmp_path / "mine.py").write_text("raise SystemError")
    with pytest.raises(UsageError, match="--trust runs it"):
        facts_of(tmp_path, images=2)


@pytest.mark.parametrize(
    ("values", "is_code"),
    [
        ({"model": {"type": "PlainNet"}, "imports": []}, False),
        ({"model": {"type": "mine.py:Net"}}, True),
        ({"hooks": [{"type": "StepTimer"}, {"type": "package.module.Hook"}]}, True),
        ({"imports": ["mine.py"]}, True),
        ({"optim": {"type": "SGD", "lr": 0.1}, "run": "a.b"}, False),
    ],
)
def test_configurations_that_name_code(values: dict[str, Any], is_code: bool) -> None:
    assert names_code(values) == is_code


def test_what_the_time_went_into_adds_up() -> None:
    facts = training()
    facts["curves"] |= {
        "seconds": 100.0,
        "updates": 1000,
        "steps": {
            "time/update_ms": [(500, 40.0), (1000, 60.0)],
            "time/wait_ms": [(500, 10.0), (1000, None)],
            "time/matching_ms": [(500, 20.0)],
        },
    }
    page = training_page(facts)
    part = page[page.index("What the time went into") :]
    said = re.findall(r"<span>([^<]*)</span><svg.*?<em>([^<]*)</em>", part)[:4]
    assert said == [
        ("updates", "50 s (50.0%)"),
        ("of them: matching", "20 s (20.0%)"),
        ("waiting for data", "10 s (10.0%)"),
        ("validation and all else", "40 s (40.0%)"),
    ]
    del facts["curves"]["steps"]["time/update_ms"]
    assert "What the time went into" not in training_page(facts), "nobody measured it"


def test_what_was_changed_on_the_way() -> None:
    facts = training()
    changed = {"optim.lr": {"from": 0.1, "to": 0.05}, "log.window": {"to": 2}, "data.sampler": {"to": None}}
    facts["changes"] = [{"after_update": 1234, "at": "2026-11-29T16:57:21+00:00", "changed": changed}]
    page = training_page(facts)
    rows = re.findall(r"<tr><td class=l>(.*?)</tr>", page[page.index("What was changed on the way") :])
    assert [re.sub("<[^>]*>", " ", row).split() for row in rows[:2]] == [
        ["1,234", "2026-11-29", "16:57", "optim.lr", "0.1", "0.05"],
        ["1,234", "2026-11-29", "16:57", "log.window", "–", "2"],
    ]
    assert "data.sampler" not in page, "what was not there and is nothing is no change"


def test_what_ended_a_run_is_told_until_it_goes_on(run: Path, tmp_path: Path) -> None:
    """The error of the last entry of its log, all of its lines; none where something came after it, or the run finished."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    assert training_facts(folder)["problem"] is None
    log, entry = folder / "log.txt", "2026-11-30T18:41:20Z {:7} plainnet.engine: {}\n"
    ended = entry.format("ERROR", "ended by DivergedError: the loss is nan <b>:\nlower the learning rate")
    with log.open("a") as file:
        file.write(ended)
    assert training_facts(folder)["problem"] is None, "it is finished"
    (folder / "summary.json").unlink()
    facts = training_facts(folder)
    assert facts["problem"] == "DivergedError: the loss is nan <b>:\nlower the learning rate"
    assert "the loss is nan &lt;b&gt;:" in training_page(facts)
    with log.open("a") as file:
        file.write(entry.format("INFO", "it was taken up again"))
    assert training_facts(folder)["problem"] is None
    log.unlink()
    assert training_facts(folder)["problem"] is None
