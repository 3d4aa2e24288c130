"""What is timed for a table is the network itself: row by row it computes what the module computes, and it leaves no trace."""

from __future__ import annotations

from itertools import count, islice
from pathlib import Path

import pytest
import torch
from profiler.made_tables import SETTING, made_table, networks
from torch import Tensor

from plainnet.blocks.structure import parse
from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.profiler.lut import measuring
from plainnet.profiler.lut.building import build, check
from plainnet.profiler.lut.measuring import time_networks
from plainnet.profiler.lut.operations import operations_of, rows_with_head
from plainnet.profiler.lut.setting import LutSetting
from plainnet.profiler.lut.table_file import read_table
from plainnet.profiler.lut.table_model import load_model

SMALL = LutSetting("zennas-mobile", 3, 16, 5)
STRUCTURES = {
    "inverted residual": "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,16,2,8,3)",
    "gates": "SuperConvK3BNRELU(3,8,2,1)SuperResK1DWSEK1(8,16,3,2,24,2)",
    "concatenation": "SuperConvK3BNRELU(3,8,1,1)MultiCatBlock(ConvKX(8,8,3,2);ConvKX(8,16,1,2))",
    "a vector": "SuperConvK3BNRELU(3,8,2,1)AdaptiveAvgPool(8,1)Flatten(8)Linear(8,4,1)",
    "values with names": (
        "ConvKXBNRELU(e1|3,8,3,1)ConvKXBNRELU(e2|8,16,3,2)MultiSumBlock(BN(16);From(e2))"
        "MultiCatBlock(RELU(16);From(e1)ConvKX(8,8,3,2))"
    ),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_row_by_row_a_network_computes_what_its_module_computes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = parse(STRUCTURES[name]).at(SMALL.shape)
    run = measuring._Run(table, SMALL)
    last: list[Tensor] = []
    *steps, (call, inputs, dead) = run.steps

    def kept(*values: Tensor) -> Tensor:
        last.append(call(*values))
        return last[-1]

    with torch.no_grad():
        measuring._pass([*steps, (kept, inputs, dead)], run.image, count().__next__)
        assert torch.equal(last[0], run.net(run.image))
    keys = {key for key, _ in operations_of(rows_with_head(table, SMALL.num_classes, expand=False))}
    monkeypatch.setattr(measuring, "WARM_UP", 0)
    (found,) = time_networks([table], SMALL, passes=1)
    assert {key for key, _ in found.operations} == keys
    assert found.whole > 0


def test_timing_leaves_threads_gradients_and_generators_as_they_were() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    table = parse(STRUCTURES["inverted residual"]).at(SMALL.shape)
    time_networks(
        [table], LutSetting("zennas-mobile", 3, 16, 5, threads=2, dtype="bfloat16", channels_last=True), passes=1
    )
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, True)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device": "cuda"}, "measured on the CPU, not on 'cuda'"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_a_setting_that_cannot_be_measured_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LutSetting(**{**SMALL.as_dict(), **changes})  # type: ignore[arg-type]


@pytest.mark.slow
def test_build_goes_on_where_it_stopped_and_check_keeps_what_it_found(tmp_path: Path) -> None:
    path = made_table(tmp_path / "table.jsonl", 16)
    header = read_table(path).header
    grown = build(path, header, networks(seed=0), seconds=0, announce=lambda *_: None)
    assert len(grown.timed) == 24
    assert [each.network for each in grown.timed] == list(islice(networks(seed=0), 24))
    found = check(path, networks(seed=99), count=3, seed=99)
    assert read_table(path).checks == (found,)
    assert found["networks"] == 3
    assert load_model(path).interval == (found["low"], found["high"])
    assert header.setting == SETTING


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["build", "--space", "zennas-mobil"], 2, "zennas-mobile"),
        (["build", "--space", "zennas-mobile", "--budget", "5 weeks"], 2, "is no time; accepted: 300s, 5m, 1.5h"),
        (["build", "--space", "zennas-mobile", "--device", "cuda"], 2, "measured on the CPU"),
        (["info", "nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["build", "--space", "zennas-mobile", "--out", "nowhere/x.jsonl"], 2, "nowhere/x.jsonl cannot be written"),
        (["inf"], 2, "info"),
        (["predict", "nowhere.jsonl"], 2, "NETWORK"),
    ],
)
def test_misuse_is_said_in_a_few_lines(
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["lut", *arguments])
    assert end.value.code == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_info_and_predict_print_what_a_person_and_a_program_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_table(tmp_path / "table.jsonl", 12)
    for arguments in (
        ["info", str(path)],
        ["info", str(path), "--json"],
        ["predict", str(path), next(networks(seed=5))],
    ):
        with pytest.raises(SystemExit) as end:
            main(["lut", *arguments])
        assert not end.value.code
        out = capsys.readouterr().out
        assert "zennas-mobile" in out or " ms [" in out
    assert "each predicted by the others" in " ".join(out.split())
