"""What there is to name, and files to begin something of one's own with."""

from __future__ import annotations

import inspect
import json
import runpy
import shlex
from pathlib import Path

import pytest

from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.proxies import contract
from plainnet.registries import KINDS, entries, explain
from plainnet.starters import STARTERS, write_starter


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(args)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_entries_with_all_that_is_known_of_them(kind: str) -> None:
    found = entries(kind)
    assert found
    assert len({entry.name for entry in found}) == len(found)
    for entry in found:
        assert (entry.kind, bool(entry.text), bool(entry.source)) == (kind, True, True), entry
        assert entry.stability in (("",) if entry.source != "plainnet" else ("stable", "experimental"))
    assert explain(found[0].name, kind)[0] == found[0]


def test_what_a_list_says_of_a_recipe_is_whole_sentences() -> None:
    assert [entry.name for entry in entries("recipe") if not entry.text.endswith(".")] == []


KNOWN = {
    "loss": {"CrossEntropy", "BCEWithLogitsLoss"}, "hook": {"StepTimer"}, "data": {"digits", "folder"}, "task": {"Distillation"},
    "optimizer": {"SGD", "AdamW"}, "schedule": {"cosine", "StepLR"}, "model": {"PlainNet", "timm"}, "transform": {"Flip"},
    "proxy": {"zen", "naswot"}, "target": {"pytorch", "onnx"}, "strategy": {"evolution"}, "evaluator": {"F1"},
    "network": {"resnet18"}, "recipe": {"quick"}, "space": {"zennas-resnet"}, "block": {"MaxPool"},
    "writer": {"WandB"}, "filter": {"HasObjects"}, "sampler": {"Share"}, "maker": {"ObjectCounts"},
    "platform": {"torch", "onnxruntime"}, "trainer": {"EpochBasedTrainer"},
    "neck": {"fpn", "pan"}, "head": {"dense", "anchor_free"},
}  # fmt: skip


def test_the_kinds_are_those_that_there_are() -> None:
    assert KNOWN.keys() == KINDS.keys()
    for kind, names in KNOWN.items():
        assert names <= {entry.name for entry in entries(kind)}, kind


def test_what_is_yours_is_listed_with_its_file_and_what_is_young_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "listed_things.py").write_text(
        "from torch import nn\nfrom plainnet.engine import Hook, Task\n"
        "class MyLoss(nn.Module):\n    'Mine.'\n    def __init__(self, weight=2.0):\n        super().__init__()\n"
        "class MyHook(Hook):\n    'A hook of mine.'\n"
    )
    code, out, _ = run(capsys, "registry", "losses", "--import", f"{tmp_path}/listed_things.py", "--json")
    mine = {entry["name"]: entry for entry in json.loads(out)}
    assert (code, mine["MyLoss"]["source"], mine["MyLoss"]["takes"]) == (0, "listed_things", "weight=2.0")
    assert mine["MyLoss"]["stability"] == ""
    assert "MyHook" not in mine
    assert "MyHook" in {entry.name for entry in entries("hook", [f"{tmp_path}/listed_things.py"])}
    from plainnet.engine.hooks.timing import StepTimer

    monkeypatch.setattr(StepTimer, "__doc__", f"{StepTimer.__doc__}\n    Experimental: all of it may change.\n")
    assert explain("StepTimer")[0].stability == "experimental"


YOUNG = [
    ("block", "Outputs"), ("space", "darts"), ("recipe", "segment"), ("task", "Detection"), ("loss", "Dice"),
    ("data", "digits-scenes"),
]  # fmt: skip
"""One of each kind that has some; the others of a kind are of age."""


@pytest.mark.parametrize(("kind", "name"), YOUNG)
def test_what_may_still_change_is_marked_and_says_what(
    kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, listed, _ = run(capsys, "registry", kind)
    (line,) = [line for line in listed.splitlines() if line.startswith(f"{name} ")]
    assert (code, line.split()[1:3]) == (0, ["plainnet", "experimental"])
    code, explained, _ = run(capsys, "registry", kind, "--explain", name)
    assert code == 0
    assert "stability  experimental" in explained
    assert "\nExperimental: " in explained
    assert "stable" in {entry.stability for entry in entries(kind)}
    assert json.loads(run(capsys, "registry", kind, "--explain", name, "--json")[1])[0]["stability"] == "experimental"


def test_the_registry_prints_counts_tables_and_one_entry(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "registry", "strategies")
    assert (code, out.split()[:3]) == (0, ["name", "from", "stability"])
    code, out, _ = run(capsys, "registry", "--explain", "CrossEntropy")
    assert code == 0
    assert out.startswith("loss CrossEntropy\ntakes      label_smoothing=0.0\nfrom       plainnet\nstability  stable\n")
    for args, near in (
        (("hok",), "did you mean hook?"),
        (("loss", "--explain", "CrossEntrpy"), "did you mean CrossEntropy?"),
    ):
        code, _, err = run(capsys, "registry", *args)
        assert code == 2
        assert near in err


def test_every_name_that_a_block_has_is_explained() -> None:
    from plainnet.blocks.registry import find_block, known_names

    by_class = {
        find_block(name)[0]: explain(name, "blocks")[0] for name in [*known_names(), "ConvKXG4"] if find_block(name)
    }  # type: ignore[index]
    assert sorted(entry.name for entry in by_class.values()) == sorted(entry.name for entry in entries("block"))
    with pytest.raises(UsageError, match="did you mean SuperResK3K3"):
        explain("SuperResK3K4")


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("kind", STARTERS)
def test_what_is_begun_works_and_its_test_passes(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with an odd name, and from another folder."""
    monkeypatch.setattr(contract, "_registered", dict(contract._registered))
    folder = tmp_path / "my 'own' things"
    code, out, err = run(capsys, "new", kind, f"Begun{kind.title()}", "--in", str(folder))
    assert (code, len(out.splitlines())) == (0, 2)
    assert f"begun_{kind}" in err
    said = " ".join(err.split()).partition("test it with: ")[2].partition(" use it with")[0]
    assert shlex.split(said) == ["python", "-m", "pytest", str(folder / f"test_begun_{kind}.py")]
    tests = runpy.run_path(str(folder / f"test_begun_{kind}.py"))
    functions = [value for name, value in tests.items() if name.startswith("test_")]
    assert functions
    for number, function in enumerate(functions):
        given = {"tmp_path": tmp_path / str(number)} if inspect.signature(function).parameters else {}
        function(**given)
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    code, _, err = run(capsys, "new", kind, f"Begun{kind.title()}", "--in", str(folder))
    assert (code, "exists already" in err) == (2, True)
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("blok", "X", "did you mean block?"),
        ("block", "1X", "cannot be a name"),
        ("block", "a-b", "cannot be a name"),
        ("block", "class", "cannot be a name"),
        ("block", "../X", "cannot be a name"),
        ("block", "X" * 200, "cannot be a name"),
    ],
)
def test_what_cannot_be_begun(kind: str, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        write_starter(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())
