"""Networks put together of parts of the store, of templates and of strings; parts as entries of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import PlainnetError, UsageError
from plainnet.files.tensor_files import read_tensors
from plainnet.store.finding import find
from plainnet.store.layout import WEIGHTS, folder_of
from plainnet.store.reading import record_of, verify

TRUNK = "ConvKXBNRELU(3,4,3,2)ConvKXBNRELU(4,8,3,2)"
FILE = f"""
backbone: {TRUNK}
neck: {{type: fpn, from: [backbone.c1, backbone.c2], channels: 6}}
heads:
  masks: {{type: dense, from: neck.p1, num_classes: 3}}
  boxes: {{type: anchor_free, from: [neck.p1, neck.p2], num_classes: 2}}
resolution: 16
"""
FPN = ("neck.type=fpn", "neck.channels=6", "neck.from=[backbone.c1,backbone.c2]")


def store(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["store", *arguments])


def well(*arguments: str) -> Result:
    result = store(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def images(size: int = 16, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def put_out(name: str, size: int = 16) -> Any:
    with torch.no_grad():
        return plainnet.load(f"store:{name}")(images(size))


@pytest.fixture
def classifier(root: Path, tmp_path: Path) -> Path:  # noqa: ARG001
    """A network in no parts, with a classifier, and statistics that are not those of a new one."""
    net = plainnet.PlainNet(TRUNK, num_classes=5, resolution=16)
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(len(key)))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    well("import", str(tmp_path / "net.pth"), "--as", TRUNK, "--name", "base", "--resolution", "16")
    return tmp_path / "net.pth"


@pytest.fixture
def whole(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001
    """A file of components, and its network in the store."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(FILE)
    well("compose", "net.yaml", "--name", "whole", "--task", "several", "--seed", "3")
    return tmp_path / "net.yaml"


@pytest.mark.usefixtures("classifier")
def test_a_trained_backbone_a_template_and_a_head(root: Path, tmp_path: Path) -> None:
    docs = tmp_path / "made.md"
    head = ("head.type=dense", "head.from=neck.p1", "head.num_classes=3")
    result = well("build", "--name", "masks", "backbone=store:base", *FPN, *head, "--docs", str(docs))
    assert "backbone: 12 tensors of networks/cls/base.imported (backbone)" in result.stderr
    assert "neck: 6 tensors, all NEW: random, of the seed 0" in result.stderr
    assert "warning: 8 of 20 tensors are random, those of neck, heads.head" in " ".join(result.stderr.split())
    name, folder, record = record_of(root, "masks")
    assert (name.path, verify(root, name)) == ("networks/segmentation/masks.composed", [])
    assert record.identity.parents == [record_of(root, "base")[2].identity.digest]
    assert len(record.extra["new"]) == 8
    assert not any(each.startswith("backbone.") for each in record.extra["new"])
    assert list(record.extra["made_of"]) == ["backbone", "neck", "heads.head"]
    assert sum(each["params"] for each in record.extra["made_of"].values()) == record.cost.params
    tensors, before = read_tensors(folder / WEIGHTS, ours=True)[0], plainnet.load("store:base").state_dict()
    for key, value in tensors.items():
        if key.startswith("backbone."):
            assert torch.equal(value, before[key.replace("backbone.", "blocks.")])
    again = well("build", "--name", "masks2", "backbone=store:base", *FPN, *head)
    assert again.exit_code == 0
    assert record_of(root, "masks2")[2].identity.digest == record.identity.digest, "the seed decides"
    text = docs.read_text()
    assert "| neck | backbone.c2, backbone.c1 |" in text
    assert "| heads.head | 3 | H/2,W/2 |" in text
    assert record.structure.string is not None
    assert record.structure.string in text
    assert "## What it is made of" in (folder / "README.md").read_text()
    assert isinstance(
        store("build", "--name", "n", "backbone=resnet18", *head, "--docs", str(docs)).exception, UsageError
    )


@pytest.mark.usefixtures("classifier")
def test_a_classifier_of_its_parts_is_the_classifier(root: Path) -> None:
    for part in ("backbone", "head"):
        well("promote", "base", "--part", part)
    assert {each.path for each in find(root)[0]} == {
        "networks/cls/base.imported", "backbones/plainnet/base.imported", "heads/cls/base.imported",
    }  # fmt: skip
    assert [each.path for each in find(root, part="head")[0]] == [
        "heads/cls/base.imported",
        "networks/cls/base.imported",
    ]
    assert all(verify(root, record_of(root, each.path)[0]) == [] for each in find(root)[0])
    parts = {"backbone": "backbones/plainnet/base.imported", "head": "heads/cls/base.imported"}
    for number, (backbone, head) in enumerate([(parts["backbone"], parts["head"]), ("base", "base")]):
        result = well("build", "--name", f"again{number}", f"backbone=store:{backbone}", f"head=store:{head}")
        assert "all 14 tensors are of the store" in result.stderr
        assert torch.allclose(put_out(f"again{number}"), put_out("base"), atol=1e-5)
    head = record_of(root, parts["head"])[2]
    assert (head.cost.params, head.outputs[0].channels, head.structure.constructor) == (45, 5, "component")
    assert "is a head, and no network without what it takes" in str(store("measure", parts["head"]).exception)
    assert (
        "maps of 8 channels at stride 4"
        in (folder_of(root, record_of(root, parts["head"])[0]) / "README.md").read_text()
    )


def other_network(tmp_path: Path, name: str, *, same_backbone: bool) -> None:
    """A network like `classifier` with another head, and another backbone or the same."""
    tensors = torch.load(tmp_path / "net.pth", weights_only=True)
    changed = {
        key: value + 1 if key.startswith("head.") or (not same_backbone and value.is_floating_point()) else value
        for key, value in tensors.items()
    }
    torch.save(changed, tmp_path / f"{name}.pth")
    well("import", str(tmp_path / f"{name}.pth"), "--as", TRUNK, "--name", name, "--resolution", "16")


@pytest.mark.usefixtures("classifier")
def test_a_part_that_was_trained_with_another_backbone_is_told(root: Path, tmp_path: Path) -> None:
    other_network(tmp_path, "other", same_backbone=False)
    other_network(tmp_path, "frozen", same_backbone=True)
    for name in ("base", "other"):
        well("promote", name, "--part", "all")
    backbone, head = "backbones/plainnet/{}.imported", "heads/cls/{}.imported"

    def is_told(name: str, one: str, two: str) -> bool:
        said = " ".join(well("build", "--name", name, f"backbone=store:{one}", f"head=store:{two}").stderr.split())
        found = "warning: heads.head was trained with another backbone" in said
        record = record_of(root, name)[2]
        assert record.extra["made_of"]["heads.head"].get("apart", False) is found
        page = (folder_of(root, record_of(root, name)[0]) / "README.md").read_text()
        assert ("trained with another backbone" in page) is found
        return found

    assert is_told("mixed", "base", "other")
    assert not is_told("own", "other", "other")
    assert not is_told("still", "base", "frozen")
    assert is_told("parts", backbone.format("base"), head.format("other"))
    assert not is_told("parts_of_one", backbone.format("base"), head.format("base"))
    assert not is_told("part_and_whole", "base", head.format("base"))
    assert is_told("of_mixed", "mixed", "mixed"), "what was put together was not trained together"
    well("promote", "mixed", "--part", "all")
    assert is_told("parts_of_mixed", "backbones/plainnet/mixed.composed", "heads/cls/mixed.composed")
    assert not is_told("halves", "backbones/plainnet/mixed.composed", "base")


@pytest.mark.usefixtures("whole")
def test_all_parts_of_a_network_are_entries_and_make_it_again(root: Path) -> None:
    result = well("promote", "whole", "--part", "all")
    paths = [
        "backbones/plainnet/whole.composed", "necks/plainnet/whole.composed",
        "heads/several/whole_masks.composed", "heads/several/whole_boxes.composed",
    ]  # fmt: skip
    assert [line.split()[1] for line in result.stdout.splitlines()] == paths
    assert all(verify(root, record_of(root, path)[0]) == [] for path in paths)
    neck = record_of(root, paths[1])[2]
    assert neck.structure.arguments["takes"] == {
        "c2": {"channels": 8, "stride": 4}, "c1": {"channels": 4, "stride": 2},
    }  # fmt: skip
    assert [(each.head, each.channels, each.resolution) for each in neck.outputs] == [
        ("neck.p1", 6, "H/2,W/2"), ("neck.p2", 6, "H/4,W/4"),
    ]  # fmt: skip
    net = plainnet.load("store:networks/several/whole.composed")
    neck_params = sum(p.numel() for key, p in net.named_parameters() if key.startswith("neck."))
    assert neck.cost.params == neck_params
    said = [f"backbone=store:{paths[0]}", f"neck=store:{paths[1]}", f"heads.masks=store:{paths[2]}"]
    result = well("build", "--name", "again", *said, f"heads.boxes=store:{paths[3]}", "--task", "several")
    assert "still RANDOM there" in result.stderr, "nobody has trained them"
    one, other = put_out("networks/several/whole.composed"), put_out("again")
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert list(one) == list(other)


@pytest.mark.usefixtures("whole")
def test_a_head_moves_to_another_value(root: Path) -> None:
    assert "accepted: store:NAME:HEAD" in str(
        store("build", "--name", "n", f"backbone={TRUNK}", "head=store:whole").exception
    )
    wide = "ConvKXBNRELU(3,6,3,2)ConvKXBNRELU(6,8,3,2)"
    heads = ("head.blocks=store:whole:masks", "head.from=backbone.c1", "resolution=16")
    well("build", "--name", "moved", f"backbone={wide}", *heads)
    found, before = (read_tensors(record_of(root, each)[1] / WEIGHTS)[0] for each in ("moved", "whole"))
    assert torch.equal(found["heads.head.0.conv1.weight"], before["heads.masks.0.conv1.weight"])
    assert record_of(root, "moved")[2].identity.task == "several"


@pytest.mark.usefixtures("whole", "classifier")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["backbone=store:whol", "head=store:base"], "did you mean whole"),
        (["backbone=store:base", "head=store:base", "neck=store:base"], "has no neck; it has backbone, head"),
        (["backbone=store:base", "head=store:whole:mask"], "did you mean masks"),
        (["backbone=store:base", "head=store:whole:masks"], "there is no value neck.p1"),
        (["backbone=store:base", "head=ConvKXBias(8,2,1,1)"], "accepted: --task"),
        (["backbone=store:base", "head=ConvKXBias(9,2,1,1)"], "heads.head"),
        (["backbone=store:base", "head=store:base", "neck=store:whole"], "another shape"),
        (["backbone=resnet18", "head=store:base", "resolution=32"], "heads.head"),
        (
            ["backbone=store:base", "neck.blocks=store:whole", "neck.from=backbone.c1", "head=store:base"],
            "takes 2 values",
        ),
        (["backbone=store:base", "heads=1"], "heads"),
        (["bakbone=store:base", "head=store:base"], "did you mean backbone"),
    ],
)
def test_what_does_not_fit_is_said_and_stores_nothing(arguments: list[str], why: str, root: Path) -> None:
    if why == "another shape":
        arguments = [*arguments[:1], "neck.blocks=ConvKXBNRELU(8,9,3,1)", arguments[1]]
        why = "heads.head"
    before = [each.path for each in find(root)[0]]
    result = store("build", "--name", "n", *arguments)
    assert result.exit_code == 1, "an error of ours, of which the command line makes 2"
    assert why in str(result.exception), result.exception
    assert [each.path for each in find(root)[0]] == before


def test_parts_of_another_epsilon_or_variant_are_refused(root: Path, tmp_path: Path) -> None:
    net = plainnet.PlainNet("resnet18", num_classes=3)
    torch.save(net.state_dict(), tmp_path / "r.pth")
    neck = "ConvKXBNRELU(8,8,3,1)"
    file = tmp_path / "n.yaml"
    file.write_text(f"backbone: {TRUNK}\nneck: {neck}\nheads: {{h: {{type: dense, num_classes: 2}}}}\nresolution: 16\n")
    well("compose", str(file))
    record = record_of(root, "n")[2]
    folder = record_of(root, "n")[1]
    changed = record.as_dict()
    changed["structure"]["norm_eps"] = 1e-5
    (folder / "model.json").write_text(json.dumps(changed))
    said = [f"backbone={TRUNK}", "neck=store:n", "head.type=dense", "head.num_classes=2", "resolution=16"]
    assert "the epsilon 1e-05 of batch norms, and the backbone with 0.001" in str(
        store("build", "--name", "x", *said).exception
    )
    changed["structure"] |= {"norm_eps": 1e-3, "variant": {"activation": "silu"}}
    (folder / "model.json").write_text(json.dumps(changed))
    assert "was trained as activation=silu" in str(store("build", "--name", "x", *said).exception)


def test_a_file_is_composed_promoted_and_only_looked_at(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(FILE)
    result = well("compose", str(file), "--task", "several", "--dry-run", "resolution=32")
    assert not root.exists() or find(root)[0] == []
    assert plainnet.parse(result.stdout.strip()) == plainnet.resolve(str(file)).structure
    assert "what the heads are for" in str(store("compose", str(file)).exception), "they differ"
    result = well("promote", str(file), "--task", "several")
    kinds = sorted(each.kind for each in find(root)[0])
    assert kinds == ["backbone", "head", "head", "neck", "network"]
    assert "warning: all weights are random; the network has to be trained" in result.stderr
    assert "has its task" in str(store("promote", "two", "--task", "x").exception)
    assert "names one part" in str(store("promote", "two", "--part", "all", "--name", "x").exception)
    data = json.loads(well("show", "necks/plainnet/two.composed", "--json").stdout)
    assert (data["identity"]["kind"], data["metrics"], data["extra"]["promoted"]["part"]) == ("neck", [], "neck")


@pytest.mark.usefixtures("whole")
def test_a_stored_neck_goes_into_a_network(root: Path, tmp_path: Path) -> None:
    well("promote", "whole", "--part", "neck")
    out = tmp_path / "w.safetensors"
    well("load", "necks/plainnet/whole.composed", "--part", "neck", "--into", "net.yaml", "-o", str(out))
    found, before = read_tensors(out)[0], read_tensors(record_of(root, "whole")[1] / WEIGHTS)[0]
    assert torch.equal(found["neck.0.conv1.weight"], before["neck.0.conv1.weight"])
    note = plainnet.resolve("net.yaml").notes
    assert note == ()
    Path("net.yaml").write_text(FILE.replace(f"backbone: {TRUNK}", "backbone: store:whole"))
    assert any("plainnet store compose net.yaml" in each for each in plainnet.resolve("net.yaml").notes)


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("structure", "variant"), {"a": 1}),
        (("structure", "parts", "neck"), []),
        (("structure", "parts"), {}),
        (("structure", "arguments"), {}),
        (("structure", "arguments", "takes"), {"c2": {"channels": 0, "stride": 4}}),
        (("structure", "arguments", "source"), ["c2"]),
        (("structure", "string"), "From(c2)"),
        (("input", "trained_at"), [16]),
    ],
)
def test_a_damaged_part_is_told(place: tuple[str, ...], value: Any, root: Path) -> None:
    well("promote", "whole", "--part", "neck")
    name, folder, record = record_of(root, "necks/plainnet/whole.composed")
    data = record.as_dict()
    *above, last = place
    section = data
    for word in above:
        section = section[word]
    section[last] = value
    (folder / "model.json").write_text(json.dumps(data))
    said = ["backbone=store:networks/several/whole.composed", f"neck=store:{name.path}", "head=store:whole:masks"]
    built = store("build", "--name", "x", "--dry-run", *said)
    assert isinstance(built.exception, PlainnetError) or verify(root, name) != []


@pytest.mark.slow
def test_what_is_whole_and_trained_says_what_it_is_for(run: Path, tmp_path: Path) -> None:
    """A trained backbone and a trained head are a network that predicts; one that has to be trained is for nothing yet."""
    from plainnet.engine.run.predict import Predictor

    well("add", str(run))
    well("promote", "first", "--part", "all")
    pixels = torch.rand(3, 1, 8, 8)
    expected = Predictor(run).outputs(pixels)
    for number, (backbone, head) in enumerate(
        [
            ("store:first", "store:first"),
            ("store:backbones/plainnet/first.digits_r8", "store:heads/cls/first.digits_r8"),
        ]
    ):
        well("build", "--name", f"again{number}", f"backbone={backbone}", f"head={head}")
        _, folder, record = record_of(tmp_path / "home" / "models", f"again{number}")
        assert [(each.head, each.classes) for each in record.outputs] == [("heads.head", [*"0123456789"])]
        found = Predictor(folder / WEIGHTS)
        assert list(found.classes) == [*"0123456789"]
        for key, value in expected.items():
            assert torch.allclose(found.outputs(pixels)[key], value, atol=1e-6)
    well(
        "build",
        "--name",
        "begun",
        "--task",
        "cls",
        "backbone=store:first",
        "head.type=classification",
        "head.num_classes=3",
    )
    about = read_tensors(record_of(tmp_path / "home" / "models", "begun")[1] / WEIGHTS)[1]
    assert {"mean", "std", "reader"} <= about.keys()
    assert not {"task", "classes"} & about.keys()
    with pytest.raises(PlainnetError, match=r"does not say task, classes: its network was put together"):
        Predictor(record_of(tmp_path / "home" / "models", "begun")[1] / WEIGHTS)


def test_the_one_head_is_called_head(whole: Path, tmp_path: Path) -> None:  # noqa: ARG001
    Path("one.yaml").write_text(FILE.replace("  boxes", "#  boxes"))
    well("compose", "one.yaml", "--task", "segmentation")
    well("promote", "one", "--part", "head")
    assert (
        record_of(tmp_path / "home" / "models", "heads/segmentation/one.composed")[2].extra["promoted"]["part"]
        == "heads.masks"
    )
    assert "has no part 'head'" in str(store("promote", "whole", "--part", "head").exception)
