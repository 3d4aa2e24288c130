"""Thirty-odd configurations that are wrong: each error names the key and the place, all of them come at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from plainnet.configs import InvalidConfigError
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.training_run import load_config

GOOD = "_base_: quick\n"

BAD = [
    # what is written, the key, line:column, what the message says
    ("trian: {epochs: 1}", "trian", "2:1", "did you mean train?"),
    ("train: {epoch: 1}", "train.epoch", "2:9", "did you mean epochs?"),
    ("train: {epochs: many}", "train.epochs", "2:17", "must be a valid integer, got 'many'"),
    ("train: {epochs: 0}", "train.epochs", "2:17", "greater than or equal to 1"),
    ("train: {epochs: 1.5}", "train.epochs", "2:17", "valid integer"),
    ("train: {accumulate: -2}", "train.accumulate", "2:21", "got -2"),
    ("train: {clip_norm: 0}", "train.clip_norm", "2:20", "greater than 0"),
    ("train: {precision: fp8}", "train.precision", "2:20", "must be 'no', 'bf16' or 'fp16', got 'fp8'"),
    ("train: {ema: 1.0}", "train.ema", "2:14", "less than 1"),
    ("train: {by: iteration}", "train", "2:8", "by: iteration needs the number of iterations"),
    ("train:\n  by: iteratoin", "train.by", "3:7", "did you mean iteration?"),
    ("train: {freeze: [{until: 2}]}", "train.freeze.0.match", "2:18", "is missing"),
    ("train: {freeze: [{match: stem, form: 1}]}", "train.freeze.0.form", "2:32", "unknown key"),
    ("train: 3", "train", "2:8", "a mapping of keys to values, got 3"),
    ("seed: -1", "seed", "2:7", "greater than or equal to 0"),
    ("optim: {type: SGDD}", "optim.type", "2:15", "did you mean SGD?"),
    ("optim: {momentom: 0.9}", "optim.momentom", "2:9", "did you mean momentum?"),
    ("optim: {type: AdamW}", "optim.momentum", "15:3", "_delete_: true in this section forgets it"),
    (
        "optim: {groups: [{match: '*', weight_decy: 0}]}",
        "optim.groups.0.weight_decy",
        "2:31",
        "did you mean weight_decay?",
    ),
    ("schedule: {type: cosin}", "schedule.type", "2:18", "did you mean cosine?"),
    ("schedule: {per: step}", "schedule.per", "2:17", "'auto', 'epoch' or 'iteration'"),
    ("schedule: {type: StepLR}", "schedule", "2:1", "StepLR needs step_size"),
    ("data: {type: digit}", "data.type", "2:14", "did you mean digits?"),
    ("data: {batchsize: 8}", "data.batchsize", "2:8", "did you mean batch_size?"),
    ("data: {batch_size: none}", "data.batch_size", "2:20", "valid integer"),
    ("data: {augment: [{type: RandomCorp, padding: 1}]}", "data.augment.0.type", "2:25", "did you mean RandomCrop?"),
    ("data: {augment: [{type: RandomCrop}]}", "data.augment.0", "2:18", "RandomCrop needs padding"),
    ("data: {augment: [{padding: 1}]}", "data.augment.0.type", "2:18", "is missing"),
    ("data: {type: folder, rot: images}", "data.rot", "2:22", "did you mean root?"),
    ("task: {losses: [{type: CrossEntropi}]}", "task.losses.0.type", "2:24", "did you mean CrossEntropy?"),
    (
        "task: {losses: [{type: CrossEntropy, smoothing: 1}]}",
        "task.losses.0.smoothing",
        "2:38",
        "did you mean label_smoothing?",
    ),
    ("data: {_delete_: true, type: folder, root: x, on_error: skp}", "data", "2:7", "did you mean skip?"),
    ("data: {_delete_: true, type: folder, root: x, size: 0}", "data", "2:7", "size is 0"),
    ("data: {_delete_: true, type: folder, root: x, crop: 2}", "data", "2:7", "crop is 2"),
    ("data: {_delete_: true, type: folder, root: x, scale: [2, 3]}", "data", "2:7", "accepted: two shares"),
    ("data: {_delete_: true, type: folder, root: x, val_share: 3}", "data", "2:7", "val_share is 3"),
    ("data: {_delete_: true, type: huggingface, path: x, channels: 5}", "data", "2:7", "accepted: 1 or 3"),
    ("evaluators: [{type: Accuracy, top_k: 0}]", "evaluators.0", "2:14", "top_k is 0"),
    ("evaluators: [{type: F1}, {type: F1}]", "evaluators.1", "2:26", "two evaluators are called f1"),
    ("train: {freeze: [{match: '*', start: 3, until: 1}]}", "train.freeze.0", "2:18", "which is no epoch"),
    ("model: {new_head: true}", "model.new_head", "2:19", "model.weights names them"),
    ("task: {losses: []}", "task.losses", "2:16", "there is no loss"),
    ("task: {type: Clasification}", "task.type", "2:14", "did you mean Classification?"),
    ("model: {structure: 'SuperConvK3BNRELU(1,8,1)'}", "model.structure", "2:20", "SuperConvK3BNRELU"),
    ("model: {structure: SuperConvK3BNRELUU(1,8,1,1)}", "model.structure", "2:20", "did you mean SuperConvK3BNRELU?"),
    (
        "model: {structure: zennet_cifar_model_size5M}",
        "model.structure",
        "2:20",
        "no structure, no file and no published",
    ),
    ("model: {num_class: 5}", "model.num_class", "2:9", "did you mean num_classes?"),
    ("model: {type: 'nowhere.at.all:Net'}", "model.type", "2:15", "cannot import nowhere.at.all"),
    ("optim: {lr: fast}", "optim.lr", "2:13", "SGD takes float | Tensor here, got 'fast'"),
    ("optim: {lr: '0.1'}", "optim.lr", "2:13", "got '0.1'"),
    ("optim: {nesterov: maybe}", "optim.nesterov", "2:19", "SGD takes bool here, got 'maybe'"),
    ("optim: {groups: [{match: '@bias', lr: no}]}", "optim.groups.0.lr", "2:39", "got 'no'"),
    ("data: {size: [8, 8]}", "data.size", "2:14", "digits takes int here, got [8, 8]"),
    (
        "data: {augment: [{type: RandomCrop, padding: 1.5}]}",
        "data.augment.0.padding",
        "2:46",
        "takes int here, got 1.5",
    ),
    (
        "task: {losses: [{type: CrossEntropy, label_smoothing: little}]}",
        "task.losses.0.label_smoothing",
        "2:55",
        "float",
    ),
    ("model: {num_classes: ten}", "model.num_classes", "2:22", "PlainNet takes int | none here"),
    (
        "model: {structure: 5}",
        "model.structure",
        "2:20",
        "PlainNet takes str | PathLike[str] | Structure | Subject here, got 5",
    ),
    ("hooks: [{type: StepTimre}]", "hooks.0.type", "2:16", "did you mean StepTimer?"),
    ("hooks: {type: StepTimer}", "hooks", "2:8", "valid list"),
    ("imports: [nothing.py]", "imports", "2:10", "there is no such file"),
    ("checkpoint: {keep: 0}", "checkpoint.keep", "2:20", "greater than or equal to 1"),
    ("checkpoint: {mode: maximum}", "checkpoint.mode", "2:20", "'auto', 'max' or 'min'"),
    ("log:\n  every: ${log.evry}", "log.every", "3:10", "did you mean ${log.every}?"),
    ("run: ${run}", "run", "2:6", "references in a circle"),
    ("data: {root: [1}", "", "2:16", "not valid YAML"),
    # what the pieces refuse that need no data
    ("schedule: {type: ReduceLROnPlateau}", "schedule", "2:11", "ReduceLROnPlateau needs metrics at each step"),
    ("optim: {_delete_: true, type: LBFGS}", "optim", "2:8", "LBFGS computes the loss several times in a step"),
    ("optim: {lr: -1}", "optim", "2:8", "Invalid learning rate: -1"),
    ("optim: {nesterov: true, momentum: 0}", "optim", "2:8", "Nesterov momentum requires a momentum"),
    ("optim: {groups: [{match: 'haed.*'}]}", "optim.groups.0.match", "2:26", "no parameter matches haed.*"),
    ("train: {freeze: [{match: 'stem.*'}]}", "train.freeze.0.match", "2:26", "no parameter matches stem.*"),
    ("log: {watch: ['block.*']}", "log.watch", "2:14", "no module matches block.*"),
    ("schedule: {warmup: 15}", "schedule", "2:11", "leaves nothing"),
    ("task: {losses: [{type: CrossEntropy, label_smoothing: 2}]}", "task.losses.0", "2:17", "accepted: 0 to below 1"),
    ("task: {losses: [{type: CrossEntropy}, {type: CrossEntropy}]}", "task.losses", "2:16", "names of their own"),
    ("hooks: [{type: Profiler, updates: 0}]", "hooks.0", "2:9", "updates is 0"),
    ("data: {mean: [0.5], std: [0]}", "data.mean", "2:14", "std above 0"),
    ("device: cdua", "device", "2:9", "did you mean cuda?"),
    ("device: mps", "device", "2:9", "this machine (or this build of torch) has none"),
    ("train: {precision: fp16}\ndevice: cpu", "train.precision", "2:20", "fp16, which needs a GPU"),
    ("model: {weights: nothing.safetensors}", "model.weights", "2:18", "there is no file"),
    ("seed: 1\nseed: 2", "seed", "3:1", "written twice, first on line 2"),
]


@pytest.mark.parametrize(("text", "key", "place", "message"), BAD, ids=[text[:40] for text, *_ in BAD])
def test_a_bad_configuration_names_the_key_and_the_place(
    tmp_path: Path, text: str, key: str, place: str, message: str
) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(GOOD + text + "\n")
    with pytest.raises(InvalidConfigError) as caught:
        load_config(file)
    problem = next(problem for problem in caught.value.problems if problem.key == key)
    assert problem.place is not None
    assert str(problem.place).endswith(f":{place}")
    assert message in str(problem)
    assert message in str(caught.value)
    assert "^" in str(problem) or problem.place.line < 0


def test_there_are_at_least_thirty() -> None:
    assert len(BAD) >= 30


def test_names_and_arguments_are_reported_together(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(GOOD + "optim: {type: SGDD}\nschedule: {type: cosin}\ndata: {type: digit}\nmodel: {structure: x}\n")
    with pytest.raises(InvalidConfigError, match=r"4 problems"):
        load_config(file)


def test_wrong_values_do_not_hide_wrong_names(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(GOOD + "train: {epochs: many}\noptim: {type: SGDD}\ndata: {augment: [{padding: 1}], typ: x}\n")
    with pytest.raises(InvalidConfigError) as caught:
        load_config(file)
    assert [problem.key for problem in caught.value.problems] == [
        "train.epochs",
        "optim.type",
        "data.augment.0.type",
        "data.typ",
    ]


def test_a_configuration_may_name_your_own_things(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\nclass Sign(torch.optim.SGD):\n    pass\ndef shift(*, by):\n    return lambda image: image + by\n"
    )
    file = tmp_path / "train.yaml"
    file.write_text(GOOD + "optim: {type: Sign}\ndata: {augment: [{type: shift, by: 0.1}]}\n")
    with pytest.raises(InvalidConfigError, match=r"there is no optimizer Sign"):
        load_config(file)
    config = load_config(file, imports=[str(tmp_path / "mine.py")])
    assert config.value.imports == [str(tmp_path / "mine.py")]
    file.write_text(GOOD + f"optim: {{type: '{tmp_path / 'mine.py'}:Sign'}}\n")
    load_config(file)


def test_an_installed_package_offers_names_as_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "brightness-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brightness\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[plainnet.transform]\nBrighter = brightness:Brighter\n")
    (tmp_path / "brightness.py").write_text(
        "class Brighter:\n    def __init__(self, *, by: float):\n        self.by = by\n"
        "    def __call__(self, image):\n        return image + self.by\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = load_config({"_base_": "quick", "data": {"augment": [{"type": "Brighter", "by": 0.5}]}})
    transform = Registry().find("transform", config.value.data.augment[0].type)(by=0.5)
    assert transform(1.0) == 1.5
    with pytest.raises(InvalidConfigError, match=r"there is no transform Brightr[\s\S]*did you mean Brighter\?"):
        load_config({"_base_": "quick", "data": {"augment": [{"type": "Brightr"}]}})
    with pytest.raises(InvalidConfigError, match=r"Brighter takes float here, got 'much'"):
        load_config({"_base_": "quick", "data": {"augment": [{"type": "Brighter", "by": "much"}]}})


def test_a_name_of_yours_that_is_taken_is_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "clash.py").write_text("import torch\nclass SGD(torch.optim.SGD):\n    pass\n")
    with pytest.raises(
        InvalidConfigError, match=r"the optimizer SGD is in clash and in torch.optim; give its import path"
    ):
        load_config({"_base_": "quick"}, imports=[str(tmp_path / "clash.py")])


def test_a_module_of_yours_that_breaks_says_how(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(InvalidConfigError, match=r"cannot import .*broken.py: ZeroDivisionError: division by zero"):
        load_config({"_base_": "quick"}, imports=[str(tmp_path / "broken.py")])
