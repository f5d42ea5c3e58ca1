from __future__ import annotations

import msgspec
import pytest

from runyard.server.kernel import errors
from runyard.server.kernel.errors import InvalidArgument, MethodNotAllowed, RunyardError
from runyard.server.web.errors import codes, invalid_from, render, render_unexpected

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RunyardError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not RunyardError])
def test_every_error_has_a_status_and_a_code(kind: type[RunyardError]) -> None:
    error = kind("m", allowed=frozenset()) if kind is MethodNotAllowed else kind("m")
    status, answer = render(error, "r")
    assert (status, answer.error_code) in codes()
    assert (answer.message, answer.request_id) == ("m", "r")


def test_a_narrower_error_answers_as_its_base() -> None:
    class TooLong(InvalidArgument):
        pass

    assert render(TooLong("m", field="key"), "r")[1].field == "key"


def test_an_error_without_a_place_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError, match="RunyardError"):
        render(RunyardError("m"), "r")


def test_an_answer_leaves_out_what_it_has_not() -> None:
    assert msgspec.json.decode(msgspec.json.encode(render(InvalidArgument("m"), "r")[1])) == {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "m",
        "request_id": "r",
    }


def test_the_unexpected_is_among_the_codes() -> None:
    status, answer = render_unexpected("r")
    assert (status, answer.error_code) in codes()


class Inner(msgspec.Struct):
    step: int | None = None


class Outer(msgspec.Struct):
    inner: list[Inner] | None = None


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b'{"inner": [{}, {"step": "x"}]}', "inner[1].step", "expected `int`, got `str`"),
        (b'{"inner": 3}', "inner", "expected `array`, got `int`"),
        (b"[]", None, "expected `object`, got `array`"),
    ],
)
def test_a_complaint_names_the_field(body: bytes, field: str | None, reason: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Outer)
    error = invalid_from(caught.value)
    assert error.field == field
    assert reason in error.message
    assert (f"'{field}'" if field else "the request body") in error.message
