"""The one place where errors become HTTP answers with MLflow's `error_code`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from runyard.server.kernel import errors as e


class _Mapped(NamedTuple):
    status: int
    code: str


_MAP: dict[type[e.RunyardError], _Mapped] = {
    e.InvalidArgument: _Mapped(400, "INVALID_PARAMETER_VALUE"),
    e.MalformedRequest: _Mapped(400, "BAD_REQUEST"),
    e.Unauthenticated: _Mapped(401, "UNAUTHENTICATED"),
    e.PermissionDenied: _Mapped(403, "PERMISSION_DENIED"),
    # No 429: MLflow's clients would send the same again for minutes. They all know this code, from 1.x on.
    e.QuotaExceeded: _Mapped(403, "QUOTA_EXCEEDED"),
    e.NotFound: _Mapped(404, "RESOURCE_DOES_NOT_EXIST"),
    e.EndpointNotFound: _Mapped(404, "ENDPOINT_NOT_FOUND"),
    e.MethodNotAllowed: _Mapped(405, "BAD_REQUEST"),
    e.Conflict: _Mapped(409, "RESOURCE_CONFLICT"),
    e.AlreadyExists: _Mapped(400, "RESOURCE_ALREADY_EXISTS"),
    e.TooLarge: _Mapped(413, "BAD_REQUEST"),
    e.UnsupportedMediaType: _Mapped(415, "BAD_REQUEST"),
    e.RangeNotSatisfiable: _Mapped(416, "BAD_REQUEST"),
    e.LimitExceeded: _Mapped(429, "REQUEST_LIMIT_EXCEEDED"),
    e.NotImplementedHere: _Mapped(501, "NOT_IMPLEMENTED"),
    e.Unavailable: _Mapped(503, "TEMPORARILY_UNAVAILABLE"),
    e.StorageFull: _Mapped(507, "RESOURCE_EXHAUSTED"),
}

_UNEXPECTED = _Mapped(500, "INTERNAL_ERROR")

# MLflow's clients before 2.3 don't know these and raise a ValueError in place of the message: what they know.
_BEFORE_2_3 = {
    "UNAUTHENTICATED": "CUSTOMER_UNAUTHORIZED",
    "RESOURCE_CONFLICT": "INVALID_STATE",
    "NOT_IMPLEMENTED": "FEATURE_DISABLED",
    "RESOURCE_EXHAUSTED": "RESOURCE_LIMIT_EXCEEDED",
}
_OLD_AGENT = re.compile(rb"mlflow-python-client/(1|2\.[0-2])\.")


class ErrorAnswer(msgspec.Struct, omit_defaults=True):
    """What a failed request answers: MLflow's two fields, and two that help.

    Attributes:
        error_code: MLflow's name of the kind of error.
        message: what was wrong and what to do.
        field: the offending field's path, such as `metrics[3].key`.
        request_id: names the request in the server's log.
    """

    error_code: str
    message: str
    field: str | None = None
    request_id: str | None = None


def render(error: e.RunyardError, request_id: str) -> tuple[int, ErrorAnswer]:
    """The HTTP status and the answer's body of an error."""
    for kind in type(error).__mro__:
        mapped = _MAP.get(kind)
        if mapped is not None:
            return mapped.status, ErrorAnswer(mapped.code, error.message, error.field, request_id)
    raise TypeError(f"{type(error).__name__} has no place in the map of errors")


def understood(answer: ErrorAnswer, scope: Mapping[str, Any]) -> ErrorAnswer:
    """The answer with a code that the client of the request knows."""
    code = _BEFORE_2_3.get(answer.error_code)
    if code is not None and any(n == b"user-agent" and _OLD_AGENT.match(v) for n, v in scope["headers"]):
        return msgspec.structs.replace(answer, error_code=code)
    return answer


def render_unexpected(request_id: str) -> tuple[int, ErrorAnswer]:
    """The answer to a fault of ours: no detail leaves the server."""
    message = f"The server failed on this request; its log has the cause under request id {request_id}."
    return _UNEXPECTED.status, ErrorAnswer(_UNEXPECTED.code, message, None, request_id)


def codes() -> list[tuple[int, str]]:
    """Every status and `error_code` that an answer can have, by status."""
    return sorted({(mapped.status, mapped.code) for mapped in _MAP.values()} | {_UNEXPECTED})


_MAX_REASON = 300
_AT = re.compile(r" - at `\$?\.?(?P<path>.*)`$", re.DOTALL)


def invalid_from(error: msgspec.ValidationError) -> e.InvalidArgument:
    """Turn a decoder's complaint about a value into an error that names the field."""
    text = str(error)
    found = _AT.search(text)
    path = found["path"] if found else None
    reason = (text[: found.start()] if found else text).replace(" | null", "")
    if len(reason) > _MAX_REASON:  # it may quote a value of any length
        reason = f"{reason[:_MAX_REASON]}..."
    name = f"'{path}'" if path else "the request body"
    return e.InvalidArgument(f"Invalid value for {name}: {reason[0].lower()}{reason[1:]}.", field=path)
