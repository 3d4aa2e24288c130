"""Regular expressions that a user, or a file from elsewhere, gives: matched in a process apart, within a time.

Python's `re` tries one way after the other: `(a+)+b` takes twice as long for each further `a`, and nothing interrupts it but the
end of its process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from plainnet.errors import RunError, UsageError

__all__ = ["Expression", "whole_matches"]

SECONDS = 10.0
"""For all expressions together, the start of the process included; thousands of names take milliseconds."""
PROGRAM = Path(__file__).with_name("expressions_apart.py")


class Expression(NamedTuple):
    r"""A regular expression, the form of what comes of a match (`\1` for the first group), and where it was said."""

    text: str
    form: str
    where: str


def whole_matches(expressions: Sequence[Expression], texts: Iterable[str]) -> dict[str, tuple[int, str]]:
    r"""Text -> (the number of the first expression that matches all of it, what its form says of the match).

    `UsageError` for what is no expression, for a form of groups that it does not have, and for one that takes too long.

    >>> whole_matches([Expression(r"trunk\.(.*)", r"blocks.\1", "here")], ["trunk.0", "head"])
    {'trunk.0': (0, 'blocks.0')}
    """
    asked = {"expressions": [(each.text, each.form) for each in expressions], "texts": list(texts)}
    lines, why = _said_apart(json.dumps(asked).encode())
    if why is not None:
        begun = [int(line) for line in lines if line.isdigit()]
        where = f"{expressions[begun[-1]].where}: it" if begun else "matching regular expressions in a process apart"
        raise UsageError(
            f"{where} {why}; accepted: an expression that matches in one way, without + or * around what has + or * itself"
        )
    last = json.loads(lines[-1])
    if "wrong" in last:
        raise UsageError(f"{expressions[last['wrong']].where}: {last['why']}")
    return {text: (number, name) for text, (number, name) in last["found"].items()}


def _said_apart(asked: bytes) -> tuple[list[bytes], str | None]:
    """The lines that the program writes, and why it did not come to its end."""
    command = [sys.executable, "-I", "-S", str(PROGRAM)]
    try:
        ended = subprocess.run(command, input=asked, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").splitlines(), f"takes more than {SECONDS:g} s"
    except OSError as error:
        raise RunError(f"no process for regular expressions can be started: {error.strerror or error}") from error
    if ended.returncode == 0:
        return ended.stdout.splitlines(), None
    *_, said = ["", *ended.stderr.decode(errors="replace").splitlines()]
    return ended.stdout.splitlines(), f"ends its process ({said or f'signal {-ended.returncode}'})"
