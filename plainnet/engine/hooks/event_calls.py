"""Which methods an event calls, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from plainnet.engine.hooks.hook import EVENTS, Hook
from plainnet.engine.misspelled_methods import check_methods
from plainnet.errors import RunError

if TYPE_CHECKING:
    from plainnet.engine.loop.trainer_settings import Pieces

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
            check_methods(hook, EVENTS)
        check_methods(trainer, [*EVENTS, "validate", "count_samples", "prepare"])
        ordered = sorted(hooks, key=lambda hook: hook.priority)
        self.calls: dict[str, tuple[tuple[Call, ...], Call, tuple[Call, ...]]] = {}
        for event in EVENTS:
            own = getattr(trainer, event)
            having = [hook for hook in ordered if getattr(type(hook), event) is not getattr(Hook, event)]
            before = tuple(getattr(hook, event) for hook in having if hook.priority < OWN_PRIORITY)
            after = tuple(getattr(hook, event) for hook in having if hook.priority >= OWN_PRIORITY)
            self.calls[event] = (before, own, after)
        self.trainer = trainer

    def is_used(self, event: str) -> bool:
        """Whether a user's hook, or a trainer's subclass of theirs, does something at an event."""
        before, own, after = self.calls[event]
        return not all(map(_is_ours, (*before, own, *after)))

    def run(self, event: str, *arguments: Any) -> Any:
        """Call everything for an event; the result is what the trainer's own method returns."""
        before, own, after = self.calls[event]
        call = own
        try:
            for call in before:
                call(self.trainer, *arguments)
            call = own
            result = own(*arguments)
            for call in after:
                call(self.trainer, *arguments)
        except SystemExit as error:  # or else the run would look as if it had come to its end
            raise RunError(
                f"{_owner(call)}.{event} called exit({error.code if error.code is not None else ''})"
            ) from error
        except Exception as error:
            if not _is_ours(call) and not any(note.startswith(RAISED) for note in getattr(error, "__notes__", ())):
                error.add_note(f"{RAISED}{_owner(call)}.{event}, {_place(call)}")
            raise
        return result


RAISED = "raised in "


def _owner(call: Call) -> str:
    return type(getattr(call, "__self__", call)).__name__


def _is_ours(call: Call) -> bool:
    return str(getattr(call, "__module__", "")).startswith("plainnet.")


def _place(call: Call) -> str:
    """The file and the line in which a method begins."""
    code = getattr(getattr(call, "__func__", call), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else str(getattr(call, "__module__", "?"))
