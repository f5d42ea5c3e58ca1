"""Which servers this user has signed in to, as whom, and which one is meant when none is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from runyard.client import folder
from runyard.client.credentials import Place
from runyard.client.errors import ConfigurationError

FILE = "config.json"


class Login(msgspec.Struct, omit_defaults=True):
    """What is kept about a server; the token itself is where `kept` says.

    Attributes:
        user: as whom; empty where the server asked for no login.
        workspace: the one to use when none is named; empty for the server's own choice.
        bound: whether that one was not chosen, but is the only one of the token: it goes with it.
        token_id: the token's id, by which it is revoked.
        kept: where the token is; None where there is none.
    """

    user: str = ""
    workspace: str = ""
    token_id: str = ""
    kept: Place | None = None
    bound: bool = False


class Logins(msgspec.Struct, omit_defaults=True):
    """All of them.

    Attributes:
        current: the server that is meant when none is named; empty for none.
        servers: by URL.
    """

    current: str = ""
    servers: dict[str, Login] = {}


def load(home: Path) -> Logins:
    """What is kept in the folder of the user's settings.

    Raises:
        ConfigurationError: the file can't be read.
    """
    file = home / FILE
    content = folder.read(file)
    if content is None:
        return Logins()
    try:
        return msgspec.json.decode(content, type=Logins)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{file} is damaged ({error}). Mend it, or remove it and sign in again."
        ) from error


def change(home: Path, how: Callable[[Logins], None]) -> None:
    """Change what is kept; two changes at once are both kept.

    Raises:
        ConfigurationError: the file can't be read or written.
    """
    with folder.locked(home):
        logins = load(home)
        how(logins)
        folder.write(home / FILE, msgspec.json.format(msgspec.json.encode(logins), indent=2) + b"\n")
