"""The commands of the store on a real training run, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.store.layout import folder_of
from plainnet.store.reading import record_of
from tests.store.conftest import NET


def store(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["store", *arguments])


@pytest.fixture
def added(run: Path) -> dict[str, Any]:
    """The record of the run, which is in the store."""
    result = store("add", str(run), "--json", "--label", "small", "--licence", "mit")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_run_is_added_with_every_field_of_its_story(added: dict[str, Any], root: Path) -> None:
    assert list(added) == [
        "schema", "identity", "structure", "input", "outputs", "training", "data", "metrics", "cost", "code", "extra",
    ]  # fmt: skip
    identity, structure, training = added["identity"], added["structure"], added["training"]
    assert (identity["name"], identity["tag"], identity["task"]) == ("first", "digits_r8", "cls")
    assert (identity["kind"], identity["family"], identity["tags"]) == ("network", "plainnet", ["small"])
    assert identity["licence"] == "mit"
    net = plainnet.PlainNet(NET, num_classes=10)
    assert structure["string"] == NET
    assert structure["norm_eps"] == 1e-3
    assert structure["parts"] == {"backbone": ["blocks."], "head": ["head."]}
    prefixes = tuple(prefix for part in structure["parts"].values() for prefix in part)
    assert all(key.startswith(prefixes) for key in net.state_dict())
    assert structure["num_features"] == net.num_features
    assert added["cost"]["params"] == sum(p.numel() for p in net.parameters())
    assert added["cost"]["macs"] == plainnet.analyze_model(NET, resolution=8, num_classes=10).macs
    assert added["input"] == {
        "trained_at": [8, 8], "sizes": None, "channels": 1, "meaning": "grey", "mean": [0.305], "std": [0.376],
        "range": [0.0, 1.0], "reader": {"crop": 1.0, "invert": "auto", "read_size": None},
    }  # fmt: skip
    assert added["outputs"][0]["classes"] == [str(digit) for digit in range(10)]
    assert (training["optimizer"], training["lr"], training["weight_decay"]) == ("SGD", 0.1, 5e-4)
    assert (training["epochs"], training["batch"], training["seed"], training["precision"]) == (1, 64, 0, "float32")
    assert 0 < training["lr_now"] < 0.1
    assert [group["lr"] for group in training["groups"]] == [training["lr_now"]] * 2
    assert training["config"]["data"]["type"] == "digits"
    assert added["data"]["train_images"] == 1437
    assert added["data"]["fingerprint"] is None
    metrics = {(metric["split"], metric["name"]): metric for metric in added["metrics"]}
    assert metrics["val", "accuracy"]["better"] == "higher"
    assert metrics["val", "loss"]["better"] == "lower"
    assert set(metrics) == {(split, name) for split in ("val", "train") for name in ("accuracy", "loss")}
    assert added["code"]["torch"] is not None
    shown = store("show", "first", "--json")
    assert json.loads(shown.stdout) == added
    assert "fine_tuning: not known" in store("show", "first.digits_r8").stdout
    assert record_of(root, "first")[2].as_dict() == added


def test_the_card_is_read_by_the_hub_and_config_json_has_timms_keys(added: dict[str, Any], root: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    folder = folder_of(root, record_of(root, "first")[0])
    card = hub.ModelCard.load(folder / "README.md")
    results = {(each.dataset_name, each.dataset_split, each.metric_type): each for each in card.data.eval_results}
    metrics = {(m["dataset"], m["split"], m["name"]): m["value"] for m in added["metrics"]}
    assert {key: each.metric_value for key, each in results.items()} == metrics
    assert (card.data.license, card.data.pipeline_tag) == ("mit", "image-classification")
    config = json.loads((folder / "config.json").read_text())
    assert list(config) == ["architecture", "num_classes", "num_features", "model_args", "pretrained_cfg"]
    assert config["pretrained_cfg"]["input_size"] == [1, 8, 8]
    assert config["pretrained_cfg"]["classifier"] == "head"


def test_a_stored_network_is_named_like_any_other(added: dict[str, Any], root: Path) -> None:  # noqa: ARG001
    subject = plainnet.resolve("store:first")
    assert (str(subject.structure), subject.size, subject.num_classes.value) == (NET, (8, 8), 10)
    assert subject.resolution.source == "from the store"
    assert subject.weights == folder_of(root, record_of(root, "first")[0]) / "model.safetensors"
    assert str(plainnet.resolve(subject.weights.parent).structure) == NET
    assert plainnet.analyze_model("store:first.digits_r8").name == "first.digits_r8"
    for text, kind, why in (
        ("store:firs", UsageError, "did you mean first"),
        ("store:../first.digits_r8", UsageError, "accepted"),
        ("store:", UsageError, "accepted"),
    ):
        with pytest.raises(kind, match=why):
            plainnet.resolve(text)
    record = subject.weights.parent / "model.json"
    record.write_text(record.read_text().replace("SuperConvK1BNRELU(16,32,1,1)", "SuperConvK1BNRELU(16,32,2,1)"))
    with pytest.raises(RunError, match="another structure than its record says"):
        plainnet.resolve("store:first")


def test_list_find_verify_rm(added: dict[str, Any]) -> None:  # noqa: ARG001
    assert "first.digits_r8" in store("list").stdout
    assert json.loads(store("find", 'task == "cls" and acc > 0', "--tag", "small", "--part", "head", "--json").stdout)
    assert json.loads(store("find", "acc > 1", "--json").stdout) == []
    assert "no such network" in store("find", "acc > 1").stdout
    assert "cost.params" in store("find", "--fields").stdout
    assert store("verify").exit_code == 0
    assert "1 whole, 0 not" in store("verify", "first").stdout
    assert isinstance(store("add", "nothing").exception, RunError)
    assert isinstance(store("rm", "first", "second").exception, UsageError)
    assert "first" in store("list").stdout, "nothing was removed"
    assert store("rm", "first").stdout == "removed networks/cls/first.digits_r8\n"
    assert "nothing in the store" in store("list").stdout
    assert "0 networks" in store("reindex").stdout
    assert "did you mean verify" in store("verfy").output


def test_a_tampered_network_fails_verify(added: dict[str, Any], root: Path) -> None:  # noqa: ARG001
    weights = folder_of(root, record_of(root, "first")[0]) / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    result = store("verify")
    assert result.exit_code == 1
    assert "SHA-256 differs" in result.stdout
    with pytest.raises(PlainnetError, match="is damaged"):
        plainnet.export_network("store:first", to="plainnet", out=root.parent / "out")


@pytest.mark.usefixtures("added")
def test_a_changed_block_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from plainnet.blocks.rows.layers import Act
    from plainnet.store import reading

    assert store("verify").exit_code == 0
    real = reading.parse

    class Other:
        def __init__(self, text: str) -> None:
            self.structure = real(text)

        def rows(self, *arguments: Any, **options: Any) -> Any:
            rows = self.structure.rows(*arguments, **options)
            return [row._replace(layer=Act("silu")) if isinstance(row.layer, Act) else row for row in rows]

    monkeypatch.setattr(reading, "parse", Other)
    result = store("verify")
    assert result.exit_code == 1
    assert "mean another network now" in result.stdout
