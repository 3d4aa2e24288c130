"""How to make a run again: the command, and what must be known beside it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from typing import Any

from plainnet.proxies.closed.composite import VERSION
from plainnet.search.candidates.objective_names import read_objective
from plainnet.search.runs.optimum_state import is_optimum, read_state
from plainnet.search.runs.trusting import code_of
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.space_files import load_space, shipped_spaces
from plainnet.search.store import Candidate, RunStore, decoded

__all__ = ["command_of", "next_commands", "reproduction", "search_words"]


def reproduction(store: RunStore) -> dict[str, Any]:
    """`command`, `space` (YAML to save beside it, empty for a shipped one) and `notes`: what is different from a search
    that began with this configuration.
    """
    config = store.config
    if store.info("kind") == "merged":
        name = store.path or "memory"
        config = SearchConfig.from_json(decoded(name, "sources", store.info("sources"), list[str])[0])
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
    notes += _other_notes(config)
    code = code_of(config)
    if code:
        notes.append(f"It needs the files with blocks and objectives of one's own, as they were: {', '.join(code)}.")
    return {
        "command": optimum_command(store) if is_optimum(store) else command_of(config),
        "space": "" if _is_shipped(config) else config.space.dump(),
        "file": f"{config.space.name}.yaml",
        "notes": notes,
    }


def next_commands(store: RunStore, candidate: Candidate) -> list[str]:
    """What can be done with a network of a run that is kept: look at it closely, export it, train it. They name it by its hash,
    so that those of another network differ in that alone.
    """
    if store.path is None:
        return []
    named, trust = f"{store.path.parent}#{candidate.short_hash}", ["--trust"] if code_of(store.config) else []
    exported, trained = (f"{each}-{candidate.short_hash}" for each in ("exported", "trained"))
    words = [
        ["plainnet", "analyze", named, *trust],
        ["plainnet", "export", named, "--to", "plainnet", "--out", exported, *trust],
        ["plainnet", "train", f"{exported}/train.yaml", "--out", trained],
    ]
    return [shlex.join(each) for each in words]


def _other_notes(config: SearchConfig) -> list[str]:
    """What the command leaves open: the machine, the trainings, the version of the composite."""
    notes = []
    if "latency_ms" in config.limits:
        notes.append(
            "Latencies were measured on one machine; another one, or the same on another day, gives other rows."
        )
    if config.latency_model:
        notes.append(
            "They were predicted by a table of that machine; with one of yours (`plainnet lut build`) the command takes "
            "--latency-table FILE."
        )
    if config.training:
        notes.append(
            f"Its trainings follow the plan that stands as `training` in the configuration below: save that as "
            f"{_plan_file(config)} (JSON is YAML, too)."
        )
    if config.composite_version != VERSION and any(rung.proxy == "composite" for rung in config.ladder):
        notes.append(
            f"The composite on its ladder is version {config.composite_version}; the command's is version {VERSION}."
        )
    return notes


def _plan_file(config: SearchConfig) -> str:
    return f"{config.space.name}-training.yaml"


def _ladder_words(config: SearchConfig) -> list[str]:
    """The ladder; training in rounds brings its rung by options of its own."""
    rungs, words = config.ladder, list[str]()
    if config.train_rounds:
        *others, last = rungs
        rungs = tuple(others)
        words += ["--train-rounds", str(config.train_rounds), "--train-budget", str(last.keep)]
    words += ["--ladder", ",".join(map(str, rungs)) or "none"]
    return words + (["--train-config", _plan_file(config)] if config.training else [])


def _is_shipped(config: SearchConfig) -> bool:
    name = config.space.name
    return name in shipped_spaces() and load_space(name) == config.space


def command_of(config: SearchConfig) -> str:
    """The command that makes a run of this configuration, quoted for a shell."""
    return shlex.join(["plainnet", "search", *search_words(config), "--candidates", str(config.candidates)])


def optimum_command(store: RunStore) -> str:
    """The command that makes the exact search of a run again."""
    state = read_state(store)
    words = ["plainnet", "optimum", *_asked_words(store.config), "--gap", f"{state.gap:.12g}", "--top", str(state.top)]
    words += ["--near", str(state.near)] if state.near else []
    return shlex.join([*words, *_blocks_words(store.config)])


def exact_sweep_command(config: SearchConfig, budget: str, limits: Sequence[float]) -> str:
    """The command that solves a configuration under each limit of a budget."""
    others = {name: limit for name, limit in config.limits.items() if name != budget}
    words = ["plainnet", "sweep", *_asked_words(dataclasses.replace(config, limits=others)), "--exact"]
    vary = f"{budget}={','.join(f'{limit:.12g}' for limit in limits)}"
    return shlex.join([*words, "--vary", vary, *_blocks_words(config)])


def search_words(config: SearchConfig) -> list[str]:
    """The space and the options of a configuration, but for the candidates, as words."""
    words = _asked_words(config)
    words += ["--seed", str(config.seed), "--strategy", config.strategy, "--population", str(config.population)]
    words += ["--islands", str(config.islands), "--epoch", str(config.epoch)]
    words += ["--start", config.start] if config.start else []
    words += ["--crossover", str(config.crossover)] if config.crossover else []
    return [*words, *_ladder_words(config), *_blocks_words(config)]


def _blocks_words(config: SearchConfig) -> list[str]:
    return [word for path in config.blocks for word in ("--blocks", path)]


def _asked_words(config: SearchConfig) -> list[str]:
    """The space, what is optimised, the input and the budgets."""
    words = [config.space.name if _is_shipped(config) else f"{config.space.name}.yaml"]
    for name in config.objectives:
        is_other = read_objective(name)[1:] == ("composite", {}) and config.composite_version != VERSION
        words += ["--objective", f"{name}(version={config.composite_version})" if is_other else name]
    words += ["--resolution", str(config.resolution), "--num-classes", str(config.num_classes)]
    words += ["--use-se"] if config.use_se else []
    for name, limit in config.limits.items():
        words += [f"--max-{name.replace('_', '-')}", f"{limit:.12g}"]
    return words
