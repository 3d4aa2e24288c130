"""The names of columns in words, with their units."""

from __future__ import annotations

from plainnet.search.candidates.training_names import is_training, training_length
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import COST_PREFIX

__all__ = ["in_words", "input_in_words"]

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
    "naswot": "NASWOT",
    "synflow": "SynFlow",
    "snip": "SNIP",
    "grasp": "GraSP",
    "zico": "ZiCo",
    "meco": "MeCo",
    "swap": "SWAP",
    "az_nas": "AZ-NAS",
    "madnas": "TinyNAS entropy",
    "deepmad": "DeepMAD entropy",
    "ntk_cond": "NTK condition number",
    "jacob_cov": "Jacobian covariance",
    "grad_norm": "gradient norm",
}


def in_words(column: str) -> str:
    """What a column is called on a page: Zen-score, fast form."""
    name = column.removeprefix(COST_PREFIX)
    if is_training(name):
        length = training_length(name)
        return "trained" if length is None else f"trained for {length:,}"
    return WORDS.get(name, name.replace("_", " "))


def input_in_words(config: SearchConfig) -> str:
    """What networks of a search take and put out: 32 × 32, 100 classes."""
    se = ", squeeze-excite" if config.use_se else ""
    return f"{config.resolution} × {config.resolution}, {config.num_classes} classes{se}"
