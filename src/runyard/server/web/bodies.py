"""Reading requests: bodies and queries, their limits, their decoding.

What is wrong with a request's bytes is found here, so that handlers only see values that both databases
can store. Memory is bounded: a body that announces more than the limit is refused before it is read, and
all bodies that are being received at one time share a budget.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from math import isfinite
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from runyard.server.kernel.errors import (
    InvalidArgument,
    MalformedRequest,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from runyard.server.web.errors import invalid_from

# Far above the longest query that MLflow's clients send; longer ones belong into a body.
MAX_QUERY = 64 * 1024
MAX_QUERY_FIELDS = 10_000

_Decode = Callable[[bytes], Any]


class BodyReader:
    """Reads whole JSON bodies.

    Args:
        max_body: the largest body in bytes.
        max_together: the most bytes of bodies that may be on their way at one time.
    """

    def __init__(self, max_body: int, max_together: int | None = None) -> None:
        self._max_body = max_body
        self._max_together = max(max_together or 256 * 2**20, max_body)
        self._together = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The body's bytes; empty when there is none.

        Raises:
            TooLarge: it exceeds the limit.
            UnsupportedMediaType: it isn't sent as JSON.
            Unavailable: too many large bodies are on their way.
            ClientDisconnect: the client went away.
        """
        length, kind = b"", b""
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                kind = value
        if length and int(length) > self._max_body:
            raise self._too_large()
        message = await receive()
        body: bytes = _content(message)
        if message.get("more_body", False):
            body = await self._read_rest(body, receive)
        # Without a length the limit shows only now.
        if len(body) > self._max_body:
            raise self._too_large()
        if body and kind != b"application/json":
            _require_json(kind)
        return body

    async def _read_rest(self, first: bytes, receive: Receive) -> bytes:
        body = bytearray(first)
        self._together += len(body)
        try:
            more = True
            while more:
                message = await receive()
                part = _content(message)
                body += part
                self._together += len(part)
                if len(body) > self._max_body:
                    raise self._too_large()
                if self._together > self._max_together:
                    raise Unavailable(
                        "The server is receiving too many large requests at once; try again in a moment."
                    )
                more = message.get("more_body", False)
        finally:
            self._together -= len(body)
        return bytes(body)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The request body is larger than the limit of {self._max_body:,} bytes; "
            "send it in several requests."
        )


@cache
def decoder_of(struct: type[msgspec.Struct]) -> _Decode:
    """A function that makes a struct of a JSON body, or raises what the caller must be told.

    It is as lenient as protobuf's JSON, and takes the bare NaN and Infinity of Python's `json.dumps`,
    which are no JSON: MLflow's server takes them too.
    """
    decode = msgspec.json.Decoder(struct, strict=False).decode

    def read(body: bytes) -> Any:
        # One byte is found ten times as fast as six, and most bodies escape nothing.
        if b"\\" in body and b"\\u0000" in body:
            _refuse_nul(body)
        return decode(body)

    def read_or_refuse(body: bytes) -> Any:
        try:
            try:
                return read(body)
            except msgspec.ValidationError:
                raise
            except msgspec.DecodeError:
                if b"NaN" not in body and b"Infinity" not in body:
                    raise
                return read(_with_numbers_as_texts(body))
        except msgspec.ValidationError as error:
            raise invalid_from(error) from error
        except (ValueError, RecursionError) as error:
            raise malformed_from(error) from error

    return read_or_refuse


@cache
def query_reader_of(struct: type[msgspec.Struct]) -> Callable[[Scope], Any]:
    """A function that makes a struct of a query string, or raises what the caller must be told."""
    lists = _list_fields(struct)

    def read(scope: Scope) -> Any:
        values = {name: found if name in lists else found[-1] for name, found in parse_query(scope).items()}
        try:
            return msgspec.convert(values, struct, strict=False)
        except msgspec.ValidationError as error:
            raise invalid_from(error) from error

    return read


def parse_query(scope: Scope) -> dict[str, list[str]]:
    """The query string's values by name; empty values are kept.

    Raises:
        TooLarge: it is longer than 64 KiB.
        MalformedRequest: it isn't UTF-8, or holds a NUL character.
    """
    raw: bytes = scope.get("query_string", b"")
    if not raw:
        return {}
    if len(raw) > MAX_QUERY:
        raise TooLarge(f"The query is longer than {MAX_QUERY:,} bytes; send fewer values in one request.")
    if b"%00" in raw:
        raise MalformedRequest("The query holds a NUL character (%00), which can't be stored.")
    try:
        return parse_qs(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except UnicodeDecodeError as error:
        raise MalformedRequest("The query isn't valid UTF-8.") from error
    except ValueError as error:
        raise TooLarge(f"The query has more than {MAX_QUERY_FIELDS:,} values.") from error


def check_path(scope: Scope) -> None:
    """Refuse an address whose percent signs don't stand for text.

    Raises:
        MalformedRequest: it isn't UTF-8, or holds a NUL character.
    """
    try:
        path = unquote_to_bytes(scope["raw_path"]).decode()
    except UnicodeDecodeError as error:
        raise MalformedRequest("The address isn't valid UTF-8.") from error
    if "\x00" in path:
        raise MalformedRequest("The address holds a NUL character (%00).")


def malformed_from(error: Exception) -> MalformedRequest:
    """Turn a decoder's complaint into an error."""
    if isinstance(error, RecursionError):
        return MalformedRequest("The request body isn't usable JSON: it is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return MalformedRequest("The request body isn't valid JSON: it isn't UTF-8.")
    return MalformedRequest(f"The request body isn't valid JSON: {error}.")


def _content(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    body: bytes = message.get("body", b"")
    return body


def _require_json(kind: bytes) -> None:
    """A browser can send other types to any address without asking; JSON needs our consent (CORS)."""
    media, _, parameters = kind.lower().partition(b";")
    if media.strip() != b"application/json":
        raise UnsupportedMediaType("Send the body as JSON with the header 'Content-Type: application/json'.")
    for parameter in parameters.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip(b' "') not in (b"utf-8", b"utf8", b"us-ascii"):
            raise UnsupportedMediaType("JSON is UTF-8; send the body in that encoding.")


def _with_numbers_as_texts(body: bytes) -> bytes:
    """The same JSON with the texts "NaN" and "Infinity" where they stood bare: what JSON can hold."""
    return json.dumps(json.loads(body, parse_constant=str, parse_float=_finite_or_text)).encode()


def _finite_or_text(digits: str) -> float | str:
    number = float(digits)
    return number if isfinite(number) else str(number)


def _refuse_nul(body: bytes) -> None:
    """PostgreSQL's texts can't hold NUL, and what one database refuses, the other must refuse too."""
    path = _path_of_nul(msgspec.json.decode(body))
    if path is not None:
        where = path.lstrip(".") or "the request body"
        raise InvalidArgument(
            f"Invalid value for '{where}': it holds a NUL character (\\u0000), which can't be stored.",
            field=where,
        )


def _path_of_nul(value: Any) -> str | None:
    if isinstance(value, str):
        return "" if "\x00" in value else None
    if isinstance(value, dict):
        for key, member in value.items():
            if "\x00" in key:
                return ""
            found = _path_of_nul(member)
            if found is not None:
                return f".{key}{found}"
    elif isinstance(value, list):
        for i, member in enumerate(value):
            found = _path_of_nul(member)
            if found is not None:
                return f"[{i}]{found}"
    return None


def _list_fields(struct: type[msgspec.Struct]) -> frozenset[str]:
    """The names of the fields that take several values."""
    info = msgspec.inspect.type_info(struct)
    return frozenset(
        field.encode_name
        for field in info.fields  # type: ignore[attr-defined]
        if any(isinstance(kind, _COLLECTIONS) for kind in _alternatives(field.type))
    )


_COLLECTIONS = (msgspec.inspect.ListType, msgspec.inspect.VarTupleType, msgspec.inspect.SetType)


def _alternatives(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    return kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
