"""The store: networks added one after the other, and what a condition finds among 10,000 records.

An addition waits for the disk: its wall time is that of the machine's disk, its CPU time that of the code. Bars: 200 additions in
20 s, a find in 50 ms.
"""

from pathlib import Path
from time import perf_counter, process_time

import pytest
import torch

from plainnet.files.tensor_files import write_tensors
from plainnet.store.finding import find
from plainnet.store.index import rebuild_index
from plainnet.store.keeping import keep, name_of
from plainnet.store.layout import RECORD, folder_of
from plainnet.store.record import Data, Identity, Metric, Record, Structure

pytest.importorskip("pytest_benchmark")

ADDED, KEPT = 200, 10_000
CONDITIONS = {
    "a few": ('"imagenet" in tags and acc > 0.99', []),
    "some hundred": ('task == "cls" and acc > 0.7', ["imagenet"]),
    "a thousand": ("acc > 0.9", []),
    "nearly all": ("acc > 0.01", []),
}


def record(number: int) -> Record:
    accuracy = number * 7919 % KEPT / KEPT
    return Record(
        identity=Identity(
            digest="0" * 64,
            name=f"net{number}",
            tag="one",
            family="own",
            kind="network",
            task="cls" if number % 3 else "seg",
            tags=["small"] if number % 5 else ["imagenet"],
        ),
        structure=Structure(constructor="Linear", parts={"backbone": ["body."], "head": ["head."]}),
        data=Data(name="digits"),
        metrics=[Metric(dataset="digits", split="val", name="accuracy", value=accuracy, better="higher")],
    )


def write_weights(path: Path) -> None:
    write_tensors(path, {"body.weight": torch.arange(4.0), "head.weight": torch.ones(2)})


def test_additions(benchmark, capsys, tmp_path):
    def add() -> None:
        for number in range(ADDED):
            keep(tmp_path / "store", record(number), write_weights)

    start, cpu = perf_counter(), process_time()
    benchmark.pedantic(add, rounds=1, iterations=1)
    seconds, processor = perf_counter() - start, process_time() - cpu
    benchmark.extra_info["cpu_seconds"] = processor
    assert len(find(tmp_path / "store")[0]) == ADDED
    with capsys.disabled():
        print(f"\n{ADDED} additions: {processor:.1f} s of the processor, {seconds:.1f} s in all")


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Records alone: what finds do not need is not written."""
    root = tmp_path_factory.mktemp("many")
    for number in range(KEPT):
        made = record(number)
        folder = folder_of(root, name_of(made))
        folder.mkdir(parents=True)
        (folder / RECORD).write_text(made.model_dump_json(by_alias=True))
    rebuild_index(root)
    return root


@pytest.mark.parametrize("case", CONDITIONS)
def test_finds(benchmark, capsys, case, many):
    condition, tags = CONDITIONS[case]
    times = []

    def found() -> int:
        start = process_time()
        count = len(find(many, condition, tags=tags, part="head")[0])
        times.append(1000 * (process_time() - start))
        return count

    count = benchmark.pedantic(found, rounds=15, iterations=1, warmup_rounds=1)
    assert 0 < count < KEPT
    times.sort()
    with capsys.disabled():
        print(
            f"\n{count} of {KEPT:,} records: {times[len(times) // 2]:.1f} ms of the processor ({times[0]:.1f} the least)"
        )
