"""Tokens. What is told about one is a dict, as the server told it; a new one's `token` is its secret."""

from __future__ import annotations

from runyard.client.address import segment
from runyard.client.http import NATIVE, Http, Object, native_page, pages

_AT = f"{NATIVE}/tokens"


def listing(
    http: Http, *, user: str | None = None, expired: bool = False, limit: int = 0
) -> tuple[list[Object], bool]:
    """One's own tokens or, for administrators, another user's, newest first.

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, _AT, {"user": user, "expired": expired or None}), limit)


def create(
    http: Http,
    name: str,
    *,
    days: int | None = None,
    workspace: str | None = None,
    principal: str | None = None,
) -> Object:
    """Make a personal token.

    Args:
        http: the server.
        name: what its owner recognizes it by.
        days: until it expires; None for the server's choice.
        workspace: the only one that it will be good for; None for all.
        principal: a service principal that it is for; None for oneself.

    Raises:
        ClientError: see `errors`.
    """
    body = {"name": name, "days": days, "workspace": workspace, "principal": principal}
    made: Object = http.post(_AT, {key: value for key, value in body.items() if value is not None})
    return made


def create_tracking(http: Http, *, seconds: int | None = None) -> Object:
    """Make a token for tracking in the chosen workspace, for an hour at most.

    Raises:
        ClientError: see `errors`.
    """
    made: Object = http.post(f"{_AT}/tracking", {} if seconds is None else {"seconds": seconds})
    return made


def create_for_run(http: Http, run_id: str) -> Object:
    """Make a token for one run, its artifacts and its children.

    Raises:
        ClientError: see `errors`.
    """
    made: Object = http.post(f"{_AT}/run", {"run_id": run_id})
    return made


def revoke(http: Http, token_id: str) -> None:
    """Revoke a token.

    Raises:
        ClientError: see `errors`.
    """
    http.delete(f"{_AT}/{segment(token_id)}")
