"""`plainnet analyze` and `plainnet.analyze_model`, as a user runs them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import plainnet
from plainnet.cli.main import cli, main

SMALL = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)"
FAST = ("--no-latency", "--no-zen")


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, ["analyze", *args])


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["analyze", *args])
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_the_json_has_the_documented_keys() -> None:
    record = json.loads(
        run(SMALL, "--resolution", "33x47", "--num-classes", "10", "--no-latency", "--repeats", "2", "--json").stdout
    )
    assert record["schema"] == "plainnet.analysis/2"
    assert (record["structure"], record["hash"]) == (SMALL, plainnet.parse(SMALL).hash)
    assert record["input"] == [3, 33, 47]
    assert record["feature_shape"] == [16, 9, 12]
    assert record["output_shape"] == [10]
    assert record["flops"] == 2 * record["macs"]
    assert sum(block["params"] for block in record["blocks"]) == record["params"]
    assert sum(block["macs"] for block in record["blocks"]) == record["macs"]
    assert {"layers", "activations", "peak_activation_bytes", "receptive_field", "stride", "machine"} <= set(record)
    assert record["zen"]["repeats"] == 2
    assert record["zen"]["variant"] == "paper"
    assert record["zen"]["stderr"] >= 0
    assert record["latency"] is None


def test_python_gives_the_same_numbers() -> None:
    result = plainnet.analyze_model(SMALL, resolution=(33, 47), num_classes=10, latency=False, zen=False)
    record = json.loads(run(SMALL, "--resolution", "33x47", "--num-classes", "10", *FAST, "--json").stdout)
    assert json.loads(json.dumps(result.as_dict())) == record
    assert (result.params, result.flops, result.feature_shape) == (
        record["params"],
        record["flops"],
        record["feature_shape"],
    )


def test_a_published_network_brings_its_size_and_classes() -> None:
    record = json.loads(run("zennet_cifar_model_size1M", *FAST, "--json").stdout)
    assert record["name"] == "zennet_cifar_model_size1M_res32"
    assert (record["input"], record["num_classes"]) == ([3, 32, 32], 100)
    assert (record["params"], record["macs"]) == (1_040_844, 159_259_648)
    ten = json.loads(run("zennet_cifar_model_size1M", "--num-classes", "10", *FAST, "--json").stdout)
    assert ten["params"] == 994_674
    assert "squeeze-excite" in run("zennet_imagenet1k_flops900M", *FAST).output


def test_variants_are_options() -> None:
    record = json.loads(run("zennet_cifar_model_size05M", "--use-se", "--num-classes", "10", *FAST, "--json").stdout)
    assert (record["params"], record["variant"]) == (511_106, {"use_se": True})
    assert "variant     use_se" in run("zennet_cifar_model_size05M", "--use-se", *FAST).output


def test_tables_as_csv_and_markdown() -> None:
    rows = list(csv.DictReader(io.StringIO(run(SMALL, *FAST, "--csv").stdout)))
    assert [row["name"] for row in rows] == ["SuperConvK3BNRELU(3,8,2,1)", "SuperResK3K3(8,16,2,8,1)", "head"]
    total = plainnet.analyze_model(SMALL, latency=False, zen=False)
    assert sum(int(row["macs"]) for row in rows) == total.macs
    assert sum(int(row["norm_ops"]) for row in rows) == total.operations["norm_ops"]
    markdown = run(SMALL, *FAST, "--markdown").stdout.splitlines()
    assert markdown[1].startswith("| :-- | :-- | --: |")
    assert f"{total.params:,}" in markdown[-1]


def test_assertions() -> None:
    assert (
        run(SMALL, *FAST, "--assert", "params<1e6", "--assert", "macs <= 400M", "--assert", "layers==2").exit_code == 0
    )
    failed = run(SMALL, *FAST, "--assert", "params<1000", "--assert", "flops<1", "--assert", "layers>=2")
    assert failed.exit_code == 1
    assert "assertion failed: params is 19,184, not < 1,000" in failed.output
    assert "assertion failed: flops is" in failed.output
    assert "layers is" not in failed.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["SuperResK3K4(8,16,1,8,1)", *FAST], "did you mean SuperResK3K3?"),
        ([SMALL, *FAST, "--assert", "parms<3"], "did you mean params?"),
        ([SMALL, *FAST, "--assert", "params"], "cannot be read; accepted: NAME<NUMBER"),
        ([SMALL, *FAST, "--assert", "latency_ms<3"], "latency_ms is not measured with --no-latency"),
        ([SMALL, *FAST, "--assert", "zen>3"], "zen is not drawn with --no-zen"),
        ([SMALL, *FAST, "--assert", "params<1.2.3"], "'1.2.3' is no number"),
        ([SMALL, *FAST, "--csv", "--markdown"], "--csv and --markdown are two forms of one output"),
        ([SMALL, *FAST, "--csv", "--verify"], "accepted: --verify with --json, or alone"),
        ([SMALL, *FAST, "--markdown", "--verify"], "accepted: --verify with --json, or alone"),
        ([SMALL, *FAST, "--device", "foo"], "device 'foo' cannot be used"),
        ([SMALL, *FAST, "--in-channels", "4"], "takes 3 channels"),
        ([SMALL, "--no-zen", "--batch", "1000000000"], "not enough memory for the latency of a batch of 1000000000"),
        ([SMALL, "--no-zen", "--batch", str(10**18)], "not enough memory for the latency"),
        ([SMALL, *FAST, "--resolution", "0"], "is no size; accepted: 224, or 320x192"),
        ([SMALL, *FAST, "--resolution", "32x32x32"], "is no size"),
        ([SMALL, *FAST, "--dtype", "float31"], "unknown dtype 'float31'; accepted: float32"),
        ([SMALL, "--no-zen", "--device", "cuda:9"], "cuda"),
        (["missing.py:build", *FAST], "no file missing.py"),
        (["missing.py", *FAST], "no file missing.py"),
        (["ConvKX(3,8,8,1)", *FAST, "--resolution", "1"], "a 8x8 convolution has no output on a map of 1x1"),
    ],
)
def test_misuse_is_exit_code_2_with_the_way_out(
    capsys: pytest.CaptureFixture[str], args: list[str], message: str
) -> None:
    assert message in refused(capsys, *args)


def test_a_module_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))\n"
        "def broken():\n"
        "    raise RuntimeError('no weights')\n"
        "structure = 'ConvKX(3,8,3,1)'\n"
    )
    record = json.loads(run(f"{file}:build", "--resolution", "9", *FAST, "--json").stdout)
    assert record["params"] == 8 * 27 + 8 + 8 * 5 + 5
    assert record["macs"] == 49 * 8 * 27 + 40
    assert record["output_shape"] == [5]
    assert record["structure"] is None
    assert "total" in run(f"{file}:build", "--resolution", "9", *FAST).output


MODULE = """
from torch import nn
class Two(nn.Module):
    def forward(self, image, other):
        return image + other
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.out = nn.Conv2d(1, 8, 4, 4), nn.Linear(8, 8)
    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.out((x @ x.transpose(1, 2)).softmax(-1) @ x)
def nothing():
    return nn.Identity()
def _private():
    return nn.Identity()
"""


@pytest.fixture
def module_file(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(MODULE)
    return file


def test_a_module_has_counts_but_no_layers_as_published(module_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`layers` of a structure are what its authors count; nothing else goes by that name."""
    arguments = (f"{module_file}:Attention", "--in-channels", "1", "--resolution", "8x16", "--no-latency")
    record = json.loads(run(*arguments, "--json").stdout)
    assert record["input"] == [1, 8, 16]
    assert (record["layers"], record["convolutions"], record["inputs"]) == (None, 1, None)
    products = 2 * 8 * 8 * 8  # of activations: 8 positions of 8 channels, with each other and with the result
    assert record["macs"] == 8 * 8 * 16 + 8 * 8 * 8 + products
    assert {block["layers"] for block in record["blocks"]} == {None}
    assert record["zen"] is None
    assert "convolutions 1" in " ".join(run(*arguments).output.split())
    assert "there is no layers of this network" in refused(capsys, *arguments, "--assert", "layers<3")


def test_a_module_has_a_table_of_its_submodules(module_file: Path) -> None:
    arguments = (f"{module_file}:Attention", "--in-channels", "1", "--resolution", "8x16", "--no-latency")
    record = json.loads(run(*arguments, "--json").stdout)
    assert [(part["path"], part["params"], part["macs"]) for part in record["modules"]] == [
        ("", record["params"], record["macs"]),
        ("stem", 8 * 16 + 8, 8 * 8 * 16),
        ("out", 72, 8 * 8 * 8),
    ]
    lines = run(*arguments).stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("  ")][:3] == [
        ["stem", "Conv2d"],
        ["out", "Linear"],
        ["(itself)", "0"],
    ]
    assert not any("stem" in line for line in run(*arguments, "--depth", "0").stdout.splitlines())
    assert json.loads(run("SuperConvK3BNRELU(3,8,1,1)", *FAST, "--json").stdout)["modules"] is None


def test_nobody_hears_of_a_zen_score_that_was_not_asked_for(module_file: Path) -> None:
    from torch import nn

    from plainnet import analyze_model

    assert "Zen-score" not in run(f"{module_file}:nothing", "--no-latency").output
    assert analyze_model(nn.Identity(), latency=False).notes == []
    assert "a module of your own has none" in analyze_model(nn.Identity(), latency=False, zen=True).notes[0]


@pytest.mark.parametrize(
    ("inputs", "shapes", "macs"),
    [
        (["1x3x8x8,2x5:int64"], {"inputs": [[1, 3, 8, 8], [2, 5]], "kwargs": {}}, 3 * 9 * 36 * 2),
        (
            ["image=1x3x8x8", "words=2x5:int64"],
            {"inputs": [], "kwargs": {"image": [1, 3, 8, 8], "words": [2, 5]}},
            1944,
        ),
        (
            ["image=2x3x8x8,words=5:int32,rest.mask=2x4:bool,rest.pair.1=3,rest.pair.0=4:float64"],
            {
                "inputs": [],
                "kwargs": {"image": [2, 3, 8, 8], "words": [5], "rest": {"mask": [2, 4], "pair": [[4], [3]]}},
            },
            3888,
        ),
    ],
)
def test_inputs_by_position_by_name_and_nested(
    tmp_path: Path, inputs: list[str], shapes: dict[str, Any], macs: int
) -> None:
    file = tmp_path / "several.py"
    file.write_text(
        "import torch\nfrom torch import nn\n"
        "class Several(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv, self.words = nn.Conv2d(3, 2, 3), nn.Embedding(9, 4)\n"
        "    def forward(self, image, words, *, rest=None):\n"
        "        assert rest is None or (rest['mask'].dtype == torch.bool and rest['pair'][0].dtype == torch.float64)\n"
        "        return self.conv(image), {'words': self.words(words)}\n"
    )
    options = [part for text in inputs for part in ("--input", text)]
    record = json.loads(run(f"{file}:Several", *options, *FAST, "--json").stdout)
    assert (record["inputs"], record["macs"], record["input"], record["batch"]) == (shapes, macs, None, None)
    assert record["output_shape"][1]["words"] == [*([2, 5] if len(inputs) == 2 or "rest" not in inputs[0] else [5]), 4]
    text = run(f"{file}:Several", *options, "--no-zen", "--no-latency").output
    assert "these inputs" in text
    assert not {"batch", "float32"} & set(text.split("input ")[1].splitlines()[0].replace(",", " ").split())


@pytest.mark.parametrize("width", [60, 80, 100, None])
def test_a_modules_report_fits_and_has_no_empty_columns(width: int | None) -> None:
    import torch
    from torch import nn

    from plainnet import analyze_model
    from plainnet.cli.analysis_report import render

    result = analyze_model(
        nn.LSTM(4, 8), inputs=[torch.zeros(5, 2, 4), (torch.zeros(1, 2, 8), torch.zeros(1, 2, 8))], latency=False
    )
    text = render(result, width=width)
    assert "input       5x2x4, [1x2x8, 1x2x8]\n" in text
    header = next(line for line in text.splitlines() if line.startswith("#"))
    assert not {"layers", "peak"} & set(header.split())
    if width is not None:
        assert max(map(len, text.splitlines())) <= width
    assert "[5x2x8, [1x2x8, 1x2x8]]" in render(result, "markdown")


def test_inputs_are_timed_too(module_file: Path) -> None:
    record = json.loads(run(f"{module_file}:Two", "--input", "2x3,other=2x3", "--json").stdout)
    assert record["latency"]["n"] >= 1
    assert record["latency"]["batch"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "image=1x3x"], "'image=1x3x' is no input; accepted: NAME=SHAPE:TYPE, such as image=1x3x224x224"),
        (["--input", "image=0x3"], "'image=0x3' is no input"),
        (["--input", ""], "'' is no input"),
        (["--input", "1x3,"], "'' is no input"),
        (["--input", "a b=1x3"], "'a b=1x3' is no input"),
        (["--input", "image=1x3:int46"], "has no type that is known; accepted: bool, uint8"),
        (["--input", "image=1x3:flot32"], "did you mean float32?"),
        (["--input", "image=1x3:"], "has no type that is known"),
        (["--input", "image=1x3,image=1x4"], "image is given twice"),
        (["--input", "image=1x3,image.a=1x4"], "'image.a=1x4' puts something into image, which is a tensor"),
        (["--input", "image.0=1x3,image.2=1x4"], "image has 0, 2; accepted: numbers from 0 on, or names"),
        (["--input", "1x3,other=1x4"], "the module does not run on these inputs: RuntimeError"),
        (["--input", "image=1x3,othr=1x3"], "unexpected keyword argument 'othr'"),
        (
            ["--input", "image=1x3,othr=1x3"],
            "its forward takes (image, other); accepted: inputs=[...] and kwargs={...}",
        ),
        (["--input", "1x3,1x3", "--resolution", "8"], "resolution, in_channels and batch are those of one image"),
        (["--input", "1x3,1x3", "--batch", "2"], "resolution, in_channels and batch are those of one image"),
    ],
)
def test_inputs_that_cannot_be_are_refused(
    module_file: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert message in refused(capsys, f"{module_file}:Two", *FAST, *options)


def test_a_structure_takes_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    message = "--input says what a module of your own takes"
    assert message in refused(capsys, "ConvKX(3,8,3,1)", *FAST, "--input", "1x3x8x8")


def test_a_module_that_costs_nothing_has_an_empty_table(module_file: Path) -> None:
    assert run(f"{module_file}:nothing", *FAST, "--csv").stdout.startswith("index,name,in_shape,out_shape,params,macs")


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        ("", [], "a Python file may hold several networks; add :function, as in"),
        ("", [], "it holds Two, Attention, nothing\n"),
        (":", [], "add :function"),
        (":a-b", [], "'a-b' is no name of a function; add :function"),
        (
            ":Two",
            [],
            "its forward takes (image, other); accepted: inputs=[...] and kwargs={...} in Python, or --input NAME=SHAPE",
        ),
        (":nothing", ["--use-se"], "change the blocks of a structure; a module of your own is taken as it is"),
        (":nothing", ["--num-classes", "10"], "a module of your own is taken as it is"),
        (":nothing", ["--verify"], "a module of your own has no closed form"),
        (":nothing", ["--assert", "zen>3"], "zen is not drawn for a module of your own"),
        (":nothing", ["--assert", "peak_activation_bytes<3"], "there is no peak_activation_bytes of this network"),
    ],
)
def test_misuse_of_modules(
    module_file: Path, capsys: pytest.CaptureFixture[str], function: str, options: list[str], message: str
) -> None:
    assert message in refused(capsys, f"{module_file}{function}", *FAST, *options)


@pytest.mark.parametrize(
    ("function", "message"),
    [("broken", "no weights"), ("bild", "did you mean build?"), ("structure", "is no function")],
)
def test_a_module_that_cannot_be_had_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], function: str, message: str
) -> None:
    test_a_module_of_the_users_own(tmp_path)
    assert message in refused(capsys, f"{tmp_path / 'mine.py'}:{function}", *FAST)


def test_latency_and_zen_are_in_the_report() -> None:
    output = run(SMALL, "--resolution", "16", "--repeats", "3").output
    assert "latency median" in " ".join(output.split())
    assert "zen-score" in output
    assert "95 % CI" in output
    record = json.loads(run(SMALL, "--resolution", "16", "--no-zen", "--batch", "2", "--json").stdout)
    low, high = record["latency"]["ci95_ms"]
    assert 0 < low <= record["latency"]["median_ms"] <= high
    assert record["latency"]["median_ms"] <= record["latency"]["p90_ms"] <= record["latency"]["p99_ms"]


def test_verify_explains_every_difference() -> None:
    output = run(SMALL, "--resolution", "33", *FAST, "--verify").output
    assert "fvcore" in output
    assert "thop" in output


def test_verify_is_a_key_of_the_json() -> None:
    record = json.loads(run(SMALL, "--resolution", "33", *FAST, "--verify", "--json").stdout)
    assert record["verify"]["ok"] is True
    assert {part["counter"] for part in record["verify"]["comparisons"]} >= {"fvcore", "thop"}
    assert "verify" not in json.loads(run(SMALL, *FAST, "--json").stdout)


def test_assertions_are_read_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("plainnet.profiler.analyze.analyze_model", None)
    assert "did you mean params?" in refused(capsys, SMALL, "--assert", "parms<3")


def test_measured_quantities_can_be_asserted() -> None:
    result = run(SMALL, "--resolution", "16", "--repeats", "1", "--assert", "latency_ms<1e-9", "--assert", "zen>1e9")
    assert result.exit_code == 1
    assert "assertion failed: latency_ms is" in result.output
    assert "assertion failed: zen is" in result.output
    assert run(SMALL, *FAST, "--assert", "norm_ops>0", "--assert", "flops>0", "--assert", "stride==4").exit_code == 0


@pytest.mark.parametrize("option", ["--no-latency", "--no-zen"])
def test_what_does_not_fit_into_memory_is_an_error(capsys: pytest.CaptureFixture[str], option: str) -> None:
    """At the largest size, a thousand channels are 16 TiB: more than a machine has."""
    text = refused(capsys, "ConvKX(3,1024,1,1)BN(1024)RELU(1024)", "--resolution", "65536", option)
    assert "not enough memory for the " in text
    assert "accepted: a smaller resolution or batch, or counts alone (--no-latency --no-zen" in text


def test_a_score_that_is_not_finite_is_null() -> None:
    arguments = ("SuperConvK3BNRELU(3,64,1,300)", "--no-bn", "--resolution", "4", "--no-latency", "--repeats", "1")
    assert json.loads(run(*arguments, "--json").stdout)["zen"]["mean"] is None
    assert "zen-score not finite" in " ".join(run(*arguments).output.split())


def on_terminal(columns: int, *args: str) -> list[str]:
    """What a command prints to a terminal of so many columns."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns)}
    with subprocess.Popen([sys.executable, "-m", "plainnet", *args], stdout=follower, env=environment):
        os.close(follower)
        output = b""
        with contextlib.suppress(OSError):  # how a terminal says that the other side is closed
            while part := os.read(leader, 65536):
                output += part
    os.close(leader)
    return output.decode().replace("\r\n", "\n").rstrip("\n").split("\n")


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_a_report_fits_into_the_terminal(columns: int) -> None:
    lines = on_terminal(columns, "analyze", "zennet_cifar_model_size1M_res32", *FAST)
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "1,040,844" in text
    assert "159,259,648" in text
    assert ("(no room for peak bytes" in text) == (columns < 90)
    assert ("SuperResK1K7K1(120,192,2,16,3)" in text) == (columns > 100)


@pytest.mark.parametrize("command", ["blocks", "list"])
def test_lists_fit_into_the_terminal(command: str) -> None:
    lines = on_terminal(60, command)
    assert max(map(len, lines)) <= 60
    wide = on_terminal(600, command)
    to_a_file = subprocess.run([sys.executable, "-m", "plainnet", command], capture_output=True, text=True, check=True)
    assert wide == to_a_file.stdout.rstrip("\n").split("\n")
    assert len(lines) >= len(wide)


def test_python_takes_published_names() -> None:
    result = plainnet.analyze_model("zennet_cifar_model_size1M", latency=False, zen=False)
    record = json.loads(run("zennet_cifar_model_size1M", *FAST, "--json").stdout)
    assert json.loads(json.dumps(result.as_dict())) == record
    noted = plainnet.analyze_model("zennet_imagenet1k_flops900M", latency=False, zen=False)
    assert "squeeze-excite" in noted.notes[0]
    other = plainnet.analyze_model("resnet18", resolution=32, num_classes=0, latency=False, zen=False)
    assert (other.name, other.input, other.output_shape) == ("resnet18", [3, 32, 32], [512])
    with pytest.raises(plainnet.StructureError, match="did you mean resnet18"):
        plainnet.analyze_model("resnet81")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": -5}, "num_classes is -5; accepted: 0 or a positive integer"),
        ({"num_classes": 10.0}, "num_classes is 10.0"),
        ({"in_channels": 0}, "in_channels is 0; accepted: a positive integer"),
        ({"batch": 2.5}, "batch is 2.5; accepted: a positive integer"),
        ({"batch": 0}, "batch is 0"),
        ({"resolution": 0}, "resolution is 0; accepted: a positive integer R, or a pair"),
        ({"resolution": "32"}, "resolution is '32'"),
        ({"resolution": 32.5}, "resolution is 32.5"),
        ({"resolution": (3,)}, r"resolution is \(3,\)"),
        ({"threads": 0}, "threads is 0; accepted: a positive integer, or None"),
        ({"zen_repeats": 0}, "zen_repeats is 0"),
        ({"seed": "a"}, "seed is 'a'; accepted: an integer"),
        ({"dtype": []}, r"unknown dtype \[\]"),
        ({"device": "meta"}, "nothing is computed on the meta device"),
        ({"variant": "use_se"}, "variant is 'use_se'; accepted: a plainnet.Variant"),
    ],
)
def test_wrong_arguments_in_python(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(plainnet.UsageError, match=message):
        plainnet.analyze_model(SMALL, latency=False, zen=False, **arguments)


def test_what_is_no_network() -> None:
    with pytest.raises(TypeError, match=r"takes a structure string, a Structure or an nn\.Module, not NoneType"):
        plainnet.analyze_model(None)


def test_integers_of_numpy_are_integers() -> None:
    result = plainnet.analyze_model(
        SMALL, resolution=np.int64(32), batch=np.int32(2), num_classes=np.int8(10), latency=False, zen=False
    )
    assert json.loads(json.dumps(result.as_dict()))["input"] == [3, 32, 32]


def test_the_counting_command_does_without_torch() -> None:
    code = (
        "import sys\nfrom plainnet.cli.main import analyze_model\n"
        "try:\n"
        f"    analyze_model([{SMALL!r}, '--no-latency', '--no-zen'])\n"
        "except SystemExit as error:\n"
        "    assert not error.code\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "params" in result.stdout


@pytest.mark.parametrize("text", ["MaxPool(3,2,2)", "Flatten(3)Linear(768,4,0)"])
def test_a_network_without_a_feature_map_has_counts_and_no_zen_score(text: str) -> None:
    result = plainnet.analyze_model(text, resolution=16, latency=False)
    assert result.zen is None
    assert any(note.startswith("no Zen-score: ") for note in result.notes)
    with pytest.raises(plainnet.UsageError, match="feature map"):
        plainnet.analyze_model(text, resolution=16, latency=False, zen=True)


def test_one_run_has_no_interval() -> None:
    from plainnet.profiler.measured_view import latency_lines

    of = {"platform": "torch", "device": "cpu", "threads": 1, "prepare_seconds": None, "p90_ms": 3.0, "p99_ms": 3.0}
    ((_, one),) = latency_lines({**of, "median_ms": 3.0, "ci95_ms": [3.0, 3.0], "n": 1})
    assert "no interval of one run" in one
    assert "[" not in one
    ((_, two),) = latency_lines({**of, "median_ms": 2.5, "ci95_ms": [2.0, 3.0], "n": 2})
    assert "95 % CI [2.00, 3.00] ms" in two
