"""Names of principals, roles, tokens and folders: pure functions that raise `InvalidArgument`."""

from __future__ import annotations

import re

from runyard.server.kernel.errors import InvalidArgument

MAX_DISPLAY_NAME = 200
MAX_EMAIL = 254
MAX_TOKEN_NAME = 100
MAX_DESCRIPTION = 1000
# As long as an experiment's name.
MAX_PATH = 500

_PRINCIPAL = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}[A-Za-z0-9]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
# What the activity log calls those who are no principals.
_RESERVED = frozenset(("local", "nobody"))


def principal_name(name: str) -> str:
    """The name of a user, service principal or group as it is stored: in lower case."""
    plain = name.lower()
    if _PRINCIPAL.fullmatch(plain) is None:
        raise InvalidArgument(
            f"'{cut(name)}' can't be a name: it has 2 to 64 letters (a-z), digits and . _ @ -, and begins "
            "with a letter or a digit.",
            field="name",
        )
    if plain in _RESERVED:
        raise InvalidArgument(f"'{plain}' can't be a name: the server uses it itself.", field="name")
    return plain


def role_name(name: str) -> str:
    """The name of a custom role."""
    if _ROLE.fullmatch(name) is None:
        raise InvalidArgument(
            f"'{cut(name)}' can't be a role's name: it has 2 to 64 letters, digits, spaces and . _ -, and "
            "begins and ends with a letter or a digit.",
            field="name",
        )
    return name


def email(text: str) -> str:
    """An e-mail address, or nothing."""
    check_line(text, MAX_EMAIL, "email")
    if text and _EMAIL.fullmatch(text) is None:
        raise InvalidArgument(f"'{cut(text)}' is no e-mail address.", field="email")
    return text


def token_name(name: str) -> str:
    """The name of a token: what its owner recognizes it by."""
    check_line(name, MAX_TOKEN_NAME, "name")
    if not name.strip():
        raise InvalidArgument("A token needs a name, such as that of the machine it is for.", field="name")
    return name.strip()


def folder(path: str, field: str = "path") -> str:
    """The path of a folder as rules hold it: without a slash at its end; `/` is all of the workspace."""
    check_line(path, MAX_PATH, field)
    plain = path.rstrip("/") or ("/" if path else "")
    if not plain.strip():
        raise InvalidArgument(
            f"'{field}' is empty; a folder is named like '/Shared/team', all of the workspace is '/'.",
            field=field,
        )
    return plain


def check_line(text: str, limit: int, field: str) -> None:
    """A text of at most `limit` characters, none of which controls a terminal."""
    if len(text) > limit:
        raise InvalidArgument(
            f"'{field}' has at most {limit:,} characters; this one has {len(text):,}.", field=field
        )
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise InvalidArgument(f"'{field}' holds a control character; remove it.", field=field)


def cut(text: str, limit: int = 100) -> str:
    """The text as an error message may show it."""
    return text if len(text) <= limit else f"{text[:limit]}..."
