"""Log lines: text for people or one JSON object a line for machines, on standard error.

A line says when, how grave, who and what; inside a request also the request's id, method and path, and
the status where it is known. No secret gets out: passwords in addresses are masked in every line, and
query strings are never logged. A successful request writes nothing below the level `debug`.

Everything here feeds the standard library's logging; a module that logs needs only its own logger.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.types import Scope

# The request that this task serves: its id and its scope.
in_request: ContextVar[tuple[str, Scope] | None] = ContextVar("runyard_request", default=None)

_MASK = "***"
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/@:'\"]*):[^\s/@'\"]+@")
_PASSWORD_FIELD = re.compile(
    r"\b(password|passwd|pwd|token|secret)([\"']?\s*[=:]\s*[\"']?)([^\s,;&'\"]+)", re.IGNORECASE
)
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F) if code != 0x0A} | {0x0A: "\\n"}
_FIELDS = ("request_id", "method", "path", "status")


def configuration(
    level: str, form: str, secrets: Iterable[str] = (), stream: str = "ext://sys.stderr"
) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes; plain values, so that worker processes can be given it.

    Args:
        level: the least grave level that Runyard's own loggers write; libraries write warnings only.
        form: `text` or `json`.
        secrets: texts of four or more characters that no line may show, such as a password.
        stream: where lines go.
    """
    formatter = "runyard.server.web.logs.JsonFormatter" if form == "json" else _TEXT_FORMATTER
    handler = {"class": "logging.StreamHandler", "formatter": "line", "stream": stream}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "secrets": [s for s in secrets if len(s) > 3]}},
        "filters": {"worth_telling": {"()": "runyard.server.web.logs.WorthTelling"}},
        "handlers": {"lines": handler},
        "root": {"level": "WARNING", "handlers": ["lines"]},
        "loggers": {
            "runyard": {"level": level.upper()},
            "uvicorn": {"level": "WARNING", "handlers": [], "propagate": True},
            "uvicorn.error": {"level": "INFO", "filters": ["worth_telling"], "propagate": True},
        },
    }


_TEXT_FORMATTER = "runyard.server.web.logs.TextFormatter"


def masked(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without passwords: those in addresses, and the `secrets` themselves."""
    for secret in secrets:
        text = text.replace(secret, _MASK)
    text = _PASSWORD_IN_URL.sub(rf"\1:{_MASK}@", text)
    return _PASSWORD_FIELD.sub(rf"\1\2{_MASK}", text)


class TextFormatter(logging.Formatter):
    """`2026-05-04 10:11:12.345 WARNING web: message (POST /path, 503, request 1f2e3d4c5b6a7988)`."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback where there is one."""
        when = datetime.fromtimestamp(record.created).astimezone()
        name = record.name.removeprefix("runyard.")
        line = (
            f"{when:%Y-%m-%d %H:%M:%S}.{int(record.msecs):03d} {record.levelname} {name}: "
            f"{record.getMessage()}{_where(record)}"
        )
        # A path or a value may hold line breaks: nobody but the server starts a line.
        line = masked(line.translate(_CONTROL), self._secrets)
        if record.exc_info:
            line += "\n" + masked(self.formatException(record.exc_info), self._secrets)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, message; request_id, method, path, status; exception."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = secrets
        self._encode = msgspec.json.Encoder().encode

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage(), self._secrets),
        }
        for name, value in _known(record).items():
            line[name] = masked(value, self._secrets) if isinstance(value, str) else value
        if record.exc_info:
            line["exception"] = masked(self.formatException(record.exc_info), self._secrets)
        try:
            return self._encode(line).decode()
        except UnicodeEncodeError:  # half a surrogate pair in some text
            return self._encode({k: _encodable(v) for k, v in line.items()}).decode()


class WorthTelling(logging.Filter):
    """Of the HTTP server's own lines: its faults and the deaths of workers.

    It also warns of every client that speaks bad HTTP, as often as anybody likes to, and of responses
    that were cut off, which is logged already.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.exc_info and record.exc_info[0] is not None:
            return record.exc_info[0].__name__ != "ResponseCutOff"
        text = str(record.msg)
        if record.levelno < logging.WARNING:
            return text.startswith("Child process")
        return not text.startswith(_NOISE)


_NOISE = (
    "Application startup failed",
    "Invalid HTTP request received",
    "Unsupported upgrade request",
    "No supported WebSocket library",
)


def _known(record: logging.LogRecord) -> dict[str, Any]:
    """What is known of the request that a record belongs to."""
    known: dict[str, Any] = {}
    current = in_request.get()
    if current is not None:
        request_id, scope = current
        known = {"request_id": request_id, "method": scope["method"], "path": scope["path"]}
    for name in _FIELDS:
        value = getattr(record, name, None)
        if value is not None:
            known[name] = value
    return known


def _where(record: logging.LogRecord) -> str:
    known = _known(record)
    parts = [
        " ".join(str(known[name]) for name in ("method", "path") if name in known),
        str(known.get("status", "")),
        f"request {known['request_id']}" if "request_id" in known else "",
    ]
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
