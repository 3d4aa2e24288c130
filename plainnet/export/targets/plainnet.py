"""Our own engine: `train.yaml`."""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any

from plainnet.blocks.block import Block
from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError
from plainnet.export.job import Job, Usage

__all__ = ["write"]

_SMALL = 64
"""The size at which a network for larger images learns the digits."""


def write(job: Job) -> Usage:
    """Write the target's files."""
    sources = _own_blocks(job.network.structure)
    for source in sources:
        job.write(source.name, source.read_text(encoding="utf-8"))
    if job.weights is not None:
        from safetensors.torch import save_file

        save_file(job.weights, job.folder / "weights.safetensors", metadata={"format": "pt"})
    job.write("train.yaml", _yaml(_config(job, [source.name for source in sources]), job.network.title))
    return Usage(
        "`plainnet train train.yaml` in this folder (digits), or with `data.type=folder data.root=FOLDER`.",
        "`plainnet predict` with the run's folder and an image; `plainnet config explain` says what each key means.",
    )


def _config(job: Job, imports: list[str]) -> dict[str, Any]:
    network = job.network
    model: dict[str, Any] = {"_delete_": True, "type": "PlainNet", "structure": str(network.structure)}
    if not network.brings_head:
        model["num_classes"] = network.num_classes or 10
    model |= network.variant.options()
    if job.weights is not None:
        model["weights"] = "weights.safetensors"
    side = min(network.shape.height, network.shape.width)
    size = min(side, _SMALL) if network.takes_any_size else side
    config: dict[str, Any] = {"_base_": "quick", "model": model}
    config["data"] = {"type": "digits", "channels": network.shape.channels, "size": max(8, size)}
    if imports:
        config["imports"] = imports
    return config | {"run": f"runs/{network.identifier}"}


def _yaml(config: dict[str, Any], title: str) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 100_000
    text = io.StringIO()
    yaml.dump(config, text)
    about = "digits to begin with; the published recipes for images are zennas-cifar and zennas-imagenet"
    return f"# {title}: {about} (`_base_`).\n{text.getvalue()}"


def _own_blocks(structure: Structure) -> list[Path]:
    """The files that hold the blocks that do not come with plainnet: the configuration needs them."""
    files: dict[Path, None] = {}
    for block in _all_blocks(structure.blocks):
        if not type(block).__module__.startswith("plainnet."):
            files[_file_of(type(block))] = None
    return list(files)


def _all_blocks(blocks: tuple[Block, ...]) -> list[Block]:
    return [found for block in blocks for found in (block, *_all_blocks(block.children))]


def _file_of(block_class: type) -> Path:
    try:
        return Path(inspect.getfile(block_class))
    except (TypeError, OSError):
        raise UsageError(
            f"the block {block_class.__name__} is in no file that the configuration could import; put it into one, "
            "and give it with --blocks FILE"
        ) from None
