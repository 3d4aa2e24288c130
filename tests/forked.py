"""Processes that start in no time: `python SCRIPT` and `python -m MODULE` with their imports made already.

A server is started once in each process of the tests; it imports what most commands need and forks a child for each of them
(`multiprocessing`'s forkserver). A child is a process like any other, with output, signals and an exit code of its own; what
an import itself does is the matter of `test_house.py` and of the tests that start Python.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "torch._dynamo",  # that torch's optimizers import
        "torch.distributed.fsdp",
        "sklearn.datasets",
        "plainnet.cli.train",
        "plainnet.engine.run.training_run",
        "plainnet.search",
    ]
)


def start(
    words: Sequence[str], *, folder: Path, cwd: Path | None = None, environment: Mapping[str, str] = os.environ
) -> BaseProcess:
    """The process of `python WORDS`, which writes what it prints to `stdout` and `stderr` in a folder that is there."""
    process = CONTEXT.Process(target=_be, args=(list(words), folder, cwd or Path.cwd(), dict(environment)))
    process.start()
    return process


def run(
    words: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """What `python WORDS` printed and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        process = start(words, folder=Path(folder), cwd=cwd, environment=environment)
        try:
            process.join()
        finally:
            process.kill()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(list(words), process.exitcode, *printed(Path(folder)))


def printed(folder: Path) -> tuple[str, str]:
    """What a process wrote to standard output and to standard error."""
    return (folder / "stdout").read_text(), (folder / "stderr").read_text()


def _be(words: list[str], folder: Path, cwd: Path, environment: dict[str, str]) -> None:
    """Become the process of `python WORDS`, with a process group of its own."""
    os.setsid()
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(words)
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")
