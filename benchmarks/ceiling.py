"""How fast the load generator itself is: `python -m benchmarks.ceiling`.

The other end is a trivial server in another process that answers every read with the same bytes. What a
real server reaches below this figure is the server's; near it, the generator would be the limit.

Measured on 2 cores (Python 3.11, uvloop 0.23), 32 connections, `log-metric` requests: 60,800 requests/s
at 60 % of one core, so about 10 us of processor time a request; 20 us median at one connection.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from typing import cast

import uvloop

from benchmarks.load import Load, TimeBox, drive, time_one
from benchmarks.payloads import point_source
from benchmarks.wire import Address

_ANSWER = (
    b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
)


def measure(box: TimeBox, *, connections: int = 32) -> tuple[Load, Load]:
    """Drives the trivial server with so many connections, then times one: (throughput, latency)."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
        server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
        server.start()
        try:
            sources = [point_source(address, f"{number:032x}") for number in range(connections)]
            return drive(address, sources, box), time_one(address, sources[0], box)
        finally:
            server.terminate()
            server.join()


def _serve(listener: socket.socket) -> None:
    uvloop.run(_answer_all(listener))


async def _answer_all(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(_Trivial, sock=listener)
    await server.serve_forever()


class _Trivial(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(_ANSWER)


if __name__ == "__main__":
    throughput, latency = measure(TimeBox(seconds=5.0))
    print(f"{throughput.rate:,.0f} requests/s, {throughput.generator:.0%} of a core")
    print(f"{latency.quantile(0.5) * 1e6:.0f} us median at one connection")
