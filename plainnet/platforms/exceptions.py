"""What a person knows not to run on a platform: a file with a line for each, `NETWORK PLATFORM WHY`.

# * and ? stand for any letters
zennet_* torch.compile   it takes minutes
unet     executorch      no resize of its kind yet
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from plainnet.errors import UsageError
from plainnet.files.text_files import read_text
from plainnet.platforms.platform import find_platform

__all__ = ["Exceptions", "read_exceptions"]


@dataclass(frozen=True)
class Exceptions:
    """lines: (pattern of networks, platform, why)."""

    lines: tuple[tuple[str, str, str], ...] = ()

    def why(self, network: str, platform: str) -> str | None:
        """Why a network is not to be tried on a platform; None where it is."""
        for pattern, where, why in self.lines:
            if where == platform and fnmatchcase(network, pattern):
                return why
        return None


def read_exceptions(path: Path) -> Exceptions:
    """The exceptions of a file; `UsageError` with the line for what is none."""
    lines = []
    for number, line in enumerate(read_text(path, what="file of exceptions").splitlines(), 1):
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3:
            raise UsageError(f"{path}:{number}: {line.strip()!r} is no exception; accepted: NETWORK PLATFORM WHY")
        try:
            lines.append((words[0], find_platform(words[1]).name, words[2].strip()))
        except UsageError as error:
            raise UsageError(f"{path}:{number}: {error}") from None
    return Exceptions(tuple(lines))
