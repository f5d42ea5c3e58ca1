"""`runyard` as a process of its own, for what needs signals or a terminal."""

from __future__ import annotations

import os
import pty
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.server.process import RUNYARD

SECONDS = 60.0

# Makes standard input the terminal whose Ctrl+C reaches the command.
_AT_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Called:
    """A command at work; ended with the block.

    Args:
        words: of the command line.
        environment: variables to set and, with None, to take away.
        terminal: whether it is given one, else pipes.
    """

    def __init__(self, *words: str, environment: Mapping[str, str | None], terminal: bool = False) -> None:
        merged = {**os.environ, **environment}
        variables = {name: value for name, value in merged.items() if value is not None}
        self.shown = ""
        self._terminal = terminal
        self._waited = 0
        if terminal:
            self._output, inside = pty.openpty()
            variables["TERM"] = "xterm"
            self._process = subprocess.Popen(
                [sys.executable, "-c", _AT_TERMINAL, RUNYARD, *words],
                stdin=inside,
                stdout=inside,
                stderr=inside,
                env=variables,
                start_new_session=True,
            )
            os.close(inside)
        else:
            self._process = subprocess.Popen(
                [RUNYARD, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=variables,
            )
            assert self._process.stdout is not None
            self._output = os.dup(self._process.stdout.fileno())
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(SECONDS)
        os.close(self._output)

    def wait_for(self, text: str) -> None:
        """Read on until a text was shown, after the one that was waited for before."""
        end = time.monotonic() + SECONDS
        while text not in self.shown[self._waited :]:
            assert time.monotonic() < end, f"{text!r} isn't in {self.shown!r}"
            assert self._read(end - time.monotonic()), f"{text!r} isn't in {self.shown!r}"
        self._waited = self.shown.index(text, self._waited) + len(text)

    def type(self, text: str) -> None:
        """Type something at the terminal."""
        os.write(self._output, text.encode())

    def interrupt(self) -> None:
        """Ctrl+C, and again as long as it has no effect: one just before Python reads a line has none."""
        while self._process.poll() is None:
            if self._terminal:
                self.type("\x03")
            else:
                self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)

    def end(self) -> int:
        """Read everything and wait for the end; returns the exit code."""
        end = time.monotonic() + SECONDS
        while self._read(end - time.monotonic()):
            pass
        return self._process.wait(SECONDS)

    def _read(self, seconds: float) -> bool:
        """Read what is there; False at the end."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._output, selectors.EVENT_READ)
            assert ready.select(max(0.0, seconds)), f"nothing more came after {self.shown!r}"
        try:
            new = os.read(self._output, 65536)
        except OSError:  # what a terminal says when nobody is left on the other side
            return False
        self.shown += new.decode(errors="replace")
        return bool(new)
