"""Every way to name a network gives the same kind of value, and says where each part of it came from."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import plainnet
from plainnet.cli.main import main
from plainnet.engine.run.run_files import CONFIG
from plainnet.naming import DEFAULT, SAID, Form, Known, Subject, known_forms, resolve
from plainnet.naming.forms import training_run
from plainnet.search import SearchConfig, load_space, search

NET = "SuperConvK3BNRELU(1,8,1,1)SuperConvK1BNRELU(8,16,1,1)"
COLOUR = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search, a training, an export, files and code."""
    folder = tmp_path_factory.mktemp("there")
    limits = {"params": 5e4, "layers": 8}
    config = SearchConfig(
        load_space("zennas-resnet"), limits=limits, candidates=100, islands=1, population=8, epoch=100, resolution=16,
        num_classes=10, use_se=True,
    )  # fmt: skip
    search(config, folder / "found")
    quick = ["train.epochs=1", "log.tensorboard=false", "device=cpu", f"run={json.dumps(str(folder / 'trained'))}"]
    plainnet.train(NET, overrides=quick, console=Console(quiet=True))
    plainnet.export_network(str(folder / "trained"), to="plainnet", out=folder / "exported")
    (folder / "net.txt").write_text(f"# a network\n{COLOUR}\n")
    (folder / "two.txt").write_text(f"['{COLOUR}', '{NET}']")
    (folder / "net.yaml").write_text("a: 1\n")
    (folder / "mine.py").write_text("from torch import nn\n\ndef build():\n    return nn.Conv2d(3, 4, 3)\n")
    return folder


@pytest.fixture(autouse=True)
def _inside(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(there)


FORMS = {
    COLOUR: ("a network string", (224, DEFAULT), (1000, DEFAULT), False),
    "net.txt": ("from the file net.txt", (224, DEFAULT), (1000, DEFAULT), False),
    "two.txt:2": ("from the file two.txt:2", (224, DEFAULT), (1000, DEFAULT), False),
    "resnet18": ("a published network", (224, "published"), (1000, "published"), False),
    "zennet_cifar_model_size1M": ("a published network", (32, "published"), (100, "published"), False),
    "found": ("rank 1 of the search run found", (16, "from the run"), (10, "from the run"), False),
    "found:2": ("rank 2 of the search run found", (16, "from the run"), (10, "from the run"), False),
    "trained": ("of the training run trained", (8, "from the run"), (10, "from the run"), True),
    "trained/best.safetensors": ("the weights trained/best.safetensors", (8, "from the weights"), (10, "from the weights"), True),
    "exported": ("of the exported folder exported", (8, "from the export"), (10, "from the export"), True),
    "exported/weights.safetensors": (
        "the weights exported/weights.safetensors", (8, "from the weights"), (10, "from the weights"), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_each_form_says_what_goes_with_the_network(text: str) -> None:
    form, resolution, classes, has_weights = FORMS[text]
    subject = plainnet.resolve(text)
    assert subject.structure is not None
    assert (subject.form, subject.weights is not None) == (form, has_weights)
    assert (subject.resolution, subject.num_classes) == (Known(*resolution), Known(*classes))
    assert subject.in_channels.source == "from the string"
    line, record = subject.line(), subject.as_dict()
    assert form in line
    assert f"({resolution[1]})" in line
    assert json.loads(json.dumps(record))["resolution"]["from"] == resolution[1]
    assert resolve(subject) is subject
    assert resolve(Path(text)).structure == subject.structure if os.path.exists(text) else True


def test_a_trained_network_keeps_its_structure_on_every_way() -> None:
    names = ("trained", "trained/best.safetensors", "exported", "exported/weights.safetensors")
    assert {str(plainnet.resolve(name).structure) for name in names} == {NET}


def test_a_candidate_is_named_by_the_beginning_of_its_hash() -> None:
    best = resolve("found")
    assert best.structure is not None
    assert best.variant == Known(plainnet.Variant(use_se=True), "from the run")
    named = resolve(f"found#{best.structure.hash[:8]}")
    assert (named.structure, named.search["rank"]) == (best.structure, None)  # type: ignore[index]
    for digits, message in {
        "": "is no beginning of a hash",
        "xyz": "is no beginning of a hash",
        "0" * 13: "is no beginning of a hash",
    }.items():
        with pytest.raises(plainnet.UsageError, match=message):
            resolve(f"found#{digits}")
    strange = "0" if not best.structure.hash.startswith("0") else "1"
    with pytest.raises(plainnet.UsageError, match=r"no candidate whose hash begins with .* such as"):
        resolve(f"found#{strange * 12}")
    several = [digit for digit in "0123456789abcdef" if _count(digit) > 1]
    with pytest.raises(plainnet.UsageError, match=r"several candidates .*give more digits"):
        resolve(f"found#{several[0]}")


def _count(digit: str) -> int:
    from plainnet.search.runs.kept_runs import opened

    with opened(Path("found")) as store:
        return sum(candidate.short_hash.startswith(digit) for candidate in store.select())


def test_modules_have_no_structure() -> None:
    from torch import nn

    subject = resolve("mine.py:build")
    assert isinstance(subject.network, nn.Conv2d)
    assert resolve(nn.Linear(2, 2)).form == "a module"
    net = plainnet.PlainNet(NET, num_classes=7)
    assert resolve(net).num_classes == Known(7, "from the module")
    assert plainnet.analyze_model("mine.py:build", latency=False, resolution=8).params == 112


def test_what_the_caller_says_counts_and_is_said() -> None:
    subject = resolve("found").saying(resolution=(8, 12), num_classes=0, variant=plainnet.Variant(activation="silu"))
    assert (subject.resolution, subject.num_classes) == (Known((8, 12), SAID), Known(0, SAID))
    assert subject.variant.value == plainnet.Variant(use_se=True, activation="silu")
    assert "no classifier (said)" in subject.line()
    assert "input 3x8x12 (said)" in subject.line()


def test_what_is_on_the_disk_wins_over_a_name_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet18").write_text(NET)
    subject = resolve("resnet18")
    assert str(subject.structure) == NET
    assert subject.notes == ("resnet18 is read as a file with a structure, and not as a published network",)
    (tmp_path / NET).write_text(COLOUR)
    assert str(resolve(NET).structure) == COLOUR


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet81", "did you mean resnet18"),
        ("foundd", "did you mean found"),
        ("found:0", "'0' is no rank"),
        ("found:x", "'x' is no rank"),
        ("found:99999", "has no network of rank 99999; accepted: 1 to"),
        ("trained/checkpoints", "is a directory; accepted"),
        (".", "is a directory; .*; it holds exported, found, trained"),
        ("net.yaml", "the text is a YAML file"),
        ("mine.py:bild", "did you mean build"),
        ("mine.py", "add :function"),
        ("two.txt:3", "there is no structure 3"),
        ("x" * 5000, "no structure, no file"),
        ("x" * 5000 + ".py", "no file"),
        ("x" * 5000 + ".py:build", "no file"),
        ("x" * 5000 + ":3", "no structure, no file"),
        ("a\0b", "no structure, no file"),
        ("", "the structure is empty"),
        ("SuperConvK3BNRELU(1,8", "at column"),
    ],
)
def test_what_names_nothing_is_said_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(plainnet.PlainnetError, match=message) as caught:
        resolve(text)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), type(caught.value))
    assert len(str(caught.value)) < 400 or "x.py" in text


@pytest.mark.parametrize("thing", [3, None, ["a"], b"net"])
def test_what_is_no_network_is_a_type_error(thing: Any) -> None:
    with pytest.raises(TypeError):
        resolve(thing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"structure": 3}, "is damaged: structure"),
        ({"input": [3, 8]}, "is damaged: input"),
        ({"num_classes": "ten"}, "is damaged: num_classes"),
        ({"variant": {"use_se": 1}}, "is damaged: variant.use_se"),
        ({"structure": "Mine(3,8)"}, "--blocks FILE"),
    ],
)
def test_a_damaged_provenance_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    about = json.loads(Path("exported/provenance.json").read_text())
    (tmp_path / "provenance.json").write_text(json.dumps(about | change))
    with pytest.raises(plainnet.UsageError, match=message):
        resolve(tmp_path)


def test_pickled_tensors_say_of_no_network(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"nothing")
    with pytest.raises(plainnet.UsageError, match="does not say of which network"):
        resolve(tmp_path / "w.pt")


def test_a_form_is_a_file_in_its_folder_and_their_places_differ() -> None:
    assert all(isinstance(form, Form) for form in known_forms())
    assert len({form.place for form in known_forms()}) == len(known_forms())
    assert training_run.CONFIG == CONFIG


def test_help_and_the_page_list_every_form_in_the_order_in_which_they_are_asked() -> None:
    from click.testing import CliRunner

    from plainnet.cli.analyze import analyze_command

    told = CliRunner().invoke(analyze_command, ["--help"], terminal_width=200).output
    places = [told.index(f"  {form.written}  ") for form in known_forms()]
    assert places == sorted(places)
    page = (Path(plainnet.__file__).parent.parent / "docs" / "naming.md").read_text(encoding="utf-8")
    rows = page.split("| --- | --- | --- |\n")[1].split("\n\n")[0].splitlines()
    assert len(rows) == len(known_forms())


def test_python_functions_take_every_form() -> None:
    quick: dict[str, Any] = {"latency": False, "zen": False}
    by_run = plainnet.analyze_model("found:1", **quick)
    assert (by_run.input, by_run.num_classes, by_run.variant) == ([3, 16, 16], 10, {"use_se": True})
    assert by_run.network is not None
    assert by_run.network["resolution"] == {"value": [16, 16], "from": "from the run"}
    assert plainnet.analyze_model(resolve("trained"), **quick).params == 10 * 17 + 8 * 9 + 8 * 16 + 2 * (8 + 16) + 0
    assert plainnet.score("found", "params").mean == plainnet.score("found:1", "params", resolution=16).mean
    ranked = plainnet.score_all(["found:1", "found:2"], "zen")
    assert [one.settings["resolution"] for one in ranked] == [16, 16]
    with pytest.raises(plainnet.UsageError, match="different sizes, 16, 224"):
        plainnet.score_all(["found", "resnet18"], "zen")


def test_a_subject_is_a_value() -> None:
    assert isinstance(resolve(NET), Subject)
    assert resolve(NET) == resolve(NET)


def command(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[str, str]:
    try:
        main(args)
    except SystemExit as end:
        assert not end.code, capsys.readouterr().err
    out, err = capsys.readouterr()
    return out, err


WRITES = {"draw": "-o", "export": "--out"}
REPORTS = {
    "analyze": ["--no-latency", "--no-zen", "--json"],
    "score": ["--proxy", "params", "--json"],
    "compare": ["two.txt:2", "--proxy", "none", "--json"],
}


@pytest.mark.parametrize("name", ["fmt", "lint", *WRITES, *REPORTS])
@pytest.mark.parametrize(
    "text", ["found:2", "trained", "trained/best.safetensors", "exported", "net.txt", "resnet18", COLOUR]
)
def test_each_command_says_first_what_it_took(
    capsys: pytest.CaptureFixture[str], name: str, text: str, tmp_path: Path
) -> None:
    place = [WRITES[name], str(tmp_path / "place")] if name in WRITES else []
    target = ["--to", "plainnet", "--no-weights"] if name == "export" else []
    out, err = command(capsys, name, text, *place, *target, *REPORTS.get(name, []))
    assert err.splitlines()[0].startswith("network ")
    assert resolve(text).form in err.splitlines()[0]
    if text == "trained/best.safetensors":
        assert "note: " not in err, "that a file of weights holds no structure goes without saying"
    assert (tmp_path / "place").exists() == (name in WRITES)
    if name in REPORTS:
        record = json.loads(out)
        subject = record["network"] if name == "analyze" else record["networks"][0]
        assert subject == resolve(text).as_dict()


def test_five_commands_from_a_search_to_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No string and no size is typed: each command takes what the one before left."""
    monkeypatch.chdir(tmp_path)
    budgets = ("--max-params", "20e3", "--max-layers", "6", "--resolution", "8", "--num-classes", "10", "--seed", "1")
    short = ("--candidates", "60", "--ladder", "none", "--quiet", "--out", "runs/search")
    command(capsys, "search", "zennas-resnet", *budgets, *short)
    out, _ = command(capsys, "analyze", "runs/search", "--no-latency", "--no-zen", "--json")
    found = json.loads(out)
    assert (found["input"], found["num_classes"]) == ([3, 8, 8], 10)
    out, _ = command(
        capsys,
        "train",
        "runs/search",
        "train.epochs=1",
        "log.tensorboard=false",
        "device=cpu",
        "--out",
        "runs/net",
        "--json",
    )
    trained = json.loads(out)
    assert trained["params"] == found["params"]
    out, err = command(capsys, "evaluate", "runs/net", "--json")
    evaluated = json.loads(out)
    assert evaluated["samples"] == 360
    assert evaluated["metrics"]["accuracy"] == trained["metrics"]["val/accuracy"]
    assert evaluated["metrics"]["loss"] == pytest.approx(trained["metrics"]["val/loss"], rel=1e-6)
    assert "as trained" in err
    command(capsys, "export", "runs/net", "--to", "plainnet", "--out", "net")
    about = json.loads(Path("net/provenance.json").read_text())
    assert (about["hash"], about["num_classes"]) == (found["hash"], 10)
    again = json.loads(command(capsys, "evaluate", "net", "--data", "digits", "--json")[0])
    assert again["metrics"]["accuracy"] == evaluated["metrics"]["accuracy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet18",), "names a network without trained weights"),
        (("found",), "names a network without trained weights"),
        (("trained", "--data", "digitz"), "did you mean digits"),
        (("trained", "--data", "digits", "size=16"), "the network was trained on (1, 8, 8)"),
        (("exported",), "there is no exported/config.yaml to say which images"),
        (("trained", "--metric", "F2"), "there is no evaluator F2"),
    ],
)
def test_what_cannot_be_evaluated(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_classes_are_matched_by_their_names(tmp_path: Path) -> None:
    from plainnet.engine.run.evaluation import evaluate

    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from plainnet.engine.data.digits import digits\n"
        "from plainnet.engine.data.source import TensorSamples\n"
        "def turned():\n"
        "    data = digits()\n"
        "    return replace(data, val=TensorSamples(data.val.images, 9 - data.val.labels), classes=tuple('9876543210'))\n"
        "def strange():\n"
        "    return replace(digits(), classes=tuple('abcdefghij'))\n"
    )
    plain = evaluate("trained/best.safetensors")
    turned = evaluate("trained/best.safetensors", data=f"{tmp_path}/mine.py:turned")
    assert turned.metrics == plain.metrics
    assert turned.notes[-1].startswith("classes are matched by name")
    with pytest.raises(plainnet.UsageError, match=r"classes that the network does not know: a, b, c, d, e, \.\.\."):
        evaluate("trained/best.safetensors", data=f"{tmp_path}/mine.py:strange")
