"""Requests to a server: where to, with which credential, how long to wait, when to try again.

Requests that only read are sent again when the network fails or the server can't answer for a moment; any
request is, when it surely wasn't carried out (no connection, or one too many).
"""

from __future__ import annotations

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from runyard import __version__
from runyard.client.address import is_loopback, segment
from runyard.client.credentials import Credential
from runyard.client.errors import NotRunyard, Unreachable, refusal

T = TypeVar("T")

# The native endpoints; MLflow's are below `MLFLOW`.
NATIVE = "/api/runyard/1"
MLFLOW = "/api/2.0/mlflow"

CONNECT_SECONDS = 10.0
# Above the longest time that the server gives a search.
READ_SECONDS = 60.0
# Between one try and the next.
PAUSES = (0.2, 0.6)
# The longest pause that a server may ask for before it is said to be too busy.
MAX_PAUSE = 10.0

# An answer's JSON object, as the server told it.
Object = dict[str, Any]
Query = Mapping[str, str | int | bool | Sequence[str] | None]

_BUSY = 429
_AWAY = (502, 503, 504)


class _Page(msgspec.Struct):
    """What a native list answers."""

    items: list[Object]
    next_page_token: str | None = None


class _Answer(msgspec.Struct):
    """What a failed request is answered."""

    error_code: str = ""
    message: str = ""
    field: str | None = None
    request_id: str | None = None


class Http:
    """A server, in one workspace, with one credential. Threads may share it; close it in the end.

    `base` is the workspace's address: what MLflow's client takes as its tracking URI.

    Args:
        url: the server's address, as `address.parse` gives it.
        workspace: the workspace's name; None for the server's default.
        credential: what to send; None for nothing.
        transport: how requests travel, for tests.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        url: str,
        workspace: str | None = None,
        credential: Credential | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self.workspace = workspace
        self.base = url if workspace is None else f"{url}/w/{segment(workspace)}"
        self._pause = pause
        self._streams: set[httpx.Response] = set()
        headers = {"User-Agent": f"runyard/{__version__}", "Accept": "application/json"}
        if credential is not None:
            headers["Authorization"] = credential.header
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            transport=transport,
            # Loading the trusted certificates takes time, and plain HTTP needs none: no redirect is followed.
            verify=_trusted() if url.startswith("https://") else False,
            # A proxy can't reach this machine's own addresses.
            trust_env=not is_loopback(urlsplit(url).hostname or ""),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, query: Query | None = None, *, kind: Any = Object) -> Any:
        """What a GET answers, decoded.

        Args:
            path: below the workspace's address, such as `NATIVE + "/whoami"`.
            query: values; those that are None are left out.
            kind: what to decode it as.

        Raises:
            ClientError: see `errors`.
        """
        return self._call("GET", path, query=query, kind=kind, safe=True)

    def post(self, path: str, body: object = None, *, safe: bool = False, kind: Any = Object) -> Any:
        """What a POST answers, decoded; `safe` says that it only reads.

        Raises:
            ClientError: see `errors`.
        """
        return self._call("POST", path, body={} if body is None else body, kind=kind, safe=safe)

    def put(self, path: str, body: object = None) -> Any:
        """What a PUT answers, decoded.

        Raises:
            ClientError: see `errors`.
        """
        return self._call("PUT", path, body={} if body is None else body)

    def patch(self, path: str, body: object) -> Any:
        """What a PATCH answers, decoded.

        Raises:
            ClientError: see `errors`.
        """
        return self._call("PATCH", path, body=body)

    def delete(self, path: str, body: object = None) -> Any:
        """What a DELETE answers, decoded.

        Raises:
            ClientError: see `errors`.
        """
        return self._call("DELETE", path, body=body)

    @contextmanager
    def stream(
        self, path: str, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """A GET whose answer is read piece by piece (`response.iter_bytes()`).

        Raises:
            ClientError: see `errors`; also while it is read.
        """
        request = self._request("GET", path, query, None)
        request.headers.update(headers or {})
        response = self._send(request, safe=True)
        self._streams.add(response)
        try:
            with _network_errors(self.url):
                yield response
        finally:
            self._streams.discard(response)
            response.close()

    def abort(self) -> None:
        """Break off every stream that is being read, in whatever thread: reading it fails at once."""
        for response in tuple(self._streams):
            network = response.extensions.get("network_stream")
            sock = None if network is None else network.get_extra_info("socket")
            if sock is not None:
                with suppress(OSError):
                    # Closing alone would let a thread that waits for bytes go on waiting.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        kind: Any = Object,
        safe: bool = False,
    ) -> Any:
        response = self._send(self._request(method, path, query, body), safe=safe)
        try:
            with _network_errors(self.url):
                content = response.read()
        finally:
            response.close()
        if not content:
            return None
        try:
            return msgspec.json.decode(content, type=kind, strict=False)
        except msgspec.DecodeError as error:
            raise self._foreign(response) from error

    def _request(self, method: str, path: str, query: Query | None, body: object) -> httpx.Request:
        values = {name: _values(value) for name, value in (query or {}).items() if value is not None}
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        with _network_errors(self.url):
            return self._client.build_request(
                method, self.base + path, params=values or None, content=content, headers=headers
            )

    def _send(self, request: httpx.Request, *, safe: bool) -> httpx.Response:
        """An answer that is no error; its body isn't read yet."""
        for pause in (*PAUSES, None):
            wait = pause
            try:
                with _network_errors(self.url):
                    response = self._client.send(request, stream=True)
            except Unreachable as error:
                again = safe or isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)
                if wait is None or not again or _is_distrust(error):
                    raise
            else:
                if response.is_success:
                    return response
                asked = _asked_pause(response)
                again = response.status_code == _BUSY or (safe and response.status_code in _AWAY)
                if wait is None or not again or asked > MAX_PAUSE:
                    raise self._refusal(response)
                response.close()
                wait = max(wait, asked)
            # Clients that were cut off together shouldn't come back together.
            self._pause(wait * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
        raise AssertionError("the last try returns or raises")

    def _refusal(self, response: httpx.Response) -> Exception:
        """The error for an answer that is one."""
        try:
            with _network_errors(self.url):
                content = response.read()
        finally:
            response.close()
        try:
            told = msgspec.json.decode(content, type=_Answer)
        except msgspec.DecodeError:
            told = _Answer()
        if told.error_code:
            return refusal(
                response.status_code,
                told.error_code,
                told.message or f"The server answered HTTP {response.status_code}.",
                field=told.field,
                request_id=told.request_id,
            )
        if response.status_code in (*_AWAY, _BUSY, 401, 403):
            # A proxy in front of the server.
            return refusal(
                response.status_code,
                "",
                f"{self.url} answered HTTP {response.status_code} {response.reason_phrase}.",
            )
        return self._foreign(response)

    def _foreign(self, response: httpx.Response) -> NotRunyard:
        if response.has_redirect_location:
            return NotRunyard(
                f"{self.url} sends on to {_origin(response)}. If that is the server, use its address: a "
                "credential isn't sent to where an answer points."
            )
        return NotRunyard(f"What answers at {self.url} is no Runyard server (HTTP {response.status_code}).")


def pages(
    fetch: Callable[[str | None, int], tuple[list[T], str | None]], limit: int, *, page: int = 1000
) -> tuple[list[T], bool]:
    """Items from as many pages as it takes, and whether there are more.

    Args:
        fetch: a page from its token and its size, and the next page's token.
        limit: the most items; 0 for all.
        page: the most items of one page.
    """
    found: list[T] = []
    token: str | None = None
    while True:
        size = min(page, limit - len(found)) if limit else page
        items, token = fetch(token, size)
        found += items
        if not token:
            return (found[:limit], len(found) > limit) if limit else (found, False)
        if limit and len(found) >= limit:
            return found[:limit], True


def native_page(
    http: Http, path: str, query: Query | None = None
) -> Callable[[str | None, int], tuple[list[Object], str | None]]:
    """A `fetch` for `pages`: a native list endpoint."""

    def fetch(token: str | None, size: int) -> tuple[list[Object], str | None]:
        values = {**(query or {}), "limit": size, "page_token": token}
        answer: _Page = http.get(path, values, kind=_Page)
        return answer.items, answer.next_page_token

    return fetch


@contextmanager
def _network_errors(url: str) -> Iterator[None]:
    """Network errors as ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unreachable(f"The server at {url} doesn't answer: it took too long.") from error
    except httpx.HTTPError as error:
        raise Unreachable(_told(url, error)) from error
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Unreachable(f"The address {url} can't be used: {error}.") from error


def _told(url: str, error: httpx.HTTPError) -> str:
    if _is_distrust(error):
        return (
            f"The certificate of {url} isn't trusted: {_reason(error)}. If it comes from an authority of "
            "your own, name the authority's file by SSL_CERT_FILE."
        )
    return f"No server answers at {url}: {_reason(error)}."


def _reason(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    if text.startswith("[") and "] " in text:  # [Errno 111] Connection refused
        text = text.partition("] ")[2]
    return (text[:1].lower() + text[1:])[:300] or type(error).__name__


def _is_distrust(error: BaseException | None) -> bool:
    """Whether a certificate is the cause: another try would end the same way."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _trusted() -> ssl.SSLContext:
    """The public authorities or those of SSL_CERT_FILE, and those of this machine."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _asked_pause(response: httpx.Response) -> float:
    """The seconds of Retry-After; 0 without."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:  # a date
        return 0.0


def _origin(response: httpx.Response) -> str:
    target = response.url.join(response.headers["location"])
    return f"{target.scheme}://{target.netloc.decode('ascii', 'replace')}"


def _values(value: str | int | bool | Sequence[str]) -> str | list[str]:
    """A query's value; several of one name are a list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else list(value)
