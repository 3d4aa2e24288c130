"""The names of columns in words, with their units."""

from __future__ import annotations

from plainnet.search.store import COST_PREFIX

__all__ = ["in_words"]

WORDS = {
    "zen": "Zen-score",
    "zen_leading": "Zen-score, fast form",
    "zen_mc": "Zen-score, Monte-Carlo",
    "macs": "MACs",
    "params": "params",
    "latency_ms": "latency (ms), predicted",
    "measured_latency_ms": "latency (ms), measured",
    "peak_activation": "peak activation (elements)",
    "activations": "activations (elements)",
    "felt_depth": "felt depth (layers)",
}


def in_words(column: str) -> str:
    """What a column is called on a page: Zen-score, fast form."""
    name = column.removeprefix(COST_PREFIX)
    return WORDS.get(name, name.replace("_", " "))
