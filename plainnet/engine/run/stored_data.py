"""The data that a stored network was trained on, as its record says them: read again, counted, and recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from plainnet.engine.data.loader import Loader
from plainnet.engine.data.source import DataSource
from plainnet.engine.run.data_sources import build_data
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.run.training_run import load_config
from plainnet.errors import UsageError
from plainnet.store.record import Record

__all__ = ["DataFacts", "data_facts", "recorded_config", "recorded_data"]

LEFT_OUT = ("augment", "late_augment", "mixup", "cutmix", "workers", "sampler")
"""Keys of the data's section that say what happens to the images, not which they are."""
BATCH = 256


@dataclass(frozen=True)
class DataFacts:
    """fingerprint: SHA-256 of images and labels as they are fed, training before validation, in their order. version: None where
    their source does not say one.
    """

    train_images: int
    val_images: int
    fingerprint: str
    version: str | None = None


def recorded_config(record: Record, *, imports: Sequence[str] = (), values: Sequence[str] = ()) -> TrainConfig:
    """Data, losses and evaluators of a record as a configuration, with `KEY=VALUE` laid over its data. A record is data and names
    no code, but for what `imports` hold.

    Raises `UsageError` for a record that does not say them.
    """
    said = record.training.config or {}
    if not isinstance(said.get("data"), dict):
        raise UsageError(
            f"the record of {record.identity.name}.{record.identity.tag} does not say which images it was trained on: "
            "it was not added from a training run"
        )
    section = {key: value for key, value in said["data"].items() if key not in LEFT_OUT}
    losses = record.training.losses or [{"type": "CrossEntropy"}]
    registry = Registry(imports)
    filters, makers = section.get("filters", []), section.get("targets", [])
    plain = {key: value for key, value in section.items() if key not in ("filters", "targets")}
    judges = said.get("evaluators", [])
    parts = (("data", plain), ("filter", filters), ("maker", makers), ("loss", losses), ("evaluator", judges))
    for kind, value in parts:
        for name in _names(value):
            registry.find_from_data(kind, name)
    source = {
        "_base_": "quick",
        "data": {**section, "_delete_": True},
        "task": {"_delete_": True, "type": "Classification", "losses": losses},
        "evaluators": judges,
    }
    return load_config(source, overrides=[f"data.{value}" for value in values], imports=imports, called="DATA").value


def _names(value: Any) -> Iterator[str]:
    """Everything that is asked for by `type`."""
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for inner in value.values():
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def recorded_data(config: TrainConfig, imports: Sequence[str] = ()) -> DataSource:
    """The images of such a configuration."""
    return build_data(config.data, Registry(imports))


def data_facts(data: DataSource) -> DataFacts:
    """Count the images, and read every one of them for the fingerprint."""
    digest = hashlib.sha256()
    for samples in (data.train, data.val):
        for batch in Loader(samples, batch_size=BATCH, shuffle=False).at(0):
            for key in sorted(batch):
                value = batch[key]
                if isinstance(value, Tensor):
                    digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
                    digest.update(value.contiguous().numpy().tobytes())
    return DataFacts(len(data.train), len(data.val), digest.hexdigest(), data.version or None)
