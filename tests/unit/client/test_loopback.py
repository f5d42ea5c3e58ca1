"""What a browser brings back to this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from runyard.client.errors import NotApproved
from runyard.client.loopback import Loopback

STATE = "s" * 43


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with Loopback(STATE) as listening:
        yield listening


def _get(loopback: Loopback, query: str, *, path: str = "/", **headers: str) -> httpx.Response:
    address = f"http://127.0.0.1:{loopback.port}{path}?{query}"
    return httpx.get(address, headers=headers, trust_env=False)


def test_the_code_is_what_came_with_the_state(loopback: Loopback) -> None:
    page = _get(loopback, f"code=ryc_x&state={STATE}")
    assert loopback.wait(5) == "ryc_x"
    assert "Approved" in page.text
    assert "ryc_x" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    # And only the first answer counts
    assert _get(loopback, f"code=other&state={STATE}").status_code == 404
    assert loopback.wait(5) == "ryc_x"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (f"error=access_denied&state={STATE}", "denied"),
        (f"state={STATE}", "denied"),
        (f"code={'x' * 300}&state={STATE}", "denied"),
    ],
)
def test_other_answers_end_it(loopback: Loopback, query: str, told: str) -> None:
    _get(loopback, query)
    with pytest.raises(NotApproved) as error:
        loopback.wait(0.1)
    assert told in error.value.message.lower()


def test_what_is_no_answer_changes_nothing(loopback: Loopback) -> None:
    # Given a connection that says nothing, as browsers open them
    with socket.create_connection(("127.0.0.1", loopback.port)) as silent:
        # When pages elsewhere and the browser itself ask for this and that
        right = f"code=evil&state={STATE}"
        assert _get(loopback, "", path="/favicon.ico").status_code == 404
        assert _get(loopback, "").status_code == 404
        assert _get(loopback, right, path="/other").status_code == 404
        assert _get(loopback, right, Host="evil.example").status_code == 404
        posted = httpx.post(f"http://127.0.0.1:{loopback.port}/?{right}", trust_env=False)
        assert posted.status_code == 501
        for state in ("another", "", "%ff%00", f"{STATE}&state=another"):
            for query in (f"code=evil&state={state}", f"error=access_denied&state={state}"):
                assert _get(loopback, query).status_code == 404
        # Then the right answer is still awaited
        _get(loopback, f"code=ryc_x&state={STATE}")
        assert loopback.wait(5) == "ryc_x"
        silent.close()


def test_nobody_is_waited_for_without_end(loopback: Loopback) -> None:
    with pytest.raises(NotApproved, match="Nobody approved"):
        loopback.wait(0.0)


def test_nothing_listens_afterwards() -> None:
    with Loopback(STATE) as listening:
        assert _get(listening, "").status_code == 404
    with pytest.raises(httpx.ConnectError):
        _get(listening, "")
