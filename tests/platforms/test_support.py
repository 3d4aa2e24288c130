"""The table of support: what changed in meaning is made again, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.blocks.rows.meaning import meaning_hash
from plainnet.cli.main import cli
from plainnet.errors import RunError, UsageError
from plainnet.platforms import platform as platforms
from plainnet.platforms import support as room
from plainnet.platforms.support import priority, read_support, table_rows

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


def test_the_table_in_every_form(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms.Platform, "missing", lambda self, **_: ["x"] if self.name == "openvino" else [])
    support("update", "--platforms", "torch,openvino")
    header, rows = table_rows(read_support(path), ["torch", "openvino"])
    assert header == ["network", "head", "layers", "torch", "openvino", "changed", "commit"]
    assert [row[0] for row in rows] == ["first", "second"]
    assert all(row[3].startswith("pass ") and row[4] == "not installed" for row in rows)
    common = ("table", "--platforms", "torch,openvino")
    assert support(*common, "--md").stdout.startswith("| network | head |")
    assert support(*common, "--csv").stdout.startswith("network,head,layers,torch,openvino,changed,commit\n")
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
