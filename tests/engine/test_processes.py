"""Several processes: who they are under each launcher, whose error came first, and what is left when one is killed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from launcher import MODELS, NO_GPU, OPTIONS, ROOT, free_port, go_on, run_spawned, run_torchrun

from plainnet.engine.checkpoints.checkpoint import checkpoints
from plainnet.engine.processes.process_group import join_launcher, process_number
from plainnet.engine.run import failure_report
from plainnet.errors import UsageError
from tests import forked

OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "2",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
}
HYDRA = {"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
SRUN = {
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_STEP_TASKS_PER_NODE": "3",
    "SLURM_JOB_ID": "7",
}


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ({}, {}),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, {}),  # a batch script itself, whose only process this is
        ({"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}, {}),
        ({**OPEN_MPI, "RANK": "0", "WORLD_SIZE": "2"}, {}),  # torchrun inside
        (OPEN_MPI, {"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "2", "MASTER_ADDR": "127.0.0.1"}),
        (HYDRA, {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1"}),
        (SRUN, {"WORLD_SIZE": "3", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}),
        (
            {**SRUN, "SLURM_STEP_TASKS_PER_NODE": "2,1", "MASTER_ADDR": "node1", "MASTER_PORT": "5"},
            {"WORLD_SIZE": "3", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "node1", "MASTER_PORT": "5"},
        ),
    ],
)
def test_launchers_are_understood(given: dict[str, str], joined: dict[str, str]) -> None:
    environment = dict(given)
    join_launcher(environment)
    assert {**given, **joined}.items() <= environment.items()
    assert environment.keys() - given.keys() - {"MASTER_PORT"} == joined.keys() - given.keys() - {"MASTER_PORT"}
    ports = set()
    for rank in range(2):
        other = {**given, **({"OMPI_COMM_WORLD_RANK": str(rank)} if "OMPI_COMM_WORLD_RANK" in given else {})}
        join_launcher(other)
        ports.add(other.get("MASTER_PORT"))
    assert len(ports) == 1, "all processes of a job meet at one port"


@pytest.mark.parametrize(
    "given",
    [
        {**OPEN_MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
        {**SRUN, "SLURM_STEP_TASKS_PER_NODE": "2,1"},
        {"PMI_SIZE": "2", "PMI_RANK": "0"},
    ],
)
def test_processes_that_cannot_find_each_other_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(
        UsageError, match=r"\d processes were started together .*say where the first one is with MASTER_ADDR"
    ):
        join_launcher(given)


def test_a_report_says_which_process_failed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(failure_report, "WAIT", 0.3)
    monkeypatch.setenv("RANK", "0")
    lonely = RuntimeError("Connection closed by peer")
    failure_report.write_failure(tmp_path / "alone", lonely, None)
    assert len(lonely.__notes__) == 1
    (tmp_path / "error-20200101-000000.000000-process-2.txt").write_text("of another start\nValueError: old")
    errors = [ValueError("the cause"), RuntimeError("Connection closed by peer"), RuntimeError("NCCL error")]
    for rank, error in zip((1, 0, 2), errors, strict=True):
        monkeypatch.setenv("RANK", str(rank))
        assert process_number() == rank
        failure_report.write_failure(tmp_path, error, None)
        time.sleep(0.01)
    assert len(errors[0].__notes__) == 1
    for error in errors[1:]:
        assert error.__notes__[1].startswith("process 1 failed first: ValueError: the cause (see ")
    reports = sorted(tmp_path.glob("error-2*.txt"))[1:]
    assert [path.stem[-9:] for path in reports] == ["process-1", "process-0", "process-2"]
    assert "process 1 failed first: ValueError: the cause" in reports[1].read_text()


TOLD = {
    "mpirun": {
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": "{}",
        "OMPI_COMM_WORLD_LOCAL_RANK": "{}",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    },
    "srun": {
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_PROCID": "{}",
        "SLURM_LOCALID": "{}",
        "SLURM_STEP_TASKS_PER_NODE": "2",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", TOLD)
def test_a_launcher_starts_one_run(launcher: str, tmp_path: Path) -> None:
    """What Open MPI and SLURM say to each of two processes on a machine, without them."""
    command = [str(ROOT / "tests/engine/launched.py"), "quick", *OPTIONS, "train.epochs=1", "--json"]
    port, started = str(free_port()), []
    for rank in ("0", "1"):
        said = {name: value.format(rank) for name, value in TOLD[launcher].items()} | {"MASTER_PORT": port}
        environment = {**os.environ, **NO_GPU, **said, "OMP_NUM_THREADS": "1"}
        (tmp_path / rank).mkdir()
        started.append(
            forked.start([*command, f"run={tmp_path / 'run'}"], folder=tmp_path / rank, environment=environment)
        )
    for process in started:
        process.join(300)
    answers = [forked.printed(tmp_path / rank) for rank in ("0", "1")]
    assert [process.exitcode for process in started] == [0, 0], answers
    assert json.loads(answers[0][0])["iterations"] == 23
    assert answers[1][0] == ""
    assert ", 2 processes, run" in answers[0][1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "run"]


@pytest.mark.slow
def test_the_process_that_failed_is_named(tmp_path: Path) -> None:
    hook = f"hooks=[{{type: '{MODELS}:FailInProcess', updates: 3, process: 1}}]"
    result = run_torchrun("launched.py", "quick", *OPTIONS, hook, f"run={tmp_path / 'run'}")
    assert result.returncode != 0
    reports = sorted((tmp_path / "run").glob("error-*.txt"))
    assert reports[0].stem.endswith("process-1")
    assert "ZeroDivisionError: process 1 divides by zero" in reports[0].read_text()
    assert "after_train_step" in reports[0].read_text()
    if len(reports) > 1:  # unless the launcher was quicker
        assert "process 1 failed first: ZeroDivisionError" in reports[1].read_text()


@pytest.mark.tail
@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "spawned"])
def test_a_killed_process_ends_the_others_and_the_run_goes_on(launcher: str, tmp_path: Path) -> None:
    hook = f"hooks=[{{type: '{MODELS}:KillProcess', updates: 30, process: 1}}]"
    began = time.monotonic()
    words = ("quick", *OPTIONS, hook, "checkpoint.every_updates=5", f"run={tmp_path / 'run'}")
    killed = run_spawned(*words) if launcher == "spawned" else run_torchrun("launched.py", *words)
    assert killed.returncode == (137 if launcher == "spawned" else 1), killed.stderr
    assert time.monotonic() - began < 120, "with the time to start"
    assert checkpoints(tmp_path / "run" / "checkpoints")[-1].name in ("000000025", "000000030")
    assert go_on(2, tmp_path / "run", "hooks=[]")["complete"]
