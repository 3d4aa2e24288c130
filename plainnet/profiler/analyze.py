"""`analyze_model`: what a network costs, in one call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plainnet.blocks.arguments import whole_number
from plainnet.blocks.formats.lint import dead_parts
from plainnet.blocks.network_counts import head_layers
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.backward_macs import backward_macs
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.shapes import as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant, as_variant
from plainnet.blocks.structure import Structure
from plainnet.errors import NoFeatureMapError, UnknownScoreError, UsageError
from plainnet.network.network_names import as_network, is_name
from plainnet.network.published import TRAINED_WITH_SE
from plainnet.profiler.analysis import Analysis
from plainnet.profiler.counted_analysis import DTYPES, analyze_table
from plainnet.profiler.out_of_memory import check_memory, memory_errors_as_usage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["analyze_model", "built_network"]

ZEN_WORK = 1e11
"""Multiply-accumulates that the default Zen-score may take: for larger networks the batch and the repeats are smaller."""

BYTES_IN_INT8 = "int8: bytes are those of 1 for each element; platforms keep biases and scales in 32 bits"


def analyze_model(
    structure: Any,
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
    platform: str = "torch",
    variant: Variant | None = None,
    use_se: bool = False,
    no_reslink: bool = False,
    no_bn: bool = False,
    activation: str = "relu",
    latency: bool = True,
    memory: bool = False,
    training: bool = False,
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
    threads: for the latency; None leaves torch's setting. channels_last, seconds, precision, platform: of the latency
        (`measure_latency`).
    memory: bytes at inference and in training, as torch executes the network, for the whole batch.
    training: multiply-accumulates of the backward pass, too (of a module: as `count_training` counts them).
    in_channels: of a module's input; 3 by default.
    inputs, kwargs: the arguments of a module's forward by position and by name, instead of an image; lists, tuples and dicts
        may hold tensors, and those on the meta device stand for any contents. Counts are then for these inputs, not per image.
    zen_repeats: draws of the Monte-Carlo Zen-score; by default as many as a bounded amount of work allows (at most 4).

    Raises `StructureError` for a wrong string or an image that is too small, `UsageError` for options that make no sense,
    `TypeError` for what is no network. Without latency and zen torch is not imported (for a structure on the CPU).
    """
    variant = as_variant(variant, use_se=use_se, no_reslink=no_reslink, no_bn=no_bn, activation=activation)
    batch, threads, zen_repeats = _checked(batch, dtype, device, threads, zen_repeats, seed)
    timing = {"channels_last": channels_last, "seconds": seconds, "precision": precision, "platform": platform}
    named = as_network(structure, limits=limits) if isinstance(structure, Structure) or is_name(structure) else None
    if named is None or named.structure is None:
        module: Any = structure if named is None else named.module
        _check_module(module, num_classes, variant)
        from plainnet.profiler.analyze_module import analyze_module

        size = resolution or (None if named is None else named.resolution)
        return analyze_module(
            module, resolution=size, in_channels=in_channels, batch=batch, dtype=dtype, device=device,
            threads=threads, timing=timing, latency=latency, memory=memory, training=training, zen=bool(zen),
            inputs=inputs, kwargs=kwargs,
        )  # fmt: skip
    if inputs is not None or kwargs is not None:
        raise UsageError("inputs and kwargs are the arguments of a module's forward; a structure takes one image")
    variant = named.varied(variant)
    classes = whole_number("num_classes", _first_known(num_classes, named.num_classes, 1000), minimum=0)
    channels = named.structure.in_channels if in_channels is None else in_channels
    shape = as_input_shape(channels, _first_known(resolution, named.resolution, 224))
    table = named.structure.at(shape, variant=variant)
    result = analyze_table(table, num_classes=classes, batch=batch, dtype=dtype)
    notes = _remarks(named, table, dtype)
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
    measured |= {"memory": _memory(table, result)} if memory else {}
    measured |= {"training": _training(table, result)} if training else {}
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


def _remarks(named: Any, table: NetworkTable, dtype: str) -> list[str]:
    """What a reader of the counts should know of them."""
    found = [*named.notes, *([TRAINED_WITH_SE] if named.with_se and not table.variant.use_se else []), *_dead(table)]
    return [*found, *([BYTES_IN_INT8] if dtype == "int8" else [])]


def _dead(table: NetworkTable) -> list[str]:
    """What a graph says in vain: parts that nothing depends on, which are in no count."""
    if table.structure.is_plain:
        return []
    found: list[str] = table.remembered("dead", lambda: dead_parts(table.structure, table.shape, variant=table.variant))
    return found[:1] + ([f"{len(found) - 1} more such parts: plainnet lint names them"] if len(found) > 1 else [])


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


def built_network(table: NetworkTable, result: Analysis) -> nn.Module:
    """The network of an analysis, with weights that were drawn."""
    from plainnet.network.plain_net import PlainNet

    return PlainNet(
        table.structure,
        num_classes=result.num_classes,
        in_channels=table.shape.channels,
        resolution=table.resolution,
        init="default",
        variant=table.variant,
    )


def _training(table: NetworkTable, result: Analysis) -> dict[str, Any]:
    rows = table.rows(expand=True, tail=head_layers(table.out_shape, result.num_classes))
    backward = backward_macs(rows)
    return {
        "forward_macs": result.macs,
        "backward_macs": backward,
        "uncounted": [],
        "step_macs": result.macs + backward,
    }


def _memory(table: NetworkTable, result: Analysis) -> dict[str, Any]:
    from plainnet.profiler.memory import measure_memory

    assert result.batch is not None, "a structure takes one image"
    with memory_errors_as_usage("the weights"):
        return measure_memory(built_network(table, result), (result.batch, *table.shape), dtype=result.dtype).as_dict()


def _latency(table: NetworkTable, result: Analysis, device: str, timing: dict[str, Any]) -> dict[str, Any]:
    from plainnet.profiler.latency import measure_latency

    assert result.batch is not None, "a structure takes one image"
    what = f"the latency of a batch of {result.batch}"
    check_memory(what, result.peak_activation_bytes or 0, str(device))
    with memory_errors_as_usage(what):
        net = built_network(table, result)
        measured = measure_latency(net, (result.batch, *table.shape), device=device, dtype=result.dtype, **timing)
    return measured.as_dict()
