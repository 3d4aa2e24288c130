"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from plainnet.engine.writers.writer import Pixels, Writer, named_run
from plainnet.errors import MissingExtraError

__all__ = ["WandB"]

NAMED = "run.txt"
"""The file that says which run of theirs a folder's is, so that it goes on when it is taken up."""
STEP = "iteration"


class WandB(Writer):
    """Scalars, pictures and the configuration for Weights & Biases, in the run's folder `wandb`; the axis is `iteration`.

    project, name, tags: as there; the name is the run folder's by default. mode: "offline" (nothing leaves the machine;
    `wandb sync RUN/wandb/offline-run-*` sends it later), "online", or "disabled". Raises `MissingExtraError`.
    """

    def __init__(
        self,
        *,
        project: str = "plainnet",
        name: str | None = None,
        tags: tuple[str, ...] = (),
        mode: Literal["offline", "online", "disabled"] = "offline",
    ) -> None:
        if find_spec("wandb") is None:
            raise MissingExtraError("wandb", "wandb")
        self.project, self.name, self.tags, self.mode = project, name, tuple(tags), mode
        self.library: Any = None
        self.run: Any = None

    def open(self, run: Path, *, iteration: int, config: Mapping[str, Any]) -> None:
        """Begin their run, or go on with the one that the folder's began."""
        import wandb

        self.library = wandb
        folder = run / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        named = folder / NAMED
        known = named_run(named) if iteration and named.is_file() else None
        self.run = wandb.init(
            project=self.project,
            name=self.name or run.resolve().name,
            tags=list(self.tags),
            mode=self.mode,
            dir=str(run),
            config=dict(config),
            id=known,
            resume="allow" if known else None,
            reinit="create_new",
            settings=wandb.Settings(silent=True),
        )
        self.run.define_metric("*", step_metric=STEP)
        named.write_text(f"{self.run.id}\n", encoding="utf-8")

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        """A row."""
        self.run.log({STEP: iteration, **values})

    def picture(self, name: str, pixels: Pixels, iteration: int) -> None:
        """A picture."""
        self.run.log({STEP: iteration, name: self.library.Image(pixels)})

    def close(self) -> None:
        """End their run."""
        if self.run is not None:
            self.run.finish()
            self.run = None
