"""The figures of a network, as reports call them: in words, with values as people write them."""

from __future__ import annotations

from plainnet.pages.parts import significant

__all__ = ["figure_in_words", "figure_value", "in_bytes"]

WORDS = {
    "num_classes": "classes",
    "macs": "MACs",
    "flops": "FLOPs",
    "weight_bytes": "weights",
    "peak_activation_bytes": "activations at once",
    "receptive_field": "receptive field (pixels)",
    "bias_ops": "operations of biases",
    "norm_ops": "operations of norms",
    "act_ops": "operations of activation functions",
    "pool_ops": "operations of pooling",
    "add_ops": "operations of sums",
    "mul_ops": "operations of products",
}


def figure_in_words(name: str) -> str:
    """What a figure is called on a page."""
    return WORDS.get(name, name.replace("_", " "))


def figure_value(name: str, value: float) -> str:
    """A figure in full; bytes in the unit that a person would take, with their number."""
    if name.endswith("_bytes"):
        return f"{in_bytes(value)} ({value:,.0f} B)"
    return f"{value:,}" if isinstance(value, int) else significant(value)


def in_bytes(count: float) -> str:
    """Bytes in the unit that a person would take: 344 KiB."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
