"""Files of calibrations, of validations and of scores made wrong at random: they are read, or named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.proxies.calibrated.features import network_features
from plainnet.templates.nas_bench_macro import network_of_code
from plainnet.validation.calibrating import TrainedNetworks, calibrate, singles_of
from plainnet.validation.trust import shipped_records, write_records
from tests.mutations import command, faults, wrong_json

CODES = ("00000000", "11111111", "22222222", "01201201", "21021021", "00112200", *(f"{n:08b}" for n in range(1, 80, 8)))
NETWORK = "SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,16,1,1)"
NAMES = {
    "calibration": "wrong.json", "validations": "trust.json", "scores": "scores.jsonl", "validation": "validation.json",
    "sets": "sets.json",
}  # fmt: skip


def make_files(folder: Path) -> dict[str, str]:
    """Kind -> what stands in a sound file of it."""
    folder.mkdir(parents=True)
    features = tuple(network_features(network_of_code(code), (32, 32)) for code in CODES)
    accuracies = tuple(70.0 + 2 * number for number in range(len(CODES)))
    calibration = calibrate(
        TrainedNetworks("mine.csv", (32, 32), CODES, features, accuracies, singles_of(features))
    ).calibration
    table = folder / "mine.csv"
    lines = [f'"{network_of_code(code)}",{accuracy}' for code, accuracy in zip(CODES, accuracies, strict=True)]
    table.write_text("\n".join(["structure,accuracy", *lines, ""]), encoding="utf-8")
    scores = folder / NAMES["scores"]
    command("validate", "depth", "--table", table, "--resolution", 32, "--resamples", 0, "--resume", scores)()
    some = {name: dict(islice(proxies.items(), 3)) for name, proxies in islice(shipped_records().items(), 2)}
    return {
        "calibration": calibration.to_json(),
        "validations": write_records(some, folder / NAMES["validations"]).read_text(encoding="utf-8"),
        "scores": scores.read_text(encoding="utf-8"),
        "table": table.read_text(encoding="utf-8"),
        "validation": printed("depth", "--table", table, "--resolution", 32, "--resamples", 2),
        "sets": printed("depth", "--set", "all", "--sample", 4, "--resamples", 2),
    }


def printed(*arguments: object) -> str:
    """What a validation prints as JSON."""
    return CliRunner().invoke(cli, ["validate", *map(str, arguments), "--json"], catch_exceptions=False).stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_files(tmp_path_factory.mktemp("files") / "sound")


def readers(kind: str, folder: Path) -> Iterator[Callable[[], object]]:
    """What reads a file of a kind."""
    if kind == "calibration":
        yield command("score", NETWORK, "--resolution", 32, "--proxy", f"calibrated:{folder / NAMES[kind]}", "--json")
        yield command("report", folder / NAMES[kind])
    elif kind in ("validation", "sets"):
        yield command("report", folder / NAMES[kind])
    elif kind == "validations":
        yield command("score", NETWORK, "--resolution", 32, "--proxy", "depth")
    else:
        yield command(
            "validate", "depth", "--table", folder / "mine.csv", "--resolution", 32, "--resamples", 0, "--resume",
            folder / NAMES[kind],
        )  # fmt: skip


def check(sound: dict[str, str], folder: Path, seeds: Iterable[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.csv").write_text(sound["table"], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for seed in seeds:
            draw = random.Random(seed)
            kind = draw.choice(list(NAMES))
            patch.setenv("PLAINNET_HOME", str(folder if kind == "validations" else folder / "home"))
            (folder / NAMES[kind]).write_bytes(wrong_json(sound[kind], draw))
            found = faults(readers(kind, folder), NAMES[kind])
            assert found == [], (seed, kind, *found)


@pytest.mark.parametrize(
    "seeds",
    [(*range(20), 6_002_099, 31_016_017, 97_089_046), pytest.param(range(20, 1000), marks=pytest.mark.tail)],
    ids=["short", "long"],
)
def test_wrong_files_are_read_or_named(files: dict[str, str], tmp_path: Path, seeds: Sequence[int]) -> None:
    check(files, tmp_path, seeds)
