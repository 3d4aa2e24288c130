"""Places that cannot be written, of every command that writes: one sentence, the right exit code, nothing left behind."""

from __future__ import annotations

import csv
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from profiler.made_tables import made_table
from safetensors.torch import save_file

from plainnet.cli.main import COMMANDS, cli, main
from plainnet.network.plain_net import PlainNet
from plainnet.search import SearchConfig, load_space, search
from plainnet.templates.nas_bench_macro import network_of_code, trained_networks
from tests.mutations import command

SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)"
SEARCH = "zennas-resnet --max-layers 6 --candidates 20 --ladder none --quiet"
WRITERS = {
    "search": f"search {SEARCH} --out PLACE",
    "search with TensorBoard": f"search {SEARCH} --out OTHER/run --tensorboard PLACE",
    "sweep": f"sweep {SEARCH} --vary layers=6 --out PLACE",
    "exact sweep": "sweep zennas-resnet --exact --objective macs --vary layers=6 --quiet --out PLACE",
    "fork": "runs fork RUN PLACE",
    "merge": "runs merge RUN --out PLACE",
    "table of a run": "runs export RUN -o PLACE",
    "report": "report RUN -o PLACE",
    "optimum": "optimum zennas-resnet --objective macs --max-layers 6 --max-params 1e6 --quiet --out OTHER --certificate PLACE",
    "calibrate": "calibrate TABLE --resolution 32 --out PLACE",
    "validate with a page": "validate macs --sample 10 --resamples 0 --html PLACE",
    "validate with scores": "validate macs --sample 10 --resamples 0 --resume PLACE",
    "optimum that is kept": "optimum zennas-resnet --objective macs --max-layers 6 --max-params 1e6 --quiet --out PLACE",
    "latency table": "lut build --space zennas-resnet --resolution 16 --budget 1s --out PLACE",
    "tables put together": "lut merge LUT --out PLACE",
    "foreign table": "lut import ROWS --batch 1 --device V100 --dtype fp32 --out PLACE",
    "analyze with a page": f"analyze {SMALL} --resolution 32 --no-latency --no-zen --html PLACE",
    "analyze with a trace": f"analyze {SMALL} --resolution 32 --no-latency --no-zen --trace PLACE",
    "compare with a page": f"compare {SMALL} {SMALL} --resolution 32 --proxy none --html PLACE",
    "support": f"support scan {SMALL} --platforms torch --file PLACE",
    "parts of a stored network": f"store load net.one --into {SMALL} --num-classes 3 --store STORE --out PLACE",
    "page of components": f"store build --name x --dry-run backbone={SMALL} head.type=dense head.num_classes=2 --docs PLACE",
    "draw": "draw resnet18 --resolution 32 -o PLACE",
    "new": "new proxy Mine --in PLACE",
    "config new": "config new PLACE",
    "export": f"export {SMALL} --resolution 32 --to plainnet --out PLACE",
    "tune": "tune quick --vary optim.lr=1e-3:1:log --out PLACE",
    "train": "train zennet_cifar_model_size05M_res32 --recipe quick --out PLACE",
}
"""What is written where: in a folder of its own, or in a file."""
FILES = {
    "table of a run", "report", "optimum", "calibrate", "validate with a page", "validate with scores", "config new", "draw",
    "latency table", "tables put together", "foreign table", "analyze with a page", "compare with a page", "support",
    "parts of a stored network", "page of components",
}  # fmt: skip
WORKS_LONG = {"exact sweep", "optimum", "optimum that is kept", "calibrate"}
"""Asked for much work; where it is refused before that, it is quick."""
SILENT = {
    "score", "space", "list", "blocks", "registry", "fmt", "lint", "convert", "evaluate",
    "machine", "dashboard",
}  # fmt: skip
"""Commands that write to standard output alone."""
ELSEWHERE = {"predict", "data"}
"""What is written in a place of its own has a test of its own: in tests/engine, and tests/store of the store."""
KINDS = ["taken", "inside of a file", "too long", "read-only", "full", "no UTF-8", "a URI"]
REFUSED = {"taken": 2, "inside of a file": 2, "too long": 2, "read-only": 1, "full": 1}
"""Place -> exit code: 2 where the name is wrong, 1 where the system refuses."""


def test_every_command_is_in_the_table() -> None:
    first = {words.split()[0] for words in WRITERS.values()}
    assert first | SILENT | ELSEWHERE == set(COMMANDS), "a new command goes into one of these"
    assert not first & SILENT


PLACES = {"--out", "--output", "--html", "--certificate", "--tensorboard", "--file", "--in", "--trace"}
"""What options are called that name a place to write."""
NO_PLACES = {
    "support history --file",
    "support priority --file",
    "support table --file",
    "support table --html",
    "data show --out",
}
"""What is read there, is a flag, or needs the suffix of a picture (which has a test of its own)."""
AS_ANOTHER = {"support update --file"}
"""What writes as `support scan` does."""


def test_every_option_that_names_a_place_is_in_the_table() -> None:
    tried = {name: words.replace(" -o ", " --output ") for name, words in WRITERS.items()}
    missing = []
    for words, one in commands(cli):
        for option in PLACES & {name for param in one.params for name in param.opts}:
            is_tried = any(line.startswith(f"{words} ") and f"{option} PLACE" in line for line in tried.values())
            if not is_tried and f"{words} {option}" not in NO_PLACES | AS_ANOTHER:
                missing.append(f"{words} {option}")
    assert missing == []


def commands(group: click.Command, words: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    if not isinstance(group, click.Group):
        yield words.strip(), group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{words} {name}")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a table of trained networks."""
    folder = tmp_path_factory.mktemp("given")
    config = SearchConfig(load_space("zennas-resnet"), limits={"layers": 6}, candidates=30, islands=1, population=4)
    search(config, folder / "run")
    drawn = random.Random(5).sample(trained_networks(), 20)
    with (folder / "table.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["structure", "accuracy"])
        rows.writerows([str(network_of_code(each.code)), each.accuracy] for each in drawn)
    made_table(folder / "lut.jsonl", 2)
    (folder / "rows.txt").write_text("{Regular,1,64,32,32,256,3,2,1} 1.25\n", encoding="utf-8")
    save_file(PlainNet(SMALL, num_classes=3, resolution=8).state_dict(), folder / "weights.safetensors")
    kept = ("--name", "net", "--tag", "one", "--resolution", "8", "--store", str(folder / "store"))
    command("store", "import", folder / "weights.safetensors", "--as", SMALL, *kept)()
    return folder


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place of its own, to be full or read-only. Root may write anywhere but to a read-only file system."""
    folder = tmp_path_factory.mktemp("closed")
    mounted = os.geteuid() == 0
    if mounted:
        mount = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], capture_output=True, check=False
        )
        if mount.returncode:
            pytest.skip("root writes everywhere, and may not mount here")
    yield folder
    if mounted:
        subprocess.run(["umount", folder], check=True)


def close(folder: Path, kind: str) -> None:
    """Make the place full, or read-only, or what it was."""
    if os.geteuid() == 0:
        how = "ro" if kind == "read-only" else "rw"
        subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)
    elif kind == "full":
        pytest.skip("only root may make a small file system")
    else:
        folder.chmod(0o555 if kind == "read-only" else 0o755)
    if kind == "full":
        file = os.open(folder / "filler", os.O_CREAT | os.O_WRONLY)
        try:
            while True:
                os.write(file, bytes(4096))
        except OSError:
            os.close(file)
    elif not kind:
        (folder / "filler").unlink(missing_ok=True)


def place_of(kind: str, name: str) -> str:
    if kind == "taken":
        if name in FILES:
            os.mkdir("place")
        else:
            Path("place").write_text("mine")
        return "place"
    if kind == "inside of a file":
        Path("place").write_text("mine")
        return "place/x"
    return {"too long": "x" * 300, "no UTF-8": "b\udcff", "a URI": "file:zz"}[kind]


CASES = [
    pytest.param(
        name,
        kind,
        id=f"{name}-{kind}",
        marks=[pytest.mark.tail]
        if name in ("train", "tune") or (name in WORKS_LONG and kind in ("full", "no UTF-8", "a URI"))
        else [],
    )
    for name in WRITERS
    for kind in KINDS
    if not (name in ("train", "tune") and kind in ("no UTF-8", "a URI"))  # it would be trained
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_place_that_cannot_be_written(
    given: Path,
    closed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    kind: str,
) -> None:
    if "TensorBoard" in name:
        pytest.importorskip("tensorboard", reason="the extra train is not installed")
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    place = str(closed / "new") if kind in ("read-only", "full") else place_of(kind, name)
    known = {"RUN": given / "run", "TABLE": given / "table.csv", "OTHER": tmp_path / "other", "PLACE": place}
    known |= {"LUT": given / "lut.jsonl", "ROWS": given / "rows.txt", "STORE": given / "store"}
    words = [str(known.get(word, word)) for word in WRITERS[name].replace("OTHER/run", "OTHER").split()]
    close(closed, kind)
    before = sorted(os.listdir(".")), sorted(os.listdir(closed))
    code = 0
    try:
        main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        after = sorted(os.listdir(".")), sorted(os.listdir(closed))
        close(closed, "")
        shutil.rmtree(closed / "new", ignore_errors=True)
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    if kind in REFUSED:
        said = [line for line in errors.splitlines() if not line.startswith(("network ", "note: "))]
        assert code == REFUSED[kind], errors
        assert len(said) == 1 or "Try 'plainnet" in errors, errors
        assert after == before
        assert not os.path.isfile("place") or Path("place").read_text() == "mine"
        assert place.partition("/x")[0][:40] in errors
    else:
        assert code == 0 or "optimum" in name, errors
        assert "zz" not in after[0], "a name is no URI"
        assert after[0] == [place]
