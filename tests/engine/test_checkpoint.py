"""Checkpoints on disk: any state, nothing that runs code, whole or absent."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn

from plainnet.engine.checkpoints.checkpoint import (
    checkpoints,
    clear,
    load_checkpoint,
    pack,
    prune,
    save_checkpoint,
    save_weights,
    unpack,
)
from plainnet.engine.seeds import random_state, restore_random_state
from plainnet.errors import RunError
from plainnet.files.tensor_files import read_tensors

tensors = st.sampled_from(
    [torch.arange(6.0).view(2, 3).t(), torch.tensor(3), torch.zeros(0), torch.ones(2, dtype=torch.bool)]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | tensors
states = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and one == other


@given(states)
def test_any_state_comes_back(state: Any) -> None:
    found: dict[str, torch.Tensor] = {}
    assert equal(unpack(json.loads(json.dumps(pack(state, found))), found), state)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.Adagrad, torch.optim.RMSprop])
def test_the_state_of_an_optimizer_comes_back(tmp_path: Path, kind: Any) -> None:
    model = nn.Linear(3, 2)
    options = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind(model.parameters(), lr=0.1, **options)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    path = save_checkpoint(tmp_path, 3, model=model.state_dict(), state=optimizer.state_dict())
    weights, state = load_checkpoint(path)
    assert equal(state, optimizer.state_dict())
    assert equal(weights, dict(model.state_dict()))


def test_the_random_state_comes_back() -> None:
    import random

    import numpy as np

    found: dict[str, torch.Tensor] = {}
    packed = json.loads(json.dumps(pack(random_state(), found)))
    expected = [random.random(), float(np.random.rand()), float(torch.rand(()))]
    restore_random_state(unpack(packed, found))
    assert [random.random(), float(np.random.rand()), float(torch.rand(()))] == expected


def test_what_cannot_be_saved_says_so() -> None:
    with pytest.raises(RunError, match=r"a state of type object cannot be saved"):
        pack({"x": object()}, {})


def test_infinities_survive() -> None:
    state = {"best": math.inf, "worst": -math.inf}
    assert unpack(json.loads(json.dumps(pack(state, {}))), {}) == state


def test_checkpoints_are_listed_pruned_and_never_overwritten(tmp_path: Path) -> None:
    for update in (5, 10, 10, 20):
        save_checkpoint(tmp_path, update, model={"w": torch.tensor([float(update)])}, state={})
    assert [path.name for path in checkpoints(tmp_path)] == ["000000005", "000000010", "000000010.1", "000000020"]
    (tmp_path / "000000005-mine").mkdir()
    (tmp_path / "1").mkdir()
    (tmp_path / ".writing-123-30").mkdir()
    (tmp_path / ".writing-best.safetensors").touch()
    prune(tmp_path, 2)
    others, kept = [".writing-123-30", ".writing-best.safetensors"], ["000000005-mine", "000000010.1", "000000020", "1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*others, *kept]
    clear(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    clear(tmp_path / "nothing")
    assert checkpoints(tmp_path / "nothing") == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_at_any_moment_of_a_write_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """SIGKILL before each call that touches the disk, from the first file to the removal of the old checkpoint."""
    stages = 0
    for stage in range(1, 50):
        folder = tmp_path / str(stage)
        save_checkpoint(folder, 1, model={"w": torch.tensor([1.0])}, state={"w": torch.tensor([1.0])})
        child = os.fork()
        if child == 0:
            _write_and_die(folder, stage)
        status = os.waitpid(child, 0)[1]
        weights, state = load_checkpoint(checkpoints(folder)[-1])
        assert torch.equal(weights["w"], state["w"])
        if status == 0:
            assert [path.name for path in folder.iterdir()] == ["000000002"]
            break
        assert status == signal.SIGKILL
        stages += 1
        clear(folder)
        prune(folder, 1)
        assert len(list(folder.iterdir())) == 1, "what was left behind is removed"
    assert stages >= 10


def _write_and_die(folder: Path, stage: int) -> None:
    """In a child process: write a second checkpoint, remove the first, and be killed before the call number `stage`."""
    from plainnet.engine.checkpoints import checkpoint

    calls = itertools.count(1)

    def deadly(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) == stage:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for name in ("write_tensors", "_sync"):
        setattr(checkpoint, name, deadly(getattr(checkpoint, name)))
    for owner, name in ((Path, "write_text"), (Path, "rename"), (Path, "mkdir"), (os, "unlink"), (os, "rmdir")):
        setattr(owner, name, deadly(getattr(owner, name)))
    try:
        save_checkpoint(folder, 2, model={"w": torch.tensor([2.0])}, state={"w": torch.tensor([2.0])})
        prune(folder, 1)
    finally:
        os._exit(0)


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_full_disk_leaves_the_checkpoints_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The disk is full at the first, the second or the third file of the next one."""
    from plainnet.engine.checkpoints import checkpoint

    save_checkpoint(tmp_path, 1, model={"w": torch.ones(3)}, state={})
    written: list[Path] = []

    def full(save: Any) -> Any:
        def write(*arguments: Any, **options: Any) -> Any:
            written.append(tmp_path)
            if len(written) == failing:
                raise OSError(28, "No space left on device")
            return save(*arguments, **options)

        return write

    monkeypatch.setattr(checkpoint, "write_tensors", full(checkpoint.write_tensors))
    monkeypatch.setattr(Path, "write_text", full(Path.write_text))
    with pytest.raises(
        RunError, match=r"cannot write a checkpoint to .*No space left on device; those before it are whole"
    ):
        save_checkpoint(tmp_path, 2, model={"w": torch.ones(3)}, state={})
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["000000001"]
    assert load_checkpoint(checkpoints(tmp_path)[-1])[0]["w"].tolist() == [1.0, 1.0, 1.0]


def test_weights_that_cannot_be_written_leave_the_old_ones(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_weights(file, {"a": torch.ones(2)}, metadata={})
    with pytest.raises(RunError, match=r"cannot write .*nowhere"):
        save_weights(tmp_path / "nowhere" / "w.safetensors", {"a": torch.ones(2)}, metadata={})
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("name", ["state.json", "state.safetensors", "model.safetensors"])
@pytest.mark.parametrize("damage", ["remove", "cut", "flip"])
def test_a_damaged_checkpoint_is_an_error_of_ours(tmp_path: Path, name: str, damage: str) -> None:
    path = save_checkpoint(tmp_path, 1, model={"w": torch.ones(3)}, state={"a": torch.ones(2)})
    file = path / name
    if damage == "remove":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-4])
    else:
        data = bytearray(file.read_bytes())
        data[-2] ^= 1
        file.write_bytes(data)
    with pytest.raises(RunError, match=rf"{path.name} is not a readable checkpoint: .*{name}"):
        load_checkpoint(path)


def test_a_checkpoint_of_two_is_noticed(tmp_path: Path) -> None:
    """Each file is whole, but they do not belong together."""
    one, two = (
        save_checkpoint(tmp_path, update, model={}, state={"a": torch.ones(update), "b": update}) for update in (1, 2)
    )
    (one / "state.json").write_bytes((two / "state.json").read_bytes())
    with pytest.raises(RunError, match=r"state.json is damaged"):
        load_checkpoint(one)


def test_weights_carry_their_metadata_and_shared_tensors(tmp_path: Path) -> None:
    shared = torch.arange(8.0)
    save_weights(tmp_path / "w.safetensors", {"a": shared, "b": shared, "c": shared[2:4]}, metadata={"structure": "x"})
    weights, metadata = read_tensors(tmp_path / "w.safetensors")
    assert metadata["structure"] == "x"
    assert torch.equal(weights["a"], weights["b"])
    assert weights["c"].tolist() == [2.0, 3.0]
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "pt"
    (tmp_path / "bad").write_bytes(b"\x80\x04.")
    with pytest.raises(RunError, match=r"is not a readable safetensors file"):
        read_tensors(tmp_path / "bad")
