"""An environment of its own for what would change the versions of other packages: made where somebody asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from shlex import quote

from plainnet.errors import MissingExtraError, RunError, UsageError, not_written

__all__ = ["MissingEnvironmentError", "OwnEnvironment"]

HOME = "PLAINNET_HOME"
WHOLE = "plainnet-whole"
"""The file that says that everything was installed."""
SHOWN = 600


class MissingEnvironmentError(MissingExtraError):
    """The environment of a platform was not made; the message says how it is."""

    def __init__(self, name: str) -> None:
        UsageError.__init__(
            self,
            f"{name} runs in an environment of its own, which is not there; to make it: "
            f"plainnet support environment {quote(name)}",
        )


@dataclass(frozen=True)
class OwnEnvironment:
    """name: of the platform. packages: what pip is asked for, beside torch as it is here, so that both read one file. script: the
    file of ours that is run there.
    """

    name: str
    packages: tuple[str, ...]
    script: str

    @property
    def folder(self) -> Path:
        """$PLAINNET_HOME/environments/NAME, ~/.plainnet/environments/NAME where that is not set."""
        home = os.environ.get(HOME)
        return (Path(home).expanduser() if home else Path.home() / ".plainnet") / "environments" / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def command(self, *arguments: str) -> list[str]:
        """What runs the script there, without the folder that it lies in and what PYTHONPATH says among its imports."""
        return [str(self.python), "-I", self.script, *arguments]

    def is_there(self) -> bool:
        """Whether it was made, to its end."""
        return (self.folder / WHOLE).is_file()

    def check(self) -> None:
        """`MissingEnvironmentError` where it is not there."""
        if not self.is_there():
            raise MissingEnvironmentError(self.name)

    def versions(self, packages: tuple[str, ...]) -> dict[str, str | None]:
        """The versions of packages in it; None for what is not there. Nothing is run."""
        places = [str(path) for path in self.folder.glob("lib/python*/site-packages")]
        places += [str(path) for path in self.folder.glob("Lib/site-packages")]
        found = {each.name.lower(): each.version for each in distributions(path=places)} if places else {}
        return {name: found.get(name) for name in packages}

    def requirements(self) -> list[str]:
        """What pip is asked for: the packages, and torch as it is here."""
        import torch

        return [f"torch=={torch.__version__.partition('+')[0]}", *self.packages]

    def make(self, tell: Callable[[str], object] = lambda _: None) -> None:
        """Make it; one that was left unfinished is made anew. Ours is not touched. `RunError` with pip's last words where that
        fails, and `UsageError` where it is there already.
        """
        if self.is_there():
            raise UsageError(f"{self.folder} is there already; to make it again, remove it first")
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise not_written(self.folder, error, done="made") from error
        steps = {
            "an empty environment": [sys.executable, "-m", "venv", str(self.folder)],
            ", ".join(self.requirements()): [str(self.python), "-m", "pip", "install", *self.requirements()],
        }
        try:
            for what, command in steps.items():
                tell(what)
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    words = (done.stderr or done.stdout).strip()[-SHOWN:]
                    raise RunError(f"{self.folder} could not be made ({what}): {words}")
            (self.folder / WHOLE).touch()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
