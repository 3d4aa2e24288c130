"""`plainnet analyze` and `plainnet.analyze_model`, as a user runs them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

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
        run(SMALL, "--resolution", "33x47", "--num-classes", "10", "--no-latency", "--repeats", "2", "--json").output
    )
    assert record["schema"] == "plainnet.analysis/1"
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
    record = json.loads(run(SMALL, "--resolution", "33x47", "--num-classes", "10", *FAST, "--json").output)
    assert json.loads(json.dumps(result.as_dict())) == record
    assert (result.params, result.flops, result.feature_shape) == (
        record["params"],
        record["flops"],
        record["feature_shape"],
    )


def test_a_published_network_brings_its_size_and_classes() -> None:
    record = json.loads(run("zennet_cifar_model_size1M", *FAST, "--json").output)
    assert record["name"] == "zennet_cifar_model_size1M_res32"
    assert (record["input"], record["num_classes"]) == ([3, 32, 32], 100)
    assert (record["params"], record["macs"]) == (1_040_844, 159_259_648)
    ten = json.loads(run("zennet_cifar_model_size1M", "--num-classes", "10", *FAST, "--json").output)
    assert ten["params"] == 994_674
    assert "squeeze-excite" in run("zennet_imagenet1k_flops900M", *FAST).output


def test_variants_are_options() -> None:
    record = json.loads(run("zennet_cifar_model_size05M", "--use-se", "--num-classes", "10", *FAST, "--json").output)
    assert (record["params"], record["variant"]) == (511_106, {"use_se": True})
    assert "variant     use_se" in run("zennet_cifar_model_size05M", "--use-se", *FAST).output


def test_tables_as_csv_and_markdown() -> None:
    rows = list(csv.DictReader(io.StringIO(run(SMALL, *FAST, "--csv").output)))
    assert [row["name"] for row in rows] == ["SuperConvK3BNRELU(3,8,2,1)", "SuperResK3K3(8,16,2,8,1)", "head"]
    total = plainnet.analyze_model(SMALL, latency=False, zen=False)
    assert sum(int(row["macs"]) for row in rows) == total.macs
    assert sum(int(row["norm_ops"]) for row in rows) == total.operations["norm_ops"]
    markdown = run(SMALL, *FAST, "--markdown").output.splitlines()
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
        ([SMALL, *FAST, "--assert", "latency_ms<3"], "no quantity 'latency_ms' here"),
        ([SMALL, *FAST, "--resolution", "0"], "is no size; accepted: 224, or 320x192"),
        ([SMALL, *FAST, "--resolution", "32x32x32"], "is no size"),
        ([SMALL, *FAST, "--dtype", "float31"], "unknown dtype 'float31'; accepted: float32"),
        ([SMALL, "--no-zen", "--device", "cuda:9"], "cuda"),
        (["missing.py:build", *FAST], "no file missing.py"),
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
    record = json.loads(run(f"{file}:build", "--resolution", "9", *FAST, "--json").output)
    assert record["params"] == 8 * 27 + 8 + 8 * 5 + 5
    assert record["macs"] == 49 * 8 * 27 + 40
    assert record["output_shape"] == [5]
    assert record["structure"] is None
    assert "total" in run(f"{file}:build", "--resolution", "9", *FAST).output


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
    assert "latency              median" in output
    assert "zen-score" in output
    assert "95 % CI" in output
    record = json.loads(run(SMALL, "--resolution", "16", "--no-zen", "--batch", "2", "--json").output)
    low, high = record["latency"]["ci95_ms"]
    assert 0 < low <= record["latency"]["median_ms"] <= high
    assert record["latency"]["median_ms"] <= record["latency"]["p90_ms"] <= record["latency"]["p99_ms"]


def test_verify_explains_every_difference() -> None:
    output = run(SMALL, "--resolution", "33", *FAST, "--verify").output
    assert "fvcore" in output
    assert "thop" in output


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
