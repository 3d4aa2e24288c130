"""A run is data, and may name Python files: those with blocks and objectives of one's own. They run only when a person says
so, by naming them on the command line or by `--trust`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from plainnet.blocks.structure import parse
from plainnet.blocks.user import load_blocks
from plainnet.errors import StructureError, UsageError
from plainnet.search.candidates.objective_names import bare_name, is_function
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import RunStore, damaged

__all__ = ["code_of", "make_readable", "need_blocks", "refuse_code"]


def code_of(config: SearchConfig) -> tuple[str, ...]:
    """The files and modules of Python code that a configuration names."""
    functions = [bare_name(each).rpartition(":")[0] for each in _objectives(config) if is_function(each)]
    return tuple(dict.fromkeys([*config.blocks, *functions, *_code_of_plan(config.training)]))


def _objectives(config: SearchConfig) -> tuple[str, ...]:
    """The objectives, and what the start is solved for."""
    solved = config.start.partition(":")[2]
    return (*config.objectives, solved) if solved else config.objectives


def _code_of_plan(plan: Any, key: str = "") -> Iterator[str]:
    """The files and modules that a plan for trainings names: in `imports`, and as `type: file.py:Name` or `package.Name`."""
    if isinstance(plan, Mapping):
        for name, value in plan.items():
            yield from _code_of_plan(value, str(name))
    elif isinstance(plan, list | tuple):
        for value in plan:
            yield from _code_of_plan(value, key if key == "imports" else "")
    elif isinstance(plan, str) and (key == "imports" or (key == "type" and not plan.isidentifier())):
        yield plan


def refuse_code(config: SearchConfig, *, trust: bool) -> None:
    """`UsageError` for a run that cannot go on without running code that it names, unless that is trusted."""
    code = code_of(config)
    if code and not trust:
        raise UsageError(
            f"the run names Python code that would run now: {', '.join(code)}; look at it, then say so with --trust"
        )


def need_blocks(store: RunStore, structures: Sequence[str], *, trust: bool) -> None:
    """Make structures of a run readable, as `make_readable` does; one that is none is a damage of the run."""
    try:
        make_readable(store.config, structures, trust=trust)
    except StructureError as error:
        raise damaged(store.path or "memory", f"candidates.structure: {str(error).splitlines()[0]}") from None


def make_readable(config: SearchConfig, structures: Iterable[str], *, trust: bool) -> None:
    """Make structures that were found readable: the files with blocks that the configuration names run if they are trusted and
    needed, and else the error names them. `StructureError` where it names none.
    """
    for structure in structures:
        try:
            parse(structure)
        except StructureError:
            if not config.blocks:
                raise
            if not trust:
                raise UsageError(
                    f"the run's networks are made of blocks of its own, which Python code would bring: "
                    f"{', '.join(config.blocks)}; look at it, then give --trust, or --blocks FILE"
                ) from None
            for path in config.blocks:
                load_blocks(path)
            parse(structure)
