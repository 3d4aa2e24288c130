"""A user who may not write or enter everything, as most are: commands do what they can, and say the rest in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plainnet.search import SearchConfig, load_space, search

SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)"
SEARCH = "search zennas-resnet --max-layers 6 --candidates 20 --ladder none --quiet --out"
DONE = {
    f"analyze {SMALL} --no-latency --no-zen --resolution 32",
    f"score {SMALL} --resolution 32",
    f"{SEARCH} open/run",
    "runs list .",
    "store list --store open/store",
    "support table --file open/support.json",
}
"""What needs none of the places that are closed; the home is one of them."""
REFUSED = {
    f"{SEARCH} closed/run": "closed",
    f"export {SMALL} --to plainnet --resolution 32 --out closed/export": "closed",
    "train zennet_cifar_model_size05M_res32 --recipe quick --out closed/train": "closed",
    f"draw {SMALL} --resolution 32 -o closed/x.svg": "closed",
    "config new closed/x.yaml": "closed",
    "report mine": "mine",
    "runs fork mine closed/fork": "closed",
    "runs show locked/run": "locked",
    "runs list locked": "locked",
    "analyze secret.txt": "secret.txt",
    "analyze secret.safetensors": "secret.safetensors",
    "predict secret.safetensors secret.png": "secret.png",
    "lut info secret.jsonl": "secret.jsonl",
    "optimum --verify secret.json": "secret.json",
    "support table --file secret.json": "secret.json",
    "config check secret.yaml": "secret.yaml",
    "space check secret.yaml": "secret.yaml",
    f"score {SMALL} --resolution 32 --proxy calibrated:secret.json": "secret.json",
    "validate depth --table secret.csv": "secret.csv",
    "store list --store locked": "locked",
    f"store import secret.safetensors --as {SMALL} --name net --store open/store": "secret.safetensors",
}
"""Command -> the place that its one sentence names."""
SECRETS = ("txt", "safetensors", "png", "jsonl", "json", "yaml", "csv")
CALL = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from plainnet.cli.main import main
for words in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(words.split())
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code = repr(error)
    print(json.dumps([words, code, err.getvalue()]), flush=True)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder with an open one, one that may be read, one that may not be entered, and files that may not be read."""
    config = SearchConfig(load_space("zennas-resnet"), limits={"layers": 6}, candidates=30, islands=1, population=4)
    search(config, tmp_path / "mine")
    for name in ("open", "closed", "locked", "home"):
        (tmp_path / name).mkdir()
    shutil.copytree(tmp_path / "mine", tmp_path / "locked" / "run")
    for suffix in SECRETS:
        (tmp_path / f"secret.{suffix}").write_text("x", encoding="utf-8")
        (tmp_path / f"secret.{suffix}").chmod(0)
    modes = {"closed": 0o555, "mine": 0o555, "locked": 0, "home": 0}
    for name, mode in modes.items():
        (tmp_path / name).chmod(mode)
    yield tmp_path
    for name in modes:
        (tmp_path / name).chmod(0o755)


def called(place: Path, commands: list[str]) -> dict[str, tuple[object, str]]:
    """Command -> exit code and standard error, of a user who may do no more than the files' modes say."""
    limit = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    if limit and shutil.which("setpriv") is None:
        pytest.skip("root may do anything, and setpriv is not there")
    environment = {key: value for key, value in os.environ.items() if key != "PLAINNET_HOME"}
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [environment.get("PYTHONPATH")])])
    done = subprocess.run(
        [*limit, sys.executable, "-c", CALL, json.dumps(commands)],
        cwd=place,
        env={**environment, "HOME": str(place / "home"), "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {words: (code, err) for words, code, err in map(json.loads, done.stdout.splitlines())}


@pytest.mark.slow
def test_what_may_not_be_done_is_said_and_the_rest_is_done(place: Path) -> None:
    found = called(place, [*sorted(DONE), *REFUSED])
    wrong = {words: found[words] for words in DONE if found[words][0] != 0}
    for words, name in REFUSED.items():
        code, said = found[words]
        lines = [line for line in said.splitlines() if not line.startswith(("network ", "note: ", "images are "))]
        if code not in (1, 2) or name not in said or (len(lines) != 1 and "Try 'plainnet" not in said):
            wrong[words] = (code, said)
    assert wrong == {}
