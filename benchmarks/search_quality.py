"""What the search finds against the published networks of the same size, by the definition of the Zen-score.

    python benchmarks/search_quality.py [--candidates 480000] [--seeds 5] [--repeats 32] [--workers 2] [--out FOLDER]

The CIFAR search of the Zen-NAS paper (up to 1.041 M params and 18 layers, R 32) with several seeds, and its ImageNet
searches with the MACs and layers that the published networks have, counted exactly (R 224). Winners and published networks
are scored by Monte-Carlo in the same way, under a seed that no search used. Prints a table and writes the winners.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plainnet
from plainnet.network.published import find_published
from plainnet.proxies.score import score
from plainnet.search import SearchConfig, load_space, search
from plainnet.search.settings.defaults import default_ladder

CIFAR = "zennet_cifar_model_size1M_res32"
IMAGENET = [f"zennet_imagenet1k_flops{size}M_res224" for size in (400, 600, 900)]
FRESH_SEED = 1_000_003


def searches(seeds: int, candidates: int) -> Iterator[tuple[str, SearchConfig]]:
    """(the published network to beat, the search)"""
    common: dict[str, Any] = {"ladder": default_ladder("zen"), "candidates": candidates}
    for seed in range(seeds):
        limits = {"params": 1.041e6, "layers": 18}
        yield CIFAR, SearchConfig(load_space("zennas-resnet"), limits=limits, seed=seed, **common)
    for name in IMAGENET:
        counts = plainnet.analyze_model(name, latency=False, zen=False)
        limits = {"macs": counts.macs, "layers": counts.layers}
        yield name, SearchConfig(load_space("zennas-mobile"), limits=limits, resolution=224, num_classes=1000, **common)


def definition(structure: str, resolution: int, repeats: int) -> tuple[float, float]:
    """The Monte-Carlo Zen-score and its standard error."""
    found = score(structure, "zen_mc", resolution=resolution, repeats=repeats, seed=FRESH_SEED)
    return found.mean, found.stderr or 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=480_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/search_quality"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    published: dict[str, tuple[float, float]] = {}
    for name, config in searches(arguments.seeds, arguments.candidates):
        began = time.perf_counter()
        best = search(config, workers=arguments.workers).best
        seconds = time.perf_counter() - began
        if name not in published:
            structure = str(find_published(name).structure)
            published[name] = definition(structure, config.resolution, arguments.repeats)
            print(f"{name}: zen {published[name][0]:.2f} +- {published[name][1]:.2f}", flush=True)
        mean, error = definition(best.structure, config.resolution, arguments.repeats)
        print(
            f"  seed {config.seed}  zen {mean:.2f} +- {error:.2f}  params {best.params:,}  macs {best.macs:,}  "
            f"layers {best.layers}  {seconds:.0f} s  {best.hash}",
            flush=True,
        )
        (arguments.out / f"{name}-{config.seed}.txt").write_text(best.structure + "\n")


if __name__ == "__main__":
    main()
