"""MLflow."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from plainnet.engine.writers.writer import Pixels, Writer, named_run
from plainnet.errors import MissingExtraError

__all__ = ["MLflow"]

NAMED = "mlflow.txt"
"""The file that says which run of theirs a folder's is, so that it goes on when it is taken up."""
NO_NAME = re.compile(r"[^-\w./: ]")
"""Signs that MLflow has in no name."""
LONGEST, TOGETHER = 500, 100
"""Characters of a parameter, and how many are sent at once."""


class MLflow(Writer):
    """Scalars, pictures and the configuration (parameters, and whole as config.yaml) for MLflow.

    experiment: its name there. uri: of the tracking server, or a folder or data base (`sqlite:///runs.db`); the environment's
    (MLFLOW_TRACKING_URI) by default. What is not finite is left out. Raises `MissingExtraError`.
    """

    def __init__(self, *, experiment: str = "plainnet", uri: str | None = None) -> None:
        if find_spec("mlflow") is None:
            raise MissingExtraError("mlflow", "mlflow")
        self.experiment, self.uri = experiment, uri
        self.client: Any = None
        self.id = ""

    def open(self, run: Path, *, iteration: int, config: Mapping[str, Any]) -> None:
        """Begin their run, or go on with the one that the folder's began."""
        from mlflow import MlflowClient

        from plainnet.configs import dump_values

        client, named = MlflowClient(tracking_uri=self.uri), run / NAMED
        if iteration and named.is_file():
            self.id = named_run(named)
            client.update_run(self.id, status="RUNNING")
            self.client = client
            return
        found = client.get_experiment_by_name(self.experiment)
        number = found.experiment_id if found is not None else client.create_experiment(self.experiment)
        self.id = client.create_run(number, run_name=run.resolve().name).info.run_id
        self.client = client
        named.write_text(f"{self.id}\n", encoding="utf-8")
        self._parameters(config)
        if config:
            client.log_text(self.id, dump_values(config), "config.yaml")

    def _parameters(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        all_ = [Param(NO_NAME.sub("_", key), str(value)[:LONGEST]) for key, value in _flat(config, "")]
        for first in range(0, len(all_), TOGETHER):
            self.client.log_batch(self.id, params=all_[first : first + TOGETHER])

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        """A point for each."""
        for name, value in values.items():
            if math.isfinite(value):
                self.client.log_metric(self.id, NO_NAME.sub("_", name), float(value), step=iteration)

    def picture(self, name: str, pixels: Pixels, iteration: int) -> None:
        """A picture, as `pictures/000000046/NAME.png` among the artifacts."""
        self.client.log_image(
            self.id, pixels, f"pictures/{iteration:09d}/{NO_NAME.sub('_', name).replace('/', '-')}.png"
        )

    def close(self) -> None:
        """End their run."""
        if self.client is not None:
            self.client.set_terminated(self.id)
            self.client = None


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values of a configuration with their dotted keys."""
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    if not children or not value:
        yield path, value
        return
    for key, item in children:
        yield from _flat(item, f"{path}.{key}".lstrip("."))
