"""Measure what every proxy costs, and write it where the table of docs/proxies.md takes it from.

    python benchmarks/proxy_costs.py

CPU time of one thread for one repeat (exact proxies: for a network whose blocks are known), the median of five, module and
images included. CPU time says the same on a machine that is busy with other things.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from time import process_time

import torch

from plainnet.network.published import find_published
from plainnet.profiler.machine import machine_record
from plainnet.proxies.catalogue import find_proxy
from plainnet.proxies.score import score
from plainnet.proxies.shipped import SHIPPED

TARGET = Path(__file__).parents[1] / "docs" / "proxies" / "costs.json"
NETWORK, RESOLUTION, BATCH, ROUNDS = "zennet_cifar_model_size05M_res32", 32, 16, 5


def milliseconds(name: str) -> float:
    """The CPU time of one repeat."""
    made, structure = find_proxy(name), find_published(NETWORK).structure
    times = []
    for seed in range(ROUNDS + 1):
        start = process_time()
        score(
            structure, made, resolution=RESOLUTION, batch=BATCH, repeats=1, seed=seed, labels="random", num_classes=10
        )
        times.append(1000 * (process_time() - start))
    return float(f"{median(times[1:]):.2g}")


def main() -> None:
    torch.set_num_threads(1)
    costs = {name: milliseconds(name) for name in SHIPPED}
    machine = machine_record()
    record = {
        "network": NETWORK,
        "resolution": RESOLUTION,
        "batch": BATCH,
        "cpu": machine["cpu"],
        "torch": machine["torch"],
    }
    TARGET.write_text(json.dumps({**record, "milliseconds": costs}, indent=1) + "\n", encoding="utf-8")
    for name, cost in costs.items():
        print(f"{name:22s} {cost:10g} ms")


if __name__ == "__main__":
    main()
