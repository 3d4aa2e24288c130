"""Workers on a Ray cluster: one actor each, with one CPU."""

from __future__ import annotations

import os
from typing import Any

from plainnet.errors import MissingExtraError, PlainnetError
from plainnet.search.executors.team import WorkerDiedError
from plainnet.search.settings.config import SearchConfig
from plainnet.search.settings.trainer import Trainer

__all__ = ["RayHandle", "connect"]


def connect() -> None:
    """Join the cluster that the environment names (RAY_ADDRESS), or one that was joined before, or start one here."""
    ray = _ray()
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS") or None, log_to_driver=False, include_dashboard=False)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    return ray


class _Actor:
    """What runs on the cluster."""

    def __init__(self, config: str, trainer: Trainer | None) -> None:
        self._config, self._trainer, self._worker = config, trainer, None

    def call(self, method: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        from plainnet.errors import RunError
        from plainnet.search.executors.worker_answer import answer
        from plainnet.search.executors.workers import Worker

        try:
            if self._worker is None:
                self._worker = Worker(SearchConfig.from_json(self._config), self._trainer)  # type: ignore[assignment]
            return True, answer(self._worker, method, arguments)  # type: ignore[arg-type]
        except PlainnetError as error:
            return False, error
        except Exception as error:
            return False, RunError(f"a worker failed: {type(error).__name__}: {error}")


class RayHandle:
    """A worker on some node of the cluster; nodes with fewer workers are preferred."""

    def __init__(self, config: SearchConfig, trainer: Trainer | None = None) -> None:
        self._ray = _ray()
        options = {"num_cpus": 1, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        if trainer is not None and self._ray.cluster_resources().get("GPU"):
            options["num_gpus"] = 1
        self._actor = self._ray.remote(_Actor).options(**options).remote(config.to_json(), trainer)
        self._answers: list[Any] = []

    def send(self, method: str, *arguments: Any) -> None:
        self._answers.append(self._actor.call.remote(method, arguments))

    def take(self) -> Any:
        try:
            succeeded, value = self._ray.get(self._answers.pop(0))
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            raise WorkerDiedError(type(error).__name__) from error
        if not succeeded:
            raise value
        return value

    def hang_up(self) -> None:
        self._answers.clear()

    def close(self) -> None:
        self._answers.clear()
        self._ray.kill(self._actor)
