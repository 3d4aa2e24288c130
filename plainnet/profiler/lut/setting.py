"""What a table of latencies holds for: the input, the classifier, how a network runs, and on which machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.errors import RunError, UsageError
from plainnet.profiler.machine import machine_record

__all__ = ["LutSetting", "Machine", "this_machine"]

DTYPES = ("float32", "float16", "bfloat16", "float64")


@dataclass(frozen=True)
class LutSetting:
    """How the networks of a table are run. `use_se` is the only variant that a search has."""

    space: str
    in_channels: int
    resolution: int
    num_classes: int
    use_se: bool = False
    batch: int = 1
    threads: int = 1
    dtype: str = "float32"
    channels_last: bool = False
    device: str = "cpu"
    runtime: str = "eager"
    """what runs the layers: "eager" is torch, layer by layer; anything else comes from an imported table"""

    def __post_init__(self) -> None:
        for name in ("in_channels", "resolution", "batch", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; accepted: at least 1")
        if self.dtype not in DTYPES and self.runtime == "eager":
            raise UsageError(f"dtype is {self.dtype!r}; accepted: {', '.join(DTYPES)}")
        if self.device != "cpu" and self.runtime == "eager":
            raise UsageError(
                f"tables are measured on the CPU, not on {self.device!r}; accepted: --device cpu, or `plainnet lut import` for a "
                "table that was measured elsewhere"
            )

    @property
    def shape(self) -> Shape:
        """One image."""
        return Shape(self.in_channels, self.resolution, self.resolution)

    @property
    def variant(self) -> Variant:
        return Variant(use_se=self.use_se)

    @property
    def clock(self) -> str:
        """ "thread": CPU time of the one thread that works, so that other processes do not count; "wall" for several threads."""
        return "thread" if self.threads == 1 else "wall"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Machine:
    """Machine and software, as far as a latency depends on them."""

    cpu: str
    architecture: str
    cores: int
    torch: str

    def differences(self, other: Machine) -> list[str]:
        """What is another one there: `torch 2.12.0 there, 2.13.0 here`."""
        pairs = ((field.name, getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return [f"{name} {mine} there, {theirs} here" for name, mine, theirs in pairs if mine != theirs]


def this_machine() -> Machine:
    """The machine that this process runs on."""
    record = machine_record()
    return Machine(record["cpu"], record["architecture"], record["cores"], record["torch"])


def read_as(kind: type, values: Any, where: str) -> Any:
    """A dataclass of plain values from JSON, every value of its type; `RunError` for anything else."""
    if not isinstance(values, Mapping):
        raise RunError(f"{where} is no object")
    names = {field.name: field.type for field in fields(kind)}
    if set(values) != set(names):
        raise RunError(f"{where} has {', '.join(sorted(values))}; accepted: {', '.join(sorted(names))}")
    for name, declared in names.items():
        if type(values[name]).__name__ != declared:
            raise RunError(f"{where}: {name} is {values[name]!r}; accepted: a value of type {declared}")
    return kind(**values)
