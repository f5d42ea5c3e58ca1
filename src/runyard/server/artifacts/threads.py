"""The few threads in which a store's disk work runs, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import ParamSpec, TypeVar

import anyio

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


class DiskThreads:
    """A small pool of threads of its own, so that slow disks don't starve other work, nor it them."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="runyard-artifacts")

    async def run(
        self, function: Callable[_Params, _Result], /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> _Result:
        """Calls the function in a thread and waits until it is done, even when cancelled meanwhile.

        A thread can't be interrupted. If the caller went on to clean up while the thread still writes,
        the thread could meet a closed descriptor, or one that belongs to somebody else by then.
        """
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, partial(function, *args, **kwargs))
        cancelled: asyncio.CancelledError | None = None
        # The scope holds back anyio's cancellation, which would come again on every turn of the loop;
        # the except clause holds back asyncio's own.
        with anyio.CancelScope(shield=True):
            while not future.done():
                try:
                    await asyncio.wait((future,))
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None:
            future.exception()  # seen, so that asyncio doesn't report it as lost
            raise cancelled
        return future.result()

    async def feed(
        self, chunks: AsyncIterable[bytes], sink: Callable[[bytearray], None], size: int
    ) -> bytearray:
        """Gathers chunks to pieces of at least `size` bytes and calls the sink with each in a thread.

        Returns:
            The last piece, shorter than `size`, which the sink hasn't got: so what is small needs a
            single hop to a thread for all that is to be done with it.
        """
        piece = bytearray()
        async for chunk in chunks:
            piece += chunk
            if len(piece) >= size:
                await self.run(sink, piece)
                piece = bytearray()
        return piece

    async def batches(self, items: Generator[_Result], size: int) -> AsyncGenerator[list[_Result]]:
        """The items of a generator that runs in the threads, in lists of up to `size`."""
        try:
            while batch := await self.run(_take, items, size):
                yield batch
        finally:
            await self.run(items.close)

    async def close(self) -> None:
        """Ends the threads after what they do now."""
        await asyncio.to_thread(self._pool.shutdown)


def _take(items: Generator[_Result], size: int) -> list[_Result]:
    return list(islice(items, size))
