"""A calibration as a file: the trained networks of somebody's own space, from which the model follows.

A file holds what was measured (features and accuracies) and not the model, which takes milliseconds to fit: so that it
can be read by eye, and means the same whoever fits it. `calibrated:FILE` is the score that it gives: the expected accuracy,
in the unit of the accuracies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import json_value, read_text
from plainnet.files.whole_files import write_whole
from plainnet.network.network_names import at_its_size
from plainnet.proxies.calibrated.features import FEATURES, Features, network_features
from plainnet.proxies.calibrated.model import GaussianModel, Prediction, as_array
from plainnet.proxies.calibrated.names import SHORT, file_and_digest, pinned
from plainnet.proxies.contract import Proxy
from plainnet.results.numbers import LARGEST

__all__ = ["KEY", "Calibration", "calibrated_proxy", "read_calibration"]

KEY = "plainnet_calibration"
"""The first field of a file, with the version of its form."""

Finite = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Network(_Strict):
    name: str
    accuracy: Finite
    features: Annotated[list[Finite], Field(min_length=len(FEATURES), max_length=len(FEATURES))]


class _File(_Strict):
    plainnet_calibration: Literal[1]
    source: str
    resolution: Annotated[list[Annotated[int, Field(ge=1, le=65_536)]], Field(min_length=2, max_length=2)]
    features: list[str]
    figures: dict[str, Any]
    networks: Annotated[list[_Network], Field(min_length=4, max_length=100_000)]

    @model_validator(mode="after")
    def _names(self) -> _File:
        if tuple(self.features) != FEATURES:
            raise ValueError(f"features are {', '.join(self.features)[:80]}; this version has {', '.join(FEATURES)}")
        return self


@dataclass(frozen=True)
class Calibration:
    """Trained networks, and the model that follows from them.

    source: what they were read from; resolution: (height, width) that they were trained at; figures: what is known of the
    model (`plainnet.validation.calibrating`); file: where it was read.
    """

    source: str
    resolution: tuple[int, int]
    names: tuple[str, ...]
    features: tuple[Features, ...]
    accuracies: tuple[float, ...]
    figures: dict[str, Any]
    file: str = field(default="", compare=False)

    @cached_property
    def model(self) -> GaussianModel:
        """The model, fitted."""
        return GaussianModel(as_array(self.features), as_array([self.accuracies])[0])

    def predict(self, features: Sequence[Features]) -> Prediction:
        """What is expected of networks."""
        return self.model.predict(as_array(features))

    def score(self, network: Any, resolution: int | tuple[int, int], *, variant: Variant = PLAIN) -> float:
        """The accuracy that is expected of a network, named in any way; `UsageError` at another resolution than the
        calibration's.
        """
        structure, _, variant = at_its_size(network, resolution, otherwise=32, variant=variant)
        size = (resolution, resolution) if isinstance(resolution, int) else tuple(resolution)
        if size != self.resolution:
            own = "x".join(
                map(str, self.resolution if self.resolution[0] != self.resolution[1] else self.resolution[:1])
            )
            where = f" in {self.file}" if self.file else ""
            raise UsageError(
                f"the calibration of {self.source}{where} holds for inputs of {own}, and {size[0]}x{size[1]} was asked; "
                f"accepted: --resolution {own}"
            )
        return float(self.model.expected(as_array([network_features(structure, self.resolution, variant=variant)]))[0])

    def to_json(self) -> str:
        """The text of the file."""
        networks = [
            {"name": name, "accuracy": accuracy, "features": list(features)}
            for name, accuracy, features in zip(self.names, self.accuracies, self.features, strict=True)
        ]
        head = {
            KEY: 1,
            "source": self.source,
            "resolution": list(self.resolution),
            "features": list(FEATURES),
            "figures": self.figures,
        }
        text = json.dumps(head, indent=1, allow_nan=False)[:-2]
        lines = ",\n  ".join(json.dumps(each, allow_nan=False) for each in networks)
        return f'{text},\n "networks": [\n  {lines}\n ]\n}}\n'

    def write(self, path: str | Path) -> None:
        """Write the file, all or nothing."""
        write_whole(path, self.to_json())


def read_calibration(path: str | Path) -> Calibration:
    """The calibration in a file; `UsageError` with the file and the field for what is none."""
    with reading(path, "calibration"):
        return _calibration(path)


def _calibration(path: str | Path) -> Calibration:
    text = read_text(Path(path), what="calibration")
    content = json_value(text, f"{path} holds no calibration")
    if not isinstance(content, dict) or KEY not in content:
        raise UsageError(f"{path} holds no calibration: plainnet calibrate did not write it")
    try:
        found = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path} is damaged: {f'{where}: ' if where else ''}{first['msg']}") from None
    return Calibration(
        found.source,
        (found.resolution[0], found.resolution[1]),
        tuple(each.name for each in found.networks),
        tuple(Features(*each.features) for each in found.networks),
        tuple(each.accuracy for each in found.networks),
        found.figures,
        str(path),
    )


def calibrated_proxy(name: str) -> Proxy:
    """The score `calibrated:FILE` as a proxy of single networks; `UsageError` where the file is none, or another than the
    name is pinned to.
    """
    calibration = _known(*file_and_digest(pinned(name)))

    def calibrated(structure: Structure, resolution: int | tuple[int, int], network: Variant) -> float:
        """The accuracy that a calibration expects (`plainnet calibrate`)."""
        return calibration.score(structure, resolution, variant=network)

    return Proxy(SHORT, calibrated, cost="none")


@lru_cache(maxsize=8)
def _known(path: str, digest: str) -> Calibration:  # noqa: ARG001 - what is remembered is of this content
    return read_calibration(path)
