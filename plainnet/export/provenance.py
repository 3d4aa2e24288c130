"""Where an export comes from: `provenance.json`, and the README of three lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from plainnet import __version__
from plainnet.export.job import Job, Usage
from plainnet.export.network import Network
from plainnet.files.exported_tensors import EXPORTED, file_digest, header_entry

__all__ = ["Origin", "provenance", "readme"]


@dataclass(frozen=True)
class Origin:
    """How a network was found.

    run: the search run; rank: its place among the run's results, the best being 1.
    objective: what was searched for; values: what the objectives measured of this network.
    seed: the seed of the run.
    """

    run: str | None = None
    rank: int | None = None
    objective: str | None = None
    seed: int | None = None
    values: dict[str, Any] = field(default_factory=dict)


def provenance(job: Job, target: str, *, usage: Usage, origin: Origin, weights: Path | None) -> str:
    """The text of `provenance.json`, which is written last: a folder without it is not whole.

    `files` are the files of the export, so that another one that replaces it leaves none of them behind.
    """
    network, counts = job.network, job.network.counts
    files = sorted(path.relative_to(job.folder).as_posix() for path in job.folder.rglob("*") if path.is_file())
    found = {
        "plainnet": __version__,
        "target": target,
        "name": network.title,
        "structure": str(network.structure),
        "hash": network.structure.hash,
        "variant": network.variant.options(),
        "norm_eps": network.norm_eps,
        "input": network.shape.as_list(),
        "num_classes": network.num_classes,
        "counts": counts.sums._asdict() | {"flops": counts.flops, "peak_elements": counts.peak_elements},
        "search": vars(origin) | {"values": _finite(origin.values)},
        "weights": None if weights is None else {"file": weights.name, "sha256": file_digest(weights)},
        "trained": job.story.as_data() if weights is not None else None,
        "initial_weights_seed": job.seed if weights is None else None,
        "note": usage.note or None,
        "files": files,
    }
    saved = next((job.folder / name for name in files if name in EXPORTED and not name.endswith(".safetensors")), None)
    if saved is not None:
        found |= header_entry(saved, job.metadata())
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them: what is not finite is null."""
    return {name: value if not isinstance(value, float) or isfinite(value) else None for name, value in values.items()}


def readme(network: Network, usage: Usage) -> str:
    """Three lines: what it is, how it is trained, how it is used."""
    counts = network.counts
    size = "x".join(map(str, network.shape.as_list()))
    what = f"{network.title}: {counts.params:,} parameters, {counts.macs:,} multiply-accumulates at {size}"
    classes = f", {network.classes:,} classes" if network.classes else ""
    use = f"{usage.use} {usage.note}".strip()
    return f"{what}{classes}; where it comes from: provenance.json.\nTrain: {usage.train}\nUse: {use}\n"
