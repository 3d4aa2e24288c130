"""A small model of a configuration, and how the tests read one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from plainnet.configs import Config, read_config


class Optim(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    type: Literal["SGD", "Adam", "AdamW"] = "SGD"
    lr: float = Field(0.1, gt=0, description="Learning rate.")


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class Train(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    epochs: int = 1
    optim: Optim = Optim()
    schedule: Loose = Loose()
    name: str = "run"
    hooks: list[Loose] = []
    losses: list[Loose] = [Loose.model_validate({"type": "CrossEntropy"})]
    sizes: list[int] = []


QUICK = (
    "epochs: 15\noptim: {type: SGD, lr: 0.1, momentum: 0.9}\nschedule: {type: cosine, warmup: 1}\nhooks: [{type: Q}]\n"
)


def read(folder: Path, text: str, *overrides: str, **files: str) -> Config[Train]:
    """The configuration of a text beside other files; `quick` ships."""
    (folder / "shipped").mkdir(exist_ok=True)
    (folder / "shipped" / "quick.yaml").write_text(QUICK)
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (folder / "train.yaml").write_text(text)
    named = {"quick": folder / "shipped" / "quick.yaml"}
    return read_config(folder / "train.yaml", Train, overrides=overrides, named=named)


def values(config: Config[Train]) -> dict[str, Any]:
    """What is said, without defaults."""
    return config.value.model_dump(exclude_unset=True)
