"""Traces of a forward pass: what is in the file, where it lies, and that nothing of the user's is disturbed."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks

from plainnet.cli.main import cli, main
from plainnet.errors import UsageError
from plainnet.profiler.forward_trace import ForwardTrace, trace_forward

STRING = "SuperConvK3BNRELU(3,4,1,1)"
MINE = """
from pathlib import Path

from torch import nn


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.ModuleDict({"first": nn.Linear(8, 8), "rest": nn.Sequential(nn.Linear(8, 8), nn.ReLU())})

    def forward(self, x, mask):
        return self.body["rest"](self.body["first"](x)) * mask


def build():
    with Path("built.txt").open("a") as file:
        file.write("once\\n")
    return Masked()
"""


class Twice(nn.Module):
    """A part that is called twice, one that fails and is caught, and everything random."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5))
        self.norm = nn.BatchNorm2d(3)
        self.wrong = nn.Sequential(nn.Conv2d(5, 3, 1))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        try:
            self.wrong(x)
        except RuntimeError:
            x = x + torch.rand(()) + random.random() + float(np.random.rand())
        return self.norm(self.unit(self.unit(x)))


def events(path: Path) -> list[dict[str, Any]]:
    """The spans of a file, those that begin first and last longest first."""
    content = path.read_bytes()
    record = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    assert record["traceName"] == path.name
    return sorted((e for e in record["traceEvents"] if e["ph"] == "X"), key=lambda e: (e["ts"], -e["dur"]))


def test_submodules_are_spans_around_their_operators(tmp_path: Path) -> None:
    found = trace_forward(Twice(), tmp_path / "t.json", (2, 3, 4, 5))
    spans = events(tmp_path / "t.json")
    names = [e["name"] for e in spans if e["cat"] == "user_annotation"]
    unit = ["unit (Sequential)", "unit.0 (Conv2d)", "unit.1 (Dropout)"]
    failed = ["wrong (Sequential)", "wrong.0 (Conv2d)"]
    assert names == ["ProfilerStep#1", "the whole (Twice)", *failed, *unit, *unit, "norm (BatchNorm2d)"]
    size = (tmp_path / "t.json").stat().st_size
    assert found == ForwardTrace(str(tmp_path / "t.json"), size, found.operators, len(names) - 1, found.pass_ms)
    assert found.operators == sum(e["cat"] == "cpu_op" for e in spans) > 5
    assert found.pass_ms == next(e for e in spans if e["name"] == "ProfilerStep#1")["dur"] / 1e3
    norm = next(e for e in spans if e["name"] == "norm (BatchNorm2d)")
    inside = [e for e in spans if norm["ts"] <= e["ts"] and e["ts"] + e["dur"] <= norm["ts"] + norm["dur"]]
    operator = next(e for e in inside if e["name"] == "aten::batch_norm")
    assert operator["args"]["Input Dims"][0] == [2, 3, 4, 5]
    assert not any(e["name"] == "aten::batch_norm" for e in spans if e not in inside)


def test_packed_files_and_folders_of_tensorboard(tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    packed = trace_forward(module, tmp_path / "t.json.gz", (2, 3))
    assert packed.bytes == (tmp_path / "t.json.gz").stat().st_size
    assert any(e["name"] == "aten::linear" for e in events(tmp_path / "t.json.gz"))
    for times in (1, 2):  # of a folder that is not there, and of one that holds a trace
        trace_forward(module, tmp_path / "logs", (2, 3))
        files = sorted((tmp_path / "logs").iterdir())
        assert len(files) == times
        assert all(re.fullmatch(r"\w+\.\d+\.pt\.trace\.json", file.name) for file in files)
    assert any(e["name"] == "ProfilerStep#1" for e in events(files[0]))


def test_the_profilers_library_keeps_to_itself(tmp_path: Path) -> None:
    """In a process of its own: the library asks how much it may say once, when it is first used."""
    code = (
        "from torch import nn; from plainnet.profiler.forward_trace import trace_forward; "
        f"trace_forward(nn.Linear(3, 2), {str(tmp_path / 't.json')!r}, (2, 3))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_everything_is_left_as_found(tmp_path: Path) -> None:
    module = Twice()
    module.norm.eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    hooks, variables, threads = len(_global_forward_hooks), dict(os.environ), torch.get_num_threads()
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    expected = torch.rand(2), random.random(), np.random.rand()
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    trace_forward(module, tmp_path / "t.json", (1, 3, 8, 8), dtype="float64", threads=threads + 1, channels_last=True)
    assert torch.equal(torch.rand(2), expected[0])
    assert (random.random(), np.random.rand()) == expected[1:]
    assert (torch.get_num_threads(), torch.is_grad_enabled(), dict(os.environ)) == (threads, True, variables)
    assert (module.calls, module.training, module.norm.training) == (0, True, False)
    assert len(_global_forward_hooks) == hooks
    assert not _global_forward_pre_hooks
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
        assert value.dtype == before[key].dtype


def test_a_module_that_cannot_be_copied_and_one_that_does_not_run(tmp_path: Path) -> None:
    module = Twice()
    module.lock = threading.Lock()  # type: ignore[assignment]
    trace_forward(module, tmp_path / "t.json", (1, 3, 4, 4))
    assert module.calls == 0
    assert module.training
    with pytest.raises(UsageError, match="does not run on an input of 1x4x4x4"):
        trace_forward(Twice(), tmp_path / "other.json", (1, 4, 4, 4))
    assert [file.name for file in tmp_path.iterdir()] == ["t.json"]
    assert not _global_forward_hooks


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("mine.json", "mine.json is there already; accepted: another file"),
        ("trace.txt", "ends in .txt; accepted: FILE.json, FILE.json.gz, or the name of a folder"),
        ("mine", "mine is a file; accepted: FILE.json"),
        ("nothing/t.json", "cannot be written: No such file"),
        ("nothing/logs", "cannot be written: No such file"),
    ],
)
def test_places_are_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "mine.json"):
        Path(name).write_text("mine")
    with pytest.raises(SystemExit) as caught:
        main(["analyze", "nothing.py:build", "--trace", place])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
    assert {path.name: path.read_text() for path in Path().iterdir()} == {"mine": "mine", "mine.json": "mine"}


def test_the_command_traces_strings_and_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    common = ["--no-latency", "--json", "--trace"]
    of_string = CliRunner().invoke(
        cli, ["analyze", STRING, "--no-zen", "--resolution", "6", "--batch", "2", *common, "a.json"]
    )
    record = json.loads(of_string.stdout)["trace"]
    assert f"trace in a.json: {record['bytes'] / 1024:.1f} KiB, {record['operators']} calls of ope" in of_string.stderr
    convolution = next(e for e in events(Path("a.json")) if e["name"] == "aten::conv2d")
    assert convolution["args"]["Input Dims"][0] == [2, 3, 6, 6]
    of_module = CliRunner().invoke(
        cli, ["analyze", "mine.py:build", "--input", "x=2x8,mask=2x8:bool", *common, "logs"], catch_exceptions=False
    )
    record = json.loads(of_module.stdout)["trace"]
    assert re.search(r"tensorboard\s+--logdir\s+logs,\s+with\s+torch-tb-profiler", of_module.stderr)
    names = [e["name"] for e in events(Path(record["file"])) if e["cat"] == "user_annotation"]
    assert names[2:] == [
        "body.first (Linear)",
        "body.rest (Sequential)",
        "body.rest.0 (Linear)",
        "body.rest.1 (ReLU)",
    ]
    assert Path("built.txt").read_text() == "once\n"


def test_only_torch_is_traced(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["analyze", STRING, "--platform", "onnxruntime", "--trace", str(tmp_path / "x")])
    assert "accepted: --platform torch" in str(result.exception)
