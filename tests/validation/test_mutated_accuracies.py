"""Tables of trained networks, and images that scores are computed on, made wrong at random: they are read, or named."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from plainnet.proxies.calibrated.features import network_features
from plainnet.templates.nas_bench_macro import network_of_code
from tests.mutations import command, faults, wrong_bytes, wrong_text

CODES = [f"{first}{second}011201" for first in "012" for second in "0112122"]
NET = "SuperConvK3BNRELU(3,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
NAMES = {"accuracies": "wrong.csv", "features": "wrong.csv", "images": "wrong.npz"}
SMALL = ("--resolution", 8, "--num-classes", 3)


def make_files(folder: Path) -> dict[str, bytes]:
    """Kind -> what stands in a sound file of it."""
    del folder
    nets = [network_of_code(code) for code in CODES]
    accuracies = [70.0 + 3 * (number % 7) for number in range(len(nets))]
    table = [
        f'"{net}",{value},{value + 1},n{number}'
        for number, (net, value) in enumerate(zip(nets, accuracies, strict=True))
    ]
    features = [network_features(net, (32, 32))._asdict() for net in nets]
    header = [*features[0], "accuracy", "name"]
    rows = [
        ",".join(map(str, [*found.values(), value, "n"])) for found, value in zip(features, accuracies, strict=True)
    ]
    stream = io.BytesIO()
    draw = np.random.default_rng(0)
    np.savez(stream, images=draw.random((4, 3, 8, 8), dtype=np.float32), labels=np.array([0, 1, 2, 1]))
    return {
        "accuracies": "\n".join(["structure,accuracy,accuracy_2,name", *table, ""]).encode(),
        "features": "\n".join([",".join(header), *rows, ""]).encode(),
        "images": stream.getvalue(),
    }


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return make_files(Path())


def readers(kind: str, file: Path) -> Iterator[Callable[[], object]]:
    """What reads a file of a kind."""
    if kind == "images":
        yield command("score", NET, *SMALL, "--proxy", "grad_norm", "--batch", 2, "--data", file, "--json")
        return
    if kind == "accuracies":
        yield command("validate", "depth", "--table", file, "--resolution", 32, "--resamples", 0)
    yield command("calibrate", file, "--resolution", 32, "--out", file.with_name("calibration.json"))


def check(sound: dict[str, bytes], folder: Path, seeds: Iterable[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        draw = random.Random(seed)
        kind = draw.choice(list(NAMES))
        file = folder / NAMES[kind]
        file.write_bytes(wrong_bytes(sound[kind], draw) if kind == "images" else wrong_text(sound[kind].decode(), draw))
        (folder / "calibration.json").unlink(missing_ok=True)
        found = faults(readers(kind, file), NAMES[kind], "is no better than", "more than half of the accuracies")
        assert found == [], (seed, kind, *found)


@pytest.mark.parametrize(
    "seeds",
    [(*range(10), 93_046_010, 97_021_008), pytest.param(range(10, 500), marks=pytest.mark.tail)],
    ids=["short", "long"],
)
def test_wrong_tables_of_networks_are_read_or_named(
    files: dict[str, bytes], tmp_path: Path, seeds: Sequence[int]
) -> None:
    check(files, tmp_path, seeds)


def test_sound_ones_are_read(files: dict[str, bytes], tmp_path: Path) -> None:
    """What the fuzzer begins with is read: else it would try nothing."""
    for kind, content in files.items():
        (tmp_path / NAMES[kind]).write_bytes(content)
        first, *_ = readers(kind, tmp_path / NAMES[kind])
        assert kind == "features" or first()
