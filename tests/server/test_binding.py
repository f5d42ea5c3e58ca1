"""Until somebody can sign in, a server is for its own machine only."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from runyard.server.auth import PrincipalKind
from runyard.server.db.database import open_dialect
from runyard.server.db.migrate import upgrade
from tests.api.auth import people
from tests.server.conftest import Start
from tests.server.process import Process, refused


def _url(tmp_path: Path) -> str:
    """The address of the database that a server makes in the folder of these tests."""
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    url = f"sqlite:///{folder / 'runyard.db'}"
    upgrade(open_dialect(url))
    return url


def _status(server: Process, path: str, **headers: str) -> int:
    request = urllib.request.Request(server.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_a_user_only_this_machine_is_served(host: str, tmp_path: Path) -> None:
    code, told = refused("--host", host, "--data", str(tmp_path), "--port", "0")
    assert code == 1
    assert told.splitlines()[-1].startswith("Error: Without any user there is no login")
    assert f"`runyard user add NAME --admin --data {tmp_path}`" in told
    assert host in told


def test_the_port_is_not_taken_before(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        code, told = refused(
            "--host", "0.0.0.0", "--data", str(tmp_path), "--port", str(other.getsockname()[1])
        )
    assert code == 1
    assert "no login" in told


def test_a_service_principal_is_no_user(tmp_path: Path) -> None:
    people.add(_url(tmp_path), "robot", None, kind=PrincipalKind.SERVICE)
    code, told = refused("--host", "0.0.0.0", "--data", str(tmp_path / "data"), "--port", "0")
    assert code == 1
    assert "no login" in told


def test_with_a_user_every_address_is_served(start: Start, tmp_path: Path) -> None:
    # Given
    people.add(_url(tmp_path), "ann", admin=True)
    # When
    server = start("--host", "0.0.0.0")
    # Then, whatever name it is called by
    assert _status(server, "/health", Host="ml.example.org") == 200
    assert _status(server, "/api/runyard/1/server") == 401
    assert f"{server.url}/login" in server.banner
    assert "WARNING server: listening on 0.0.0.0 without https" in server.log.read_text()


def test_https_in_front_needs_no_warning(start: Start, tmp_path: Path) -> None:
    people.add(_url(tmp_path), "ann", admin=True)
    server = start("--host", "0.0.0.0", "--public-url", "https://ml.example.org")
    assert "running at https://ml.example.org\n" in server.banner
    assert "WARNING" not in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "believed"),
    [((), False), (("--trusted-proxies", "127.0.0.1"), True), (("--trusted-proxies", "10.0.0.0/8"), False)],
)
def test_only_a_trusted_proxy_says_who_is_behind_it(
    start: Start, tmp_path: Path, options: tuple[str, ...], believed: bool
) -> None:
    # When many fail through the proxy
    people.add(_url(tmp_path), "ann", admin=True)
    server = start(*options)
    failed = [
        _status(
            server,
            "/api/runyard/1/server",
            **{"Authorization": "Basic bm9ib2R5Ondyb25n", "X-Forwarded-For": f"192.0.2.{i}"},
        )
        for i in range(20)
    ]
    # Then they keep each other out only where nobody knows who they are
    assert failed.count(429) == (0 if believed else 10)


def test_workers_serve_every_address_too(start: Start, postgresql_url: str, tmp_path: Path) -> None:
    # Given nobody
    options = ("--host", "0.0.0.0", "--workers", "2", "--database", postgresql_url)
    code, told = refused(*options, "--port", "0", "--data", str(tmp_path / "data"))
    assert code == 1
    assert "`runyard user add NAME --admin --database URL`" in told
    assert postgresql_url not in told
    # When
    people.add(postgresql_url, "ann", admin=True)
    server = start("--host", "0.0.0.0", "--workers", "2", database=postgresql_url)
    # Then
    assert {_status(server, "/api/runyard/1/server") for _ in range(20)} == {401}
    assert server.end() == 0
