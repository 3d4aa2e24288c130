"""What the metadata of trained weights say: enough to rebuild the network and to feed it.

They are data: each is read as the type that it has, and a name among them can name no code (see `Registry.find_from_data`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, ValidationError, model_validator

from plainnet.engine.data.source import DataSource
from plainnet.engine.run.schema import Spec, TrainConfig
from plainnet.engine.tasks.task import Task
from plainnet.errors import RunError, UsageError

__all__ = ["Trained", "describe_trained", "read_trained"]

OWN_KEYS = {"weights", "parts", "norm_momentum", "new_head"}
"""Keys of the model's section that say how training begins, not what the network is."""
FETCHING = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")
"""Arguments of timm's that bring weights from elsewhere; trained weights need none."""
NOT_OF_A_RUN = "variant"
"""What a store and an export say of each network, and a training run says of none (it is in its model)."""
Side = Annotated[int, Field(ge=1, le=65_536)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _of_images_or_none(shape: tuple[int, ...]) -> tuple[int, ...]:
    """One type, not the union of two, so that an error names the side that is wrong."""
    if len(shape) not in (0, 3):
        raise ValueError(f"{len(shape)} sides; accepted: channels, height and width, or none")
    return shape


class _Reader(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    invert: bool | Literal["auto"] = False
    read_size: tuple[Side, Side] | None = None


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Named(Spec):
    model_config = ConfigDict(strict=True, extra="allow")


class Trained(_Strict):
    """The story of trained weights."""

    model: Json[_Named]
    task: Json[_Named]
    classes: Json[Annotated[list[str], Field(min_length=1, max_length=1_000_000)]]
    shape: Json[Annotated[tuple[Side, ...], AfterValidator(_of_images_or_none)]]
    mean: Json[list[Finite]]
    std: Json[list[Positive]]
    reader: Json[_Reader]

    @property
    def sides(self) -> tuple[int, int, int] | tuple[()]:
        """(C, H, W) of images, or none."""
        if not self.shape:
            return ()
        channels, height, width = self.shape
        return channels, height, width

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of images; `UsageError` for a network of samples that are no images."""
        if not (sides := self.sides):
            raise UsageError("the network takes no images (its data say no shape), and a store keeps networks that do")
        return sides

    @model_validator(mode="after")
    def _fetches_nothing(self) -> Trained:
        """timm can fetch weights, and read them from files: with a name of a hub, or with further arguments."""
        if self.model.type == "timm":
            odd = [key for key in self.model.arguments if key in FETCHING]
            if odd or ":" in str(self.model.arguments.get("name", "")):
                raise ValueError(f"model: a file of weights fetches none: {', '.join(odd) or 'name'}")
        return self

    @model_validator(mode="after")
    def _channels(self) -> Trained:
        channels = self.shape[0] if self.shape else 0
        if len(self.mean) != len(self.std) or len(self.mean) not in ((0, 1, channels) if channels else (0,)):
            raise ValueError(f"mean: {len(self.mean)} means and {len(self.std)} stds for {channels} channels")
        return self


def describe_trained(value: TrainConfig, task: Task, data: DataSource) -> dict[str, str]:
    """What the metadata of a run's weights say, to be read by `read_trained`."""
    described = value.task.model_dump(exclude={"losses", "teacher"})
    if task.used_as is not None:
        kept = {name: value for name, value in described.items() if name not in task.trained_with}
        described = {**kept, "type": task.used_as}
    shape = task.network_shape(data.shape) if data.shape else data.shape
    reader = dict(data.reader) | ({} if shape == data.shape else {"read_size": data.shape[1:]})
    fetching = set(FETCHING) if value.model.type == "timm" else set()
    found: dict[str, Any] = {
        "model": value.model.model_dump(exclude=OWN_KEYS | fetching),
        "task": described,
        "classes": list(data.classes),
        "shape": list(shape),
        "mean": list(data.mean),
        "std": list(data.std),
        "reader": reader,
    }
    return {key: json.dumps(item) for key, item in found.items()}


def read_trained(path: Path, metadata: Mapping[str, str]) -> Trained:
    """The story in the metadata of a file of weights; `RunError` with the file and the field for what cannot be one, and
    `UsageError` for weights of a network that no training run wrote, which tell of the network alone.
    """
    missing: Sequence[str] = [name for name in Trained.model_fields if name not in metadata]
    if "model" in missing and NOT_OF_A_RUN not in metadata:
        raise RunError(f"{path} does not say which network it belongs to (it was not written by a training run)")
    if missing and NOT_OF_A_RUN in metadata:
        raise UsageError(
            f"{path} does not say {', '.join(missing)}: its network was put together or imported, and never trained for a task "
            f"by plainnet; accepted: what was trained (plainnet train {quote(str(path))}, with a task that takes its outputs), "
            "or weights imported with --task cls, --classes, --mean and --std (plainnet store import)"
        )
    if missing:
        raise RunError(f"{path} is damaged: its metadata do not say {', '.join(missing)}")
    try:
        return Trained.model_validate(dict(metadata))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = "".join(f"{part}." for part in first["loc"])[:-1]
        reason = first["msg"].removeprefix("Value error, ")
        raise RunError(f"{path} is damaged: {f'{field}: ' if field else ''}{reason}") from None
    except RecursionError:
        raise RunError(f"{path} is damaged: its metadata are nested too deeply") from None
