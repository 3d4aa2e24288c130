"""A worker in this process."""

from __future__ import annotations

from typing import Any

from plainnet.search.executors.calls import answer
from plainnet.search.executors.workers import Worker
from plainnet.search.settings.config import SearchConfig

__all__ = ["InlineHandle"]


class InlineHandle:
    """A worker that works when its answer is taken."""

    def __init__(self, config: SearchConfig) -> None:
        self._worker = Worker(config)
        self._calls: list[tuple[str, tuple[Any, ...]]] = []

    def send(self, method: str, *arguments: Any) -> None:
        self._calls.append((method, arguments))

    def take(self) -> Any:
        method, arguments = self._calls.pop(0)
        return answer(self._worker, method, arguments)

    def close(self) -> None:
        self._calls.clear()
