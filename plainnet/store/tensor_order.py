"""The order of the tensors of a network of another program: that in which its modules were made, and that in which they run.

A file that torch saved keeps the order in which modules were made. A safetensors file keeps none: there it follows from the
names, where those beside each other are numbers, or of a program that is known. Modules run in that order, but for

    UNIT.proj.*                      a shortcut, made before the branch that it is added to     RegNets
    UNIT.gamma, UNIT.layer_scale     made before its branch, whose last layer it is             ConvNeXts
    downsample_layers.S.*            made before all stages, run before stages.S                ConvNeXts of their authors
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["SCALES", "as_made", "as_run"]

SCALES = ("gamma", "layer_scale", "layer_scale_parameter")
"""What programs call a scale of channels."""
_LAST = re.compile(rf"(?P<unit>.*\.)(?:proj\..*|{'|'.join(SCALES)})")
_BEFORE_STAGE = re.compile(r"(?P<before>.*\b)downsample_layers\.(?P<stage>\d+)\..*")

_BESIDE = tuple(
    tuple(line.split())
    for line in """
    weight bias running_mean running_var num_batches_tracked
    features classifier
    features pre_logits head
    stem trunk_output fc
    proj f
    a b se c
    conv0 norm0 denseblock1 transition1 denseblock2 transition2 denseblock3 transition3 denseblock4 norm5
    norm1 conv1 norm2 conv2
    norm conv
    downsample_layers stages norm head
    gamma dwconv norm pwconv1 pwconv2
    layer_scale block
    stem stages head
    downsample blocks
    gamma conv_dw norm mlp
    norm fc
    convnext classifier
    embeddings encoder layernorm
    patch_embeddings layernorm
    downsampling_layer layers
    layer_scale_parameter dwconv layernorm pwconv1 pwconv2
    conv_stem bn1 blocks conv_head bn2 classifier
    conv_pw bn1 conv_dw bn2 se conv_pwl bn3
    conv_dw bn1 se conv_pw bn2
    conv_reduce conv_expand
    conv bn1
    stem s1 s2 s3 s4 head
    conv1 conv2 se conv3 downsample
    conv bn
    """.strip().splitlines()
)
"""Modules that stand beside each other, in the order in which torchvision, timm, transformers and the authors of ConvNeXt make
them.
"""


def as_made(names: Iterable[str]) -> list[str] | None:
    """The names of a file without order in the order in which their modules were made; None where that is not known.

    >>> as_made(["block.10.weight", "block.2.bias", "block.2.weight"])
    ['block.2.weight', 'block.2.bias', 'block.10.weight']
    >>> as_made(["narrow.weight", "wide.weight"])
    """
    return _sorted([(name.split("."), name) for name in names])


def _sorted(names: list[tuple[list[str], str]]) -> list[str] | None:
    """The names, each with what is left of its parts."""
    below: dict[str, list[tuple[list[str], str]]] = {}
    found: list[str] = []
    for parts, name in names:
        if parts:
            below.setdefault(parts[0], []).append((parts[1:], name))
        else:
            found.append(name)
    order = _of_siblings(list(below))
    if order is None:
        return None
    for part in order:
        inner = _sorted(below[part])
        if inner is None:
            return None
        found += inner
    return found


def _of_siblings(parts: list[str]) -> list[str] | None:
    """Modules beside each other in the order in which they were made: numbered ones by number."""
    if len(parts) < 2:
        return parts
    numbered = {part: re.fullmatch(r"(.*?)(\d+)", part) for part in parts}
    numbers = {part: int(found[2]) for part, found in numbered.items() if found}
    if len(numbers) == len(parts) and len({found and found[1] for found in numbered.values()}) == 1:
        return sorted(parts, key=numbers.__getitem__)
    known = [beside for beside in _BESIDE if set(parts) <= set(beside)]
    return sorted(parts, key=min(known, key=len).index) if known else None


def as_run(names: Sequence[str]) -> list[str]:
    """Names in the order in which modules were made, in the order in which modules run."""
    return _last_of_units(_before_stages(names))


def _before_stages(names: Sequence[str]) -> list[str]:
    """The names, those of `downsample_layers.S` before the first of `stages.S`."""
    found: list[str] = []
    waiting: dict[str, list[str]] = {}
    for name in names:
        if before := _BEFORE_STAGE.fullmatch(name):
            waiting.setdefault(f"{before['before']}stages.{before['stage']}.", []).append(name)
            continue
        for stage in [stage for stage in waiting if name.startswith(stage)]:
            found += waiting.pop(stage)
        found.append(name)
    return [*found, *[name for held in waiting.values() for name in held]]


def _last_of_units(names: Sequence[str]) -> list[str]:
    """The names, where those of a unit's shortcut or scale stand behind all others of the unit."""
    found: list[str] = []
    waiting: dict[str, list[str]] = {}
    for name in names:
        for unit in [unit for unit in waiting if not name.startswith(unit)]:
            found += waiting.pop(unit)
        if last := _LAST.fullmatch(name):
            waiting.setdefault(last["unit"], []).append(name)
        else:
            found.append(name)
    return [*found, *[name for held in waiting.values() for name in held]]
