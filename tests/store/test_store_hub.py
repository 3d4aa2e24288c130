"""The hub, which is a folder here: what is put there and taken from there is the network, and nothing else is taken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.main import cli
from plainnet.errors import MissingExtraError, RunError, UsageError
from plainnet.store.layout import each_name, folder_of
from plainnet.store.reading import record_of, verify
from plainnet.store.record import Record

hub_library = pytest.importorskip("huggingface_hub")
Put = Callable[..., Record]
REPOSITORY = "me/net"


class Hub:
    """A hub's client whose repositories are folders."""

    def __init__(self, place: Path) -> None:
        self.place, self.calls = place, list[tuple[str, dict[str, Any]]]()
        self.refuses: Exception | None = None

    def create_repo(self, repository: str, **options: Any) -> None:
        self.calls.append(("create", options))
        (self.place / repository).mkdir(parents=True, exist_ok=True)

    def upload_folder(self, *, repo_id: str, folder_path: str, **options: Any) -> str:
        self.calls.append(("upload", options))
        if self.refuses is not None:
            raise self.refuses
        ignored = shutil.ignore_patterns(*(pattern.partition("/")[0] for pattern in options["ignore_patterns"]))
        shutil.copytree(folder_path, self.place / repo_id, dirs_exist_ok=True, ignore=ignored)
        return f"hub/{repo_id}"

    def snapshot_download(self, repository: str, *, local_dir: str, **options: Any) -> None:
        self.calls.append(("download", options))
        if self.refuses is not None:
            raise self.refuses
        for pattern in options["allow_patterns"]:
            for path in (self.place / repository).glob(pattern):
                target = Path(local_dir) / path.relative_to(self.place / repository)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, target)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub(tmp_path / "hub")
    monkeypatch.setattr(hub_library, "HfApi", lambda **_: made)
    monkeypatch.setattr(hub_library.constants, "HF_HUB_OFFLINE", False)
    return made


def store(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["store", *arguments])


def test_a_network_goes_to_the_hub_and_comes_from_there(root: Path, put: Put, hub: Hub) -> None:
    before = put()
    conversion = root / "networks" / "cls" / "net.one" / "conversions" / "torch"
    conversion.mkdir(parents=True)
    (conversion / "model.bin").write_text("a program")
    result = store("push", "net", REPOSITORY, "--private")
    assert result.exit_code == 0, result.exception
    assert result.stdout == "net is on the hub: hub/me/net\n"
    assert hub.calls[0] == ("create", {"exist_ok": True, "private": True})
    there = hub.place / REPOSITORY
    assert sorted(path.name for path in there.iterdir()) == [
        "README.md",
        "config.json",
        "model.json",
        "model.safetensors",
    ]
    (there / "README.md").write_text("edited there")
    assert isinstance(store("pull", REPOSITORY).exception, UsageError), "there is one of that name"
    result = store("pull", REPOSITORY, "--name", "other", "--revision", "main", "--json")
    assert result.exit_code == 0, result.exception
    assert hub.calls[-1][1]["revision"] == "main"
    name, _, record = record_of(root, "other")
    assert name.path == "networks/cls/other.one"
    assert record.as_dict() == json.loads(result.stdout)
    assert record.identity.digest == before.identity.digest
    assert record.extra["pulled"] == {"from": REPOSITORY, "revision": "main"}
    assert (record.metrics, record.data) == (before.metrics, before.data)
    assert verify(root, name) == []


OUTSIDE = b'"sources": {"../../x.py": "' + b"0" * 64 + b'"}'
TAMPERED: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "weights": ("model.safetensors", lambda old: old[:-1] + bytes([old[-1] ^ 1]), "SHA-256 differs"),
    "config": ("config.json", lambda old: old + b" ", "SHA-256 differs"),
    "record": ("model.json", lambda old: old.replace(b'"licence"', b'"license"'), "Extra inputs"),
    "a place outside": ("model.json", lambda old: old.replace(b'"sources": {}', OUTSIDE), "is missing"),
    "name": ("model.json", lambda old: old.replace(b'"name": "net"', b'"name": "../net"'), "accepted"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_what_is_not_what_its_record_says_is_not_taken(case: str, root: Path, put: Put, hub: Hub) -> None:
    put()
    assert store("push", "net", REPOSITORY).exit_code == 0
    assert store("rm", "net").exit_code == 0
    file, change, why = TAMPERED[case]
    path = hub.place / REPOSITORY / file
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    result = store("pull", REPOSITORY)
    assert why in str(result.exception)
    assert list(each_name(root)) == []
    assert not list((root / ".writing").iterdir())


def test_what_is_not_whole_stays_here(root: Path, put: Put, hub: Hub) -> None:
    put()
    (folder_of(root, record_of(root, "net")[0]) / "config.json").write_text("{}")
    result = store("push", "net", REPOSITORY)
    assert isinstance(result.exception, RunError)
    assert "is not whole, and stays here" in str(result.exception)
    assert hub.calls == []


def test_where_there_is_no_hub_the_way_out_is_said(
    root: Path, put: Put, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    put()
    folder = folder_of(root, record_of(root, "net")[0])
    for text in ("net", "me/net/more", "../net", "me/", ""):
        assert isinstance(store("push", "net", text).exception, UsageError)
    hub.refuses = OSError("Name or service not known\nmore")
    for command, way in (
        (("push", "net", REPOSITORY), f"upload the folder {folder}"),
        (("pull", REPOSITORY), "copy its folder to"),
    ):
        result = store(*command)
        assert isinstance(result.exception, RunError)
        assert "the hub could not be reached, or refused: Name or service not known; to " in str(result.exception)
        assert way in str(result.exception)
    calls = list(hub.calls)
    monkeypatch.setattr(hub_library.constants, "HF_HUB_OFFLINE", True)
    for command in (("push", "net", REPOSITORY), ("pull", REPOSITORY)):
        assert "HF_HUB_OFFLINE forbids it; unset it, or, to" in str(store(*command).exception)
    assert hub.calls == calls, "nobody was asked"
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"plainnet\[hub\]"):
        raise store("push", "net", REPOSITORY).exception or AssertionError
