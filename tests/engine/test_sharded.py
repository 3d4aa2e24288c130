"""Weights, gradients and optimizer state spread over two processes (FSDP): the same training, the same files."""

# ruff: noqa: ARG001 (the fixture `group` is where the test runs)
from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import torch
from launcher import MODELS, OPTIONS, go_on, launch, run_processes
from torch import nn
from torch.distributed.tensor import DTensor

from plainnet import PlainNet
from plainnet.engine import Classification, EpochBasedTrainer, NamedLoss, Predictor
from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint
from plainnet.engine.processes.devices import launched_for_sharding
from plainnet.engine.processes.sharding import (
    check_optimizer,
    check_state,
    gathered,
    in_step,
    load_module,
    load_optimizer,
    shard,
    units,
)
from plainnet.errors import RunError, UsageError
from plainnet.files.tensor_files import read_tensors

SHARDED = "train.sharded=true"


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor], *, atol: float = 0.0) -> None:
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        torch.testing.assert_close(right[name], tensor, rtol=0, atol=atol)


HOOKS = f"hooks=[{{type: '{MODELS}:LocalShare'}}, {{type: GradientStatistics}}]"
PLAIN = ("data.val_batch_size=359", "log.every=1", "checkpoint.every_updates=5")
"""The last validation batch has a single image (360 of 359), so that one process has none."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The run of a single process and the sharded run of two."""
    folder = tmp_path_factory.mktemp("plain")
    launch(1, folder / "one", *PLAIN, HOOKS)
    launch(2, folder / "two", *PLAIN, HOOKS, SHARDED)
    return folder / "one", folder / "two"


def metrics_of(run: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads((run / "summary.json").read_text())["metrics"]
    return metrics


def last_checkpoint(run: Path) -> tuple[dict[str, torch.Tensor], Any]:
    return load_checkpoint(checkpoints(run / "checkpoints")[-1])


@pytest.mark.slow
def test_sharded_processes_give_the_metrics_of_one(plain: tuple[Path, Path]) -> None:
    one, two = plain
    assert metrics_of(two) == pytest.approx(metrics_of(one), abs=1e-5)
    for kind in ("best", "last"):
        left, right = (read_tensors(run / f"{kind}.safetensors")[0] for run in plain)
        assert_same(left, right, atol=1e-3)
    lines, others = ([line for line in log_of(run) if line["event"] == "train"] for run in (two, one))
    assert len(lines) == len(others) == 46
    assert all(0.4 < line["share/weights"] < 0.7 for line in lines), "each process holds its part alone"
    assert all(0.4 < line["share/momenta"] < 0.7 for line in lines[1:])
    assert lines[0]["gradient/norm"] == pytest.approx(others[0]["gradient/norm"], rel=1e-5)
    assert lines[0]["gradient/largest"] == pytest.approx(others[0]["gradient/largest"], rel=1e-5)


@pytest.mark.slow
def test_a_checkpoint_is_that_of_a_single_process(plain: tuple[Path, Path]) -> None:
    """Names, shapes, types and the structure of the state, whoever wrote it; and both predict the same."""
    (one, state), (two, other) = (last_checkpoint(run) for run in plain)
    assert_same(one, two, atol=1e-3)
    assert_same(state["averaged"], other["averaged"], atol=1e-3)
    assert state["position"] == other["position"]
    assert state["optimizer"]["param_groups"] == other["optimizer"]["param_groups"]
    assert state["optimizer"]["state"].keys() == other["optimizer"]["state"].keys()
    for number, values in state["optimizer"]["state"].items():
        assert_same(values, other["optimizer"]["state"][number], atol=1e-3)
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    answers = [Predictor(run)(images) for run in plain]
    torch.testing.assert_close(*answers, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_accumulated_batches_are_sharded_too(tmp_path: Path) -> None:
    one = launch(1, tmp_path / "one", "train.accumulate=3")
    two = launch(2, tmp_path / "two", "train.accumulate=3", SHARDED)
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-5)


@pytest.mark.slow
def test_a_killed_sharded_run_ends_as_the_whole_one(plain: tuple[Path, Path], tmp_path: Path) -> None:
    """SIGKILL to both processes in the second epoch, three updates after the last checkpoint."""
    whole, parts = plain[1], tmp_path / "parts"
    kill = f"hooks=[{{type: '{MODELS}:KillAt', updates: 38}}]"
    broken = run_processes(2, "quick", *OPTIONS, *PLAIN, SHARDED, kill, f"run={parts}")
    assert broken.returncode == -SIGKILL
    assert checkpoints(parts / "checkpoints")[-1].name == "000000035"
    assert go_on(2, parts, "hooks=[]")["metrics"] == metrics_of(whole)
    for name in ("best.safetensors", "last.safetensors"):
        assert_same(read_tensors(whole / name)[0], read_tensors(parts / name)[0])
    (one, state), (two, other) = last_checkpoint(whole), last_checkpoint(parts)
    assert_same(one, two)
    for number, values in state["optimizer"]["state"].items():
        assert_same(values, other["optimizer"]["state"][number])


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)], ids=["sharded to one", "one to sharded"])
def test_a_run_goes_on_with_other_processes(plain: tuple[Path, Path], tmp_path: Path, before: int, after: int) -> None:
    """Taken up in the middle of an epoch, whose means are over all its images nevertheless."""
    stop = f"hooks=[{{type: '{MODELS}:StopAfter', updates: 30}}]"
    stopped = run_processes(before, "quick", *OPTIONS, *PLAIN, stop, SHARDED, f"run={tmp_path / 'parts'}")
    assert stopped.returncode != 0
    assert checkpoints(tmp_path / "parts" / "checkpoints")[-1].name == "000000030", stopped.stderr[-2000:]
    assert go_on(after, tmp_path / "parts", "hooks=[]")["metrics"] == pytest.approx(metrics_of(plain[0]), abs=1e-5)


@pytest.mark.slow
def test_the_launcher_may_ask_for_sharding(tmp_path: Path) -> None:
    """`accelerate launch --use_fsdp` says it in the environment. In bf16, on whatever device there is, with batch norms that
    are not synchronised.
    """
    hook = f"hooks=[{{type: '{MODELS}:LocalShare'}}]"
    options = (
        hook,
        "log.every=1",
        "train.precision=bf16",
        "train.sync_batch_norm=false",
        "train.epochs=1",
        "device=auto",
    )
    launch(2, tmp_path / "run", *options, ACCELERATE_USE_FSDP="true", FSDP_VERSION="2")
    launch(2, tmp_path / "copies", *options)
    lines, copies = (
        [line for line in log_of(tmp_path / name) if line["event"] == "train"] for name in ("run", "copies")
    )
    assert all(0.4 < line["share/weights"] < 0.7 for line in lines)
    assert copies[0]["share/weights"] == 1.0
    assert lines[0]["loss"] == pytest.approx(copies[0]["loss"], abs=1e-5)
    assert lines[-1]["loss"] == pytest.approx(copies[-1]["loss"], abs=0.1)
    assert lines[-1]["loss"] < lines[0]["loss"]


# ---- the parts, in one process ----


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone, in which sharded tensors are sharded tensors nevertheless."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def sharded_net() -> nn.Module:
    torch.manual_seed(0)
    net = PlainNet("SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)", num_classes=10, in_channels=1)
    return shard(net, device=torch.device("cpu"), share_buffers=False)


def stepped(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    net(torch.ones(2, 1, 8, 8)).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.RMSprop, torch.optim.SGD])
def test_the_state_of_any_optimizer_comes_back(group: None, kind: Any) -> None:
    net = sharded_net()
    optimizer = kind(net.parameters(), lr=0.01)
    stepped(net, optimizer)
    check_state(optimizer)
    weights, state = gathered(net.state_dict(), keep=True), gathered(optimizer.state_dict(), keep=True)
    assert not any(isinstance(value, DTensor) for value in weights.values())
    assert gathered({"a": next(net.parameters())}, keep=False) == {"a": None}
    other = sharded_net()
    again = kind(other.parameters(), lr=0.5)
    load_module(other, weights)
    load_optimizer(again, copy.deepcopy(state))  # one process alone gathers no copies
    assert again.param_groups[0]["lr"] == 0.01
    for one, two in ((net, optimizer), (other, again)):
        stepped(one, two)
    assert_same(gathered(net.state_dict(), keep=True), gathered(other.state_dict(), keep=True))


def test_a_state_that_cannot_be_told_apart_is_refused(group: None) -> None:
    net = sharded_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    first = next(net.parameters())
    optimizer.state[first]["rows"] = first.detach().sum(dim=1)
    with pytest.raises(RunError, match=r"SGD keeps rows of \(8, 3, 3\) for a parameter of \(8, 1, 3, 3\)"):
        check_state(optimizer)


def test_offloading_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert launched_for_sharding()
    monkeypatch.setenv("FSDP_OFFLOAD_PARAMS", "true")
    with pytest.raises(UsageError, match=r"does not offload sharded weights .* fsdp_offload_params"):
        launched_for_sharding()


def test_one_process_shards_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert not EpochBasedTrainer(epochs=1, device="cpu", sharded=True).sharded


def test_blocks_are_gathered_one_by_one() -> None:
    net = PlainNet("SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)", num_classes=10, in_channels=1)
    assert list(units(net)) == list(net.blocks)
    lists = nn.ModuleList([nn.ModuleList([nn.Linear(1, 1)]), nn.Sequential(nn.Linear(1, 1), nn.ReLU()), nn.ReLU()])
    inner = nn.ModuleDict({"stages": lists, "head": nn.Linear(1, 1)})
    found = list(units(Classification(inner, losses=[NamedLoss("ce", nn.Linear(1, 1))])))
    assert found[:3] == [lists[0][0], lists[1], inner["head"]]
    assert len(found) == 4, "a loss may have parameters too"


def test_an_optimizer_from_before_the_sharding_is_refused() -> None:
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    check_optimizer(torch.optim.SGD(one.parameters(), lr=1.0), one)
    with pytest.raises(UsageError, match=r"make the optimizer after register_model"):
        check_optimizer(torch.optim.SGD(one.parameters(), lr=1.0), other)


def test_a_process_without_batches_repeats_its_last() -> None:
    left = [3, 2, 1, 0]  # of all processes, round by round

    def add_up(mine: torch.Tensor) -> torch.Tensor:
        left[0], now = left[0] - 1, left[0]
        return mine + now

    assert list(in_step(iter([{"a": 1}]), add_up=add_up)) == [({"a": 1}, True), ({"a": 1}, False), ({"a": 1}, False)]
    with pytest.raises(UsageError, match=r"a process has no validation images"):
        list(in_step(iter([]), add_up=lambda mine: mine + 1))
