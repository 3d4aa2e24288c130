"""What was measured, as a person reads it: the lines of an analysis, and of a result that stands alone. From plain data, as it is
stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainnet.results.numbers import byte_text, interval_text, score_text

__all__ = ["Lines", "clocks_text", "inputs_text", "latency_lines", "memory_lines", "ratio_text", "shape_text"]

Lines = list[tuple[str, str]]


def shape_text(shape: Any) -> str:
    """Shapes as text: 3x32x32, or several of them, nested as they are."""
    if isinstance(shape, dict):
        return "{" + ", ".join(f"{name}={shape_text(part)}" for name, part in shape.items()) + "}"
    if isinstance(shape, (list, tuple)):
        is_shape = shape and all(isinstance(size, int) for size in shape)
        return "x".join(map(str, shape)) if is_shape else "[" + ", ".join(map(shape_text, shape)) + "]"
    return str(shape)


def inputs_text(inputs: Any) -> str:
    """The shape of one input; of a caller's own `inputs` and `kwargs` that of each."""
    if not isinstance(inputs, dict):
        return shape_text(inputs)
    named = (f"{name}={shape_text(shape)}" for name, shape in inputs["kwargs"].items())
    return ", ".join([*map(shape_text, inputs["inputs"]), *named])


def latency_lines(latency: Mapping[str, Any]) -> Lines:
    """The median, how sure it is, where it was measured, and what speaks against it."""
    low, high = latency["ci95_ms"]
    half = (high - low) / 2
    named = {name: score_text(latency[f"{name}_ms"], half, digits=3) for name in ("median", "p90", "p99")}
    interval = "no interval of one run" if latency["n"] == 1 else f"95 % CI {interval_text((low, high))} ms"
    numbers = f"median {named['median']} ms, {interval}"
    numbers += f", p90 {named['p90']} ms, p99 {named['p99']} ms"
    threads = latency["threads"]
    where = latency["device"] if latency["platform"] == "torch" else latency["platform"]
    lines = [("latency", f"{numbers}  ({where}, {threads} thread{'' if threads == 1 else 's'})")]
    if latency["prepare_seconds"] is not None:
        lines.append(("made ready", f"in {latency['prepare_seconds']:.3g} s, its first run included"))
    return lines + [("note:", note) for note in latency.get("warnings", [])]


def ratio_text(ratio: Mapping[str, Any]) -> str:
    """A latency over that of another network: x1.020 [0.990, 1.050], cannot be told apart."""
    low, high = ratio["ci95"]
    same = "" if ratio["tells_apart"] else ", cannot be told apart"
    return f"x{ratio['ratio']:.3f} [{low:.3f}, {high:.3f}]{same}"


def memory_lines(memory: Mapping[str, Any]) -> Lines:
    """Bytes at inference, in training where that was measured, and how."""
    held = f"{byte_text(memory['weight_bytes'])} of weights, {byte_text(memory['buffer_bytes'])} of buffers"
    peak = f"{byte_text(memory['activation_peak_bytes'])} of activations"
    lines = [("inference", f"{byte_text(memory['inference_bytes'])}  ({held}, {peak})")]
    if memory["training_peak_bytes"] is not None:
        saved, gradients = byte_text(memory["saved_bytes"]), byte_text(memory["gradient_bytes"])
        states = ", ".join(f"{name} {byte_text(size)}" for name, size in memory["optimizer_bytes"].items())
        peak = byte_text(memory["training_peak_bytes"])
        lines.append(("training", f"{peak}  ({saved} saved for backward, {gradients} of gradients)"))
        lines.append(("optimizer states", f"{states}, on top of that"))
    return lines + [("note:", note) for note in memory["notes"]]


def clocks_text(times: Mapping[str, Any], latency: Mapping[str, Any] | None) -> str:
    """How the milliseconds of submodules were measured, and what that took."""
    without = "" if latency is None else f", {latency['min_ms']:.3f} ms without"
    passes = "one pass" if times["passes"] == 1 else f"{times['passes']} passes"
    return (
        f"the least of {passes} with clocks at every submodule, {times['sum_ms']:.3f} in all  "
        f"(the fastest pass took {times['pass_ms']:.3f} ms with them{without})"
    )
