"""The record of a stored network, `model.json`: every field of it, each with its meaning. What is not known is null.

Data are read as the types that they have; a field that does not belong here, or a number that is none, is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainnet.errors import RunError, UsageError
from plainnet.files.text_files import json_value, read_text

__all__ = [
    "SCHEMA",
    "Code",
    "Cost",
    "Data",
    "DeviceCost",
    "FineTuning",
    "Identity",
    "Input",
    "Metric",
    "Output",
    "Paper",
    "Record",
    "Structure",
    "Training",
    "checked_record",
    "read_record",
]

SCHEMA: Literal[1] = 1
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Side = Annotated[int, Field(ge=1, le=65_536)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Kind = Literal["network", "backbone", "neck", "head"]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Paper(_Section):
    """Where a network was published."""

    title: str | None = None
    url: str | None = None


class Identity(_Section):
    """What it is."""

    digest: Digest = Field(description="SHA-256 of the architecture and of the tensors: names, types, shapes, bytes.")
    name: str
    tag: str
    family: str
    kind: Kind
    task: str = Field(description='"cls" for a classification, or the name of a task of your own.')
    paper: Paper | None = None
    licence: str | None = None
    parents: list[str] = Field(default=[], description="Digests or names of what its weights began with.")
    tags: list[str] = []
    added: str | None = Field(default=None, description="When it came into the store, ISO 8601, UTC.")
    files: dict[str, Digest] = Field(default={}, description="File -> SHA-256 of its bytes.")


class Structure(_Section):
    """What it is made of."""

    constructor: str = Field(description="PlainNet, timm, or the import path of a module of your own.")
    arguments: dict[str, Any] = {}
    string: str | None = Field(default=None, description="The network string; null for what is no PlainNet.")
    hash: str | None = Field(default=None, description="Of the canonical string.")
    variant: dict[str, Any] = Field(default={}, description="Options that differ from the plain network.")
    norm_eps: Annotated[float, Field(gt=0, lt=1)] | None = None
    code_hash: str | None = Field(default=None, description="Of the expanded rows: what the blocks mean.")
    parts: dict[str, list[str]] = Field(default={}, description="Part -> the prefixes of its tensors' names.")
    num_features: Count | None = None


class Input(_Section):
    """What it takes."""

    trained_at: list[Side] | None = Field(default=None, description="(L), (H, W) or (D, H, W) of the training images.")
    sizes: list[list[Side]] | None = Field(
        default=None, description="Further sizes that it was tried at: measured, or compared with a conversion."
    )
    channels: Side | None = None
    meaning: str | None = Field(default=None, description="grey, RGB, BGR, RGBI, RGB+mask, ...")
    mean: list[float] | None = None
    std: list[Positive] | None = None
    range: list[float] | None = Field(default=None, description="Of the pixels before mean and std.")
    reader: dict[str, Any] | None = Field(default=None, description="How an image file becomes an input.")


class Output(_Section):
    """What one head puts out."""

    head: str
    channels: Count | None = None
    classes: list[str] | None = None
    resolution: str | None = Field(default=None, description='"1" for a vector, "H/2,W/2" for a map of half the size.')


class FineTuning(_Section):
    """The largest learning rate at which training can begin without spoiling the weights, and how it was found."""

    largest_lr: Positive | None = Field(default=None, description="null: even the smallest one that was tried spoils.")
    optimizer: str
    tried: list[Positive]
    losses: list[float | None] = Field(description="The loss after the updates at each; null: not finite.")
    before: float = Field(description="The loss of the weights as they are.")
    spoiled_above: float = Field(description="The loss from which on the weights count as spoiled.")
    updates: Count
    batch: Count
    how: str


class Training(_Section):
    """How it was trained."""

    losses: list[dict[str, Any]] | None = None
    optimizer: str | None = None
    lr: float | None = Field(default=None, description="At the beginning.")
    lr_now: float | None = Field(default=None, description="In the last update of these weights.")
    weight_decay: float | None = None
    groups: list[dict[str, Any]] | None = Field(default=None, description="Options in that update, group by group.")
    schedule: dict[str, Any] | None = None
    batch: Count | None = None
    precision: str | None = None
    epochs: float | None = None
    iterations: Count | None = None
    seed: int | None = None
    seconds: float | None = None
    config: dict[str, Any] | None = None
    fine_tuning: FineTuning | None = None


class Data(_Section):
    """What it was trained on."""

    name: str | None = None
    version: str | None = None
    split: str | None = Field(default=None, description="What the metrics were taken on.")
    train_images: Count | None = None
    val_images: Count | None = None
    fingerprint: str | None = Field(default=None, description="SHA-256 of the images and labels as they are fed.")


class Metric(_Section):
    """A figure of merit."""

    dataset: str | None
    split: str
    name: str
    value: float | None = Field(description="null: not finite.")
    better: Literal["higher", "lower"]


class DeviceCost(_Section):
    """What it costs on one device, for a batch."""

    device: str
    name: str
    threads: Count | None = None
    torch: str
    shape: list[Side]
    forward_ms: float | None = Field(default=None, description="Under no_grad, the median.")
    forward_backward_ms: float | None = Field(default=None, description="With the mean of the output as the loss.")
    training_peak_bytes: Count | None = Field(default=None, description="Most memory of one training step.")
    peak_is: str | None = Field(default=None, description="How the peak was found.")


class Cost(_Section):
    """What it costs: counted, and measured."""

    params: Count | None = None
    macs: Count | None = None
    size_bytes: Count | None = Field(default=None, description="Of the weights file.")
    devices: list[DeviceCost] = []


class Code(_Section):
    """What it was made with."""

    plainnet: str | None = None
    torch: str | None = None
    commit: str | None = Field(default=None, description="Of the repository in which it was added.")
    dirty: bool | None = None
    sources: dict[str, Digest] = Field(default={}, description="File of source/ -> SHA-256.")
    passed: list[str] = Field(default=[], description="Earlier commits at which it was verified.")


class Record(_Section):
    """Everything that is known of a stored network."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    identity: Identity
    structure: Structure
    input: Input = Input()
    outputs: list[Output] = []
    training: Training = Training()
    data: Data = Data()
    metrics: list[Metric] = []
    cost: Cost = Cost()
    code: Code = Code()
    extra: dict[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return self.model_dump(mode="json", by_alias=True)


def read_record(path: Path) -> Record:
    """The record of a `model.json`; `RunError` with the field for what is none."""
    try:
        found = json_value(read_text(path, what="record"), str(path))
    except UsageError as error:
        raise RunError(f"{path} is no record of a stored network: {error}") from None
    return checked_record(found, str(path))


def checked_record(found: object, where: str) -> Record:
    """Plain data as a record; `RunError` with the field for what is none."""
    if isinstance(found, dict) and "schema" in found and found["schema"] != SCHEMA:
        raise RunError(f"{where} has the schema {str(found['schema'])[:20]}; accepted: {SCHEMA} (another plainnet)")
    try:
        record: Record = Record.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise RunError(f"{where} is damaged: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
    except RecursionError:
        raise RunError(f"{where} is damaged: it is nested too deeply") from None
    return record
