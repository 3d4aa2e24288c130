"""Structures in the forms that other tools write and that people paste: what is read, what it counts, what is refused."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from plainnet import StructureError, parse
from plainnet.blocks import Shape, read_network
from plainnet.blocks.formats.tinynas_format import from_tinynas
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.text.literals import MAX_TEXT
from plainnet.cli.main import cli, main
from plainnet.network.published import published_networks

SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)"
OTHER = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,24,1,8,1)"
DICTS: list[dict[str, Any]] = [
    {"class": "ConvKXBNRELU", "in": 3, "out": 32, "s": 2, "k": 3},
    {"class": "SuperResK1KXK1", "in": 32, "out": 48, "s": 2, "k": 5, "L": 2, "btn": 32},
]
READ = "ConvKXBNRELU(3,32,3,2)SuperResK1KXK1(32,48,5,2,32,2)"
OLDER = [DICTS[0], {**DICTS[1], "class": "SuperResConvK1KXK1", "inner_class": "ResConvK1KXK1"}]
LITERAL = repr(DICTS)


def run(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, args, input=stdin)


PASTED = {
    "single quotes": f"'{SMALL}'",
    "double quotes": f'"{SMALL}"',
    "backquotes": f"`{SMALL}`",
    "a comma behind": f"{SMALL},",
    "a semicolon behind": f"{SMALL};\n",
    "quotes and a comma": f"'{SMALL}',\n",
    "a list of one": f"['{SMALL}']",
    "a list of blocks": "['SuperConvK3BNRELU(3,8,1,1)', 'SuperResK3K3(8,16,1,8,1)',]",
    "a list without quotes": "[SuperConvK3BNRELU(3,8,1,1), SuperResK3K3(8,16,1,8,1)]",
    "blocks and commas": "SuperConvK3BNRELU(3,8,1,1),\n SuperResK3K3(8,16,1,8,1)",
    "line ends of a shell": "SuperConvK3BNRELU(3,8,1,1)\\\n  SuperResK3K3(8,16,1,8,1)\\\r\n",
    "strings on lines": "'SuperConvK3BNRELU(3,8,1,1)'\n    'SuperResK3K3(8,16,1,8,1)'",
    "strings in parentheses": "net = (\n  'SuperConvK3BNRELU(3,8,1,1)'\n  'SuperResK3K3(8,16,1,8,1)'\n)",
    "an assignment": f"net = '{SMALL}'",
    "an assignment without quotes": f"net = {SMALL}",
    "a comment before it": f"# the best one\n'{SMALL}'  # here",
    "JSON": json.dumps({"structure": SMALL, "params": None, "ok": True, "score": 1.5}),
    "an analysis": json.dumps({"schema": "plainnet.analysis/1", "structure": SMALL, "blocks": [{"name": "head"}]}),
}


@pytest.mark.parametrize("form", PASTED)
def test_pasted_strings(form: str) -> None:
    assert str(read_network(PASTED[form]).structure) == SMALL
    assert run("fmt", "-", stdin=PASTED[form]).stdout == f"{SMALL}\n"


TINYNAS = {
    "a literal": LITERAL,
    "over lines, indented": "\n  " + LITERAL.replace("}, ", "},\n   "),
    "older names": repr(OLDER),
    "best_structures": repr({"best_structures": [DICTS], "space_arch": "CnnNet"}),
    "an assignment": f"structure_info = {LITERAL}",
    "a typed assignment": f"structure_info: list = {LITERAL}",
    "JSON": json.dumps({"best_structures": [DICTS], "score": None, "converged": True}),
    "null for what is not there": json.dumps([{**DICTS[0], "p": None, "act": None}, DICTS[1]]),
    "NumPy's integers": LITERAL.replace("32", "np.int64(32)"),
    "NumPy's integers by its full name": LITERAL.replace("32", "numpy.int32(32)"),
    "what is the case anyway": repr([{**DICTS[0], "act": "relu", "g": 1, "p": 1}, {**DICTS[1], "p": 2}]),
    "a configuration": (
        f"_base_ = ['a.py']\nimport os\nwork_dir = os.path.join('a', 'b')\nmodel = dict(type='CnnNet', "
        f"structure_info=[\n    dict(**{{}}) if False else 1])\nmodel = dict(type='CnnNet', structure_info={LITERAL})\n"
    ),
    "8 bits": repr([{**DICTS[0], "nbitsA": 8, "nbitsW": 8}, {**DICTS[1], "nbitsA": [8] * 4, "nbitsW": [8] * 4}]),
}


@pytest.mark.parametrize("form", TINYNAS)
def test_tinynas_structures(form: str, tmp_path: Path) -> None:
    assert str(read_network(TINYNAS[form]).structure) == READ
    file = tmp_path / "net.py"
    file.write_text(TINYNAS[form])
    for command in (
        ["fmt"],
        ["convert"],
        ["lint"],
        ["score", "--proxy", "params"],
        ["analyze", "--no-latency", "--no-zen"],
    ):
        result = run(*command, str(file))
        assert result.exit_code in (0, 1), (command, result.output)
        assert command[0] not in ("fmt", "convert") or result.stdout == f"{READ}\n"


NAMED = "bits = 8\nwidths = [bits, bits]\n{}\nstructure_info = [{{'class': 'ConvKXBNRELU', 'in': 3, 'k': 3, 's': 2, 'out': {}}}]"


@pytest.mark.parametrize(
    ("between", "value", "read"),
    [
        ("", "bits", True),
        ("size = dict(b=bits)", "bits", True),
        ("print(widths)", "bits", True),
        ("bits = 9", "bits", False),
        ("bits += 1", "bits", False),
        ("for bits in widths: pass", "bits", False),
        ("def f():\n    global bits\n    bits = 9\nf()", "bits", False),
        ("from other import *", "bits", False),
        ("import other as bits", "bits", False),
        ("", "2 * bits", False),
        ("", "later", False),
        ("later = later", "later", False),
    ],
)
def test_a_name_that_is_assigned_once_is_its_value(between: str, value: str, read: bool) -> None:
    text = NAMED.format(between, value) + "\nlater = 8\n"
    if read:
        assert str(read_network(text).structure) == "ConvKXBNRELU(3,8,3,2)"
    else:
        with pytest.raises(StructureError, match=r"accepted: a value that is written down"):
            read_network(text)


@pytest.mark.parametrize("between", ["widths.append(4)", "a = widths\na += [4]", "widths[0] = 4", "f(widths)"])
def test_a_list_that_may_have_changed_is_not_read_by_its_name(between: str) -> None:
    for text, read in (
        (NAMED.format("", "8, 'nbitsA': widths"), True),
        (NAMED.format(between, "8, 'nbitsA': widths"), False),
    ):
        if read:
            assert read_network(text).notes
        else:
            with pytest.raises(StructureError, match=r"'nbitsA' is widths"):
                read_network(text)


def test_values_of_numpy_are_integers() -> None:
    entries = [{**DICTS[0], "in": np.int64(3), "p": 1, "k": np.int32(3)}, {**DICTS[1], "nbitsA": np.full(6, 8)}]
    assert str(from_tinynas(entries)) == READ


def test_what_is_left_out_is_said() -> None:
    assert not read_network(LITERAL).notes
    assert read_network(TINYNAS["8 bits"]).notes == (
        "nbitsA and nbitsW are left out: the network is read, and counted, in full precision",
    )
    quantised = repr([DICTS[0], {**DICTS[1], "nbitsA": [4, 5, 6], "nbitsW": [4, 5, 6]}])
    with pytest.raises(StructureError, match=r"block 2 \(SuperResK1KXK1\) is quantised to 4 to 6 bits"):
        read_network(quantised)
    assert str(read_network(quantised, drop_bits=True).structure) == READ
    result = run("convert", "--drop-bits", quantised)
    assert (result.stdout, "in full precision" in result.stderr) == (f"{READ}\n", True)
    record = json.loads(run("analyze", TINYNAS["8 bits"], "--no-latency", "--no-zen", "--json").stdout)
    assert "in full precision" in record["notes"][0]


DAMO_YOLO = {
    # file -> (class, the stem's width, then (out, stride, bottleneck, depth) of each block, params, MACs at 224)
    "L20_k1kx": (
        "K1KX",
        24,
        ((64, 2, 24, 2), (96, 2, 64, 2), (192, 2, 96, 2), (192, 1, 152, 2), (384, 2, 192, 1)),
        2285792,
    ),
    "L35_kxkx": (
        "KXKX",
        32,
        ((128, 2, 64, 2), (128, 2, 64, 4), (256, 2, 256, 4), (256, 1, 256, 4), (512, 2, 256, 3)),
        17158536,
    ),
    "nano_small": (
        "K1KX",
        16,
        ((24, 2, 24, 1), (40, 2, 64, 2), (64, 2, 40, 2), (80, 1, 152, 2), (160, 2, 192, 2)),
        1133080,
    ),
}


def damo_yolo(name: str) -> list[dict[str, Any]]:
    kind, width, stages, _ = DAMO_YOLO[name]
    entries: list[dict[str, Any]] = [
        {"class": "ConvKXBNRELU", "in": 3, "k": 3, "nbitsA": 8, "nbitsW": 8, "out": width, "s": 1}
    ]
    for out, stride, bottleneck, depth in stages:
        entries.append(
            {
                "class": f"SuperResConv{kind}", "inner_class": f"ResConv{kind}", "in": width, "out": out, "k": 3,
                "s": stride, "btn": bottleneck, "L": depth, "nbitsA": [8] * 4, "nbitsW": [8] * 4,
            }
        )  # fmt: skip
        width = out
    return entries


@pytest.mark.parametrize("name", DAMO_YOLO)
def test_backbones_of_damo_yolo(name: str) -> None:
    read = read_network(repr(damo_yolo(name)))
    assert count_network(read.structure, Shape(3, 224, 224)).params == DAMO_YOLO[name][3]
    assert any("DAMO-YOLO builds the file with a focus stem" in note for note in read.notes)


@pytest.mark.parametrize("name", ["R18-like", "R50-like", "R152-like", "maedet_s", "maedet_m", "maedet_l"])
def test_older_names_are_the_published_networks(name: str) -> None:
    data = json.loads((Path(__file__).parents[2] / "plainnet/data/tinynas.json").read_text())
    entries = next(net["structure"] for net in data["nets"] if net["name"] == name)
    older = [{**entry, "class": entry["class"].replace("SuperRes", "SuperResConv")} for entry in entries]
    assert read_network(repr(older)).structure == published_networks()[name].structure


GENET = {
    # the published networks: params as their own code builds them, and MACs that torch counts at 65 x 65
    "large": (
        "ConvKX(3,32,3,2)BN(32)RELU(a|32)SuperResKXKX(uuid5ba1|32,128,3,2,1.0,1)SuperResKXKX(128,192,3,2,1.0,2)"
        "SuperResK1KXK1(192,640,3,2,0.25,6)SuperResK1DWK1(640,640,3,2,3.0,5)SuperResK1DWK1(640,640,3,1,3.0,4)"
        "ConvKX(640,2560,1,1)BN(2560)RELU(2560)AdaptiveAvgPool(2560,1)",
        31_078_280,
        465_319_648,
    ),
    "small": (
        "ConvKX(3,13,3,2)BN(13)RELU(13)SuperResKXKX(13,48,3,2,1.0,1)SuperResKXKX(48,48,3,2,1.0,3)"
        "SuperResK1KXK1(48,384,3,2,0.25,7)SuperResK1DWK1(384,560,3,2,3.0,2)SuperResK1DWK1(560,256,3,1,3.0,1)"
        "ConvKX(256,1920,1,1)BN(1920)RELU(1920)AdaptiveAvgPool(1920,1)",
        8_173_761,
        102_846_111,
    ),
}


@pytest.mark.parametrize("name", GENET)
def test_genet_strings(name: str) -> None:
    text, params, macs = GENET[name]
    read = read_network(text)
    counts = count_network(read.structure, Shape(3, 65, 65))
    assert (counts.params, counts.macs) == (params, macs)
    assert "GENet" in read.notes[0]
    assert str(read.structure.blocks[3]).startswith("ResNetK3K3(")
    with pytest.raises(StructureError, match=r"bottleneck_channels is 1\.0"):
        parse(text)


def test_one_of_several_structures(tmp_path: Path) -> None:
    other = [{**DICTS[0], "out": 24}]
    file = tmp_path / "best_structures.json"
    file.write_text(json.dumps({"best_structures": [DICTS, other]}))
    first = run("fmt", str(file))
    assert first.stdout == f"{READ}\n"
    assert "the first of 2 structures is read" in first.stderr
    for command in ("fmt", "convert"):
        second = run(command, f"{file}:2")
        assert (second.stdout, second.stderr.count("\n")) == ("ConvKXBNRELU(3,24,3,2)\n", 1)  # which network was taken
    assert run("fmt", f"{file}:1").stdout == f"{READ}\n"
    with pytest.raises(StructureError, match="there is no structure 3: the text holds 2 structures; accepted: 1 to 2"):
        read_network(file.read_text(), number=3)
    with pytest.raises(StructureError, match="there is no structure 2: the text holds one network"):
        read_network(SMALL, number=2)
    assert str(read_network(repr([SMALL, OTHER]), number=2).structure) == OTHER


REFUSED = {
    # text -> part of the one sentence
    "model:\n  type: PlainNet\ndata:\n  batch: 8\n": "is a YAML file (its keys: model, type, data, batch)",
    "structure: SuperConvK3BNRELU(3,8,1,1)\nparams: 3\n": "is a YAML file",
    "<!DOCTYPE html>\n<html></html>": "is HTML or XML",
    "#!/bin/sh\nls\n": "is a script",
    "name,params\na,1\n": "is a table (its columns: name,params)",
    '{"a": 1, "b": null}': "is a dict with the keys a, b",
    "[1, 2]": "is a list, and no structure",
    "import torch\n\ndef build():\n    return torch.nn.Identity()\n": "is Python that assigns nothing",
    "{'space_arch': 'Cnn3DNet', 'best_structures': []}": "3-D TinyNAS structures are not read",
    "[{'class': 'SuperRes3DK1DWK1', 'in': 3, 'kt': 1}]": "3-D TinyNAS structures are not read",
    "[{'class': 'SuperResKlKXK1'}]": "did you mean SuperResK1KXK1?",
    repr([{**DICTS[0], "act": "silu"}]): "'act' is 'silu'; accepted: 'relu'",
    repr([{**DICTS[0], "g": 4}]): "'g' is 4; accepted: 1",
    repr([{**DICTS[0], "p": 0}]): "'p' is 0; accepted: 1",
    repr([{**DICTS[0], "dilation": 2}]): "'dilation' is not read",
    repr([{**DICTS[1], "btn": 1.5}]): "bottleneck_channels is 1.5",
    repr([{**DICTS[1], "btn": True}]): "bottleneck_channels is True",
    repr([{**DICTS[1], "inner_class": "ResK1KX"}]): "inner_class is 'ResK1KX'",
    LITERAL.replace("'L': 2", "'L': depth()"): "'L' is depth() (line 1)",
    LITERAL.replace("'L': 2", "'L': NaN"): "sub_layers is nan",
    LITERAL.replace("'L': 2", "'L': null"): "'L' is missing",
    repr([{**DICTS[1], "nbitsA": [8, 8], "nbitsW": [4, 4]}]): "is quantised to 4 bits",
    "SuperResK1KX(8,8,3,1,1.0,1)": "GENet's SuperResK1KX is not read",
    "SuperResKXKX(8,8,3,1,1.0,1)SuperResKXKX(8,8,3,1,8,1)": "has a bottleneck of 8 where others have a ratio",
    "SuperResKXKX(8,8,9,1,1.0,1)": "the kernel size is 9",
    "[" * 100_000: "nested too deep; accepted: 32 levels",
    '{"a":' * 100_000: "nested too deep; accepted: 32 levels",
    "-" * 100_000 + "1": "nested too deep; accepted: 32 levels",
    "[" * 40 + "]" * 40: "values are nested more than 32 deep",
    "[" + "1," * MAX_TEXT + "]": "accepted: at most 1,000,000",
    "[\x00]": "is no Python literal and no JSON",
    "['\ud800']": "is no Python literal and no JSON",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:24])
def test_what_is_no_structure_is_said_in_a_sentence(text: str) -> None:
    with pytest.raises(StructureError) as caught:
        read_network(text)
    assert REFUSED[text] in str(caught.value)
    assert str(caught.value).count("\n") <= 3
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("model", "WrongFileError: {} is a training configuration, and no structure; `plainnet train`"),
        ("mine", "StructureError: {}: the text is a YAML file"),
    ],
)
def test_an_error_names_the_file(key: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(f"{key}:\n  type: PlainNet\n" * 300)
    for command in ("fmt", "lint", "analyze", "score", "convert"):
        with pytest.raises(SystemExit) as caught:
            main([command, str(file)])
        err = capsys.readouterr().err
        assert (caught.value.code, err.startswith(said.format(file))) == (2, True)
        assert err.count("\n") == 1


def test_nothing_of_a_file_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    file = tmp_path / "config.py"
    file.write_text(f"open({str(marker)!r}, 'w')\nstructure_info = {LITERAL}\n")
    assert run("fmt", str(file)).stdout == f"{READ}\n"
    assert run("analyze", str(file), "--no-latency", "--no-zen").exit_code == 0
    assert not marker.exists()


SEEDS = [*PASTED.values(), *TINYNAS.values(), *(text for text, _, _ in GENET.values()), repr(damo_yolo("nano_small"))]
PIECES = [
    *"()[]{},;:|'\"\\=.#-\n\t",
    "8",
    "999999999999",
    "null",
    "np.int64(",
    "'L'",
    "A(",
    "\x00",
    "é",
    "\ud800",
    "1e400",
]


def mutated(rng: random.Random) -> str:
    """A valid text with one to four changes: a piece deleted, doubled, replaced, moved, or cut off."""
    text = rng.choice(SEEDS)
    for _ in range(rng.randint(1, 4)):
        first, last = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        last = min(last, first + rng.choice((1, 3, 40)))
        piece = rng.choice((rng.choice(PIECES), rng.choice(PIECES) * rng.randint(2, 200), text[first:last] * 2, ""))
        text = text[:first] + piece + text[rng.choice((first, last)) :]
    return text


def check_mutations(rng: random.Random, count: int) -> None:
    """Every mutated text gives a structure that prints, reads back and has counts, or a `StructureError` of few lines."""
    read = 0
    for _ in range(count):
        text = mutated(rng)
        for reader in (lambda text: read_network(text).structure, parse):
            try:
                structure = reader(text)
            except StructureError as error:
                assert str(error).count("\n") <= 30, text
                continue
            read += 1
            assert parse(str(structure)) == structure, text
    assert read > count // 100


def test_mutated_texts_give_a_structure_or_a_structure_error() -> None:
    check_mutations(random.Random(1), 600)


@pytest.mark.tail
@pytest.mark.parametrize("seed", range(20))
def test_many_mutated_texts(seed: int) -> None:
    check_mutations(random.Random(seed), 3000)


HOSTILE = [
    "#", "#x", "\n", " ", "\\\n", "`", "'", "'a' ", "(", "A(", "A(1), ", "a=", "x=1\n", "a: 1\n", "a.b", "a|", "1,", "-",
    "SuperResKXKX( ", "SuperResKXKX(8,8,3,1,1.0,1)", "SuperResKXKX(8 ", "Foo(1)", "ConvKX(8,8,3,x)", "'ConvKX(8,8,3,1)',",
    "[1,", "{'class':'A'},", "np.int64(", "null,", "<", ") ,", "\ufeff", "\u3000",
]  # fmt: skip
"""Pieces that patterns of the readers begin with, or go on with."""


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_the_time_to_read_is_in_proportion(piece: str) -> None:
    """50,000 characters of it, with and without an end that does not fit: quadratic work would take minutes."""
    start = process_time()
    for end in ("", "!)"):
        for lead in ("", "[", "SuperResKXKX(", "#"):
            with contextlib.suppress(StructureError):
                read_network(lead + piece * (50_000 // len(piece)) + end)
    assert process_time() - start < 60


def test_the_order_of_sets_and_the_locale_do_not_show(tmp_path: Path) -> None:
    """The same answer under another hash seed, in the C locale, with a home that cannot be written."""
    file = tmp_path / "net.txt"
    file.write_text(LITERAL.replace("SuperResK1KXK1", "SuperResK1KXK2"))
    outputs = set()
    for seed, language in (("1", "C"), ("7", "C.UTF-8")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LANG": language, "LC_ALL": language, "HOME": "/proc"}
        command = [sys.executable, "-m", "plainnet", "fmt", str(file)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        outputs.add((result.returncode, result.stdout, result.stderr))
    assert len(outputs) == 1
    assert outputs.pop()[0] == 2


ONE_DICT = "{'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3}"
TWO_BLOCKS = "SuperConvK3BNRELU(3,8,1,1)SuperConvK3BNRELU(8,8,1,1)"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f'model = dict(net_structure_str="""structure_info=[{ONE_DICT}]""")', "ConvKXBNRELU(3,32,3,2)"),
        (f"model = dict(backbone=dict(structure_txt='''\n[{ONE_DICT}]\n'''))", "ConvKXBNRELU(3,32,3,2)"),
        (json.dumps({"net_structure_str": f"structure_info=[{ONE_DICT}]"}), "ConvKXBNRELU(3,32,3,2)"),
        (json.dumps({"best": json.dumps({"net": TWO_BLOCKS})}), TWO_BLOCKS),
        (f"structure_info = [\\\n {ONE_DICT}]", "ConvKXBNRELU(3,32,3,2)"),
        ('x = "SuperConvK3BNRELU(3,8,1,1)" \\\n    "SuperConvK3BNRELU(8,8,1,1)"\n', TWO_BLOCKS),
        ("SuperConvK3BNRELU(3,8,1,1)\\\n  SuperConvK3BNRELU(8,8,1,1)", TWO_BLOCKS),
    ],
)
def test_structures_in_strings_and_over_several_lines_are_read(text: str, wanted: str) -> None:
    assert str(read_network(text).structure) == wanted


def test_other_strings_of_a_config_are_no_structures() -> None:
    text = f"doc = 'a class: of (nets) \"x\": ['\nhelp = '''{{'class': 'Trainer', 'lr': 1}}'''\nnet = [{ONE_DICT}]"
    found = read_network(text)
    assert (str(found.structure), found.notes) == ("ConvKXBNRELU(3,32,3,2)", ())
