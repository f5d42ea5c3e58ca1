"""The socket that the server listens on, taken before anything slow is done."""

from __future__ import annotations

import errno
import resource
import socket

from runyard.server.process.errors import StartError

# Connections that wait to be accepted; the system may allow fewer.
BACKLOG = 2048
# A connection takes a file descriptor; many systems begin with 1,024 or 256 of them.
MOST_FILES = 65_536


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on an address; port 0 takes a free one.

    Clients that connect from now on wait until the server accepts them.

    Raises:
        StartError: the address can't be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise StartError(f"The host {host!r} can't be resolved; give an address of this machine.") from error
    # IPv4 first: where a name has both addresses, more clients try this one.
    family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise StartError(_told(error, host, port)) from error
    sock.set_inheritable(True)
    return sock


def url(sock: socket.socket) -> str:
    """The address under which a browser on this machine finds a listening socket."""
    host, port = reachable(sock)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reachable(sock: socket.socket) -> tuple[str, int]:
    """The host and port under which this machine reaches a listening socket."""
    host, port = sock.getsockname()[:2]
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it is replaced by is the point
    return everywhere.get(host, host), port


def allow_many_files() -> None:
    """Raise this process's limit on open files as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _told(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"Port {port} on {host} is in use by another program. Stop that one, or choose another "
                "port with --port; 0 takes a free one."
            )
        case errno.EACCES:
            return f"Port {port} needs administrator's rights; choose one above 1023 with --port."
        case errno.EADDRNOTAVAIL:
            return f"This machine has no address {host}; choose one of its own with --host."
        case _:
            return f"The server can't listen on {host}:{port}: {(error.strerror or str(error)).lower()}."
