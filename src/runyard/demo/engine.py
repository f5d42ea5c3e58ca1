"""Trains what is missing.

Nothing here prints or exits: the command does.
"""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import mlflow
from mlflow.exceptions import MlflowException

from runyard.client.http import Http
from runyard.demo import address, cancer, diabetes
from runyard.demo.errors import DemoError
from runyard.demo.ledger import Ledger
from runyard.demo.progress import ProgressDisplay
from runyard.demo.steps import Step
from runyard.demo.summary import Summary, summarise

TOPICS = (diabetes.TOPIC, cancer.TOPIC)

Done = set[tuple[str, str]]


def run(http: Http, *, quick: bool, anew: bool, progress: ProgressDisplay) -> Summary:
    """Trains what the server doesn't have yet; call it inside `isolation.isolated(http.base)`.

    Args:
        http: the server and the workspace.
        quick: fewer models; each is the same as in the whole demo.
        anew: moves the demo's old runs to the trash first.
        progress: is told what happens.

    Raises:
        DemoError: the server went away, or refused a request.
        KeyboardInterrupt: Ctrl-C; no run is left running.
    """
    with _quiet_libraries(), _remembered_interrupt() as interrupt:
        ledgers: tuple[Ledger, ...] = ()
        try:
            ledgers = tuple(Ledger(http, topic) for topic in TOPICS)
            return _Demo(http.base, ledgers, progress, interrupt).train(quick=quick, anew=anew)
        except KeyboardInterrupt:
            progress.note("Stopped: marking what was running as killed")
            while mlflow.active_run() is not None:  # interrupted between its start and its body
                mlflow.end_run("KILLED")
            for ledger in ledgers:
                ledger.kill_unfinished()
            raise
        except Exception as error:
            if address.answers(http):
                if isinstance(error, MlflowException):
                    raise DemoError(f"The server or its client refused: {error.message}") from error
                raise
            raise DemoError(
                f"The server at {http.url} stopped answering. Once it runs again, `runyard demo` goes on "
                "where it stopped."
            ) from error


class _Interrupt:
    """Whether Ctrl-C was pressed: a library may swallow the exception (in a callback, a finaliser)."""

    def __init__(self) -> None:
        self._pressed = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._pressed = True
        raise KeyboardInterrupt

    def check(self) -> None:
        if self._pressed:
            raise KeyboardInterrupt


class _Demo:
    """One call: what was there before it, and what it did."""

    def __init__(
        self, url: str, ledgers: tuple[Ledger, ...], progress: ProgressDisplay, interrupt: _Interrupt
    ) -> None:
        self._url = url
        self._ledgers = ledgers
        self._progress = progress
        self._interrupt = interrupt
        self._total = 0
        self._trained = 0
        self._found = 0

    def train(self, *, quick: bool, anew: bool) -> Summary:
        deleted = 0
        plans = []
        for ledger in self._ledgers:
            if ledger.restored:
                self._progress.note(f"{ledger.topic.experiment} was in the trash: restored")
            ledger.kill_unfinished()
            if anew:
                deleted += ledger.trash()
            plans.append((ledger, ledger.topic.plan(quick), ledger.done()))
        self._expect(sum(_missing(step, ledger, done) for ledger, steps, done in plans for step in steps))
        for ledger, steps, done in plans:
            for step in steps:
                self._take(ledger, step, done)
        return summarise(
            self._url,
            self._ledgers,
            steps_trained=self._trained,
            steps_found=self._found,
            runs_deleted=deleted,
            seconds=self._progress.seconds,
        )

    def _take(self, ledger: Ledger, step: Step, done: Done) -> None:
        """Makes what is missing of a step, then of the one that follows from it."""
        was_done = _is_done(step, done)
        if was_done:
            self._found += 1 + len(step.children)
        else:
            self._found += sum(_is_done(child, done) for child in step.children)
            self._make(ledger, step, done, nested=False)
        if step.then is None:
            return
        following = step.then(ledger)
        if not was_done and _is_done(following, done):
            self._expect(self._total - 1)  # it was counted before this could be known
        self._take(ledger, following, done)

    def _make(self, ledger: Ledger, step: Step, done: Done, *, nested: bool) -> None:
        try:
            with ledger.open(step, nested=nested):
                for child in step.children:
                    if not _is_done(child, done):
                        self._make(ledger, child, done, nested=True)
                self._progress.begin(f"{ledger.topic.experiment}  {step.name}")
                step.train(ledger)
                self._interrupt.check()
        except DemoError:
            raise
        except Exception:
            if step.ends != "FAILED":
                raise
        self._trained += 1
        self._progress.end()

    def _expect(self, total: int) -> None:
        self._total = total
        self._progress.expect(total)


def _is_done(step: Step, done: Done) -> bool:
    return (step.key, step.ends) in done and all(_is_done(child, done) for child in step.children)


def _missing(step: Step, ledger: Ledger, done: Done) -> int:
    """How many runs a step still asks for, the one that follows from it included."""
    if _is_done(step, done):
        return _missing(step.then(ledger), ledger, done) if step.then else 0
    children = sum(_missing(child, ledger, done) for child in step.children)
    return 1 + children + (step.then is not None)


@contextmanager
def _remembered_interrupt() -> Iterator[_Interrupt]:
    interrupt = _Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Hides what MLflow and scikit-learn remark on the way; the demo checks for itself what was logged."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
