"""Where workers live: in this process, in others, on a cluster."""

from __future__ import annotations

from collections.abc import Callable

from plainnet.errors import UsageError, nearest
from plainnet.search.executors.team import Handle, Team
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.trainer import Trainer

__all__ = ["EXECUTORS", "Team", "make_team"]

EXECUTORS = ("local", "ray")


def make_team(
    config: SearchConfig,
    *,
    workers: int,
    executor: str = "local",
    on_death: Callable[[str], None],
    trainer: Trainer | None = None,
) -> Team:
    """A team of `workers` (never more than islands): `local` is this process for one and processes for more, `ray` a
    Ray cluster. trainer: what trains candidates, where a rung does.
    """
    size = min(workers, config.islands)
    if size < 1:
        raise UsageError(f"workers is {workers}; accepted: at least 1")
    hire: Callable[[], Handle]
    if executor == "ray":
        from plainnet.search.executors.on_ray import RayHandle, connect

        connect()
        hire = lambda: RayHandle(config, trainer)  # noqa: E731
    elif executor != "local":
        near = nearest(executor, EXECUTORS)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"no executor {executor!r}; accepted: {', '.join(EXECUTORS)}{hint}")
    elif size == 1:
        from plainnet.search.executors.inline import InlineHandle

        hire = lambda: InlineHandle(config, trainer)  # noqa: E731
    else:
        from plainnet.search.executors.processes import ProcessHandle

        hire = lambda: ProcessHandle(config, trainer)  # noqa: E731
    return Team(hire, size, on_death=on_death)
