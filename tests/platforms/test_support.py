"""The table of support: what changed in meaning is made again, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import plainnet
from plainnet.blocks.rows.meaning_hash import meaning_hash
from plainnet.cli.main import cli
from plainnet.errors import RunError, UsageError
from plainnet.platforms import platform as platforms
from plainnet.platforms import support as room
from plainnet.platforms.support import read_support
from plainnet.platforms.support_table import priority, table_rows

FIRST = "SuperConvK3BNRELU(3,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
SECOND = "SuperConvK3BNRELU(3,4,2,1)SuperResK3K3(4,8,2,4,1)"


def support(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["support", *arguments])


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two networks as files, and a table of them on torch alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first").write_text(FIRST)
    (tmp_path / "second").write_text(SECOND)
    result = support("scan", "first", "second", "--platforms", "torch")
    assert result.exit_code == 0, result.exception
    assert "2 networks in support.json, 2 to be made again" in result.stdout
    return tmp_path / "support.json"


def update(*options: str) -> tuple[Result, list[str]]:
    """The networks that were made again."""
    result = support("update", "--platforms", "torch", *options)
    return result, [line.split(" on ")[0] for line in result.stderr.splitlines() if line.endswith(" on torch")]


def statuses(path: Path) -> dict[str, str]:
    return {name: entry.cells["torch"].status for name, entry in read_support(path).networks.items()}


def test_only_what_changed_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(path) == {"first": "stale", "second": "stale"}
    assert update()[1] == ["first", "second"]
    assert statuses(path) == {"first": "pass", "second": "pass"}
    before = path.read_bytes()
    result, made = update()
    assert (made, path.read_bytes()) == ([], before), "nothing changed, and nothing is done"
    assert "0 made again" in result.stdout

    def without_a_norm(rows: Any) -> str:
        """As if SuperResK3K3 lost a norm: a change of one block."""
        return meaning_hash(row for row in rows if "res1.main.bn2" not in row.path)

    monkeypatch.setattr(room, "meaning_hash", without_a_norm)
    assert "1 to be made again" in support("scan", "--platforms", "torch").stdout
    assert statuses(path) == {"first": "pass", "second": "stale"}
    assert update()[1] == ["second"]


def test_another_version_or_adapter_makes_all_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    update()
    monkeypatch.setattr(platforms.Platform, "versions", lambda _: {"torch": "9.9"})
    assert update()[1] == ["first", "second"]


def test_what_fails_is_told_checked_and_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update()
    monkeypatch.setattr(platforms.Platform, "versions", lambda _: {"torch": "9.9"})
    real = room.to_platform

    def refuse(net: Any, platform: str, folder: Path, **options: Any) -> Any:
        if len(net.structure) == 2 and "Res" in str(net.structure):
            raise UsageError("no such operator")
        return real(net, platform, folder, **options)

    monkeypatch.setattr(room, "to_platform", refuse)
    before = path.read_bytes()
    result, _ = update("--check")
    assert result.exit_code == 1
    assert "second passed on torch and fails: no such operator" in result.stderr
    assert path.read_bytes() == before, "a check changes nothing"
    assert update()[0].exit_code == 0
    assert statuses(path) == {"first": "pass", "second": "fail"}
    assert [line["status"] for line in json.loads(support("history", "second", "--json").stdout)] == [
        "stale",
        "pass",
        "fail",
    ]
    found = priority(read_support(path), ["torch"])
    assert found[0] == ("second", "fail on torch")
    assert [what for what, _ in found[1:]] == ["SuperConvK3BNRELU", "SuperResK3K3"], "the more frequent one first"
    monkeypatch.setattr(room, "to_platform", real)
    assert update()[1] == [], "it is as it was"
    assert update("--only-exceptions")[1] == ["second"]
    assert statuses(path)["second"] == "pass"
    assert "everything that was tried passes" in support("priority", "--platforms", "torch").stdout


def test_exceptions_are_not_tried_unless_they_are_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exceptions = path.with_name("support.exceptions")
    exceptions.write_text("# what is known\n\nsec* torch  no resize of its kind\n")
    assert update()[1] == ["first"]
    assert statuses(path) == {"first": "pass", "second": "excepted"}
    assert update()[1] == []
    assert "excepted: no resize of its kind" in support("table", "--platforms", "torch", "--csv").stdout
    assert priority(read_support(path), ["torch"]) == []
    tried = []

    def refuse(*_: Any, **options: Any) -> Any:
        tried.append(options["name"])
        raise UsageError("no such operator")

    with monkeypatch.context() as patch:
        patch.setattr(room, "to_platform", refuse)
        result, _ = update("--only-exceptions")
    assert (tried, result.exit_code) == (["second"], 0)
    assert statuses(path)["second"] == "excepted", "it fails as it was expected to"
    result, made = update("--only-exceptions")
    assert made == ["second"]
    assert "second passes on torch: its exception is not needed any more" in result.stderr
    assert statuses(path) == {"first": "pass", "second": "pass"}
    assert update("--only-exceptions")[1] == []
    other = path.with_name("other")
    for text, why in (("second torch", "other:1: 'second torch' is no exception"), ("a torc b", "did you mean torch")):
        other.write_text(text)
        assert why in str(support("update", "--exceptions", "other").exception)
    assert isinstance(support("update", "--exceptions", "none").exception, UsageError)


def test_all_public_names_are_taken_at_once(path: Path) -> None:
    from plainnet.network.published import published_networks

    assert support("scan", "--public", "--platforms", "torch").exit_code == 0
    assert list(read_support(path).networks) == ["first", "second", *published_networks()]


def test_the_table_in_every_form(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms.Platform, "missing", lambda self, **_: ["x"] if self.name == "openvino" else [])
    support("update", "--platforms", "torch,openvino")
    header, rows = table_rows(read_support(path), ["torch", "openvino"])
    assert header == ["network", "backbone", "head", "layers", "torch", "openvino", "changed", "commit"]
    assert [row[0] for row in rows] == ["first", "second"]
    assert all(row[4].startswith("pass ") and row[5] == "not installed" for row in rows)
    common = ("table", "--platforms", "torch,openvino")
    assert support(*common, "--md").stdout.startswith("| network | backbone | head |")
    assert support(*common, "--csv").stdout.startswith("network,backbone,head,layers,torch,openvino,changed,commit\n")
    assert "first" in support(*common, "--html").stdout
    assert "</table>" in support(*common, "--html").stdout
    assert "not installed" in support(*common).stdout


def test_misuse(path: Path) -> None:
    assert "did you mean first" in str(support("history", "firs").exception)
    assert isinstance(support("update", "--file", "none.json").exception, UsageError)
    assert "did you mean torch" in str(support("update", "--platforms", "torc").exception)
    for text in ("{", "[]", '{"schema": 2}', '{"networks": {"x": {}}}'):
        path.write_text(text)
        assert isinstance(support("update").exception, RunError)


PARTS = """
backbone: SuperConvK3BNRELU(3,4,2,1)SuperResK3K3(4,8,2,4,1)
neck: {type: fpn, from: [backbone.c1, backbone.c2], channels: 4}
heads:
  masks: {type: dense, from: neck.p1, num_classes: 2}
resolution: 16
"""


def test_parts_and_blocks_are_in_the_table_by_what_their_rows_mean(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.with_name("parts.yaml").write_text(PARTS)
    result = support("scan", "parts.yaml", "--parts", "--single-blocks", "--platforms", "torch")
    assert result.exit_code == 0, result.exception
    assert "3 networks, 7 parts, 4 blocks in support.json, 12 to be made again" in result.stdout
    table = read_support(path).networks
    singles = ["ConvKXBias", "SuperConvK3BNRELU", "SuperResK3K3", "SuperConvK1BNRELU"]
    assert list(table) == [
        "first", "second", "parts.yaml",
        "first/backbone", "first/head", "second/backbone", "second/head",
        "parts.yaml/backbone", "parts.yaml/neck", "parts.yaml/heads.masks",
        *(f"blocks/{name}" for name in singles),
    ]  # fmt: skip
    assert [entry.kind for entry in table.values()] == (
        ["network"] * 3 + ["backbone", "head"] * 2 + ["backbone", "neck", "head"] + ["block"] * 4
    ), "a sum that takes a value of elsewhere is no network by itself"
    assert table["parts.yaml"].head == "heads.masks"
    assert table["second"].backbone == table["parts.yaml"].backbone == f"#{plainnet.parse(SECOND).hash}"
    result, made = update()
    assert made == list(table), "in the order of work"
    assert set(statuses(path).values()) == {"pass"}, "the network of several outputs among them"
    assert update()[1] == [], "nothing changed"
    failing = read_support(path)
    failing.networks["parts.yaml"].cells["torch"].status = "fail"
    found = priority(failing, ["torch"])
    assert found[0] == ("parts.yaml", "fail on torch")
    assert ("SuperResK3K3", "2 in the table, 1 where something fails; by itself it passes") in found

    def without_a_norm(rows: Any) -> str:
        return meaning_hash(row for row in rows if "res1.main.bn2" not in row.path)

    monkeypatch.setattr(room, "meaning_hash", without_a_norm)
    assert update()[1] == ["second", "parts.yaml", "second/backbone", "parts.yaml/backbone", "blocks/SuperResK3K3"]
    path.with_name("parts.yaml").write_text(PARTS.replace("masks", "dots"))
    assert support("scan", "--platforms", "torch").exit_code == 0
    assert not {"parts.yaml/heads.masks", "parts.yaml/heads.dots"} & set(read_support(path).networks), "it is gone"


@pytest.mark.usefixtures("path")
def test_nothing_changed_is_seen_from_the_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bar: under 5 s on 28 networks; here each network's rows are hashed once, for all platforms."""
    hashed: list[int] = []
    monkeypatch.setattr(room, "meaning_hash", lambda rows: hashed.append(1) or meaning_hash(rows))
    assert support("scan", "--platforms", "torch,torchscript,torch.export").exit_code == 0
    assert len(hashed) == 2


def test_a_stored_neck_is_a_line_of_the_table(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAINNET_HOME", str(path.parent / "home"))
    path.with_name("parts.yaml").write_text(PARTS)
    made = CliRunner().invoke(cli, ["store", "promote", "parts.yaml", "--part", "neck"])
    assert made.exit_code == 0, made.exception
    name = "store:necks/plainnet/parts.composed"
    assert support("scan", name, "--platforms", "torch").exit_code == 0
    assert update()[1] == ["first", "second", "necks/plainnet/parts.composed"]
    assert set(statuses(path).values()) == {"pass"}
