"""What a record does not know yet, measured and written into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from plainnet.cli.main import cli
from plainnet.engine.run.keeping import Said, keep_run
from plainnet.engine.run.rate_test import largest_rate
from plainnet.engine.run.stored_data import data_facts, recorded_config, recorded_data
from plainnet.engine.run.training_run import load_config, train
from plainnet.errors import PlainnetError, UsageError
from plainnet.store.reading import record_of
from plainnet.store.record import Record


def store(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["store", *arguments])


@pytest.fixture
def added(run: Path, root: Path) -> Record:
    return keep_run(run, root, Said(name="first"))


@pytest.mark.slow
def test_measurements_fill_what_was_null(added: Record, root: Path) -> None:
    assert (added.cost.devices, added.data.val_images, added.data.fingerprint) == ([], None, None)
    for batch in ("4", "4", "2"):
        result = store("measure", "first", "--seconds", "0.01", "--batch", batch, "--data", "--json")
        assert result.exit_code == 0, result.exception
    record = record_of(root, "first")[2]
    assert [device.shape for device in record.cost.devices] == [[4, 1, 8, 8], [2, 1, 8, 8]], "the same is replaced"
    for device in record.cost.devices:
        assert (device.forward_ms or 0) > 0
        assert (device.forward_backward_ms or 0) > 0
        assert (device.forward_ms or 0) > 0
        assert (device.training_peak_bytes or 0) > 4 * (record.cost.params or 0)
    assert (record.data.train_images, record.data.val_images) == (1437, 360)
    assert len(record.data.fingerprint or "") == 64
    assert record.identity.digest == added.identity.digest
    assert store("verify").exit_code == 0


@pytest.mark.parametrize("keep", [9, 1])
def test_rates_are_those_of_the_weights_and_not_of_where_training_ended(tmp_path: Path, root: Path, keep: int) -> None:
    """Where the checkpoint of the best weights is still there, and where only the log knows it."""
    source: dict[str, Any] = {
        "_base_": "quick",
        "model": {"_delete_": True, "type": "PlainNet", "structure": "SuperConvK3BNRELU(1,4,2,1)"},
        "train": {"epochs": 3},
        "optim": {"groups": [{"match": "@bias", "lr_mult": 2.0}]},
        "checkpoint": {"mode": "min", "keep": keep},  # the worst, which is the first
        "log": {"tensorboard": False},
        "device": "cpu",
        "run": str(tmp_path / "run"),
    }
    train(load_config(source), console=Console(quiet=True))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    epochs = [entry for entry in log if entry["event"] == "epoch"]
    best = min(epochs, key=lambda entry: entry["val/accuracy"])
    training = keep_run(tmp_path / "run", root, Said(name="x")).training
    assert (training.epochs, training.iterations) == (best["epoch"], best["iteration"])
    assert training.lr_now == best["lr"] != epochs[-1]["lr"]
    first, second, *_ = training.groups or []
    assert first["lr"] == best["lr"]
    assert second.get("lr") in ((2 * best["lr"],) if keep > 1 else (2 * best["lr"], None)), "or it is not said"


def test_a_fingerprint_is_of_the_images(added: Record) -> None:
    data = recorded_data(recorded_config(added))
    facts = data_facts(data)
    assert data_facts(recorded_data(recorded_config(added))) == facts
    data.val.images[0, 0, 0, 0] += 0.5  # type: ignore[attr-defined]
    assert data_facts(data).fingerprint != facts.fingerprint


def test_a_record_names_no_code(added: Record, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise SystemExit('it ran')")
    config = json.loads(json.dumps(added.training.config))
    config["data"]["type"] = f"{tmp_path / 'bad.py'}:images"
    evil = added.model_copy(update={"training": added.training.model_copy(update={"config": config})})
    with pytest.raises(UsageError, match="a file cannot name code"):
        recorded_config(evil)
    bare = added.model_copy(update={"training": added.training.model_copy(update={"config": None})})
    with pytest.raises(UsageError, match="does not say which images"):
        recorded_config(bare)


@pytest.mark.slow
def test_the_largest_rate_is_the_last_that_spoils_nothing(added: Record, root: Path) -> None:
    result = store("tune-lr", "first", "--rates", "1e-4,1e-3,1e6,1e7", "--updates", "2", "--json")
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    assert found["largest_lr"] == 1e-3
    assert found["tried"] == [1e-4, 1e-3, 1e6], "no rate above one that spoils is tried"
    assert found["spoiled_above"] == pytest.approx(1.1 * found["before"])
    assert found["losses"][2] is None or found["losses"][2] > found["spoiled_above"]
    record = record_of(root, "first")[2]
    assert record.training.fine_tuning is not None
    assert record.training.fine_tuning.largest_lr == 1e-3
    assert "largest learning rate for fine-tuning | 0.001" in (record_of(root, "first")[1] / "README.md").read_text()
    assert (
        json.loads(store("tune-lr", "first", "--rates", "1e6", "--updates", "2", "--json").stdout)["largest_lr"] is None
    )
    assert record_of(root, "first")[2].identity.digest == added.identity.digest
    config = recorded_config(added)
    with pytest.raises(PlainnetError, match="positive numbers"):
        largest_rate(record_of(root, "first")[1] / "model.safetensors", config, recorded_data(config), rates=[0.0])


@pytest.mark.usefixtures("added")
def test_a_stored_network_is_judged_on_what_its_record_names(run: Path) -> None:
    kept = CliRunner().invoke(cli, ["evaluate", "store:first", "--json"])
    assert kept.exit_code == 0, kept.exception
    found, trained = (
        json.loads(kept.stdout),
        json.loads(CliRunner().invoke(cli, ["evaluate", str(run), "--json"]).stdout),
    )
    assert (found["source"], trained["source"]) == ("as its record says", "as trained")
    assert (found["metrics"], found["samples"]) == (trained["metrics"], trained["samples"])
    changed = CliRunner().invoke(cli, ["evaluate", "store:first", "size=9"])
    assert "data.size=9" in str(changed.exception) or "(1, 9, 9)" in str(changed.exception)
