"""The fuzzers of the tests, with other inputs than theirs, for as long as one likes: `make fuzz MINUTES=60`.

Each kind of file that may come from anywhere is made wrong at random, and must be read, or refused with an error of
plainnet's. At the end stand the numbers of inputs that were tried and of those that broke something, with their seeds.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), *(str(HERE / name) for name in ("blocks", "configs", "engine"))]

import test_arrays  # noqa: E402
import test_bounds  # noqa: E402
import test_cifar  # noqa: E402
import test_foreign  # noqa: E402
import test_images  # noqa: E402

from plainnet.search import search  # noqa: E402
from tests.search import test_crafted_runs, test_digests  # noqa: E402


def fuzzers(folder: Path) -> dict[str, tuple[int, Callable[[int, int], object]]]:
    """Kind of input -> how many at a time, and what tries so many, from a seed on."""
    sound = folder / "sound"
    search(test_digests.CONFIG, sound)

    def crafted(seed: int, count: int) -> None:
        for each in range(seed, seed + count):
            what = test_crafted_runs.crafted(sound, folder / "runs" / "run", random.Random(each))
            assert test_crafted_runs.check(folder / "runs" / "run", folder / "out") == [], what

    def flipped(seed: int, count: int) -> None:
        test_digests.check_flips(sound, folder / "flipped", seed, count)

    def seeded(check: Callable[..., object], *places: Path) -> Callable[[int, int], object]:
        return lambda seed, count: check(*places, range(seed, seed + count))

    return {
        "network strings": (600, lambda seed, count: test_foreign.check_mutations(random.Random(seed), count)),
        "configurations": (100, seeded(test_bounds.test_any_text_is_a_configuration_or_says_what_is_wrong, folder)),
        "npz files": (100, seeded(test_arrays.test_mutations_of_a_file_are_read_or_named, folder)),
        "CIFAR's pickles": (1_000, seeded(test_cifar.test_mutations_of_a_file_are_read_or_named)),
        "images": (100, seeded(test_images.test_damaged_files_are_read_or_named, folder)),
        "run files, crafted": (2, crafted),
        "run files, a bit flipped": (20, flipped),
    }


def main() -> None:
    """Try all kinds in turn until the time is over; exit code 1 where something broke."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=1.0, help="of the processor")
    options.add_argument("--from", dest="first", type=int, default=1_000_000, help="the first seed")
    given = options.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, of every damaged image
    tried: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        kinds = fuzzers(Path(name))
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
