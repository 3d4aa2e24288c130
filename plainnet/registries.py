"""All that can be named, by kind: what `plainnet registry` shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError, nearest

__all__ = ["KINDS", "Entry", "entries", "explain"]


YOUNG = "Experimental: "
"""How the line begins, in a docstring or in the comment at the head of a file, that says what of a thing may still change."""


@dataclass(frozen=True)
class Entry:
    """Something that has a name.

    takes: its arguments as they are written, defaults included. text: what it is, in a line; about: in full.
    source: where it comes from: "plainnet", "torch", or the module of an installed package or of yours.
    """

    kind: str
    name: str
    takes: str
    text: str
    about: str
    source: str

    @property
    def stability(self) -> str:
        """ "experimental" where a line of the text about it says so and what may change, else "stable"; "" for what is not ours
        to judge.
        """
        if self.source != "plainnet":
            return ""
        return "experimental" if any(line.startswith(YOUNG) for line in self.about.splitlines()) else "stable"

    def as_dict(self) -> dict[str, str]:
        """The entry as plain data."""
        return {**vars(self), "stability": self.stability}


def entries(kind: str, imports: Iterable[str] = ()) -> list[Entry]:
    """Everything of a kind; `UsageError` with the nearest one for what is no kind.

    imports: files or modules of yours, whose names count too: of blocks, and of what configurations name.
    """
    return list(_maker(kind)(_imported(imports)))


def explain(name: str, kind: str | None = None, imports: Iterable[str] = ()) -> list[Entry]:
    """The entries of a name, of all kinds or of one (a block of a family is explained by it: SuperResK3K3 by
    SuperResK{3,5,7}K{3,5,7}); `UsageError` with the nearest name for what there is not.
    """
    makers = KINDS.values() if kind is None else [_maker(kind)]
    own = _imported(imports)
    every = [entry for make in makers for entry in make(own)]
    family = _family_of(name) if _blocks in makers else None
    found = [entry for entry in every if entry.name == name or (entry.kind == "block" and entry.name == family)]
    if not found:
        near = nearest(name, [*(entry.name for entry in every), *(_block_names() if _blocks in makers else ())])
        what = f"no {kind}" if kind else "nothing"
        raise UsageError(f"there is {what} called {name}" + (f"; did you mean {near}?" if near else ""))
    return found


def _imported(names: Iterable[str]) -> tuple[str, ...]:
    """Your files and modules, imported: blocks are known from there on."""
    from plainnet.engine.run.registry import load_module

    found = tuple(names)
    for name in found:
        load_module(name)
    return found


def _maker(kind: str) -> Callable[[tuple[str, ...]], Iterable[Entry]]:
    spelled = (kind, kind.removesuffix("s"), kind.removesuffix("es"), f"{kind.removesuffix('ies')}y")
    singular = next((each for each in spelled if each in KINDS), None)
    if singular is None:
        near = nearest(kind, KINDS)
        raise UsageError(
            f"there is no kind {kind}; accepted: {', '.join(KINDS)}" + (f"; did you mean {near}?" if near else "")
        )
    return KINDS[singular]


def _named_by_configs(kind: str) -> Callable[[tuple[str, ...]], Iterator[Entry]]:
    """A kind that training configurations name by `type`."""

    def make(imports: tuple[str, ...]) -> Iterator[Entry]:
        from plainnet.engine.run.registry import KINDS as HOMES
        from plainnet.engine.run.registry import Registry

        registry = Registry(imports)
        shipped = HOMES[kind][0]
        own = {name for module in registry.modules for name in registry.names(kind) if hasattr(module, name)}
        known = set(shipped) | own
        for name in dict.fromkeys(registry.names(kind)):
            thing = registry.find(kind, name)
            if name in own - set(shipped) and not _suits(kind, thing):
                continue
            yield _entry(
                kind, name, thing, skipped=_GIVEN.get(kind, ()) if name in known else ("self", *_GIVEN.get(kind, ()))
            )

    return make


_GIVEN = {
    "task": ("model", "losses", "teacher", "shape"),
    "optimizer": ("params",),
    "schedule": ("optimizer", "steps", "warmup"),
    "model": ("variant", "limits"),
    "trainer": ("epochs", "iterations", "validate_every", "validate_from", "per_iteration"),
}
"""Kind -> the arguments that the engine gives."""


def _suits(kind: str, thing: Any) -> bool:
    """Whether something in a file of yours may be of a kind; functions may be of several."""
    from torch import nn
    from torch.optim import Optimizer

    from plainnet.engine import Evaluator, Hook, Task, Writer
    from plainnet.engine.data.samplers import Sampler
    from plainnet.engine.loop.trainer import Trainer

    bases: dict[str, tuple[type, ...]] = {
        "task": (Task,), "hook": (Hook,), "evaluator": (Evaluator,), "optimizer": (Optimizer,),
        "writer": (Writer,), "sampler": (Sampler,), "trainer": (Trainer,),
        "loss": (nn.Module,), "model": (nn.Module,),
    }  # fmt: skip
    if not inspect.isclass(thing):
        return kind in ("data", "model", "transform", "schedule")
    if kind in ("loss", "model") and issubclass(thing, Task):
        return False
    return (
        issubclass(thing, bases[kind])
        if kind in bases
        else kind in ("transform", "filter", "maker")
        and not issubclass(thing, (Hook, Evaluator, Task, Writer, Sampler, Trainer))
    )


def _entry(kind: str, name: str, thing: Any, *, skipped: Iterable[str] = (), takes: str | None = None) -> Entry:
    about = inspect.getdoc(thing) or ""
    first = about.split("\n\n")[0]
    module = str(getattr(thing, "__module__", ""))
    source = module.partition(".")[0]
    source = source if source in ("plainnet", "torch") else module
    return Entry(
        kind,
        name,
        _arguments(thing, set(skipped)) if takes is None else takes,
        " ".join(first.split()),
        f"{first}\n\n(in full: help({module}.{name}) in Python)" if source == "torch" else about,
        source,
    )


def _arguments(thing: Any, skipped: set[str]) -> str:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    kept = [parameter for parameter in parameters if parameter.name not in skipped]
    return ", ".join(
        parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"
        for parameter in kept
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    )


def _proxies(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.proxies.catalogue import find_proxy, known_proxies

    for name in known_proxies():
        made = find_proxy(name)
        options = [f"{option}" for option in made.options()]
        yield _entry("proxy", name, made.function, takes=", ".join([*made.needs, *options]))


def _blocks(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.blocks.reference import block_rows
    from plainnet.blocks.registry import block_classes

    for (name, arguments, _), cls in zip(block_rows(), block_classes(), strict=True):
        yield _entry("block", name, cls, takes=arguments)


def _family_of(block: str) -> str | None:
    """The family of a block, or the block's first name, as `_blocks` has it."""
    from plainnet.blocks.reference import block_rows
    from plainnet.blocks.registry import block_classes, find_block

    names = {cls: name for (name, _, _), cls in zip(block_rows(), block_classes(), strict=True)}
    found = find_block(block)
    return None if found is None else names[found[0]]


def _block_names() -> list[str]:
    from plainnet.blocks.registry import known_names

    return known_names()


def _targets(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.export.registry import TARGETS

    for target in TARGETS.values():
        needs = f"needs {', '.join(target.needs)} (extra: {target.extra})" if target.needs else ""
        yield Entry("target", target.name, needs, target.summary, target.summary, "plainnet")


def _platforms(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.platforms.platform import known_platforms

    for name, platform in known_platforms().items():
        needs = dict.fromkeys((*platform.needs, *platform.runs))
        takes = f"needs {', '.join(needs)}" + (f" (extra: {platform.extra})" if platform.extra else "")
        source = platform.convert.__module__.partition(".")[0]
        yield Entry("platform", name, takes, platform.summary, platform.summary, source)


def _strategies(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.search.strategies import STRATEGIES

    for name, cls in STRATEGIES.items():
        yield _entry("strategy", name, cls, takes="")


def _spaces(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.search.space.space_files import load_space, shipped_spaces

    for name, path in shipped_spaces().items():
        about = load_space(name).about
        yield Entry("space", name, "", " ".join(about.split()), f"{about}\n\n{_comment(path)}", "plainnet")


def _recipes(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.engine.run.schema import recipes

    for name, path in recipes().items():
        about = _comment(path)
        yield Entry("recipe", name, "", about.partition("\n")[0], about, "plainnet")


def _comment(path: Path) -> str:
    """The comment at the head of a file."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line.removeprefix("#").strip() for line in lines)


def _templates(kind: str) -> Callable[[tuple[str, ...]], Iterator[Entry]]:
    """What the `type` of a network's component may be (`plainnet.compose`, and files of components)."""

    def make(_imports: tuple[str, ...]) -> Iterator[Entry]:
        from plainnet.templates.components import HEAD_TEMPLATES, NECK_TEMPLATES

        for name, written in (NECK_TEMPLATES if kind == "neck" else HEAD_TEMPLATES).items():
            first, *_ = inspect.signature(written).parameters
            others = _arguments(written, {first})
            takes = "from (levels, the largest map first)" if first == "levels" else "from (one value)"
            yield _entry(kind, name, written, takes=f"{takes}, {others}" if others else takes)

    return make


def _networks(_imports: tuple[str, ...]) -> Iterator[Entry]:
    from plainnet.network.published import published_networks

    for name, network in published_networks().items():
        text = f"{network.source}; {network.resolution} pixels, {network.num_classes} classes"
        yield Entry("network", name, "", text, f"{text}\n{network.text}", "plainnet")


KINDS: dict[str, Callable[[tuple[str, ...]], Iterable[Entry]]] = {
    "block": _blocks,
    "network": _networks,
    "neck": _templates("neck"),
    "head": _templates("head"),
    "proxy": _proxies,
    "space": _spaces,
    "strategy": _strategies,
    "recipe": _recipes,
    **{
        kind: _named_by_configs(kind)
        for kind in (
            "model",
            "trainer",
            "task",
            "loss",
            "data",
            "transform",
            "optimizer",
            "schedule",
            "evaluator",
            "hook",
            "filter",
            "sampler",
            "maker",
            "writer",
        )
    },
    "target": _targets,
    "platform": _platforms,
}
"""Kind -> what makes its entries."""
