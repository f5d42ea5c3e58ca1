"""The load generator: many keep-alive connections at full speed, or one connection for latency.

Every connection has a `Source`, a function that returns the bytes of its next request; it is called
when the answer to the one before has arrived. An answer that isn't 2xx and a lost connection count as
failures, and the same request is sent again at once; after `MAX_TRIES` in a row the measurement ends with
the answer's body. The rule is the same for every server.

How fast the generator itself is, `python -m benchmarks.ceiling` measures.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

from benchmarks.wire import (
    MAX_TRIES,
    Address,
    Client,
    ProtocolError,
    ResponseParser,
    UnexpectedAnswerError,
)

Source = Callable[[], bytes]

_clock = time.perf_counter
_TICK = 0.02
_DRAIN = 60.0


@dataclass(frozen=True)
class TimeBox:
    """How long to measure, in seconds: after `warmup`, for `seconds`, and longer (up to `longest`) while
    there are fewer than `samples` answers."""

    warmup: float = 1.0
    seconds: float = 6.0
    samples: int = 20
    longest: float = 30.0

    def ended(self, elapsed: float, samples: int) -> bool:
        """Whether a measurement that began `elapsed` seconds ago and has so many answers is over."""
        return elapsed >= self.seconds and (samples >= self.samples or elapsed >= self.longest)


@dataclass(frozen=True)
class Load:
    """What came of a measurement.

    `requests` were answered 2xx within `seconds`; `latencies` are theirs, sorted, in seconds; `failures`
    counts what was sent again; `acknowledged` has, per connection, all answers with 2xx, those of the
    warm-up and of the end included; `generator` is the share of one core that the generator used.
    """

    requests: int
    seconds: float
    latencies: array[float]
    failures: int
    first_failure: str
    acknowledged: tuple[int, ...]
    generator: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def quantile(self, q: float) -> float:
        """A quantile of the latencies in seconds, 0 <= q <= 1."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(int(q * len(self.latencies)), len(self.latencies) - 1)]


def drive(address: Address, sources: Sequence[Source], box: TimeBox) -> Load:
    """Sends at full speed on one connection per source.

    Raises `UnexpectedAnswerError`, `ProtocolError`, `OSError`.
    """
    return uvloop.run(_Drive(address, sources, box).run())


def time_one(address: Address, source: Source, box: TimeBox, *, quick_ack: bool = False) -> Load:
    """Sends one request after the other on one blocking connection: for the median latency.

    `quick_ack` is `Client`'s. Raises as `Client.send` does.
    """
    latencies = array("d")
    acknowledged = 0
    with Client(address, quick_ack=quick_ack) as client:
        warm = _clock() + box.warmup
        client.send(source())
        acknowledged += 1
        while _clock() < warm:
            client.send(source())
            acknowledged += 1
        client.failures = 0
        begin, cpu = _clock(), time.process_time()
        while not box.ended(_clock() - begin, len(latencies)):
            request = source()
            sent = _clock()
            client.send(request)
            latencies.append(_clock() - sent)
        elapsed = _clock() - begin
        generator = (time.process_time() - cpu) / elapsed
    return Load(
        requests=len(latencies),
        seconds=elapsed,
        latencies=array("d", sorted(latencies)),
        failures=client.failures,
        first_failure="",
        acknowledged=(acknowledged + len(latencies),),
        generator=generator,
    )


class _Drive:
    """The state that the connections of one measurement share."""

    def __init__(self, address: Address, sources: Sequence[Source], box: TimeBox) -> None:
        self.address = address
        self.box = box
        self.connections = [_Connection(self, source) for source in sources]
        self.latencies = array("d")
        self.failures = 0
        self.first_failure = ""
        self.stopping = False
        self.error: Exception | None = None

    async def run(self) -> Load:
        try:
            await asyncio.gather(*(self.connect(connection) for connection in self.connections))
            await self._pass(lambda elapsed: elapsed >= self.box.warmup and bool(self.latencies))
            self.latencies = array("d")
            self.failures, self.first_failure = 0, ""
            begin, cpu = _clock(), time.process_time()
            await self._pass(lambda elapsed: self.box.ended(elapsed, len(self.latencies)))
            seconds, used = _clock() - begin, time.process_time() - cpu
            latencies, failures = self.latencies, self.failures
            self.latencies = array("d")
            await self._drain()
        finally:
            for connection in self.connections:
                connection.close()
        return Load(
            requests=len(latencies),
            seconds=seconds,
            latencies=array("d", sorted(latencies)),
            failures=failures,
            first_failure=self.first_failure,
            acknowledged=tuple(connection.acknowledged for connection in self.connections),
            generator=used / seconds,
        )

    async def connect(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, self.address.host, self.address.port)

    def failed(self, reason: str) -> None:
        self.failures += 1
        self.first_failure = self.first_failure or reason

    async def _pass(self, over: Callable[[float], bool]) -> None:
        begin = _clock()
        while not over(elapsed := _clock() - begin):
            await asyncio.sleep(_TICK)
            if self.error is not None:
                raise self.error
            if elapsed > self.box.longest + _DRAIN:
                raise ProtocolError(f"no answer within {elapsed:.0f} s")

    async def _drain(self) -> None:
        self.stopping = True
        begin = _clock()
        while any(connection.waiting for connection in self.connections):
            await asyncio.sleep(_TICK)
            if self.error is not None:
                raise self.error
            if _clock() - begin > _DRAIN:
                raise ProtocolError(f"{self.address} left requests unanswered for {_DRAIN:.0f} s")


class _Connection(asyncio.Protocol):
    """One keep-alive connection: the next request leaves when the answer has arrived."""

    def __init__(self, drive: _Drive, source: Source) -> None:
        self._drive = drive
        self._source = source
        self._parser = ResponseParser()
        self._request = b""
        self._sent = 0.0
        self._tries = 0
        self._transport: asyncio.WriteTransport | None = None
        self._reconnect: asyncio.Task[None] | None = None
        self.acknowledged = 0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._parser = ResponseParser()
        self._send(self._request if self.waiting else self._source())

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        try:
            if not parser.feed(data):
                return
        except ProtocolError as error:
            self._stop(error)
            return
        if 200 <= parser.status < 300:
            drive = self._drive
            drive.latencies.append(_clock() - self._sent)
            self.acknowledged += 1
            self._tries = 0
            if drive.stopping:
                self.waiting = False
            else:
                self._send(self._source())
        else:
            self._refused(parser)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.waiting or self._drive.error is not None:
            return
        reason = f"connection lost: {exc or 'closed by the server'}"
        self._drive.failed(reason)
        self._tries += 1
        if self._tries >= MAX_TRIES:
            self._stop(ProtocolError(reason))
        else:
            self._reconnect = asyncio.ensure_future(self._connect_again())

    def close(self) -> None:
        self.waiting = False
        if self._transport is not None:
            self._transport.close()

    def _send(self, request: bytes) -> None:
        assert self._transport is not None
        self._request = request
        self.waiting = True
        self._sent = _clock()
        self._transport.write(request)

    def _refused(self, parser: ResponseParser) -> None:
        self._tries += 1
        if self._tries >= MAX_TRIES:
            self._stop(UnexpectedAnswerError(parser.status, self._request, parser.body()))
            return
        self._drive.failed(f"{parser.status}: {parser.body()[:300].decode(errors='replace')}")
        self._send(self._request)

    async def _connect_again(self) -> None:
        try:
            await self._drive.connect(self)
        except OSError as error:
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        if self._drive.error is None:
            self._drive.error = error
        self.waiting = False
