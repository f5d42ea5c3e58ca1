"""Many connections and slow readers: everybody is served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.server import Server

pytestmark = pytest.mark.xdist_group("processes")

CROWD = 1000
SLOW = 20
POINTS = 60_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data")
    started.start()
    yield started
    started.stop()


def _request(method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    status = int(head[0].split(" ")[1])
    for line in head:
        if line.startswith("content-length:"):
            return status, await reader.readexactly(int(line.split(":")[1]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return status, body


async def _log_through_crowd(port: int, run: str) -> list[int]:
    """Open all connections first, then log one point through each, all at once."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CROWD)]

    async def log(step: int) -> int:
        reader, writer = streams[step]
        point = {"run_id": run, "key": "crowd", "value": step, "timestamp": step, "step": step}
        writer.write(_request("POST", "/api/2.0/mlflow/runs/log-metric", point))
        status, _ = await _answer(reader)
        writer.close()
        return status

    return await asyncio.gather(*(log(step) for step in range(CROWD)))


async def _crowd_past_slow_readers(port: int, run: str) -> tuple[list[int], list[tuple[int, bytes]]]:
    # Given readers that ask for much and take nothing, with little room in their sockets
    path = f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=long"
    slow = []
    for _ in range(SLOW):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_request("GET", path))
        slow.append((reader, writer))
    # When a crowd logs
    statuses = await _log_through_crowd(port, run)
    # Then the slow ones still get their answers whole
    answers = []
    for reader, writer in slow:
        answers.append(await _answer(reader))
        writer.close()
    return statuses, answers


def test_a_crowd_is_served_past_slow_readers(server: Server) -> None:
    client = server.client()
    run = client.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    for start in range(0, POINTS, 1000):
        points = [
            {"key": "long", "value": s / 3, "timestamp": s, "step": s} for s in range(start, start + 1000)
        ]
        client.post("runs/log-batch", {"run_id": run, "metrics": points})

    statuses, answers = asyncio.run(_crowd_past_slow_readers(server.port, run))

    assert statuses == [200] * CROWD
    assert len(client.get("metrics/get-history", run_id=run, metric_key="crowd")["metrics"]) == CROWD
    for _, body in answers:
        assert len(json.loads(body)["metrics"]) == POINTS
