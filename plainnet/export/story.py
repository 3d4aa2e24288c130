"""What is known of trained weights beside the numbers: classes, size, mean and deviation of the images, metrics, variant.

A training run writes it into the header of its safetensors files; exports carry it on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plainnet.blocks.rows.variants import Variant
from plainnet.errors import UsageError
from plainnet.network.published import NORM_EPS, find_published

__all__ = ["Story", "read_story"]

_METRIC = "metric."
_Positive = Annotated[int, Field(gt=0, le=1_000_000)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Header(BaseModel):
    """The types of what a training run says of its weights, and `variant`, which an export says."""

    model_config = ConfigDict(extra="ignore", strict=True)

    classes: list[str] | None = None
    shape: Annotated[list[_Positive], Field(min_length=3, max_length=3)] | None = None
    mean: list[_Finite] | None = None
    std: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = None
    reader: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    task: dict[str, Any] | None = None
    variant: dict[str, Any] | None = None


class _Options(BaseModel):
    """The options of a PlainNet that change what weights compute and none of their shapes, and the other variants."""

    model_config = ConfigDict(extra="ignore", strict=True)

    use_se: bool = False
    no_reslink: bool = False
    no_bn: bool = False
    activation: str = "relu"
    norm_eps: Annotated[float, Field(gt=0, lt=1)] | None = None


@dataclass(frozen=True)
class Story:
    """What a file of weights says of them; None where it says nothing.

    shape: the (C, H, W) that they were trained at; mean, std: of the images, one a channel, as fractions of white.
    structure_hash: of the structure that they were trained as.
    metrics: what their last validation found; those that are not finite are left out.
    texts: the header's entries as they stand, checked.
    """

    classes: tuple[str, ...] | None = None
    shape: tuple[int, int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    variant: Variant | None = None
    norm_eps: float | None = None
    structure_hash: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """The story as JSON data, without what is not known."""
        shape = None if self.shape is None else list(self.shape)
        found = {"classes": self.classes, "shape": shape, "mean": self.mean, "std": self.std, "norm_eps": self.norm_eps}
        return {key: value for key, value in found.items() if value is not None} | {"metrics": dict(self.metrics)}


_CARRIED = ("classes", "shape", "mean", "std", "reader", "model", "task", "torch", "round", "iteration")
"""What is carried on as it stands, beside the metrics; the rest an export says anew."""


def read_story(metadata: Mapping[str, str], source: object) -> Story:
    """What the header of a safetensors file says; `UsageError` with the field where it is not what a run writes.

    Files of other programs have other fields, which say nothing here.
    """
    if "model" not in metadata and "variant" not in metadata:
        return Story()
    texts = {key: text for key, text in metadata.items() if key in _Header.model_fields}
    header = _checked(_Header, {key: _json(text, key, source) for key, text in texts.items()}, source)
    about = dict(header.model or {"type": "PlainNet"} | (header.variant or {}))
    shape, mean, std = header.shape, header.mean, header.std
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and shape is not None and len(values) not in (1, shape[0]):
            raise UsageError(f"{source} is damaged: {name} has {len(values)} numbers for {shape[0]} channels")
    options = _options(about, metadata, source) if about.get("type") == "PlainNet" else None
    return Story(
        None if header.classes is None else tuple(header.classes),
        None if shape is None else (shape[0], shape[1], shape[2]),
        None if mean is None else tuple(mean),
        None if std is None else tuple(std),
        None if options is None else Variant(options.use_se, options.no_reslink, options.no_bn, options.activation),
        None if options is None else options.norm_eps,
        None if options is None else metadata.get("structure_hash"),
        dict(_metrics(metadata, source)),
        {key: text for key, text in metadata.items() if key in _CARRIED or key.startswith(_METRIC)},
    )


def _options(about: dict[str, Any], metadata: Mapping[str, str], source: object) -> _Options:
    """The options of the network as it was built: what was not said comes from the published network that was named."""
    structure = about.get("structure")
    said = dict(about)
    if isinstance(structure, str) and "(" not in structure:
        try:
            network = find_published(structure)
        except UsageError as error:
            raise UsageError(f"{source} is damaged: model.structure in its header: {error}") from None
        said = {"use_se": network.use_se, "norm_eps": network.norm_eps} | said
    if "norm_eps" in metadata:
        said["norm_eps"] = _json(metadata["norm_eps"], "norm_eps", source)
    found: _Options = _checked(_Options, said, source)
    return found if found.norm_eps is not None else found.model_copy(update={"norm_eps": NORM_EPS})


def _json(text: str, key: str, source: object) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{source} is damaged: {key} in its header is no JSON ({error})") from None


def _checked(model: type[Any], data: dict[str, Any], source: object) -> Any:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{source} is damaged: {place} in its header: {first['msg']}") from None


def _metrics(metadata: Mapping[str, str], source: object) -> list[tuple[str, float]]:
    found = []
    for key, text in metadata.items():
        if key.startswith(_METRIC):
            try:
                value = float(text)
            except ValueError:
                raise UsageError(f"{source} is damaged: {key} in its header is {text[:40]!r}, not a number") from None
            if isfinite(value):
                found.append((key.removeprefix(_METRIC), value))
    return found
