"""Reading what an HTML form sends."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from runyard.server.kernel.errors import MalformedRequest, TooLarge, UnsupportedMediaType

MAX_FORM = 16 * 1024
MAX_FIELDS = 20


async def read_form(scope: Scope, receive: Receive) -> dict[str, str]:
    """The fields of a form; of a field that comes several times, the last.

    Raises:
        UnsupportedMediaType: it isn't sent as a form without files.
        TooLarge: it is longer than 16 KiB.
        MalformedRequest: it isn't UTF-8.
        ClientDisconnect: the client went away.
    """
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    if [kind.partition(b";")[0].strip().lower() for kind in kinds] != [b"application/x-www-form-urlencoded"]:
        raise UnsupportedMediaType("This address takes a form: 'application/x-www-form-urlencoded'.")
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_FORM:
            raise TooLarge(f"The form is longer than {MAX_FORM:,} bytes.")
        more = message.get("more_body", False)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError as error:
        raise MalformedRequest("The form isn't UTF-8.") from error
    except ValueError as error:
        raise MalformedRequest(f"The form has more than {MAX_FIELDS} fields.") from error
    return {name: values[-1] for name, values in fields.items()}


def own_path(text: str | None) -> str:
    """A path of this server to go on to, or `/` where the text is none.

    A browser takes `//host`, `/\\host` and, since it drops tabs and line breaks, `/<tab>/host` for another
    server's address.
    """
    plain = text is not None and text.isprintable() and "\\" not in text and len(text) <= 2000
    if text is None or not plain or not text.startswith("/") or text.startswith("//"):
        return "/"
    return text
