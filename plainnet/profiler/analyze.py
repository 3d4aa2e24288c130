"""`analyze_model`: what a network costs, in one call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from plainnet.blocks.counts import COLUMNS, Totals
from plainnet.blocks.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.network import count_network, head_layers, head_totals
from plainnet.blocks.receptive_field import receptive_field
from plainnet.blocks.shapes import Shape, as_input_shape
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.variants import PLAIN, Variant
from plainnet.errors import UsageError
from plainnet.profiler.analysis import Analysis, BlockAnalysis
from plainnet.profiler.machine import machine_record

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DTYPES", "analyze_model", "analyze_structure"]

DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
"""Bytes of one element, by the names of torch's types."""
_OWN_COLUMNS = ("params", "macs", "activations", "layers", "convolutions")
ZEN_WORK = 1e11
"""Multiply-accumulates that the default Zen-score may take: for larger networks the batch and the repeats are smaller."""


def analyze_model(
    structure: str | Structure | nn.Module,
    *,
    resolution: int | tuple[int, int] = 224,
    num_classes: int = 1000,
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = 1,
    variant: Variant = PLAIN,
    latency: bool = True,
    zen: bool = True,
    zen_repeats: int | None = None,
    zen_variant: str = "paper",
    seed: int = 0,
    in_channels: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Analysis:
    """What a network costs for one image: counts from the string alone, and, if wanted, measured latency and Zen-score.

        result = plainnet.analyze_model("SuperConvK3BNRELU(3,32,1,1)", resolution=32, num_classes=10, latency=False, zen=False)
        result.params, result.macs, result.feature_shape

    structure: a network string (or what `parse` made of it), or any `nn.Module`, which is then counted by operator.
    resolution: R or (H, W). batch: images at once, for latency and peak memory; counts stay per image.
    threads: for the latency; None leaves torch's setting.
    zen_repeats: draws of the Monte-Carlo Zen-score; by default as many as a bounded amount of work allows (at most 4).

    Raises `StructureError` for a wrong string or an image that is too small, `UsageError` for options that make no sense.
    Without latency and zen torch is not imported.
    """
    if batch < 1:
        raise UsageError(f"batch is {batch}; accepted: a positive number")
    if dtype not in DTYPES:
        raise UsageError(f"unknown dtype {dtype!r}; accepted: {', '.join(DTYPES)}")
    if not isinstance(structure, (str, Structure)):
        from plainnet.profiler.analyze_module import analyze_module

        return analyze_module(
            structure, resolution=resolution, in_channels=in_channels or 3, batch=batch, dtype=dtype,
            device=device, threads=threads, latency=latency,
        )  # fmt: skip
    parsed = parse(structure, limits=limits)
    shape = as_input_shape(in_channels or parsed.in_channels, resolution)
    result = analyze_structure(parsed, shape, num_classes=num_classes, batch=batch, dtype=dtype, variant=variant)
    measured: dict[str, Any] = {}
    if zen:
        measured["zen"] = _zen(parsed, result, zen_repeats, zen_variant, seed, device, variant)
        measured["composite"] = _composite(parsed, shape, variant)
    if latency:
        measured["latency"] = _latency(parsed, result, shape, device, threads)
    return Analysis(**{**vars(result), **measured}) if measured else result


def analyze_structure(
    structure: Structure,
    shape: Shape,
    *,
    num_classes: int | None = 1000,
    batch: int = 1,
    dtype: str = "float32",
    variant: Variant = PLAIN,
) -> Analysis:
    """The counted part of an analysis: from the string alone, without torch."""
    counts = count_network(structure, shape, num_classes=num_classes, variant=variant)
    element_bytes = DTYPES[dtype]
    totals = structure.totals(shape, variant=variant)
    shapes = [shape, *[part.out_shape for part in totals]]
    names = list(map(str, structure.blocks))
    if head_layers(counts.feature_shape, num_classes):
        totals.append(head_totals(counts.feature_shape, num_classes))
        names.append("head")
    blocks = [
        _block(index, name, before, part, element_bytes * batch)
        for index, (name, before, part) in enumerate(zip(names, shapes, totals, strict=False))
    ]
    seen = receptive_field(structure.rows(shape, variant=variant, expand=True))
    return Analysis(
        structure=str(structure),
        hash=structure.hash,
        name=None,
        input=shape.as_list(),
        variant=variant.options(),
        num_classes=num_classes or 0,
        **{name: getattr(counts.sums, name) for name in _OWN_COLUMNS},
        operations=_operations(counts.sums),
        weight_bytes=counts.params * element_bytes,
        peak_activation_bytes=counts.peak_elements * element_bytes * batch,
        feature_shape=counts.feature_shape.as_list(),
        output_shape=counts.output_shape.as_list(),
        receptive_field=seen.extent,
        stride=seen.stride,
        blocks=blocks,
        batch=batch,
        dtype=dtype,
        machine=dict(machine_record()),
    )


def _operations(sums: tuple[int, ...]) -> dict[str, int]:
    return {name: count for name, count in zip(COLUMNS, sums, strict=True) if name not in _OWN_COLUMNS}


def _block(index: int, name: str, in_shape: Shape, totals: Totals, bytes_per_element: int) -> BlockAnalysis:
    return BlockAnalysis(
        index=index,
        name=name,
        in_shape=in_shape.as_list(),
        out_shape=totals.out_shape.as_list(),
        **{name: getattr(totals.sums, name) for name in _OWN_COLUMNS},
        operations=_operations(totals.sums),
        peak_activation_bytes=totals.peak_elements * bytes_per_element,
    )


def _zen(
    structure: Structure,
    result: Analysis,
    repeats: int | None,
    zen_variant: str,
    seed: int,
    device: str,
    variant: Variant,
) -> dict[str, Any]:
    from plainnet.profiler.proxies.zen import zen_score
    from plainnet.profiler.proxies.zen_mc import zen_mc
    from plainnet.profiler.trust import trust_sentences

    images = ZEN_WORK / max(1, 2 * result.macs)
    draws = repeats or max(1, min(4, int(images / 16)))
    batch = 16 if repeats or images >= 16 else max(2, int(images))
    score = zen_mc(
        structure,
        resolution=(result.input[1], result.input[2]),
        batch=batch,
        repeats=draws,
        seed=seed,
        variant=zen_variant,
        device=device,
        network=variant,
    )
    settings = {key: score.settings[key] for key in ("resolution", "batch", "seed", "variant")}
    closed_form = zen_score(
        structure, score.settings["resolution"], variant=zen_variant, batch_size=batch, network=variant
    )
    return {
        "mean": score.mean,
        "stderr": score.stderr,
        "ci95": score.ci95,
        "repeats": score.repeats,
        **settings,
        "closed_form": closed_form,
        "trust": trust_sentences("zen"),
    }


def _composite(structure: Structure, shape: Shape, variant: Variant) -> dict[str, Any]:
    from plainnet.profiler.composite import composite
    from plainnet.profiler.trust import trust_sentences

    score = composite(structure, (shape.height, shape.width), variant=variant)
    return {"score": score if math.isfinite(score) else None, "trust": trust_sentences("composite")}


def _latency(structure: Structure, result: Analysis, shape: Shape, device: str, threads: int | None) -> dict[str, Any]:
    from plainnet.net import PlainNet
    from plainnet.profiler.latency import measure_latency

    net = PlainNet(
        structure,
        num_classes=result.num_classes,
        in_channels=shape.channels,
        resolution=(shape.height, shape.width),
        init="default",
        **result.variant,
    )
    measured = measure_latency(net, (result.batch, *shape), device=device, dtype=result.dtype, threads=threads)
    return measured.as_dict()
