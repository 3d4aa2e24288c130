"""The CIFAR search of the Zen-NAS paper: seconds, memory, how they grow, and a plain loop beside it.

    python benchmarks/bench_search.py [--candidates 480000] [--workers 1 2] [--times 10] [--json]

A run is `plainnet search zennas-resnet --max-params 1.041e6 --max-layers 18 --ladder none` in a process of its own, with
its SQLite file in a temporary folder. Seconds are wall time of the evolution and CPU time of all processes; memory is the
peak of the largest process. The plain loop builds the torch module of a candidate and counts its parameters and MACs.
`--times 10` repeats the search with ten times the candidates.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LIMITS = ["--max-params", "1.041e6", "--max-layers", "18", "--ladder", "none", "--quiet", "--json"]


def run(candidates: int, workers: int) -> dict[str, Any]:
    """One search, measured."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "plainnet", "search", "zennas-resnet", *LIMITS]
        command += ["--candidates", str(candidates), "--workers", str(workers), "--out", f"{folder}/run"]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            output, _ = process.communicate()
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        size = Path(f"{folder}/run/run.sqlite").stat().st_size
    summary = json.loads(output.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "candidates": candidates,
        "workers": workers,
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "us_per_candidate": round(1e6 * wall / candidates, 1),
        "peak_mb": round(after.ru_maxrss / 1024),
        "file_mb": round(size / 2**20, 1),
        "evaluated": summary["evaluated"],
        "zen_leading": round(summary["best"]["zen_leading"], 3),
    }


def plain_loop(count: int = 20) -> float:
    """Seconds for one candidate of a loop that builds the module, counts its parameters, and counts its MACs."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from plainnet import PlainNet
    from plainnet.network.published import find_published

    torch.set_num_threads(1)
    text = str(find_published("zennet_cifar_model_size1M_res32").structure)
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        net = PlainNet(text, num_classes=100).eval()
        sum(parameter.numel() for parameter in net.parameters())
        with torch.no_grad(), FlopCounterMode(display=False):
            net(torch.zeros(1, 3, 32, 32))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=480_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--times", type=int, default=0, help="also with this many times the candidates, one worker")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [run(arguments.candidates, workers) for workers in arguments.workers]
    if arguments.times:
        rows.append(run(arguments.times * arguments.candidates, 1))
    loop = plain_loop()
    found = {"load": os.getloadavg()[0], "cpus": os.cpu_count(), "runs": rows, "plain_loop_s": loop}
    found["ratio"] = loop / (rows[0]["cpu_s"] / rows[0]["candidates"])
    if arguments.json:
        print(json.dumps(found))
        return
    for row in rows:
        print("  ".join(f"{name} {value:,}" for name, value in row.items()))
    if arguments.times:
        print(f"{arguments.times} times the candidates: {rows[-1]['cpu_s'] / rows[0]['cpu_s']:.2f} times the CPU time")
    print(f"plain loop: {1e3 * loop:.1f} ms for a candidate, {found['ratio']:,.0f} times a candidate of the search")
    print(f"load of the machine {found['load']:.1f} on {found['cpus']} CPUs")


if __name__ == "__main__":
    main()
