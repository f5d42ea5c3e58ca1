"""How far the demo is: a bar on a terminal, a line per run elsewhere; always on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column


class ProgressDisplay:
    """Shows which of how many runs is trained, and the time since the start."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._started = time.monotonic()
        self._total = 0
        self._done = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return time.monotonic() - self._started

    def note(self, text: str) -> None:
        """Says what happens between the runs."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text)
        else:
            self._line(text)

    def expect(self, total: int) -> None:
        """Tells how many runs are to be made."""
        self._total = total
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=total)

    def begin(self, what: str) -> None:
        """A run was started on the server."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=what)
        else:
            width = len(str(self._total))
            self._line(f"[{self._done + 1:>{width}}/{self._total}] {self.seconds:6.1f} s  {what}")

    def end(self) -> None:
        """The run has ended, as it should."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
