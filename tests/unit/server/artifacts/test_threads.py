"""The threads in which disk work runs."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Generator

import anyio
import pytest

from runyard.server.artifacts.threads import DiskThreads

pytestmark = pytest.mark.anyio

PATIENCE = 30.0


@pytest.fixture
async def threads() -> AsyncIterator[DiskThreads]:
    pool = DiskThreads(2)
    yield pool
    await pool.close()


class Work:
    """A function for a thread that says when it began, ends when told to, and then says so."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.may_end = threading.Event()
        self.ended = False

    def __call__(self) -> str:
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.may_end.wait(PATIENCE)
        self.ended = True
        return "result"


async def test_a_function_runs_in_a_thread_and_gives_its_result(threads: DiskThreads) -> None:
    name = await threads.run(lambda: threading.current_thread().name)

    assert name.startswith("runyard-artifacts")


async def test_an_error_comes_out_as_it_is(threads: DiskThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 1, 0)


async def test_the_event_loop_goes_on_meanwhile(threads: DiskThreads) -> None:
    work = Work()
    call = asyncio.create_task(threads.run(work))

    await work.begun.wait()  # only a loop that isn't blocked gets here
    work.may_end.set()

    assert await call == "result"


async def test_cancelling_waits_for_the_thread(threads: DiskThreads) -> None:
    work = Work()
    call = asyncio.create_task(threads.run(work))
    await work.begun.wait()

    for _ in range(3):
        call.cancel()
        await asyncio.sleep(0)
    assert not call.done()
    work.may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert work.ended


async def test_cancelling_by_a_scope_waits_for_the_thread_without_spinning(
    threads: DiskThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    loop = asyncio.get_running_loop()
    after, waits = False, 0
    really_wait = asyncio.wait

    async def counting(futures: tuple[asyncio.Future[str]]) -> object:
        nonlocal waits
        waits += 1
        return await really_wait(futures)

    def turn(left: int) -> None:
        loop.call_soon(turn, left - 1) if left else work.may_end.set()

    async def call() -> None:
        nonlocal after
        await threads.run(work)
        await anyio.lowlevel.checkpoint()  # the cancellation comes to effect at the next await
        after = True

    monkeypatch.setattr(asyncio, "wait", counting)
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await work.begun.wait()
        group.cancel_scope.cancel()
        turn(100)

    assert work.ended
    assert not after
    assert waits == 1


async def test_an_error_after_cancelling_is_not_reported_as_lost(threads: DiskThreads) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    work = Work()

    def fail() -> None:
        work()
        raise OSError

    call = asyncio.create_task(threads.run(fail))
    await work.begun.wait()
    call.cancel()
    work.may_end.set()
    await asyncio.wait((call,))
    assert call.cancelled()
    del call
    gc.collect()

    assert work.ended
    assert reported == []


async def test_chunks_are_gathered_to_pieces(threads: DiskThreads) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for size in (3, 3, 3, 3, 25, 0, 4):
            yield b"x" * size

    pieces: list[int] = []
    rest = await threads.feed(chunks(), lambda piece: pieces.append(len(piece)), 10)

    assert pieces == [12, 25]
    assert rest == b"xxxx"


async def test_a_generator_comes_in_batches_and_is_closed_in_a_thread(threads: DiskThreads) -> None:
    closed_in: list[str] = []

    def numbers() -> Generator[int]:
        try:
            yield from range(7)
        finally:
            closed_in.append(threading.current_thread().name)

    assert [batch async for batch in threads.batches(numbers(), 3)] == [[0, 1, 2], [3, 4, 5], [6]]

    left = threads.batches(numbers(), 3)
    assert await anext(left) == [0, 1, 2]
    await left.aclose()
    assert len(closed_in) == 2
    assert all(name.startswith("runyard-artifacts") for name in closed_in)
