"""How long counting a module takes, beside thop, fvcore and torch's FlopCounterMode, in turn in one process.

    python benchmarks/counters.py [--rounds 15] [--json]

CPU time of the process, medians of the rounds, after one round that is not counted; a ratio is the median of the ratios of the
rounds, so that a moment in which something else ran counts for both. "run" is one forward pass on the CPU. The last column is
whether the counter gives the exact multiply-accumulates (thop and fvcore count batch norms and pooling beside them).
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from thop import profile
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from plainnet.network.counting.module_counts import count_module


def unit(wide: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    conv = nn.Conv2d(wide, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), *([nn.ReLU6(inplace=True)] if act else []))


class Inverted(nn.Module):
    def __init__(self, wide: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = wide * expansion
        first = [unit(wide, inner, 1)] if expansion > 1 else []
        self.body = nn.Sequential(
            *first, unit(inner, inner, 3, stride=stride, groups=inner), unit(inner, out, 1, act=False)
        )
        self.adds = stride == 1 and wide == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, table 2."""

    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [unit(3, 32, 3, stride=2)]
        wide = 32
        for expansion, out, count, stride in self.STAGES:
            for number in range(count):
                parts.append(Inverted(wide, out, 1 if number else stride, expansion))
                wide = out
        self.features = nn.Sequential(*parts, unit(wide, 1280, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.features(x)).flatten(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.LSTM(128, 256, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[0]


def plain(count: int, width: int) -> nn.Module:
    return nn.Sequential(unit(3, width, 3), *(unit(width, width, 3) for _ in range(count)))


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MobileNetV2, 224": (MobileNetV2, (1, 3, 224, 224)),
    "MobileNetV2, 64": (MobileNetV2, (1, 3, 64, 64)),
    "8 convolutions, 32": (lambda: plain(7, 48), (1, 3, 32, 32)),
    "LSTM, 100 steps": (Recurrent, (8, 100, 128)),
    "encoder of 6 layers": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(128, 4, 512, batch_first=True), 6),
        (1, 128, 128),
    ),
}


def by_run(net: nn.Module, image: Tensor) -> int | None:
    with torch.no_grad():
        net(image)
    return None


def by_plainnet(net: nn.Module, image: Tensor) -> int:
    return count_module(net, image.shape).macs


def by_thop(net: nn.Module, image: Tensor) -> int:
    return int(profile(net, (image,), verbose=False)[0])


def by_fvcore(net: nn.Module, image: Tensor) -> int:
    found = FlopCountAnalysis(net, image).tracer_warnings("none").unsupported_ops_warnings(False)
    return int(found.total())


def by_torch(net: nn.Module, image: Tensor) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net(image)
    return counter.get_total_flops() // 2


COUNTERS: dict[str, Callable[[nn.Module, Tensor], int | None]] = {
    "run": by_run, "plainnet": by_plainnet, "thop": by_thop, "fvcore": by_fvcore, "FlopCounterMode": by_torch,
}  # fmt: skip


def measure(build: Callable[[], nn.Module], shape: tuple[int, ...], rounds: int) -> dict[str, dict[str, Any]]:
    """CPU milliseconds, counted multiply-accumulates and how many times as long as plainnet's count, by counter."""
    net, image = build().eval(), torch.zeros(shape)
    counted = {name: count(net, image) for name, count in COUNTERS.items()}
    times: dict[str, list[float]] = {name: [] for name in COUNTERS}
    for _ in range(rounds):
        for name, count in COUNTERS.items():
            start = time.process_time()
            count(net, image)
            times[name].append(1000 * (time.process_time() - start))
    return {
        name: {
            "ms": statistics.median(found),
            "times_plainnet": statistics.median(a / b for a, b in zip(found, times["plainnet"], strict=True)),
            "macs": counted[name],
        }
        for name, found in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # one kernel in which nobody sees products
    found = {case: measure(build, shape, options.rounds) for case, (build, shape) in CASES.items()}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for case, rows in found.items():
        print(f"\n{case}")
        for name, row in rows.items():
            said = "" if row["macs"] is None else f"{row['macs']:>16,} macs"
            print(f"  {name:16} {row['ms']:8.2f} ms  x{row['times_plainnet']:6.2f}  {said}")


if __name__ == "__main__":
    main()
