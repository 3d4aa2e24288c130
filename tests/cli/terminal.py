"""A command run in a pseudo-terminal of its own, as a person runs it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from types import TracebackType

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`plainnet ARGUMENTS` in a terminal of some columns."""

    def __init__(self, *arguments: str, columns: int, environment: dict[str, str] | None = None) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

        def take_terminal() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is started in the background is deaf to Ctrl-C
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-m", "plainnet", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=take_terminal,
            env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        )
        os.close(theirs)
        self.raw = ""

    @property
    def text(self) -> str:
        """Everything that was written, without colours and movements of the cursor."""
        return ESCAPE.sub("", self.raw).replace("\r", "")

    def read_until(self, word: str, *, seconds: float = 120.0) -> str:
        """Read until a word is there, or until the command ends."""
        end = time.monotonic() + seconds
        while word not in self.text and self._read():
            assert time.monotonic() < end, f"{word!r} never came; there is: {self.text[-2000:]}"
        return self.text

    def read_all(self) -> int:
        """Read to the end; the command's exit code."""
        while self._read():
            pass
        return self.process.wait(60)

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._ours, keys.encode())

    def _read(self) -> bool:
        select.select([self._ours], [], [], 60)
        try:
            chunk = os.read(self._ours, 65_536)
        except OSError:  # Linux's way to say that nobody has the other end any more
            return False
        self.raw += chunk.decode(errors="replace")
        return bool(chunk)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
