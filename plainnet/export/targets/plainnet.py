"""Our own engine: `train.yaml`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from plainnet.errors import StructureError, UsageError
from plainnet.export.config_text import yaml_text
from plainnet.export.job import Job, Usage
from plainnet.export.network import Network
from plainnet.export.own_files import copy_own_files

__all__ = ["write"]

_DIGITS = 10
"""Classes of the digits."""
_SMALL = 64
"""The size at which a network for larger images learns the digits."""
_LEAST = 8
"""The size of the digits as they are."""


def write(job: Job) -> Usage:
    """Write the target's files."""
    imports = copy_own_files(job.network.structure, job.folder)
    size = _digits_size(job.network)
    learns = _learns(job)
    digits = size is not None and learns in (None, _DIGITS)
    if job.weights is not None:
        job.save_safetensors("weights.safetensors", head_of=_DIGITS if learns is None and digits else None)
    data: dict[str, Any] = {"type": "digits", "channels": job.network.shape.channels, "size": size}
    if not digits:
        data = _images(job.network)
    title = f"{job.network.title}: {_ABOUT_DIGITS if digits else _ABOUT_IMAGES}"
    job.write("train.yaml", yaml_text(_config(job, data, imports), title=title))
    train = "`plainnet train train.yaml` (digits), or with" if digits else "`plainnet train train.yaml` with"
    return Usage(
        f"{train} `data.type=folder data.root=FOLDER` (FOLDER/train/CLASS and FOLDER/val/CLASS).",
        "`plainnet predict` with the run's folder and an image; `plainnet config explain` says what each key means.",
    )


_ABOUT_DIGITS = "digits to begin with; the published recipes for images are zennas-cifar and zennas-imagenet (_base_)."
_ABOUT_IMAGES = (
    "data.root is the folder of its images; the recipes for images are zennas-cifar and zennas-imagenet (_base_)."
)


def _config(job: Job, data: dict[str, Any], imports: list[str]) -> dict[str, Any]:
    network = job.network
    model: dict[str, Any] = {"_delete_": True, "type": "PlainNet", "structure": str(network.structure)}
    model |= network.variant.options() | {"norm_eps": network.norm_eps}
    if job.weights is not None:
        model["weights"] = "weights.safetensors"
    config = {"_base_": "quick", "model": model, "data": data} | ({"imports": imports} if imports else {})
    return config | {"run": f"runs/{network.identifier}"}


def _learns(job: Job) -> int | None:
    """The number of classes that is settled, by the structure's own classifier or the weights'; None where it follows the
    data.
    """
    if job.network.brings_head:
        return job.network.classes
    return None if job.weights is None else job.network.num_classes or None


def _digits_size(network: Network) -> int | None:
    """The side at which the network learns the digits; None where it takes no such images."""
    height, width = network.shape.height, network.shape.width
    sides = [side for side in (min(height, width, _SMALL), min(height, width)) if side >= _LEAST]
    if not network.takes_any_size:
        sides = [height] if height == width and height >= _LEAST else []
    for side in [*sides, *([_LEAST] if network.takes_any_size and not sides else [])]:
        try:
            if replace(network, resolution=side).counts.params == network.counts.params:
                return side
        except StructureError:
            continue
    return None


def _images(network: Network) -> dict[str, Any]:
    shape = network.shape
    if shape.channels not in (1, 3):
        raise UsageError(
            f"{network.title} takes {shape.channels} channels and cannot learn the digits; images of a folder have 1 or 3: "
            "export it to pytorch, and give train.py images of your own"
        )
    return {"type": "folder", "root": "images", "size": [shape.height, shape.width], "channels": shape.channels}
