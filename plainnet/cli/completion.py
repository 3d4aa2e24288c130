"""What a shell is told that may come next: names where an argument takes names, files where it takes files, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem, FishComplete

__all__ = [
    "Fish",
    "a_kind",
    "a_network",
    "a_proxy",
    "a_recipe_or_network",
    "a_run",
    "a_space",
    "a_starter",
    "a_stored_network",
    "a_target",
]

Complete = Callable[[click.Context, click.Parameter, str], list["CompletionItem[str]"]]


class Fish(FishComplete):
    """click's, whose descriptions end at their first comma."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


def _named(names: Callable[[], Iterable[str]], *, files: bool) -> Complete:
    """Completes names; `files`: and paths (in bash where no name begins so, as its script forgets names that come before)."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        del context, parameter
        paths = [CompletionItem(begun, type="file")] if files else []
        return paths + [CompletionItem(name) for name in names() if name.startswith(begun)]

    return complete


def _published() -> Iterable[str]:
    from plainnet.network.published import published_networks

    return published_networks()


def _recipes_and_published() -> Iterable[str]:
    from plainnet.engine.run.schema import recipes

    return [*recipes(), *_published()]


def _spaces() -> Iterable[str]:
    from plainnet.search.space.space_files import shipped_spaces

    return shipped_spaces()


def _proxies() -> Iterable[str]:
    from plainnet.proxies.catalogue import known_proxies

    return known_proxies()


def _targets() -> Iterable[str]:
    from plainnet.export.registry import TARGETS

    return TARGETS


def _kinds() -> Iterable[str]:
    from plainnet.registries import KINDS

    return KINDS


def _starters() -> Iterable[str]:
    from plainnet.starters import STARTERS

    return STARTERS


def a_stored_network(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Completes the names in the store, the one of --store where it stands before."""
    del parameter
    from plainnet.store.layout import each_name, store_root

    names = {name.short for name in each_name(store_root(context.params.get("store")))}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(begun)]


a_network = _named(_published, files=True)
a_run = _named(tuple, files=True)
a_recipe_or_network = _named(_recipes_and_published, files=True)
a_space = _named(_spaces, files=True)
a_proxy = _named(_proxies, files=True)
a_target = _named(_targets, files=False)
a_kind = _named(_kinds, files=False)
a_starter = _named(_starters, files=False)
