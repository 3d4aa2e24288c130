"""What the search finds against the published networks of the same size, by the definition of the Zen-score.

    python benchmarks/search_quality.py [--candidates 480000] [--seeds 5] [--repeats 32] [--workers 2] [--out FOLDER]
    python benchmarks/search_quality.py --optima [--num-classes 0] [--repeats 32]

The CIFAR search of the Zen-NAS paper (up to 1.041 M params and 18 layers, R 32) with several seeds, and its ImageNet
searches with the MACs and layers that the published networks have, counted exactly (R 224). Winners and published networks
are scored by Monte-Carlo in the same way, under a seed that no search used. Prints a table and writes the winners.

--optima: the optima of the CIFAR budgets instead, one and two of them, and of the thousand next best the best by the whole closed
form. Budgets include the classifier of 100 classes, as the published network's 1.041 M params do; --num-classes 0: there is none.
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
from plainnet.search import SearchConfig, load_space, optimum, search
from plainnet.search.settings.defaults import default_ladder

CIFAR = "zennet_cifar_model_size1M_res32"
IMAGENET = [f"zennet_imagenet1k_flops{size}M_res224" for size in (400, 600, 900)]
FRESH_SEED = 1_000_003
CIFAR_LIMITS = {"params": 1.041e6, "layers": 18}


def searches(seeds: int, candidates: int) -> Iterator[tuple[str, SearchConfig]]:
    """(the published network to beat, the search)"""
    common: dict[str, Any] = {"ladder": default_ladder("zen"), "candidates": candidates}
    for seed in range(seeds):
        yield CIFAR, SearchConfig(load_space("zennas-resnet"), limits=CIFAR_LIMITS, seed=seed, **common)
    for name in IMAGENET:
        counts = plainnet.analyze_model(name, latency=False, zen=False)
        limits = {"macs": counts.macs, "layers": counts.layers}
        yield name, SearchConfig(load_space("zennas-mobile"), limits=limits, resolution=224, num_classes=1000, **common)


def definition(structure: str, resolution: int, repeats: int) -> tuple[float, float]:
    """The Monte-Carlo Zen-score and its standard error."""
    found = score(structure, "zen_mc", resolution=resolution, repeats=repeats, seed=FRESH_SEED)
    return found.mean, found.stderr or 0.0


def optima(num_classes: int, repeats: int) -> None:
    """Solve for the CIFAR budgets, and measure what is best by the whole closed form."""
    for more in ({}, {"macs": 159.3e6}):
        limits, began = {**CIFAR_LIMITS, **more}, time.process_time()
        found = optimum("zennas-resnet", limits=limits, num_classes=num_classes, near=1_000)
        seconds, best = time.process_time() - began, found.whole
        assert best is not None
        mean, error = definition(best.structure, 32, repeats)
        print(
            f"{limits}, {num_classes} classes: {seconds:.1f} s of CPU time, value {found.value:.3f}, bound {found.bound:.3f}, "
            f"closed form {best.scores['zen']:.2f}, zen {mean:.2f} +- {error:.2f}  {best.hash}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=480_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/search_quality"))
    parser.add_argument("--optima", action="store_true")
    parser.add_argument("--num-classes", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.optima:
        optima(arguments.num_classes, arguments.repeats)
        return
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
