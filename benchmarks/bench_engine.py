"""What the engine adds to a bare training loop, for each update.

    python benchmarks/bench_engine.py [--json]

Both loops train the same network on the same batches in memory with the same optimizer; they take turns, some updates each,
so that a busy machine disturbs both alike; with --cpu the clock is the processor time of the process (all its threads), which
a busy machine hardly disturbs. The bare loop does what a loop must: fetch, forward, loss, backward, step,
zero_grad, and add up the loss. The engine runs as `plainnet train` runs it, with its log, means, accuracy and checkpoint
hooks (a checkpoint an epoch, outside of the measured updates).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from plainnet import PlainNet
from plainnet.engine import Classification, EpochBasedTrainer, Hook, Loader, NamedLoss, TensorSamples
from plainnet.engine.hooks.checkpointing import CheckpointHook
from plainnet.engine.hooks.console import ConsoleHook
from plainnet.engine.hooks.recording import RecordingHook
from plainnet.engine.loop.trainer import Trainer
from plainnet.engine.tasks.losses import CrossEntropy

CASES = {
    "tiny": {"structure": "SuperConvK3BNRELU(1,8,1,1)SuperConvK1BNRELU(8,16,1,1)", "size": 8, "batch": 16},
    "cifar": {
        "structure": "SuperConvK3BNRELU(3,32,1,1)SuperResK3K3(32,64,2,32,1)SuperResK3K3(64,128,2,64,1)"
        "SuperConvK1BNRELU(128,256,1,1)",
        "size": 32,
        "batch": 64,
    },
}
BLOCK = 10
"""Updates in a turn."""


def samples(channels: int, size: int, count: int) -> TensorSamples:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, channels, size, size, generator=generator)
    return TensorSamples(images, torch.randint(0, 10, (count,), generator=generator))


def network(structure: str) -> PlainNet:
    torch.manual_seed(0)
    return PlainNet(structure, num_classes=10, in_channels=1 if "(1," in structure[:22] else 3)


def bare_loop(structure: str, data: TensorSamples, batch: int) -> Iterator[None]:
    """Yields after each update of a bare loop."""
    model = network(structure).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    while True:
        order = torch.randperm(len(data))
        total = torch.zeros((), dtype=torch.float64)
        for start in range(0, len(data), batch):
            index = order[start : start + batch]
            optimizer.zero_grad()
            loss = criterion(model(data.images[index]), data.labels[index])
            loss.backward()
            optimizer.step()
            total += loss.detach()
            yield


class Turns(Hook):
    """Lets the bare loop take its turn after each block of updates, and notes how long each took."""

    priority = 1000

    def __init__(self, bare: Iterator[None], blocks: int, clock: Callable[[], float]) -> None:
        self.bare, self.blocks, self.clock = bare, blocks, clock
        self.engine_seconds: list[float] = []
        self.bare_seconds: list[float] = []

    def before_train_epoch(self, trainer: Trainer) -> None:  # noqa: ARG002
        self.start = self.clock()

    def after_update(self, trainer: Trainer) -> None:
        if trainer.iteration % BLOCK:
            return
        now = self.clock()
        self.engine_seconds.append((now - self.start) / BLOCK)
        for _ in range(BLOCK):
            next(self.bare)
        self.bare_seconds.append((self.clock() - now) / BLOCK)
        if len(self.bare_seconds) == self.blocks:
            trainer.stop_reason = "measured"
        self.start = self.clock()


def measure(name: str, blocks: int, folder: Path, clock: Callable[[], float] = time.perf_counter) -> dict[str, Any]:
    """Medians over the blocks, of each loop and of the difference of neighbouring blocks, in milliseconds."""
    case = CASES[name]
    structure, size, batch = str(case["structure"]), int(case["size"]), int(case["batch"])  # type: ignore[call-overload]
    model = network(structure)
    data = samples(model.structure.in_channels, size, 64 * batch)
    turns = Turns(bare_loop(structure, data, batch), blocks, clock)
    console = Console(quiet=True)
    hooks = [RecordingHook(folder), CheckpointHook(folder), ConsoleHook(console, unit="epoch", rounds=10**6), turns]
    trainer = EpochBasedTrainer(epochs=10**6, device="cpu", hooks=hooks)
    task = Classification(model, losses=[NamedLoss("ce", CrossEntropy())])
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=0.01, momentum=0.9))
    trainer.register_loader(
        Loader(data, batch_size=batch, shuffle=True),
        Loader(samples(*data.images.shape[1:3], 64), batch_size=64, shuffle=False),
    )
    trainer.fit()
    bare, engine = turns.bare_seconds[2:], turns.engine_seconds[2:]
    added = statistics.median(one - other for one, other in zip(engine, bare, strict=True))
    return {
        "case": name,
        "updates": BLOCK * len(bare),
        "bare_ms": 1e3 * statistics.median(bare),
        "engine_ms": 1e3 * statistics.median(engine),
        "added_ms": 1e3 * added,
        "added_percent": 100 * added / statistics.median(bare),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--blocks", type=int, default=60, help="turns of each loop")
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--cpu", action="store_true", help="measure processor time instead of time")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in CASES if arguments.case == "all" else [arguments.case]:
        with tempfile.TemporaryDirectory() as folder:
            result = measure(
                name, arguments.blocks, Path(folder), time.process_time if arguments.cpu else time.perf_counter
            )
        if arguments.json:
            print(json.dumps(result))
        else:
            print(
                f"{name}: bare {result['bare_ms']:.3f} ms, engine {result['engine_ms']:.3f} ms an update, "
                f"added {result['added_ms']:.3f} ms ({result['added_percent']:.1f} %), {result['updates']} updates"
            )


if __name__ == "__main__":
    main()
