"""The machine that a measurement was taken on: what a reader needs to judge a number of milliseconds.

Reads the operating system and what is installed; torch is never imported here.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TypedDict

from plainnet import __version__

__all__ = ["MachineRecord", "cpu_model", "machine_record"]

_CPUINFO = Path("/proc/cpuinfo")


class MachineRecord(TypedDict):
    """What `machine_record` returns."""

    cpu: str
    """the processor's model name"""
    architecture: str
    """x86_64, arm64, ..."""
    cores: int
    """logical cores of the machine"""
    usable_cores: int
    """logical cores that this process may run on"""
    memory_bytes: int | None
    """main memory; None where the system does not say"""
    os: str
    python: str
    plainnet: str
    torch: str
    """torch's version; imported or not"""
    torch_threads: int | None
    """torch's threads for one operation; None if nothing has imported it"""


def machine_record() -> MachineRecord:
    """The machine and the versions that this process runs on, ready for JSON."""
    torch = sys.modules.get("torch")
    record = _unchanging_record().copy()
    record["usable_cores"] = _usable_cores()
    if torch is not None:
        record["torch"] = str(torch.__version__)
        record["torch_threads"] = int(torch.get_num_threads())
    return record


@cache
def _unchanging_record() -> MachineRecord:
    """What stays as it is while a process runs; as if torch had not been imported."""
    return MachineRecord(
        cpu=cpu_model(),
        architecture=platform.machine(),
        cores=os.cpu_count() or 1,
        usable_cores=_usable_cores(),
        memory_bytes=_memory_bytes(),
        os=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        plainnet=__version__,
        torch=_installed_version("torch"),
        torch_threads=None,
    )


@cache
def _installed_version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


@cache
def cpu_model() -> str:
    """The processor's model name; its architecture where the system does not say."""
    return _cpu_from_proc() or _cpu_from_sysctl() or platform.machine() or "unknown"


def _cpu_from_proc() -> str:
    if not _CPUINFO.exists():
        return ""
    lines = [line.partition(":") for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()]
    found = {key.strip().lower(): value.strip() for key, _, value in reversed(lines)}
    return next((found[key] for key in ("model name", "cpu", "hardware", "cpu model") if found.get(key)), "")


def _cpu_from_sysctl() -> str:
    if sys.platform != "darwin":
        return ""
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
