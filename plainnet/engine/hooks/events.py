"""Which methods an event calls, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from plainnet.engine.hooks.base import EVENTS, Hook
from plainnet.errors import UsageError, nearest

if TYPE_CHECKING:
    from plainnet.engine.pieces import Pieces

__all__ = ["OWN_PRIORITY", "Events"]

OWN_PRIORITY = 50
"""The priority that a trainer's own methods count with."""

Call = Callable[..., Any]


class Events:
    """For each event the calls before the trainer's own method, that method, and the calls after it.

    A hook's method that is not overridden costs nothing.
    """

    def __init__(self, trainer: Pieces, hooks: Sequence[Hook]) -> None:
        for hook in hooks:
            _check_names(hook)
        ordered = sorted(hooks, key=lambda hook: hook.priority)
        self.calls: dict[str, tuple[tuple[Call, ...], Call, tuple[Call, ...]]] = {}
        for event in EVENTS:
            own = getattr(trainer, event)
            having = [hook for hook in ordered if getattr(type(hook), event) is not getattr(Hook, event)]
            before = tuple(getattr(hook, event) for hook in having if hook.priority < OWN_PRIORITY)
            after = tuple(getattr(hook, event) for hook in having if hook.priority >= OWN_PRIORITY)
            self.calls[event] = (before, own, after)
        self.trainer = trainer

    def run(self, event: str, *arguments: Any) -> Any:
        """Call everything for an event; the result is what the trainer's own method returns."""
        before, own, after = self.calls[event]
        for call in before:
            call(self.trainer, *arguments)
        result = own(*arguments)
        for call in after:
            call(self.trainer, *arguments)
        return result


def _check_names(hook: Hook) -> None:
    """A misspelt event would never be called, so it is an error."""
    for name in vars(type(hook)):
        if name.startswith(("before_", "after_")) and name not in EVENTS:
            near = nearest(name, EVENTS)
            raise UsageError(
                f"{type(hook).__name__}.{name} is no event; did you mean {near}?" if near else f"no event {name}"
            )
