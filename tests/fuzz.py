"""The fuzzers of the tests, with other inputs than theirs, for as long as one likes: `make fuzz MINUTES=60`.

Each kind of file that may come from anywhere is made wrong at random, and must be read, or refused with an error of
plainnet's. At the end stand the numbers of inputs that were tried and of those that broke something, with their seeds.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), *(str(HERE / name) for name in ("blocks", "configs", "engine"))]

import test_arrays  # noqa: E402
import test_bounds  # noqa: E402
import test_cifar  # noqa: E402
import test_foreign  # noqa: E402
import test_images  # noqa: E402

from plainnet.search import search  # noqa: E402
from tests.engine import (  # noqa: E402
    test_mutated_configs,
    test_mutated_data,
    test_mutated_logs,
    test_mutated_states,
    test_mutated_tunings,
    test_mutated_weights,
)
from tests.export import test_mutated_exports  # noqa: E402
from tests.profiler import test_mutated_tables  # noqa: E402
from tests.proxies import test_mutated_calibrations  # noqa: E402
from tests.search import test_crafted_runs, test_digests, test_mutated_spaces  # noqa: E402
from tests.search.exact import test_mutated_certificates  # noqa: E402
from tests.store import test_mutated_foreign, test_mutated_stores  # noqa: E402
from tests.validation import test_mutated_accuracies  # noqa: E402

Check = Callable[[int, int], object]
"""Tries so many inputs from a seed on."""


def fuzzers(folder: Path) -> dict[str, tuple[int, Check]]:
    """Kind of input -> how many at a time, and what tries them."""
    sound = folder / "sound"
    search(test_digests.CONFIG, sound)

    def crafted(seed: int, count: int) -> None:
        for each in range(seed, seed + count):
            what = test_crafted_runs.crafted(sound, folder / "runs" / "run", random.Random(each))
            found = test_crafted_runs.check(folder / "runs" / "run", folder / "out")
            assert found == [], (each, what, *found)

    def flipped(seed: int, count: int) -> None:
        test_digests.check_flips(sound, folder / "flipped", seed, count)

    return {
        "network strings": (600, lambda seed, count: test_foreign.check_mutations(random.Random(seed), count)),
        "configurations": (100, seeded(test_bounds.test_any_text_is_a_configuration_or_says_what_is_wrong, folder)),
        "npz files": (100, seeded(test_arrays.test_mutations_of_a_file_are_read_or_named, folder)),
        "CIFAR's pickles": (1_000, seeded(test_cifar.test_mutations_of_a_file_are_read_or_named)),
        "images": (100, seeded(test_images.test_damaged_files_are_read_or_named, folder)),
        "tables of TinyNAS's profiler": (30, seeded(test_mutated_tables.check_imports, folder / "tensorrt")),
        "run files, crafted": (2, crafted),
        "run files, a bit flipped": (20, flipped),
        **{
            name: (count, seeded(check, sound, folder / f"wrong-{number}"))
            for number, (name, count, sound, check) in enumerate(mutated(folder))
        },
    }


def mutated(folder: Path) -> Iterator[tuple[str, int, Any, Callable[..., object]]]:
    """(kind of input, how many at a time, sound ones, what tries them) of the kinds of `tests/mutations.py`."""
    weights = test_mutated_weights.make_weights(folder / "weights")
    optimum = test_mutated_certificates.make_optimum(folder / "optimum")
    yield "weights", 15, weights, test_mutated_weights.check
    yield "checkpoints", 4, test_mutated_states.make_run(folder / "states"), test_mutated_states.check
    yield "logs of trainings", 8, test_mutated_logs.make_training(folder / "training"), test_mutated_logs.check
    configs = test_mutated_configs.make_config(folder / "configs")
    yield "searches over settings", 6, test_mutated_tunings.make_tuning(folder / "tuned"), test_mutated_tunings.check
    yield "configurations of trainings", 8, configs, test_mutated_configs.check
    yield "data sets with boxes and masks", 10, test_mutated_data.make_data(folder / "data"), test_mutated_data.check
    yield "tables of latencies", 15, test_mutated_tables.make_table(folder / "table"), test_mutated_tables.check
    files = test_mutated_calibrations.make_files(folder / "calibration")
    yield "calibrations, validations, scores", 100, files, test_mutated_calibrations.check
    yield "certificates", 30, optimum, test_mutated_certificates.check_certificates
    yield "exact searches", 8, optimum, test_mutated_certificates.check_runs
    yield (
        "stores and tables of support",
        15,
        test_mutated_stores.make_store(folder / "store"),
        test_mutated_stores.check,
    )
    foreign = test_mutated_foreign.make_foreign(folder / "foreign")
    yield "what comes into a store", 15, foreign, test_mutated_foreign.check
    yield "spaces and sweeps", 6, test_mutated_spaces.make_spaces(folder / "spaces"), test_mutated_spaces.check
    accuracies = test_mutated_accuracies.make_files(folder)
    yield "tables of trained networks, images to score", 15, accuracies, test_mutated_accuracies.check
    yield "exported folders", 15, test_mutated_exports.make_export(folder / "export"), test_mutated_exports.check


def seeded(check: Callable[..., object], *places: Any) -> Check:
    return lambda seed, count: check(*places, range(seed, seed + count))


def main() -> None:
    """Try all kinds in turn until the time is over; exit code 1 where something broke."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=1.0, help="of the processor")
    options.add_argument("--only", action="append", metavar="WORDS", help="the kinds whose name holds these words")
    options.add_argument("--from", dest="first", type=int, default=1_000_000, help="the first seed")
    given = options.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, of every damaged image
    tried: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        os.environ["PLAINNET_HOME"] = str(Path(name, "home"))
        kinds = {
            kind: each for kind, each in fuzzers(Path(name)).items() if any(word in kind for word in given.only or [""])
        }
        seed, began = given.first, time.process_time()
        while time.process_time() - began < 60 * given.minutes:
            for kind, (count, check) in kinds.items():
                try:
                    check(seed, count)
                except Exception:
                    broken[kind] += 1
                    print(f"{kind}, seeds from {seed}:\n{traceback.format_exc()}", flush=True)
                tried[kind] += count
            seed += max(count for count, _ in kinds.values())
    for kind in kinds:
        print(f"{kind}: {tried[kind]:,} tried, in {broken[kind]} rounds something broke")
    print(f"seeds from {given.first} to {seed}, {(time.process_time() - began) / 60:.1f} minutes of the processor")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
