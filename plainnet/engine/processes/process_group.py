"""One of several processes: which one this is, without asking torch, and how it joins and leaves the others.

torchrun and `accelerate launch` say in the environment who is who. mpirun and srun do it in words of their own, which are
translated: otherwise each of their processes would train for itself, all in one folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import MutableMapping

from plainnet.errors import UsageError

__all__ = ["is_main_process", "join_launcher", "leave_the_others", "process_count", "process_number"]

LAUNCHERS = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
)
"""What mpirun (Open MPI, MVAPICH, MPICH and Intel's) and srun call the number of processes, this one's number among all and
on its machine, and how many are on this machine."""
JOBS = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "SLURM_JOB_ID", "SLURM_STEP_ID", "PMI_FD", "HYDI_CONTROL_FD")
FIRST_PORT, PORTS = 20_000, 20_000


def join_launcher(environment: MutableMapping[str, str] = os.environ) -> None:
    """Say in torch's words what mpirun or srun said in theirs; nothing where torchrun did, or where there is one process.

    Raises `UsageError` where the processes cannot find each other: on several machines somebody must say MASTER_ADDR.
    """
    if "RANK" in environment or "WORLD_SIZE" in environment:
        return
    for size, rank, local_rank, local_size in LAUNCHERS:
        count = environment.get(size, "1")
        if not count.isdecimal() or int(count) < 2 or not environment.get(rank, "").isdecimal():
            continue
        if "MASTER_ADDR" not in environment and environment.get(local_size, "") != count:
            raise UsageError(
                f"{count} processes were started together ({size}), maybe on several machines: say where the first one is "
                "with MASTER_ADDR (and MASTER_PORT), or start them with torchrun"
            )
        environment["WORLD_SIZE"], environment["RANK"] = count, environment[rank]
        environment["LOCAL_RANK"] = environment.get(local_rank, environment[rank])
        environment.setdefault("MASTER_ADDR", "127.0.0.1")
        environment.setdefault("MASTER_PORT", str(_port(environment)))
        return


def _port(environment: MutableMapping[str, str]) -> int:
    """The same port in all processes of a job."""
    job = "/".join(environment.get(name, "") for name in JOBS)
    return FIRST_PORT + int.from_bytes(hashlib.blake2b(job.encode(), digest_size=4).digest(), "little") % PORTS


def process_number() -> int:
    """This process's number among those that were started together, from 0."""
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdecimal() else 0


def process_count() -> int:
    """How many processes were started together."""
    count = os.environ.get("WORLD_SIZE", "1")
    return int(count) if count.isdecimal() else 1


def is_main_process() -> bool:
    """Whether this is the only process, or the first of those that were started together."""
    return process_number() == 0


def leave_the_others() -> None:
    """End the common work of all processes, once nothing is left to do: gloo's threads must not outlive the interpreter,
    which may abort the process at its exit.
    """
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
