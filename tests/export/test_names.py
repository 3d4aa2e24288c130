"""What comes from outside is data: no name, label or setting becomes code, a key or a path."""

from __future__ import annotations

import ast
import json
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import plainnet
from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.export import TARGETS, Network, Origin, export_network
from plainnet.export.config_text import checked_config, yaml_text
from plainnet.export.literals import MAX_NAME, checked_name, literal, name_from, one_line, yaml_literal
from plainnet.export.network import TAKEN
from tests.export.conftest import net_class

TEXT = "SuperConvK3BNRELU(3,8,2,1)"
HOSTILE = [
    'x"""; import os; os.system("touch PWNED") #',
    "x\nmodel: {type: os.system}",
    "x'''\nimport os\n",
    "a\r\nb: 1",
    "../../etc/x",
    "/etc/passwd",
    "$(touch PWNED)",
    "`touch PWNED`",
    "{0.__class__}",
    "%s%n",
    "name with spaces",
    "\u2028\u0085x",
    "\x00",
    "-rf",
    ".hidden",
    "x" * (MAX_NAME + 1),
    "netz-ü",
    "",
]
LIGHT = [name for name in TARGETS if name not in ("onnx", "torch.export", "torchscript")]


@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_names_are_checked_at_the_door(name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be a network's; accepted: letters, digits, _ \. -"):
        Network(plainnet.parse(TEXT), name=name)


@pytest.mark.parametrize("name", ["zennet_imagenet1k_flops400M_res224", "a", "7", "_x", "resnet-18.v2", "x" * MAX_NAME])
def test_usual_names_are_names(name: str) -> None:
    assert checked_name(name) == name_from(name) == name


@given(st.text())
def test_a_name_made_from_a_file_name_is_a_name_or_nothing(text: str) -> None:
    name = name_from(text)
    assert name == "" or checked_name(name) == name


@pytest.mark.parametrize("target", LIGHT)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_file_name_is_no_code(
    text: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file of every target is read as what it is; nothing runs but what the target's plain export runs."""
    monkeypatch.chdir(tmp_path)
    name = text.replace("/", "_").replace("\x00", "") + ".txt"
    Path("given").mkdir()
    (Path("given") / name).write_text(TEXT)
    Path("plain.txt").write_text(TEXT)
    for given_file, out in (("plain.txt", "plain"), (os.path.join("given", name), "hostile")):
        with pytest.raises(SystemExit) as caught:
            main(("export", given_file, "--to", target, "--out", out, "--resolution", "16"))
        assert not caught.value.code, capsys.readouterr().err
    for file in sorted(Path("plain").iterdir()):
        twin = Path("hostile") / file.name
        if file.suffix == ".py":
            plain, hostile = (ast.parse(path.read_text()) for path in (file, twin))
            assert _shape(plain) == _shape(hostile)
        elif file.suffix == ".yaml":
            assert _keys(YAML(typ="safe").load(file)) == _keys(YAML(typ="safe").load(twin))
        elif file.suffix == ".md":
            assert file.read_text().count("\n") == twin.read_text().count("\n") == 3
    assert {path.name for path in Path("plain").iterdir()} == {path.name for path in Path("hostile").iterdir()}
    about = json.loads((Path("hostile") / "provenance.json").read_text())
    assert checked_name(about["name"]) == about["name"]
    assert not list(tmp_path.rglob("PWNED"))


def _shape(tree: ast.AST) -> list[str]:
    """The kinds of a syntax tree's nodes, in order."""
    return [type(node).__name__ for node in ast.walk(tree)]


def _keys(data: object) -> object:
    return {key: _keys(value) for key, value in data.items()} if isinstance(data, dict) else type(data).__name__


@pytest.mark.parametrize("target", LIGHT)
@pytest.mark.parametrize(
    "name", ["class", "nn", "range", "len", "functional", "Net", "None", "1", "default_cfgs", "on", "null"]
)
def test_a_name_that_means_something_elsewhere_is_a_name(name: str, target: str, tmp_path: Path) -> None:
    network = Network(plainnet.parse(TEXT), 16, 10, name=name)
    export_network(network, to=target, out=tmp_path / "net")
    assert network.identifier.isidentifier()
    assert network.identifier not in TAKEN
    for file in (tmp_path / "net").glob("*.py"):
        compile(file.read_text(), str(file), "exec")
    if target == "timm":
        arguments = YAML(typ="safe").load(tmp_path / "net" / "args.yaml")
        assert arguments["model"] == network.identifier


def test_labels_and_docstrings_are_text() -> None:
    """A block's documentation and the labels in a string stand in the source as they are meant."""
    network = Network(plainnet.parse("SuperConvK3BNRELU(a_label|3,8,2,1)HostileBlock(8,8)"), 8, 10)
    module = net_class(network)
    assert str(network.structure) == module.STRUCTURE
    assert "import os" in (module.HostileBlock.__doc__ or "")


def _hostile_layers(self: plainnet.PlainNetBasicBlockClass) -> object:
    from plainnet.blocks.rows.layers import Add, Conv

    return (Add((Conv(self.out_channels, 3),)),)


type(plainnet.PlainNetBasicBlockClass)(
    "HostileBlock",
    (plainnet.PlainNetBasicBlockClass,),
    {
        "__annotations__": {"in_channels": plainnet.blocks.Channels, "out_channels": plainnet.blocks.Channels},
        "__module__": __name__,
        "__doc__": 'x"""\nimport os\\\n\x07"""; raise SystemExit #',
        "layers": _hostile_layers,
    },
)


def test_where_a_network_comes_from_is_json(tmp_path: Path) -> None:
    values = {"zen": float("nan"), 'a"\n': float("inf"), "acc": 0.5}
    origin = Origin(run='runs/x"\n\ud800', rank=1, objective="$(touch PWNED)\n", seed=3, values=values)
    export_network(Network(plainnet.parse(TEXT), 16, 10), to="pytorch", out=tmp_path / "net", origin=origin)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    about = json.loads((tmp_path / "net" / "provenance.json").read_text(), parse_constant=refuse)
    assert about["search"]["values"] == {"zen": None, 'a"\n': None, "acc": 0.5}
    assert about["search"]["run"] == origin.run


DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(DATA)
def test_a_literal_is_read_as_the_value_by_python(value: object) -> None:
    assert ast.literal_eval(literal(value)) == value
    assert "\n" not in literal(value)


@given(DATA)
def test_a_literal_is_read_as_the_value_by_both_yamls(value: object) -> None:
    text = yaml_literal(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    if any(0xD800 <= ord(c) < 0xE000 for c in str(value)) or "\\ud" in text:
        return  # half a character has no YAML
    assert YAML(typ="safe").load(f"key: {text}")["key"] == value
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(f"key: {text}")["key"] == value


@given(st.text())
def test_a_comment_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert '"""' not in line
    assert yaml_text({"a": {"b": 1}}, title=text, comments={"a.b": text})


@pytest.mark.parametrize(
    "text",
    [
        "a = 1\nb = 2\nimport os\n",
        "a = 1\n",
        "b = 1\na = 2\n",
        "a = __import__('os')\nb = 2\n",
        "a = 1\nb = [x for x in y]\n",
        "a = (",
    ],
)
def test_a_configuration_with_anything_else_is_refused(text: str) -> None:
    template = "a = 1\nb = 2\n"
    assert checked_config(template, template) == template
    with pytest.raises(UsageError, match="a configuration cannot be written"):
        checked_config(text, template)


def test_numbers_of_yaml_are_numbers_to_every_reader() -> None:
    for value in (4e-05, 1e16, 1e-300, 0.1, -3.0, 5e-324, 1e22):
        assert float(yaml_literal(value)) == value
        assert set(yaml_literal(value)) <= set(string.digits + "+-.e")
        assert "." in yaml_literal(value)
