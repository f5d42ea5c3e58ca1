"""Starts a server, keeps it running, and ends it without losing what was acknowledged."""

from __future__ import annotations

import gc
import logging
import logging.config
import os
import shlex
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from runyard import __version__
from runyard.server import app
from runyard.server.artifacts import local_folder
from runyard.server.kernel.addresses import is_loopback
from runyard.server.process import database, folder
from runyard.server.process.errors import StartError
from runyard.server.process.listen import BACKLOG, allow_many_files, listen, reachable, url
from runyard.server.settings import Settings
from runyard.server.web import logs
from runyard.server.web.protocol import HttpProtocol

# Longer than the pauses of a training loop, so that clients find their connections open.
KEEP_ALIVE_SECONDS = 75
# A worker under full load may answer its supervisor late.
WORKER_SILENT_SECONDS = 30

log = logging.getLogger("runyard.server")


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; returns when everything is finished, committed and closed.

    Args:
        settings: the values in force.
        say: shows a text to whoever started the server; called once the server answers.

    Raises:
        StartError: the server can't start.
        InvalidArgument: a setting is wrong.
    """
    lines = logs.configuration(settings.log_level, settings.log_format, _secrets(settings))
    logging.config.dictConfig(lines)
    app.check(settings)
    allow_many_files()
    folder.make(settings.data_folder)
    with ExitStack() as held:
        held.enter_context(
            folder.locked(settings.data_folder / folder.LOCK, f"The data folder {settings.data_folder}")
        )
        foreign = database.foreign_file(settings)
        if foreign is not None:
            held.enter_context(
                folder.locked(foreign.with_name(foreign.name + ".lock"), f"The database file {foreign}")
            )
        if is_loopback(settings.host):
            # Whoever connects while the schema is brought up to date waits.
            sock = held.enter_context(listen(settings.host, settings.port))
            database.make_ready(settings)
            login = database.has_user(settings)
        else:
            database.make_ready(settings)
            login = database.has_user(settings)
            _refuse_strangers(settings, login)
            sock = held.enter_context(listen(settings.host, settings.port))
        _warn_of_readers(settings)
        _announce(settings, sock, login, say)
        serve = _serve if settings.workers == 1 else _serve_with_workers
        serve(settings, sock, lines)
        log.info("stopped")


def _serve(settings: Settings, sock: socket.socket, lines: dict[str, Any]) -> None:
    server = _Server(_config(app.build(settings), settings, lines))
    # What was imported stays: the collector needn't look at it again and again.
    gc.freeze()
    try:
        server.run(sockets=[sock])
    except SystemExit as error:
        raise StartError("The server couldn't start; the log above says why.") from error
    if server.force_exit:
        raise StartError("Stopped at once, without waiting for the requests in flight.")


def _serve_with_workers(settings: Settings, sock: socket.socket, lines: dict[str, Any]) -> None:
    os.environ.update(settings.environment())
    config = _config("runyard.server.process.worker:create", settings, lines, factory=True)
    supervisor = _Supervisor(config, sockets=[sock])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise StartError("The workers couldn't start; the log above says why.")


def _config(target: Any, settings: Settings, lines: dict[str, Any], **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        target,
        http=HttpProtocol,
        ws="none",
        loop="uvloop",
        interface="asgi3",
        lifespan="on",
        workers=settings.workers,
        log_config=lines,
        access_log=False,
        server_header=False,
        # A browser must not guess the type of what a user has stored.
        headers=[("x-content-type-options", "nosniff")],
        # Else whoever connects could claim to be anybody.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        timeout_worker_healthcheck=WORKER_SILENT_SECONDS,
        **more,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, whose `run` returns after a signal instead of dying by it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


class _Supervisor(Multiprocess):
    """uvicorn's supervisor, which learns at once that a worker died before it said that it lives.

    It keeps both ends of a worker's pipe open: of such a death it would learn only after
    `WORKER_SILENT_SECONDS`, and until then replace no other worker and heed no signal.
    """

    def init_processes(self) -> None:
        super().init_processes()
        self._close_the_workers_ends()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self._close_the_workers_ends()

    def _close_the_workers_ends(self) -> None:
        for process in self.processes:
            process.child_conn.close()  # of a worker's end it has a copy of its own


def _refuse_strangers(settings: Settings, login: bool) -> None:
    """While there is no user there is no login, and so nothing for other machines."""
    if not login:
        # A database's address may hold a password, which is shown nowhere.
        where = "--database URL" if settings.database else f"--data {shlex.quote(settings.data)}"
        raise StartError(
            f"Without any user there is no login, so the server listens on this machine only, not on "
            f"{settings.host}. Make the first administrator, then start it again: "
            f"`runyard user add NAME --admin {where}`."
        )
    if not settings.public_url.startswith("https:"):
        log.warning(
            "listening on %s without https: passwords and tokens can be read on the way; put a proxy with "
            "TLS in front and give its address with --public-url",
            settings.host,
        )


def _warn_of_readers(settings: Settings) -> None:
    """Whoever reads the database or the artifacts needs no login; their mode may be meant, so it stays."""
    file = database.file_of(settings)
    artifacts = local_folder(settings.artifacts_url)
    for found in folder.readable_by_others(*filter(None, (file, artifacts))):
        log.warning(
            "%s can be read by other users of this machine; unless that is meant: chmod go= %s%s",
            found,
            shlex.quote(str(found)),
            "*" if found == file else "",  # SQLite's log lies beside it
        )


def _secrets(settings: Settings) -> tuple[str, ...]:
    """What log lines must never show."""
    return (*database.passwords(settings), settings.oidc_secret)


def _announce(settings: Settings, sock: socket.socket, login: bool, say: Callable[[str], None]) -> None:
    """Show the banner once the server answers."""
    at = url(sock)

    def wait() -> None:
        try:
            with socket.create_connection(reachable(sock)) as probe:
                probe.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answered = probe.recv(16).startswith(b"HTTP/1.1 ")
        except OSError:  # the start has failed, which is said elsewhere
            return
        if answered:
            log.info("started version %s at %s, process %d", __version__, at, os.getpid())
            say(_banner(settings, settings.public_url.rstrip("/") or at, login))

    threading.Thread(target=wait, name="runyard-banner", daemon=True).start()


def _banner(settings: Settings, at: str, login: bool) -> str:
    first = "Log a first run:"
    if login:
        first = f"Sign in at {at}/login; log a first run with a token in MLFLOW_TRACKING_TOKEN:"
    return f"""
Runyard {__version__} is running at {at}

    data       {settings.data_folder}
    database   {database.described(settings)}

{first}

    import mlflow
    mlflow.set_tracking_uri("{at}")
    mlflow.log_metric("accuracy", 0.93)

Stop it with Ctrl+C.
"""
