"""Every answer of the package shows itself: a table, HTML, plain data, a data frame."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import plainnet
from plainnet.engine.run.evaluation import Evaluation
from plainnet.engine.run.predict import Answer
from plainnet.engine.run.run_summary import RunSummary
from plainnet.engine.tuning.tuning_folder import Trial
from plainnet.engine.tuning.tuning_result import Tuning
from plainnet.errors import MissingExtraError
from plainnet.network.counting.module_counts import count_module
from plainnet.network.counting.training_counts import count_training
from plainnet.profiler.forward_trace import trace_forward
from plainnet.profiler.latency import measure_latency
from plainnet.profiler.latency_ratio import ComparedLatencies, LatencyRatio, compare_latencies
from plainnet.profiler.memory import measure_memory
from plainnet.profiler.module_times import measure_module_times
from plainnet.profiler.training_step import measure_step
from plainnet.profiler.verify import verify_counts
from plainnet.proxies.score_record import Score
from plainnet.results import tables
from plainnet.results.result import Result
from plainnet.results.tables import Table
from plainnet.search.exact.result import Network, Optimum
from plainnet.search.ladder.ranking import Unmet
from plainnet.search.runs.search_result import Best, SearchResult
from plainnet.search.runs.sweep import Outcome, Outcomes
from plainnet.store.matching import Matching
from plainnet.validation.accuracy_table import AccuracyTable, read_accuracy_table
from plainnet.validation.across_sets import across_sets
from plainnet.validation.calibrating import CalibrationReport
from plainnet.validation.ranking import Agreement, Estimate
from plainnet.validation.validate import validate

NET = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"
BEST = Best(NET, "abc123", 2354, 696480, 2, 18442, None, None, 4, None, {"zen": 12.5, "zen_mc": 11.25})


def table_of(folder: Path) -> AccuracyTable:
    lines = [f"SuperConvK3BNRELU(3,{width},1,1),{70 + width}" for width in range(4, 10)]
    (folder / "mine.csv").write_text("\n".join(["structure,accuracy", *lines, ""]))
    return read_accuracy_table(str(folder / "mine.csv"))


def tiny_table(folder: Path) -> AccuracyTable:
    """Too few networks for a ranking."""
    (folder / "tiny.csv").write_text(f"structure,accuracy\n{NET},70\n")
    return read_accuracy_table(str(folder / "tiny.csv"))


def judged(table: AccuracyTable) -> Any:
    return validate(table, lambda text: float(len(text.text)), proxy="length", resolution=8, resamples=5)


def searched(**changes: Any) -> SearchResult:
    values: dict[str, Any] = {
        "best": BEST, "candidates": 10, "evaluated": 6, "rejected": 3, "duplicates": 1, "failed": 0, "seconds": 2.0,
        "searching_seconds": 0.5,
        "folder": Path("runs/x"), "asked": 12, "decided_by": "zen_mc", "explanations": {"zen": "the closed form"},
    }  # fmt: skip
    return SearchResult(**{**values, **changes})


def solved(**changes: Any) -> Optimum:
    best = Network(NET, 12.5, {"params": 2354, "macs": 696480, "layers": 2}, {"zen": 12.5})
    values: dict[str, Any] = {
        "objective": "zen", "maximise": True, "best": best, "value": 12.5, "bound": 12.6, "gap": 0.008, "asked": 0.01,
        "reason": "optimal", "limit": None, "proof": "prices", "prices": {"params": 1e-4}, "priced_bound": 12.6,
        "limits": {"params": 2500.0}, "grid": ("1: SuperResK3K3: out_channels 8 to 2048",), "others": (best,), "nodes": 3,
        "seconds": 0.5,
    }  # fmt: skip
    return Optimum(**{**values, **changes})


def calibrated() -> CalibrationReport:
    found = Agreement(*[Estimate(0.8, 0.7, 0.9)] * 5)
    calibration: Any = types.SimpleNamespace(source="mine.csv", resolution=(32, 32), names=("a", "b"))
    return CalibrationReport(
        calibration, found, 0.9, {"params": found, "zen": Agreement(*[Estimate(nan, nan, nan)] * 5)}
    )


SHAPE = (2, 3, 8, 8)


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)))


def tiny() -> Any:
    return plainnet.PlainNet("SuperConvK3BNRELU(3,4,1,1)", num_classes=2, resolution=8)


RESULTS: dict[str, Callable[[Path], Any]] = {
    "analysis": lambda _: plainnet.analyze_model(NET, resolution=32, num_classes=10, latency=False, zen=False),
    "score": lambda _: plainnet.score(NET, "params", resolution=32),
    "scores": lambda _: plainnet.score_all([NET, "SuperConvK3BNRELU(3,4,1,1)"], "params", resolution=32),
    "search": lambda _: searched(),
    "front": lambda _: searched(front=(BEST, BEST), unmet=Unmet("latency_ms", 2.0, 1.0)),
    "sweep": lambda _: Outcomes(
        [Outcome("params", 1e5, "x", searched().as_dict()), Outcome("params", 1e3, "y", None, "nothing is so small")]
    ),
    "validation": lambda folder: judged(table_of(folder)),
    "every set": lambda folder: across_sets("length", {"mine": table_of(folder), "tiny": tiny_table(folder)}, judged),
    "optimum": lambda _: solved(),
    "no optimum": lambda _: solved(best=None, value=None, bound=None, gap=None, others=(), reason="infeasible"),
    "calibration": lambda _: calibrated(),
    "evaluation": lambda _: Evaluation(
        "best.safetensors",
        {"type": "digits"},
        "as trained",
        "val",
        50,
        {"accuracy": 0.5, "loss": None},
        1,
        {"confusion": [[20, 5], [5, 20]], "uneven": [1, [2, 3]]},
        ("a note",),
    ),
    "training": lambda _: RunSummary(
        "runs/mine",
        True,
        "",
        3,
        69,
        2354,
        {"train/loss": 0.5, "val/loss": None, "val/accuracy": 0.75},
        best={"value": 0.75, "round": 2},
        seconds=1.5,
    ),
    "stopped at once": lambda _: RunSummary("runs/mine", False, "SIGTERM", 0, 0, 2354),
    "tuning": lambda _: Tuning(
        "runs/tuned",
        "accuracy",
        False,
        ("optim.lr=0.01:1",),
        (Trial(0, {"optim.lr": 0.1}, True, 0.75, 2), Trial(1, {"optim.lr": 0.5})),
        0,
        3,
    ),
    "verification": lambda _: verify_counts(NET, 32, 10),
    "latency": lambda _: measure_latency(small(), SHAPE, seconds=0.02),
    "latency of two inputs": lambda _: measure_latency(
        nn.Bilinear(3, 4, 2), inputs=[torch.rand(5, 3)], kwargs={"input2": torch.rand(5, 4)}, seconds=0.02
    ),
    "compared latencies": lambda _: compare_latencies([small(), small()], [SHAPE, SHAPE], seconds=0.02),
    "memory": lambda _: measure_memory(small(), SHAPE),
    "memory at inference": lambda _: measure_memory(small(), SHAPE, training=False),
    "times of modules": lambda _: measure_module_times(small(), SHAPE, seconds=0.02),
    "step": lambda _: measure_step(small(), SHAPE, seconds=0.02),
    "trace": lambda _: trace_forward(small(), "trace.json", SHAPE),
    "counts": lambda _: count_module(small(), SHAPE),
    "counts of a step": lambda _: count_training(small(), SHAPE),
    "loaded weights": lambda _: plainnet.load_weights(small(), small().state_dict()),
    "matched weights": lambda _: Matching(
        {"a": ("b", "by a rule")}, [("c", (1, 2), "d", (2, 1))], ["missing"], ["skipped"], ["fresh"], ["left"]
    ),
    "conversion": lambda folder: plainnet.to_platform(tiny(), "torch.export", folder / "converted"),
    "classes of an image": lambda _: Answer("a.png", ("cat", "dog"), (0.75, 0.25)),
    "numbers of an image": lambda _: Answer("a.png", outputs={"age": 31.5}),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_shows_itself(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # paths are never broken
    found = RESULTS[name](tmp_path)
    assert isinstance(found, Result)
    complete = str(found)
    monkeypatch.setattr(tables, "is_terminal", lambda **_: True)
    monkeypatch.setenv("COLUMNS", "80")
    narrow = str(found)
    assert max(map(len, narrow.splitlines())) <= 80
    shown = found.view().tables[0] if found.view().tables else None
    html = found._repr_html_()
    assert html.count("<table>") == len(found.view().tables)
    for cell in [cell for row in shown.rows for cell in row if cell] if shown else []:
        assert cell in complete
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_dict() == found.as_dict()
    assert bool(found.records()) == (name not in ("no optimum", "stopped at once"))


def test_a_data_frame_has_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = plainnet.score_all([NET, "SuperConvK3BNRELU(3,4,1,1)"], "params", resolution=32)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"plainnet\[notebook\]"):
        scores.to_pandas()
    fake = types.SimpleNamespace(
        DataFrame=types.SimpleNamespace(from_records=lambda records: [dict(each) for each in records])
    )
    monkeypatch.setitem(sys.modules, "pandas", fake)
    frame: Any = scores.to_pandas()
    assert [each["mean"] for each in frame] == [score.mean for score in scores]


def test_html_escapes_what_a_network_is_called() -> None:
    score = Score("zen", (1.0, 2.0), structure="<script>", hash="<b>", settings={})
    assert "<script>" not in score._repr_html_()
    assert "<b>" not in score._repr_html_().replace("<b>zen", "")


@pytest.mark.parametrize("width", [None, 20, 60])
@pytest.mark.parametrize("cell", ["a\nb", "a\x1b[2Jb", "a\r\tb", "a\u2028b\u200e"])
def test_a_row_is_one_line_whatever_stands_in_it(cell: str, width: int | None) -> None:
    text = Table(["name", "n"], [[cell, "1"], ["plain", "2"]]).text(width)
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count("\n") == Table(["name", "n"], [["a__b", "1"], ["plain", "2"]]).text(width).count("\n")


def cells(found: Result, column: str) -> dict[str, str]:
    """A column of a result's table by the first one."""
    (table,) = found.view().tables
    return {row[0].strip(): row[list(table.columns).index(column)] for row in table.rows}


def test_the_tables_of_measurements_say_what_was_measured() -> None:
    times = measure_module_times(small(), SHAPE, seconds=0.02)
    assert times is not None
    assert times.to_dict()["ms"] == dict(times.ms)
    assert cells(times, "%")["the whole"] == "100.0"
    assert times.records()[0] == {"module": "", "ms": times.ms[""]}
    memory = measure_memory(small(), SHAPE)
    assert cells(memory, "bytes")["optimizer_bytes.adam"] == f"{memory.optimizer_bytes['adam']:,}"  # type: ignore[index]
    unmeasured = measure_memory(small(), SHAPE, training=False)
    assert cells(unmeasured, "bytes")["gradient_bytes"] == "not measured"
    assert {each["of"]: each["bytes"] for each in unmeasured.records()}["gradient_bytes"] is None


def test_operations_of_a_module_are_those_that_are_no_macs() -> None:
    counts = count_module(small(), SHAPE)
    operations = sum(value for name, value in counts.as_dict().items() if name.endswith("_ops"))
    assert cells(counts, "other operations")["all"] == f"{operations:,}"
    assert cells(counts, "macs")["all"] == f"{counts.macs:,}"


def test_compared_latencies_say_what_cannot_be_told_apart() -> None:
    found = ComparedLatencies((1.0, 1.01, 2.0), (None, LatencyRatio(1.01, (0.98, 1.04)), LatencyRatio(2.0, (1.9, 2.1))))
    said = cells(found, "times #1, 95 % CI")
    assert said == {"#1": "", "#2": "x1.010 [0.980, 1.040], cannot be told apart", "#3": "x2.000 [1.900, 2.100]"}
    assert [each["tells_apart"] for each in found.records()] == [None, False, True]
