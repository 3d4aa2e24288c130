"""`analyze_model`: what a network costs, in one call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plainnet.blocks.arguments import whole_number
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.counts import COLUMNS, Totals
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant, as_variant
from plainnet.blocks.structure import Structure
from plainnet.errors import NoFeatureMapError, UnknownScoreError, UsageError
from plainnet.network.network_names import as_network, is_name
from plainnet.network.published import TRAINED_WITH_SE
from plainnet.profiler.analysis import Analysis, BlockAnalysis
from plainnet.profiler.machine import machine_record
from plainnet.profiler.out_of_memory import check_memory, memory_errors_as_usage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DTYPES", "analyze_model", "analyze_structure"]

DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
"""Bytes of one element, by the names of torch's types."""
_OWN_COLUMNS = ("params", "macs", "activations", "layers", "convolutions")
"""The counts that a record names by itself: the first columns. The others are its operations."""
assert COLUMNS[: len(_OWN_COLUMNS)] == _OWN_COLUMNS
_OPERATIONS = COLUMNS[len(_OWN_COLUMNS) :]
ZEN_WORK = 1e11
"""Multiply-accumulates that the default Zen-score may take: for larger networks the batch and the repeats are smaller."""


def analyze_model(
    structure: str | Structure | nn.Module,
    *,
    resolution: int | tuple[int, int] | None = None,
    num_classes: int | None = None,
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = 1,
    channels_last: bool = False,
    seconds: float = 2.0,
    precision: float | None = None,
    variant: Variant | None = None,
    use_se: bool = False,
    no_reslink: bool = False,
    no_bn: bool = False,
    activation: str = "relu",
    latency: bool = True,
    memory: bool = False,
    zen: bool | None = None,
    zen_repeats: int | None = None,
    zen_variant: str = "paper",
    seed: int = 0,
    in_channels: int | None = None,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Analysis:
    """What a network costs for one image: counts from the string alone, and, if wanted, measured latency and Zen-score.

        result = plainnet.analyze_model("SuperConvK3BNRELU(3,32,1,1)", resolution=32, num_classes=10, latency=False, zen=False)
        result.params, result.macs, result.feature_shape

    structure: whatever `plainnet.resolve` takes: a network string, a name ("resnet18", "runs/x:2"), a `Structure`; or any
        `nn.Module`, which is then counted by operator.
    resolution: R or (H, W); as known of the network that is named, 224 otherwise. num_classes: 0 for no classifier; as
        known, 1000 otherwise; of no meaning for a module, as `variant` and everything about the Zen-score.
    variant, or use_se, no_reslink, no_bn, activation: of the whole network, see `plainnet.Variant`.
    batch: images at once, for latency and peak memory; counts stay per image.
    zen: whether to draw the Zen-score; by default for a structure. A module has none, and a note says so where it is asked for.
    threads: for the latency; None leaves torch's setting. channels_last, seconds, precision: of the latency (`measure_latency`).
    memory: bytes at inference and in training, as torch executes the network, for the whole batch.
    in_channels: of a module's input; 3 by default.
    inputs, kwargs: the arguments of a module's forward by position and by name, instead of an image; lists, tuples and dicts
        may hold tensors, and those on the meta device stand for any contents. Counts are then for these inputs, not per image.
    zen_repeats: draws of the Monte-Carlo Zen-score; by default as many as a bounded amount of work allows (at most 4).

    Raises `StructureError` for a wrong string or an image that is too small, `UsageError` for options that make no sense,
    `TypeError` for what is no network. Without latency and zen torch is not imported (for a structure on the CPU).
    """
    variant = as_variant(variant, use_se=use_se, no_reslink=no_reslink, no_bn=no_bn, activation=activation)
    batch, threads, zen_repeats = _checked(batch, dtype, device, threads, zen_repeats, seed)
    timing = {"channels_last": channels_last, "seconds": seconds, "precision": precision}
    named = as_network(structure, limits=limits) if isinstance(structure, Structure) or is_name(structure) else None
    if named is None or named.structure is None:
        module: Any = structure if named is None else named.module
        _check_module(module, num_classes, variant)
        from plainnet.profiler.analyze_module import analyze_module

        size = resolution or (None if named is None else named.resolution)
        return analyze_module(
            module, resolution=size, in_channels=in_channels, batch=batch, dtype=dtype, device=device,
            threads=threads, timing=timing, latency=latency, memory=memory, zen=bool(zen), inputs=inputs, kwargs=kwargs,
        )  # fmt: skip
    if inputs is not None or kwargs is not None:
        raise UsageError("inputs and kwargs are the arguments of a module's forward; a structure takes one image")
    variant = named.varied(variant)
    classes = whole_number("num_classes", _first_known(num_classes, named.num_classes, 1000), minimum=0)
    channels = named.structure.in_channels if in_channels is None else in_channels
    shape = as_input_shape(channels, _first_known(resolution, named.resolution, 224))
    table = named.structure.at(shape, variant=variant)
    result = analyze_table(table, num_classes=classes, batch=batch, dtype=dtype)
    notes = [*named.notes, *([TRAINED_WITH_SE] if named.with_se and not variant.use_se else [])]
    measured: dict[str, Any] = {"notes": notes} if notes else {}
    if named.name is not None:
        measured["name"] = named.name
    if zen is None or zen:
        try:
            measured["zen"] = _zen(table, result, zen_repeats, zen_variant, seed, device)
            measured["composite"] = _composite(table)
        except (NoFeatureMapError, UnknownScoreError) as error:
            if zen:
                raise
            measured["notes"] = [*measured.get("notes", []), f"no Zen-score: {error}"]
    if latency:
        measured["latency"] = _latency(table, result, device, {"threads": threads, **timing})
    if memory:
        measured["memory"] = _memory(table, result)
    return result.changed(**measured) if measured else result


def _first_known(*values: Any) -> Any:
    """The first value that is not None."""
    return next(value for value in values if value is not None)


def _checked(
    batch: int, dtype: str, device: str, threads: int | None, repeats: int | None, seed: int
) -> tuple[int, int | None, int | None]:
    """Batch, threads and repeats as integers; wrong settings are refused before minutes of measuring."""
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise UsageError(f"unknown dtype {dtype!r}; accepted: {', '.join(DTYPES)}")
    if str(device) != "cpu":
        from plainnet.proxies.sampled.tensor_devices import torch_device

        torch_device(device)
    whole_number("seed", seed, minimum=None)
    return (
        whole_number("batch", batch),
        None if threads is None else whole_number("threads", threads, accepted="a positive integer, or None"),
        None if repeats is None else whole_number("zen_repeats", repeats, accepted="a positive integer, or None"),
    )


def _check_module(module: object, num_classes: int | None, variant: Variant) -> None:
    from torch import nn

    if not isinstance(module, nn.Module):
        raise TypeError(
            f"analyze_model takes a structure string, a Structure or an nn.Module, not {type(module).__name__}"
        )
    if num_classes is not None or variant != PLAIN:
        raise UsageError(
            "num_classes and variants (--num-classes, --use-se, ...) change the blocks of a structure; "
            "a module of your own is taken as it is"
        )


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
    return analyze_table(structure.at(shape, variant=variant), num_classes=num_classes, batch=batch, dtype=dtype)


def analyze_table(table: NetworkTable, *, num_classes: int | None, batch: int, dtype: str) -> Analysis:
    """The counts of a network at an input shape. They are remembered; the record is the caller's own, and shares nothing."""
    key = ("analysis", num_classes, batch, dtype)
    counted: Analysis = table.remembered(
        key, lambda: _counted(table, num_classes=num_classes, batch=batch, dtype=dtype)
    )
    return counted.copied(machine=dict(machine_record()))


def _counted(table: NetworkTable, *, num_classes: int | None, batch: int, dtype: str) -> Analysis:
    structure, variant = table.structure, table.variant
    counts, seen = table.counts(num_classes), table.receptive_field
    element_bytes = DTYPES[dtype]
    params, macs, activations, layers, convolutions, *operations = counts.sums
    return Analysis(
        structure=str(structure),
        hash=structure.hash,
        name=None,
        input=table.shape.as_list(),
        variant=variant.options(),
        num_classes=num_classes or 0,
        params=params,
        macs=macs,
        layers=layers,
        convolutions=convolutions,
        activations=activations,
        operations=dict(zip(_OPERATIONS, operations, strict=True)),
        weight_bytes=params * element_bytes,
        peak_activation_bytes=counts.peak_elements * element_bytes * batch,
        feature_shape=counts.feature_shape.as_list(),
        output_shape=table.output_shape(num_classes),
        receptive_field=None if seen is None else seen.extent,
        stride=None if seen is None else seen.stride,
        blocks=_blocks(table, num_classes, element_bytes * batch),
        batch=batch,
        dtype=dtype,
    )


def _blocks(table: NetworkTable, num_classes: int | None, element_bytes: int) -> list[BlockAnalysis]:
    """A record of each block, and of the head where there is one."""
    names, totals = list(map(str, table.blocks)), table.totals
    if not table.out_shape.is_vector:
        names, totals = [*names, "head"], (*totals, table.head(num_classes))
    found, before = [], table.shape
    for index, (name, part) in enumerate(zip(names, totals, strict=True)):
        found.append(_block(index, name, before, part, element_bytes))
        before = part.out_shape
    return found


def _block(index: int, name: str, in_shape: Shape, totals: Totals, element_bytes: int) -> BlockAnalysis:
    params, macs, activations, layers, convolutions, *operations = totals.sums
    return BlockAnalysis(
        index,
        name,
        in_shape.as_list(),
        totals.out_shape.as_list(),
        params,
        macs,
        activations,
        layers,
        convolutions,
        dict(zip(_OPERATIONS, operations, strict=True)),
        totals.peak_elements * element_bytes,
    )


def _zen(
    table: NetworkTable,
    result: Analysis,
    repeats: int | None,
    zen_variant: str,
    seed: int,
    device: str,
) -> dict[str, Any]:
    from plainnet.proxies.closed.zen import zen_of_table
    from plainnet.proxies.sampled.zen_mc import zen_mc
    from plainnet.validation.trust import trust_sentences

    images = ZEN_WORK / max(1, 2 * result.macs)
    draws = repeats or max(1, min(4, int(images / 16)))
    batch = 16 if repeats or images >= 16 else max(2, int(images))
    check_memory("the Zen-score", batch * _peak_elements(result) * 4, str(device))
    with memory_errors_as_usage("the Zen-score"):
        score = zen_mc(
            table.structure,
            resolution=table.resolution,
            batch=batch,
            repeats=draws,
            seed=seed,
            variant=zen_variant,
            device=device,
            network=table.variant,
        )
    settings = {key: score.settings[key] for key in ("resolution", "batch", "seed", "variant")}
    closed_form = zen_of_table(table, variant=zen_variant, batch_size=batch)
    return {
        **{name: _finite(getattr(score, name)) for name in ("mean", "stderr", "ci95")},
        "repeats": score.repeats,
        **settings,
        "closed_form": _finite(closed_form),
        "trust": trust_sentences("zen"),
    }


def _peak_elements(result: Analysis) -> int:
    """The most elements of one image's activations that are alive at once."""
    return (result.peak_activation_bytes or 0) // ((result.batch or 1) * DTYPES[result.dtype])


def _finite(value: Any) -> Any:
    """A number, or a pair of them; None in place of one that JSON cannot hold."""
    numbers = value if isinstance(value, (tuple, list)) else (value,)
    return value if value is None or all(map(math.isfinite, numbers)) else None


def _composite(table: NetworkTable) -> dict[str, Any]:
    from plainnet.proxies.closed.composite import VERSION, composite_of_table
    from plainnet.validation.trust import trust_sentences

    score = _finite(composite_of_table(table).score)
    return {"score": score, "version": VERSION, "trust": trust_sentences("composite")}


def _built(table: NetworkTable, result: Analysis) -> nn.Module:
    from plainnet.network.plain_net import PlainNet

    return PlainNet(
        table.structure,
        num_classes=result.num_classes,
        in_channels=table.shape.channels,
        resolution=table.resolution,
        init="default",
        variant=table.variant,
    )


def _memory(table: NetworkTable, result: Analysis) -> dict[str, Any]:
    from plainnet.profiler.memory import measure_memory

    assert result.batch is not None, "a structure takes one image"
    with memory_errors_as_usage("the weights"):
        return measure_memory(_built(table, result), (result.batch, *table.shape), dtype=result.dtype).as_dict()


def _latency(table: NetworkTable, result: Analysis, device: str, timing: dict[str, Any]) -> dict[str, Any]:
    from plainnet.profiler.latency import measure_latency

    assert result.batch is not None, "a structure takes one image"
    what = f"the latency of a batch of {result.batch}"
    check_memory(what, result.peak_activation_bytes or 0, str(device))
    with memory_errors_as_usage(what):
        net = _built(table, result)
        measured = measure_latency(net, (result.batch, *table.shape), device=device, dtype=result.dtype, **timing)
    return measured.as_dict()
