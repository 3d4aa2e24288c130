"""How to make a run again: the command, and what must be known beside it."""

from __future__ import annotations

from shlex import quote
from typing import Any

from plainnet.search.config import SearchConfig
from plainnet.search.space import load_space, shipped_spaces
from plainnet.search.store import RunStore

__all__ = ["command_of", "reproduction", "search_words"]


def reproduction(store: RunStore) -> dict[str, Any]:
    """`command`, `space` (YAML to save beside it, empty for a shipped one) and `notes`: what is different from a search
    that began with this configuration.
    """
    config = store.config
    notes = []
    events = [(kind, text) for _, kind, _, text in store.events()]
    if store.info("kind") == "merged":
        whole = "; ".join(text for kind, text in events if kind == "merge")
        notes.append(f"This run was merged from others ({whole}). The command makes the first of them.")
    for kind, text in events:
        if kind == "fork":
            notes.append(
                f"This run was {text} and went on under this configuration. The command makes a search that begins with it, "
                "whose rows are others."
            )
    if "latency_ms" in config.limits:
        notes.append(
            "Latencies were measured on one machine; another one, or the same on another day, gives other rows."
        )
    if config.blocks or any(".py:" in objective for objective in config.objectives):
        notes.append("It needs the files with blocks and objectives of one's own, as they were.")
    return {
        "command": command_of(store),
        "space": "" if _is_shipped(config) else config.space.dump(),
        "file": f"{config.space.name}.yaml",
        "notes": notes,
    }


def _is_shipped(config: SearchConfig) -> bool:
    name = config.space.name
    return name in shipped_spaces() and load_space(name) == config.space


def command_of(store: RunStore) -> str:
    """The command that makes this run again."""
    config = store.config
    return " ".join(["plainnet search", *search_words(config), f"--candidates {config.candidates}"])


def search_words(config: SearchConfig) -> list[str]:
    """The space and the options of a configuration, but for the candidates."""
    parts = [config.space.name if _is_shipped(config) else f"{config.space.name}.yaml"]
    parts += [f"--objective {quote(name)}" for name in config.objectives]
    parts += [f"--resolution {config.resolution}", f"--num-classes {config.num_classes}"]
    parts += ["--use-se"] if config.use_se else []
    parts += [f"--max-{name.replace('_', '-')} {limit:.12g}" for name, limit in config.limits.items()]
    parts += [f"--seed {config.seed}", f"--strategy {config.strategy}"]
    parts += [f"--population {config.population}", f"--islands {config.islands}", f"--epoch {config.epoch}"]
    parts += [f"--crossover {config.crossover}"] if config.crossover else []
    parts += ["--ladder " + (",".join(map(str, config.ladder)) or "none")]
    return parts + [f"--blocks {quote(path)}" for path in config.blocks]
