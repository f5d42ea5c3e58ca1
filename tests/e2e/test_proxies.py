"""The proxies of the guide, as the guide has them, with a real one in front of a real server."""

from __future__ import annotations

import base64
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from runyard.client.loopback import Loopback
from runyard.client.sign_in import Attempt
from runyard.server.db.database import open_dialect
from runyard.server.db.migrate import upgrade
from tests.api.auth import people
from tests.e2e.addresses import free_port
from tests.e2e.conftest import Open
from tests.server.process import Process

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "secure-a-team-server.md"
NAME = "ml.example.org"
BIG = 8 * 2**20


def _block(language: str) -> str:
    """A configuration of the guide."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@contextmanager
def _caddy(folder: Path, port: int, server: str) -> Iterator[None]:
    site = _block("caddy").replace(f"{NAME} {{", f"https://{NAME}:{port} {{\n\ttls internal")
    options = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
    file = folder / "Caddyfile"
    file.write_text(options + site.replace("127.0.0.1:5000", server))
    command = ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with _running(command, folder, port, environment):
        yield


@contextmanager
def _nginx(folder: Path, port: int, server: str) -> Iterator[None]:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    new = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -keyout {key} -out {certificate}"
    subprocess.run(["openssl", *new.split()], check=True, capture_output=True)
    site = (
        _block("nginx")
        .replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        .replace(f"/etc/ssl/private/{NAME}.pem", str(certificate))
        .replace(f"/etc/ssl/private/{NAME}.key", str(key))
        .replace("127.0.0.1:5000", server)
    )
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nuser root;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{site}}}\n"
    )
    with _running(["nginx", "-c", str(file)], folder, port, {}):
        yield


@contextmanager
def _running(command: list[str], folder: Path, port: int, environment: dict[str, str]) -> Iterator[None]:
    found = shutil.which(command[0], path="/usr/sbin:/usr/bin:/usr/local/bin:/bin")
    if found is None:
        pytest.skip(f"there is no {command[0]}")
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen([found, *command[1:]], stdout=log, stderr=log, env=environment)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=[_caddy, _nginx], ids=["caddy", "nginx"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    """A browser's connections to a server behind a proxy."""
    folder = tmp_path / "data"
    folder.mkdir()
    url = f"sqlite:///{folder / 'runyard.db'}"
    upgrade(open_dialect(url))
    people.add(url, "ann", admin=True)
    port, own = free_port(), free_port()
    home = f"https://{NAME}:{port}"
    server = Process(
        tmp_path / "server.log",
        *("--data", str(folder), "--port", str(own), "--public-url", home, "--trusted-proxies", "127.0.0.1"),
    )
    server.wait_until_it_answers()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    proxy = tmp_path / "proxy"
    proxy.mkdir()
    try:
        with (
            request.param(proxy, port, f"127.0.0.1:{own}"),
            httpx.Client(
                transport=_Resolving(trusting), base_url=home, trust_env=False, timeout=30
            ) as client,
        ):
            yield client
    finally:
        server.end()
    assert "Traceback" not in server.log.read_text()


class _Resolving(httpx.HTTPTransport):
    """Finds the site's name on this machine."""

    def __init__(self, trusting: ssl.SSLContext) -> None:
        super().__init__(verify=trusting)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def test_people_sign_in_through_it(site: httpx.Client) -> None:
    # Given
    page = site.get("/login")
    assert page.headers["strict-transport-security"].startswith("max-age=")
    # When
    form = {"name": "ann", "password": people.PASSWORD, "next": "/"}
    reply = site.post("/login", data=form, headers={"Origin": str(site.base_url).rstrip("/")})
    # Then
    assert reply.status_code == 303
    line = reply.headers["set-cookie"]
    assert line.startswith("__Host-runyard_session=rys_")
    assert "Secure" in line
    cookie = {"Cookie": line.partition(";")[0]}
    assert "signed in as <strong>ann" in site.get("/", headers=cookie).text
    # And from another site nothing comes through
    other = site.post("/login", data=form, headers={"Origin": "https://evil.example"})
    assert other.status_code == 403


def test_a_browser_lets_the_command_line_in(site: httpx.Client, browse: Open) -> None:
    """From a page over https back to this machine, where nothing is encrypted."""
    # Given
    attempt, browser = Attempt(), browse(f"MAP {NAME} 127.0.0.1")
    browser.send("Security.setIgnoreCertificateErrors", ignore=True)
    with Loopback(attempt.state) as loopback:
        # When
        browser.go(attempt.address(str(site.base_url).rstrip("/"), "laptop", port=loopback.port))
        browser.fill({"name": "ann", "password": people.PASSWORD})
        browser.submit()
        browser.click("[value=approve]")
        code = loopback.wait(60)
        assert browser.address.startswith(f"http://127.0.0.1:{loopback.port}/?code=")
    # Then
    made = site.post("/api/runyard/1/tokens/exchange", json={"code": code, "verifier": attempt.verifier})
    assert made.json()["owner"] == "ann"
    assert browser.complaints() == []


def test_it_knows_where_its_visitors_are(site: httpx.Client) -> None:
    """And believes none of them."""
    wrong = {"Authorization": f"Basic {base64.b64encode(b'ann:wrong').decode()}"}
    statuses = [
        site.get("/api/runyard/1/server", headers=wrong | {"X-Forwarded-For": f"192.0.2.{i}"}).status_code
        for i in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2


def test_artifacts_of_any_size_go_through_it(site: httpx.Client) -> None:
    basic = {"Authorization": f"Basic {base64.b64encode(f'ann:{people.PASSWORD}'.encode()).decode()}"}
    run = site.post(
        "/api/2.0/mlflow/runs/create", json={"experiment_id": "0", "start_time": 1}, headers=basic
    ).json()["run"]["info"]
    path = urlsplit(run["artifact_uri"]).path.lstrip("/")
    at = f"/api/2.0/mlflow-artifacts/artifacts/{path}/big.bin"
    sent = bytes(range(256)) * (BIG // 256)
    assert site.put(at, content=sent, headers=basic).status_code == 200
    assert site.get(at, headers=basic).content == sent
