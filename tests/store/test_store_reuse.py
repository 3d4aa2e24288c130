"""Stored weights in other networks: from other programs, part by part, and as the beginning of a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from rich.console import Console

import plainnet
from plainnet.cli.main import cli
from plainnet.configs import Config
from plainnet.engine.hooks.save_rule import SaveRule
from plainnet.engine.run.keeping import Said, keep_run
from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.run.starting_weights import load_start
from plainnet.engine.run.training_run import load_config, train
from plainnet.errors import ConfigError, PlainnetError, RunError, UsageError
from plainnet.files.tensor_files import read_metadata, read_tensors, write_tensors
from plainnet.store.keeping import change_record, with_sizes
from plainnet.store.reading import record_of
from plainnet.store.record import FineTuning, Record
from tests.store.conftest import NET

SMALL = "SuperConvK3BNRELU(3,4,2,1)ResNetK3K3(4,4,1,4,1)ResNetK3K3(4,8,2,8,1)"
OTHER = NET.replace("SuperConvK1BNRELU(16,32,1,1)", "SuperConvK1BNRELU(16,24,1,1)")


def store(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["store", *arguments])


def small_net(classes: int = 5) -> plainnet.PlainNet:
    torch.manual_seed(1)
    net = plainnet.PlainNet(SMALL, num_classes=classes)
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return net


def wrapped_plain(state: dict[str, Any]) -> Any:
    return state


WRAPPINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "plain": wrapped_plain,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "ema": lambda state: {"ema": {"module": state, "decay": 0.9}},
    "module.": lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    "compiled": lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
    "half": lambda state: {key: v.half() if v.is_floating_point() else v for key, v in state.items()},
    "no counters": lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
    "in order": lambda state: {f"a.{number}.{key.split('.')[-1]}": v for number, (key, v) in enumerate(state.items())},
}


@pytest.mark.parametrize("case", WRAPPINGS)
def test_weights_of_other_programs_are_the_networks_own(case: str, tmp_path: Path, root: Path) -> None:
    net = small_net()
    torch.save(WRAPPINGS[case](net.state_dict()), tmp_path / "w.pth")
    result = store("import", str(tmp_path / "w.pth"), "--as", SMALL, "--name", "x", "--resolution", "16", "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    record = json.loads(result.stdout)
    assert record["outputs"][0]["channels"] == 5
    path = plainnet.resolve("store:x").weights
    assert path is not None
    found, _ = read_tensors(path, ours=True)
    tolerance = 1e-3 if case == "half" else 0
    for key, value in net.state_dict().items():
        if "num_batches" not in key:
            assert found[key].dtype == value.dtype
            assert torch.allclose(found[key], value, rtol=tolerance, atol=tolerance)
    assert store("verify").exit_code == 0
    assert record_of(root, "x")[2].extra["imported"]["from"] == "w.pth"


def test_layouts_and_rule_files(tmp_path: Path) -> None:
    state = small_net().state_dict()
    named = {key.replace("blocks.", "trunk.").replace("head.", "out."): value for key, value in reversed(state.items())}
    torch.save(named, tmp_path / "w.pt")
    rules = tmp_path / "rules"
    common = ("import", str(tmp_path / "w.pt"), "--as", SMALL, "--name", "x", "--resolution", "16")
    rules.write_text(r"trunk\.(.*) -> blocks.\1" + "\n# the classifier\n" + r"out\.(\w+) -> head.\1  # both" + "\n")
    result = store(*common, "--map", str(rules), "--dry-run")
    assert result.exit_code == 0
    assert f"loaded {len(state)} ({len(state)} by a rule)" in result.stdout
    assert "nothing in the store" in store("list").stdout, "a dry run stores nothing"
    rules.write_text(r"trunk\.(.*) -> blocks.\1")
    error = store(*common, "--map", str(rules)).exception
    assert isinstance(error, UsageError)
    assert "2 missing in the file: head" in str(error)
    assert "2 skipped, of no use here: out" in str(error)
    ok = store(*common, "--map", str(rules), "--skip", "out.*", "--fresh", "head.*", "--json")
    assert json.loads(ok.stdout)["extra"]["new"] == ["head.weight", "head.bias"]
    for text, why in (
        (r"trunk -> \2", "invalid group reference"),
        ("a b", "accepted: PATTERN -> NAME"),
        ("( -> a", "line 1"),
        ("", "holds no rules"),
    ):
        rules.write_text(text)
        assert why in str(store(*common, "--map", str(rules)).exception)
    assert "did you mean torchvision" in str(store(*common, "--map", "torchvison").exception)


def test_a_resnet_of_torchvisions_names(tmp_path: Path) -> None:
    from plainnet.network.torchvision_weights import from_torchvision

    structure = "SuperConvK7BNRELU(3,4,2,1)MaxPool(4,3,2)ResNetK3K3(4,4,1,4,1)ResNetK3K3(4,8,2,8,1)"
    state = plainnet.PlainNet(structure, num_classes=3).state_dict()
    names = [
        "conv1.weight",
        *(f"bn1.{k}" for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
    ]
    names += [f"layer{n}.0.{m}{i}.{k}" for n in (1, 2) for i in (1, 2) for m, ks in (("conv", ("weight",)), ("bn", ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"))) for k in ks]  # fmt: skip # noqa: E501
    names += ["layer2.0.downsample.0.weight", *(f"layer2.0.downsample.1.{k}" for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"))]  # fmt: skip # noqa: E501
    names += ["fc.weight", "fc.bias"]
    ours = from_torchvision(dict.fromkeys(names))  # type: ignore[arg-type]
    theirs = {name: state[own] for name, own in zip(names, ours, strict=True) if own in state}
    torch.save(theirs, tmp_path / "w.pth")
    result = store(
        "import", str(tmp_path / "w.pth"), "--as", structure, "--map", "torchvision", "--name", "r", "--dry-run"
    )
    assert "by a rule" in result.stdout
    assert result.exit_code == 0, result.exception


def quantised(state: dict[str, Any]) -> Any:
    """One tensor as whole numbers, which torch would copy as they are."""
    return {**state, "head.bias": (state["head.bias"] * 100).int()}


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "code": (lambda state: {"state_dict": state, "f": print}, "it holds print, which is code"),
    "a module": (lambda state: {"state_dict": state, "net": torch.nn.ReLU()}, "activation.ReLU, which is code"),
    "whole numbers": (quantised, "1 of another type: head.bias torch.int32 where torch.float32 is meant"),
    "complex": (lambda state: {**state, "head.bias": torch.zeros(5, dtype=torch.complex64)}, "1 of another type"),
    "several": (lambda state: {"state_dict": state, "state_dict_ema": state}, "say which: --take state_dict"),
    "nothing": (lambda state: {"epoch": len(state)}, "holds no state_dict"),
    "list": (lambda state: list(state.values()), "holds no state_dict"),
    "not finite": (lambda state: {**state, "head.bias": torch.full((5,), torch.nan)}, "not finite: head.bias"),
    "other shape": (lambda state: {**state, "head.bias": torch.zeros(6)}, "1 of another shape: head.bias [5] where"),
    "missing": (lambda state: {k: v for k, v in state.items() if k != "head.bias"}, "1 missing in the file: head.bias"),
    "unknown": (lambda state: {**state, "odd": torch.zeros(1)}, "1 skipped, of no use here: odd"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nobody_accounted_for_is_refused(case: str, tmp_path: Path) -> None:
    change, why = REFUSED[case]
    torch.save(change(small_net().state_dict()), tmp_path / "w.pth")
    result = store("import", str(tmp_path / "w.pth"), "--as", SMALL, "--name", "x", "--resolution", "16")
    assert isinstance(result.exception, UsageError)
    assert why in str(result.exception)
    assert "nothing in the store" in store("list").stdout
    tried = store("import", str(tmp_path / "w.pth"), "--as", SMALL, "--name", "x", "--resolution", "16", "--dry-run")
    assert why in str(tried.exception), "a dry run says what would be said"


def test_whole_numbers_are_no_weights_wherever_weights_are_taken(tmp_path: Path) -> None:
    torch.save(quantised(small_net().state_dict()), tmp_path / "w.pth")
    write_tensors(
        tmp_path / "w.safetensors",
        quantised(small_net().state_dict()),
        metadata={"structure": SMALL, "num_classes": "5"},
    )
    takers: list[Callable[[], Any]] = [
        lambda: plainnet.load_weights(small_net(), tmp_path / "w.pth"),
        lambda: plainnet.load(str(tmp_path / "w.safetensors")),
        lambda: plainnet.export_network(
            SMALL, to="pytorch", out=tmp_path / "n", weights=tmp_path / "w.pth", num_classes=5
        ),
        lambda: small_net().load_zennas_state_dict(quantised(small_net().state_dict())),
        lambda: load_start(small_net(), tmp_path / "w.pth", new_head=False),
    ]
    for take in takers:
        with pytest.raises(UsageError, match=r"head\.bias torch\.int32 where torch\.float32 is meant"):
            take()


def test_one_of_several_networks_in_a_file(tmp_path: Path) -> None:
    state = small_net().state_dict()
    torch.save({"state_dict": state, "state_dict_ema": {k: v + 1 for k, v in state.items()}}, tmp_path / "w.pth")
    common = ("import", str(tmp_path / "w.pth"), "--as", SMALL, "--resolution", "16", "--name")
    assert store(*common, "x", "--take", "state_dict_ema").exit_code == 0
    found, _ = read_tensors(plainnet.resolve("store:x").weights or Path())
    assert torch.equal(found["head.bias"], state["head.bias"] + 1)
    assert "did you mean state_dict" in str(store(*common, "y", "--take", "state_dit").exception)
    write_tensors(tmp_path / "w.safetensors", state)
    assert (
        store("import", str(tmp_path / "w.safetensors"), "--as", SMALL, "--resolution", "16", "--name", "y").exit_code
        == 0
    )


# --- parts


@pytest.fixture
def added(run: Path, root: Path) -> Record:
    return keep_run(run, root, Said(name="first"))


def test_a_part_goes_into_another_network(added: Record, tmp_path: Path) -> None:
    out = tmp_path / "w.safetensors"
    common = ("load", "first", "--into", NET, "--num-classes", "3")
    assert isinstance(store(*common, "-o", str(out)).exception, UsageError), "the heads differ"
    result = store(*common, "--part", "backbone", "-o", str(out), "--json")
    assert result.exit_code == 0, result.exception
    told = json.loads(result.stdout)
    assert told["fresh"] == ["head.weight", "head.bias"]
    taken, about = read_tensors(out)
    stored, _ = read_tensors(plainnet.resolve("store:first").weights or Path())
    assert all(torch.equal(taken[key], stored[key]) for key in taken if key.startswith("blocks."))
    assert taken["head.weight"].shape == (3, 32)
    assert json.loads(about["norm_eps"]) == added.structure.norm_eps
    assert plainnet.resolve(str(out)).num_classes.value == 3
    assert "is there already" in str(store(*common, "--part", "backbone", "-o", str(out)).exception)
    assert "did you mean backbone" in str(store(*common, "--part", "bakbone", "-o", "x").exception)
    error = store(
        "load", "first", "--part", "backbone", "--into", OTHER, "-o", str(tmp_path / "o.safetensors")
    ).exception
    assert "blocks.2.conv1.weight [24, 16, 1, 1] where the file has blocks.2.conv1.weight [32, 16, 1, 1]" in str(error)
    assert not (tmp_path / "o.safetensors").exists()


def configured(tmp_path: Path, *overrides: str, **model: Any) -> Config[TrainConfig]:
    source = {
        "_base_": "quick",
        "model": {"_delete_": True, "type": "PlainNet", "structure": NET, **model},
        "train": {"by": "iteration", "iterations": 1},
        "schedule": {"warmup": 0.0},
        "log": {"tensorboard": False},
        "device": "cpu",
        "run": str(tmp_path / "run"),
    }
    return load_config(source, overrides=overrides)


@pytest.mark.slow
def test_a_training_begins_with_stored_weights_and_warns(added: Record, root: Path, tmp_path: Path) -> None:
    def tuned(record: Record) -> Record:
        found = FineTuning(
            largest_lr=0.01, optimizer="SGD", tried=[0.01], losses=[1.0], before=1.0, spoiled_above=2.0, updates=1,
            batch=64, how="by hand",
        )  # fmt: skip
        input_ = record.input.model_copy(update={"trained_at": [16, 16], "meaning": "RGB"})
        return record.model_copy(
            update={"training": record.training.model_copy(update={"fine_tuning": found}), "input": input_}
        )

    change_record(root, "first", tuned)
    console = Console(record=True, quiet=False, width=300, file=(tmp_path / "out").open("w"))
    config = configured(tmp_path, "store=true", weights="store:first", parts=["backbone"])
    train(config, console=console)
    console.file.close()
    text = (tmp_path / "out").read_text()
    assert "new, not loaded: head.bias, head.weight" in text
    assert (
        "warning: a learning rate above 0.01 spoiled first.digits_r8 when fine-tuning was tried, and optim.lr is 0.1"
        in text
    )
    assert "warning: first.digits_r8 was trained at 16x16, and the images are 8x8" in text
    assert "warning: first.digits_r8 was trained on RGB, and the images are grey" in text
    assert "added networks/cls/run.digits_r8 to the store" in text
    assert record_of(root, "run")[2].identity.parents == [added.identity.digest]
    about = read_metadata(tmp_path / "run" / "best.safetensors")
    assert "weights" not in json.loads(about["model"])
    assert "parts" not in json.loads(about["model"])


BAD_STARTS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "no such": ({"weights": "store:firs"}, (), "did you mean first"),
    "leaves": ({"weights": "store:../x.y"}, (), "accepted"),
    "no part": ({"weights": "store:first", "parts": ["bakbone"]}, (), "did you mean backbone"),
    "parts of nothing": ({"parts": ["backbone"]}, (), "model.weights names them"),
    "rule": ({}, ("checkpoint.save=acc >> best",), "is no rule|accepted"),
    "rule calls": ({}, ("checkpoint.save=print(acc)",), "accepted: comparisons"),
}


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize("case", BAD_STARTS)
def test_what_cannot_be_begun_with_is_told_with_its_place(case: str, tmp_path: Path) -> None:
    model, overrides, why = BAD_STARTS[case]
    with pytest.raises(ConfigError, match=why):
        configured(tmp_path, *overrides, **model)


def test_parts_are_of_the_store_alone(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no network of the store"):
        configured(tmp_path, weights=str(run / "best.safetensors"), parts=["backbone"])


@pytest.mark.slow
def test_a_finished_run_of_a_name_that_is_taken_says_how_to_add_it(tmp_path: Path) -> None:
    config = configured(tmp_path, f"store={tmp_path / 'own'}")
    train(config, console=Console(quiet=True))
    assert [path.name for path in (tmp_path / "own" / "networks" / "cls").iterdir()] == ["run.digits_r8"]
    config.value.run = str(tmp_path / "again" / "run")
    with pytest.raises(RunError, match=r"is finished, and could not be added .*plainnet store add"):
        train(config, console=Console(quiet=True))
    assert (tmp_path / "again" / "run" / "summary.json").is_file()


# --- the saver's rule


@pytest.mark.parametrize(
    ("rule", "validations", "saved"),
    [
        ("acc > best", [(0.1, 9), (0.3, 9), (0.2, 9), (0.4, 9)], [0, 1, 3]),
        ("acc > best and loss < 0.5", [(0.1, 0.9), (0.3, 0.4), (0.6, 0.6), (0.4, 0.1)], [1, 3]),
        ("not acc <= best", [(0.1, 1), (0.05, 1)], [0]),
        ("0.2 < accuracy < 0.5", [(0.1, 1), (0.3, 1), (0.4, 1), (0.6, 1)], [1, 2]),
        ("acc >= best or loss < -1", [(0.1, 1), (0.1, 1), (0.0, -2)], [0, 1, 2]),
        ("loss < 1", [(float("nan"), 0), (0.1, float("nan")), (0.2, 0)], [2]),
    ],
)
def test_the_rule_says_which_weights_are_the_best(
    rule: str, validations: list[tuple[float, float]], saved: list[int], tmp_path: Path
) -> None:
    from plainnet.engine.hooks.checkpointing import CheckpointHook

    class Trainer:
        val_loader = object()
        finished, rounds, iteration = False, 0, 0

    hook = CheckpointHook(tmp_path, best="accuracy", rule=rule, every=10**9)
    kept = []
    hook._save_weights = lambda trainer, values, improved: kept.append(improved)  # type: ignore[method-assign] # noqa: ARG005
    for accuracy, loss in validations:
        hook.after_epoch(Trainer(), {}, {"accuracy": accuracy, "loss": loss})  # type: ignore[arg-type]
    assert [number for number, improved in enumerate(kept) if improved] == saved


@pytest.mark.parametrize(
    "rule",
    ["", "acc", "acc > best()", "acc > [1]", "acc == 1", "acc > 'x'", "acc > 1e999", "a.b > 1", "acc > best if 1 else 2",
     "x" * 600, "not " * 50 + "acc > 1", "acc > True"],
)  # fmt: skip
def test_what_is_no_rule_says_so(rule: str) -> None:
    with pytest.raises(UsageError, match="rule"):
        SaveRule(rule)


def test_a_rule_names_metrics() -> None:
    with pytest.raises(PlainnetError, match="did you mean accuracy"):
        SaveRule("acuracy > best").check(["accuracy", "loss"], "accuracy")


# --- platforms


def test_a_stored_network_is_converted_and_predicts_there(
    added: Record, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plainnet.engine.run import on_platform
    from plainnet.engine.run.predict import Predictor
    from plainnet.platforms.conversion import read_conversion

    weights = plainnet.resolve("store:first").weights
    assert weights is not None
    images = torch.rand(2, 1, 8, 8)
    expected = Predictor(weights)(images)
    result = store("convert", "first", "--to", "torchscript,torch", "--sizes", "8,9x11", "--json")
    assert result.exit_code == 0, result.exception
    assert [one["platform"] for one in json.loads(result.stdout)["converted"]] == ["torchscript", "torch"]
    kept = weights.parent / "conversions" / "torchscript"
    assert [one.shape for one in read_conversion(kept).measured] == [
        [1, 1, 8, 8],
        [3, 1, 8, 8],
        [1, 1, 9, 11],
        [1, 1, 16, 12],
    ]
    before = read_conversion(kept)
    assert store("convert", "first", "--to", "torchscript", "--sizes", "8").exit_code == 0
    assert read_conversion(kept) != before, "the earlier one was replaced"
    assert store("verify").exit_code == 0
    monkeypatch.setenv("PLAINNET_PLATFORM", "torchscript")
    with monkeypatch.context() as patch:
        patch.setattr(on_platform, "_converted", None)  # the kept one is taken
        assert torch.allclose(Predictor(weights)(images), expected, atol=1e-6)
    (kept / "conversion.json").unlink()
    assert torch.allclose(Predictor(weights)(images), expected, atol=1e-6), "it is converted anew"
    monkeypatch.setenv("PLAINNET_PLATFORM", "torchscrip")
    with pytest.raises(UsageError, match="did you mean torchscript"):
        Predictor(weights)
    assert torch.equal(Predictor(weights, platform="torch")(images), expected)
    assert "did you mean torchscript" in str(store("convert", "first", "--to", "torchscrip").exception)
    assert record_of(root, "first")[2] == with_sizes(added, [(9, 11), (16, 12)]), (
        "the sizes that it was tried at are noted"
    )
