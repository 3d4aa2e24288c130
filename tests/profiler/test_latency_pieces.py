"""Latencies from several processes, and of networks in turn: on made-up traces whose truth is known, without a clock."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from plainnet.cli import latency_table
from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.profiler.latency import measure_latency
from plainnet.profiler.latency_pieces import knees, measure_points
from plainnet.profiler.latency_ratio import compare_latencies, interleaved, ratio_of
from plainnet.profiler.timing import BLOCKS, MOST_PIECES, log_interval

SMALL = "SuperConvK3BNRELU(3,8,2,1)"


def record(median_ms: float, **changes: Any) -> dict[str, Any]:
    """What a process says of a latency."""
    ends = [0.9 * median_ms, 1.2 * median_ms]
    values = {
        "median_ms": median_ms,
        "ci95_ms": ends,
        "p90_ms": 2 * median_ms,
        "p99_ms": 3 * median_ms,
        "mad_ms": 0.1,
        "n": 20,
    }
    return {**values, "warnings": [], **changes}


@pytest.mark.parametrize("count", [3, 5, MOST_PIECES])
def test_the_interval_of_processes_holds_the_truth_as_often_as_it_says(count: int) -> None:
    rng = random.Random(count)
    hits = 0
    for _ in range(1000):
        low, high = log_interval([5 * rng.lognormvariate(0, 0.1) for _ in range(count)])
        hits += low <= 5 <= high
    assert hits / 1000 >= 0.93


def disturbed(rng: random.Random, ratio: float, follows: float) -> tuple[list[list[float]], list[list[float]]]:
    """Two networks that run in turn on a machine that is slower for a while, again and again."""
    state, blocks, others = 0.0, [], []
    for _ in range(BLOCKS):
        mine, theirs = [], []
        for _ in range(20):
            state = follows * state + math.sqrt(1 - follows**2) * rng.gauss(0, 0.3)
            mine.append(ratio * math.exp(state + 0.05 * rng.gauss(0, 1)))
            theirs.append(math.exp(state + 0.05 * rng.gauss(0, 1)))
        blocks.append(mine)
        others.append(theirs)
    return blocks, others


@pytest.mark.parametrize("follows", [0.0, 0.9, 0.99])
def test_equal_networks_in_turn_are_not_told_apart_and_others_are(follows: float) -> None:
    rng = random.Random(7)
    same = [ratio_of(*disturbed(rng, 1.0, follows)) for _ in range(200)]
    assert sum(not each.tells_apart for each in same) / 200 >= 0.93
    slower = [ratio_of(*disturbed(rng, 1.2, follows)) for _ in range(100)]
    assert sum(each.ci95[0] <= 1.2 <= each.ci95[1] for each in slower) / 100 >= 0.9
    if follows:  # runs that know nothing of each other have no disturbance in common
        assert sum(each.tells_apart and each.ratio > 1 for each in slower) == 100


def test_calls_go_round_and_no_network_is_always_first() -> None:
    calls: list[str] = []
    ticks = iter(range(10**6))

    def make(name: str) -> Any:
        return lambda: lambda: calls.append(name)

    found = interleaved([make("a"), make("b")], seconds=600, clock=lambda: float(next(ticks)))
    assert [len(network) for network in found] == [BLOCKS, BLOCKS]
    assert all(len(one) == len(other) > 3 for one, other in zip(*found, strict=True))
    firsts = "".join(calls)
    assert "aaabbb" in firsts
    assert "bbbaaa" in firsts


def test_comparing_leaves_modules_threads_and_generators_as_they_were() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    state, modes = copy.deepcopy(net.state_dict()), [part.training for part in net.modules()]
    threads, generator = torch.get_num_threads(), torch.random.get_rng_state()
    found = compare_latencies([net, net], [(1, 3, 8, 8)] * 2, seconds=0.05, threads=2)
    assert found.ratios[0] is None
    assert len(found.median_ms) == 2
    assert [part.training for part in net.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, True)
    assert torch.equal(torch.random.get_rng_state(), generator)
    with pytest.raises(UsageError, match="Conv2d does not run on"):
        compare_latencies([nn.Conv2d(4, 4, 3), net], [(1, 3, 8, 8)] * 2)
    with pytest.raises(UsageError, match="2 modules and 1 shapes"):
        compare_latencies([net, net], [(1, 3, 8, 8)])


def test_a_point_that_fails_says_why_and_the_others_go_on_in_turn() -> None:
    asked: list[tuple[int, int]] = []

    def measure(batch: int, threads: int) -> Mapping[str, Any]:
        asked.append((batch, threads))
        if batch == 64:
            raise UsageError("not enough memory")
        return record(batch**0.5 + 0.01 * len(asked), warnings=["noisy: a little"])

    points = measure_points([1, 8, 64], [1, 2], pieces=3, measure=measure)
    assert asked == [(1, 1), (8, 1), (64, 1), (1, 2), (8, 2), (64, 2), *[(1, 1), (8, 1), (1, 2), (8, 2)] * 2]
    for point in points:
        if point.batch == 64:
            assert (point.median_ms, point.ci95_ms, point.images_per_second, point.error) == (
                None,
                None,
                None,
                "not enough memory",
            )
            continue
        assert point.ci95_ms is not None
        assert point.ci95_ms[0] <= point.median_ms <= point.ci95_ms[1]  # type: ignore[operator]
        assert point.warnings == ["noisy: a little"]
    assert [(point.batch, point.threads) for point in knees(points)] == [(8, 1), (8, 2)]
    json.dumps([point.as_dict() for point in points], allow_nan=False)
    text = latency_table.points_view(points).text(80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("*") == 2
    assert "batch 64, threads 2: not enough memory" in text


def test_one_process_has_the_interval_of_its_runs_and_two_are_refused() -> None:
    (point,) = measure_points([1], [1], pieces=1, measure=lambda *_: record(2.0))
    assert point.ci95_ms == (1.8, 2.4)
    assert "[1.80, 2.40]" in latency_table.points_view([point]).text(80)
    (point,) = measure_points([1], [1], pieces=1, measure=lambda *_: record(2.0, ci95_ms=[2.0, 2.0], n=1))
    shown = latency_table.points_view([point]).text(80)
    assert "one run" in shown
    assert "[2" not in shown
    with pytest.raises(UsageError, match="accepted: 1, or 3 to 10"):
        measure_points([1], [1], pieces=2, measure=lambda *_: record(2.0))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What processes are called with; they are not started."""
    words: list[list[str]] = []

    def measured(command: list[str]) -> Mapping[str, Any]:
        words.append(list(command))
        return record(float(len(words)))

    monkeypatch.setattr(latency_table, "_measured", measured)
    return words


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["analyze", *arguments])
    return int(end.value.code or 0)


def test_processes_are_called_with_what_the_command_was_called_with(
    asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--resolution",
        "16x24",
        "--num-classes",
        "10",
        "--use-se",
        "--dtype",
        "bfloat16",
        "--channels-last",
        "--seconds",
        "0.5",
    ]
    assert run(SMALL, *options, "--no-zen", "--batch", "1,4", "--threads", "1,2", "--json", "--depth", "1") == 0
    assert [words[-4:] for words in asked] == [
        ["--batch", batch, "--threads", threads] for threads in "12" for batch in "14"
    ]
    given = asked[0][:-4]
    assert given[0] == SMALL
    for option in ("16x24", "--use-se", "bfloat16", "--channels-last", "0.5", "10"):
        assert option in given
    assert not {"--json", "--depth", "--no-zen"} & set(given)
    found = json.loads(capsys.readouterr().out)
    assert found["latency"] is None
    assert [(each["batch"], each["threads"], each["median_ms"]) for each in found["latencies"]] == [
        (1, 1, 1.0), (4, 1, 2.0), (1, 2, 3.0), (4, 2, 4.0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--batch", "1,8", "--no-latency"], "--no-latency measures none"),
        (["--batch", "1,8", "--csv"], "--csv prints one"),
        (["--threads", "1,2", "--assert", "latency_ms<3"], "looks at one latency"),
        (["--batch", "1;8"], "accepted: 8, or 1,8,32"),
        (["--threads", "0,1"], "accepted: 8, or 1,8,32"),
        (["--pieces", "2"], "two say nothing of their spread"),
        (["--precision", "2"], "precision"),
    ],
)
def test_misuse_of_points_is_refused(
    options: list[str], said: str, asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(SMALL, "--no-zen", *options) == 2
    assert said in capsys.readouterr().err
    assert not asked


@pytest.mark.slow
def test_a_process_that_finds_that_a_batch_does_not_fit_is_quoted() -> None:
    with pytest.raises(UsageError, match=r"^not enough memory for the latency of a batch of 1000000000"):
        latency_table._measured([SMALL, "--batch", "1000000000"])


def test_a_process_that_the_system_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_table.sys, "executable", "/bin/sh")
    monkeypatch.setattr(latency_table, "WORDS", ["-c", "kill -9 $$"])
    with pytest.raises(UsageError, match=r"ended the process .signal 9., as it does when memory runs out"):
        latency_table._measured([])


class Constant(nn.Module):
    """Takes next to no time, so that many runs are made."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_a_precision_that_is_reached_ends_the_measurement_and_another_one_is_said() -> None:
    loose = measure_latency(Constant(), (1, 1, 1, 1), seconds=30.0, precision=0.9)
    assert loose.n < 10_000
    assert not any(text.startswith("precision") for text in loose.warnings)
    tight = measure_latency(Constant(), (1, 1, 1, 1), seconds=0.05, precision=1e-9)
    assert any(text.startswith("precision") for text in tight.warnings)
    with pytest.raises(UsageError, match="precision is 2"):
        measure_latency(Constant(), (1, 1, 1, 1), precision=2)


def test_compare_says_which_one_is_faster_or_that_it_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "SuperConvK3BNRELU(3,256,1,1)"
    arguments = [SMALL, wide, "--resolution", "32", "--proxy", "none", "--latency", "--seconds", "0.4", "--json"]
    try:
        main(["compare", *arguments])
    except SystemExit as end:
        assert not end.code
    found = json.loads(capsys.readouterr().out)["latency"]
    assert found["ratios"][0] is None
    assert found["ratios"][1]["ratio"] > 1
    assert found["ratios"][1]["tells_apart"]
