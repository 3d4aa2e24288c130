"""A worker in this process."""

from __future__ import annotations

from typing import Any

from plainnet.search.executors.worker_answer import answer
from plainnet.search.executors.workers import Worker
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.trainer import Trainer

__all__ = ["InlineHandle"]


class InlineHandle:
    """A worker that works when its answer is taken."""

    def __init__(self, config: SearchConfig, trainer: Trainer | None = None) -> None:
        self._worker = Worker(config, trainer)
        self._calls: list[tuple[str, tuple[Any, ...]]] = []

    def send(self, method: str, *arguments: Any) -> None:
        self._calls.append((method, arguments))

    def take(self) -> Any:
        method, arguments = self._calls.pop(0)
        return answer(self._worker, method, arguments)

    def hang_up(self) -> None:
        self._calls.clear()

    def close(self) -> None:
        self._calls.clear()
