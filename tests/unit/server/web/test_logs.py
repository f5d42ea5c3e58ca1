from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from runyard.server.web.application import ResponseCutOff
from runyard.server.web.logs import (
    JsonFormatter,
    TextFormatter,
    WorthTelling,
    configuration,
    in_request,
    masked,
)
from tests.unit.server.web.asgi import request


def _record(message: str, *args: object, level: int = logging.WARNING, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("runyard.web", level, __file__, 1, message, args, more.pop("exc_info", None))
    vars(record).update(more)
    return record


@pytest.fixture
def serving() -> Iterator[None]:
    token = in_request.set(("0123456789abcdef", request("POST", "/api/x", query=b"q=hidden")))
    yield
    in_request.reset(token)


def _raised(error: Exception) -> Any:
    return type(error), error, error.__traceback__


@pytest.mark.usefixtures("serving")
def test_a_json_line_tells_the_request() -> None:
    line = json.loads(JsonFormatter().format(_record("it is %s", "late", status=503)))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "runyard.web",
        "message": "it is late",
        "request_id": "0123456789abcdef",
        "method": "POST",
        "path": "/api/x",
        "status": 503,
    }


@pytest.mark.usefixtures("serving")
def test_a_text_line_tells_the_request() -> None:
    line = TextFormatter().format(_record("it is late", status=503))
    assert line.endswith("WARNING web: it is late (POST /api/x, 503, request 0123456789abcdef)")


def test_outside_a_request_a_line_tells_none() -> None:
    assert TextFormatter().format(_record("started")).endswith("WARNING web: started")
    assert set(json.loads(JsonFormatter().format(_record("started")))) == {
        "time",
        "level",
        "logger",
        "message",
    }


def test_an_exception_is_told_with_its_cause() -> None:
    record = _record("failed", exc_info=_raised(ValueError("bad")))
    assert "ValueError: bad" in json.loads(JsonFormatter().format(record))["exception"]
    text = TextFormatter().format(record)
    assert text.splitlines()[0].endswith("web: failed")
    assert text.splitlines()[-1] == "ValueError: bad"


def test_a_value_cannot_begin_a_line() -> None:
    text = TextFormatter().format(_record("no %s", "x\n2026-01-01 ERROR forged\x1b[31m"))
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert len(JsonFormatter().format(_record("no %s", "x\ny")).splitlines()) == 1


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert json.loads(JsonFormatter().format(_record("no %s", "\ud800")))["message"] == "no \\ud800"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:s3cret@host/db", "postgresql://:***@host/db"),
        ("host=a password=s3cret dbname=b", "host=a password=*** dbname=b"),
        ("{'password': 's3cret', 'a': 1}", "{'password': '***', 'a': 1}"),
        ('{"token":"s3cret"}', '{"token":"***"}'),
        ("as s3cret itself", "as *** itself"),
        ("http://127.0.0.1:5000/a@b", "http://127.0.0.1:5000/a@b"),
        ("page_token: it isn't one", "page_token: it isn't one"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert masked(text, ["s3cret"]) == shown


def test_secrets_are_masked_in_every_part_of_a_line() -> None:
    record = _record("at %s", "s3cret", exc_info=_raised(ValueError("s3cret")), path="/s3cret")
    for formatter in (TextFormatter(["s3cret"]), JsonFormatter(["s3cret"])):
        assert "s3cret" not in formatter.format(record)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (_record("Child process [7] died", level=logging.INFO), True),
        (_record("Application startup complete.", level=logging.INFO), False),
        (_record("Invalid HTTP request received."), False),
        (_record("Unsupported upgrade request."), False),
        (_record("Exception in ASGI application\n", exc_info=_raised(ResponseCutOff())), False),
        (_record("Exception in ASGI application\n", exc_info=_raised(ValueError())), True),
        (_record("Cancel %s running task(s)", 3), True),
    ],
)
def test_of_the_http_server_only_its_faults_are_told(record: logging.LogRecord, told: bool) -> None:
    assert WorthTelling().filter(record) is told


@pytest.mark.parametrize(("form", "formatter"), [("text", TextFormatter), ("json", JsonFormatter)])
def test_the_configuration_names_what_exists(form: str, formatter: type) -> None:
    told = configuration("debug", form, ["long secret", "abc"])
    line = told["formatters"]["line"]
    assert line["()"] == f"{formatter.__module__}.{formatter.__qualname__}"
    assert line["secrets"] == ["long secret"]  # a short one would mask half of every line
    assert told["filters"]["worth_telling"]["()"] == f"{WorthTelling.__module__}.WorthTelling"
    assert told["loggers"]["runyard"]["level"] == "DEBUG"
