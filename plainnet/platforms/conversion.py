"""A network converted for a platform: a folder with the binary, what it was made of, and images with the network's own answers.

FOLDER/
  model.onnx, ...        the platform's binary (and files beside it)
  conversion.json        "schema": 1; fingerprint, versions, precision, tolerance, error by size, commits that passed
  samples.safetensors    images at three sizes or more, and what torch made of them (`plainnet.platforms.samples`)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from plainnet.errors import PlainnetError, RunError, UsageError, not_written
from plainnet.files.text_files import json_value, printable, read_text
from plainnet.platforms.comparing import ONLY, Measured, Section, at, compare, first_line, not_compared, passes
from plainnet.platforms.graphs import quiet
from plainnet.platforms.platform import Axes, Platform, Runner, find_platform
from plainnet.platforms.samples import read_samples, samples_of, write_samples
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "ABOUT",
    "Conversion",
    "Measured",
    "convert",
    "load_conversion",
    "read_conversion",
    "verify",
]

ABOUT = "conversion.json"
TOLERANCE = 1e-4
"""How much an output may differ, in parts of the largest one of the network's: float32 in another order is 100 times nearer."""
SPARE = 3
"""Pixels of the last map of the sample on a side at least: sides of 1 pixel are taken for fixed."""
FREE: Axes = {0: "batch", 2: "height", 3: "width"}
FIXED: Axes = {0: "batch"}
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Conversion(Result, Section):
    """`conversion.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    name: str
    platform: str
    binary: str
    files: dict[str, Digest] = Field(description="Every file but this one -> SHA-256.")
    fingerprint: str = Field(description="Of the network's meaning, its weights, the adapter and the versions.")
    versions: dict[str, str | None]
    precision: str = "float32"
    tolerance: float
    any_size: bool = Field(description="Whether height and width are free; the batch always is.")
    outputs: list[str] = Field(default=[], description="Their names, where the network puts out several.")
    measured: list[Measured]
    commit: str | None = None
    passed: list[str] = Field(default=[], description="Commits at which it was verified.")

    @property
    def output_names(self) -> list[str]:
        """The names of the network's outputs; that of the only one is empty."""
        return self.outputs or [ONLY]

    @property
    def not_compared(self) -> str | None:
        """Why it was not run where it was made; None where it was."""
        reasons = [one.reason for one in self.measured if one.error is None]
        return reasons[0] if reasons else None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return self.model_dump(mode="json", by_alias=True)

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each sample: its shape, the largest error (None where it was not run), milliseconds, and why."""
        return [one.model_dump(mode="json") for one in self.measured]

    def view(self) -> View:
        """What it was converted to, and how near each sample is to what the network itself puts out."""
        size = "any size" if self.any_size else "its own size alone"
        lines = [
            ("network", printable(self.name)),
            ("for", f"{self.platform}, {self.precision}, {size}: {self.binary}"),
        ]
        lines += [] if self.not_compared is None else [("note:", printable(self.not_compared))]
        rows = [
            [
                at(one.shape),
                "not compared" if one.error is None else f"{one.error:.1e}",
                "" if one.ms is None else f"{one.ms:.3g}",
            ]
            for one in self.measured
        ]
        return View(
            lines,
            [Table(["sample", "largest error", "ms"], rows)],
            [("", f"accepted: errors up to {self.tolerance:g}")],
        )


def convert(
    module: nn.Module,
    platform: str,
    folder: Path,
    *,
    channels: int,
    sizes: Sequence[tuple[int, int]],
    name: str = "network",
    fingerprint: str = "",
    stride: int = 32,
    tolerance: float = TOLERANCE,
    commit: str | None = None,
) -> Conversion:
    """Convert a module in evaluation mode into a new folder, run it there at every size (one image, and three at the first), and
    compare it with the module. A network that is given one size, or that does not take all of them, is converted for the first
    alone. What this machine cannot run (Core ML outside of macOS) is converted, and not compared.

    stride: pixels of the image for one of the last map. Raises `UsageError` where the platform cannot take the network or
    puts out something else, with the reason, and what `Platform.check` raises; then there is no folder.
    """
    adapter = find_platform(platform)
    adapter.check()
    if not sizes:
        raise UsageError("there are no sizes to convert for")
    if folder.exists():
        raise UsageError(f"{folder} is there already; accepted: a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    except OSError as error:
        raise not_written(folder, error) from error
    try:
        content = place / "content"
        about = _convert(module.eval(), adapter, content, channels, sizes, stride, tolerance)
        about = about.model_copy(update={"name": name, "fingerprint": fingerprint, "commit": commit})
        _write_about(content, about)
        os.rename(content, folder)
    except OSError as error:
        raise not_written(folder, error) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return about


def _convert(
    module: nn.Module,
    adapter: Platform,
    content: Path,
    channels: int,
    sizes: Sequence[tuple[int, int]],
    stride: int,
    tolerance: float,
) -> Conversion:
    attempts = [(FREE, list(sizes))] if len(sizes) > 1 and _takes_all(module, channels, sizes) else []
    idle = adapter.convert_only()
    reasons = []
    for axes, wanted in [*attempts, (FIXED, [sizes[0]])]:
        shutil.rmtree(content, ignore_errors=True)
        content.mkdir()
        sample = _sample(channels, sizes[0], stride if axes is FREE else None)
        samples = samples_of(module, channels, wanted)
        try:
            with quiet():
                adapter.convert(module, sample, axes, content)
                measured = compare(adapter.load(content), samples) if idle is None else not_compared(samples, idle)
        except (PlainnetError, OSError):
            raise
        except Exception as error:  # converters raise anything
            reasons.append(first_line(error))
            continue
        wrong = [one for one in measured if idle is None and (one.error is None or one.error > tolerance)]
        if wrong:
            reasons.append(wrong[0].reason or f"outputs differ by {wrong[0].error:.1e} at {at(wrong[0].shape)}")
            continue
        write_samples(content, samples)
        return Conversion(
            name="",
            platform=adapter.name,
            binary=adapter.binary,
            files=_digests(content),
            fingerprint="",
            versions=adapter.versions(),
            tolerance=tolerance,
            any_size=axes is FREE,
            outputs=[name for name in samples["0"][1] if name != ONLY],
            measured=measured,
        )
    raise UsageError(f"it cannot be converted for {adapter.name}: {'; for its own size alone: '.join(reasons)}")


def _takes_all(module: nn.Module, channels: int, sizes: Sequence[tuple[int, int]]) -> bool:
    """Whether the network runs at all sizes."""
    import torch

    try:
        with torch.no_grad():
            for height, width in sizes:
                module(torch.zeros(1, channels, height, width))
    except RuntimeError:
        return False
    return True


def _sample(channels: int, size: tuple[int, int], stride: int | None) -> Tensor:
    """Two images to follow the network with; with a stride, of a size at which no axis of any map is taken for fixed."""
    import torch

    height, width = size
    if stride is not None:
        height, width = max(height, SPARE * stride), max(width, SPARE * stride) + 4 * stride
    return torch.zeros(2, channels, height, width)


def _digests(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / ABOUT)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def read_conversion(folder: Path) -> Conversion:
    """What a folder's `conversion.json` says; `RunError` with the field for what is none."""
    path = folder / ABOUT
    try:
        found = json_value(read_text(path, what="conversion"), str(path))
        about: Conversion = Conversion.model_validate(found)
    except UsageError as error:
        raise RunError(f"{folder} holds no conversion: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise RunError(f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return about


def load_conversion(folder: Path) -> tuple[Conversion, Runner]:
    """A conversion, and what runs it; its files are compared with their digests first. `RunError` where they differ, or the
    platform cannot load them.
    """
    about = read_conversion(folder)
    adapter = find_platform(about.platform)
    adapter.check(to_run=True)
    if _digests(folder) != about.files:
        raise RunError(f"{folder} is damaged: its files are not those that were written (SHA-256 differs)")
    try:
        with quiet():
            return about, adapter.load(folder)
    except PlainnetError:
        raise
    except Exception as error:
        raise RunError(f"{folder} cannot be loaded on {about.platform}: {first_line(error)}") from error


def verify(folder: str | Path, *, commit: str | None = None) -> list[Measured]:
    """Run a conversion again on its samples, without torch where the platform needs none; the results, sample by sample.

    commit: noted in the folder as one at which it passed, where all of them did. Raises what `load_conversion` raises.
    """
    folder = Path(folder)
    about, run = load_conversion(folder)
    try:
        samples = read_samples(folder, about.output_names)
    except KeyError as error:
        raise RunError(f"{folder} is damaged: its samples have no {error}") from None
    with quiet():
        found = compare(run, samples)
    if commit is not None and passes(found, about.tolerance) and commit not in about.passed:
        _write_about(folder, about.model_copy(update={"passed": [*about.passed, commit]}))
    return found


def _write_about(folder: Path, about: Conversion) -> None:
    temporary = folder / f".writing-{ABOUT}"
    try:
        temporary.write_text(json.dumps(about.as_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(folder / ABOUT)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise not_written(folder / ABOUT, error) from error
