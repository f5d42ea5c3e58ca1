"""Credentials, and where this machine keeps them: the system's keyring, else a file for its owner only.

A secret is never part of a `repr`, a message or a log line.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from runyard.client import folder
from runyard.client.errors import ConfigurationError

FILE = "credentials.json"
SERVICE = "runyard"

Place = Literal["keyring", "file"]


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request proves by whom it was sent: a token, or a name and a password.

    Attributes:
        secret: the token or the password.
        user: the name that belongs to a password; empty with a token.
        source: where it came from, for people.
    """

    secret: str = field(repr=False)
    user: str = ""
    source: str = ""

    @property
    def header(self) -> str:
        """The value of the `Authorization` header."""
        if not self.user:
            return f"Bearer {self.secret}"
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode("ascii")

    def check(self) -> None:
        """Refuse what no header can hold.

        Raises:
            ConfigurationError: it holds a line break, or a token something beside printable ASCII.
        """
        whole = self.secret.isascii() and self.secret.isprintable() and " " not in self.secret
        if not self.user and not (self.secret and whole):
            raise ConfigurationError(
                f"{self.source or 'The token'} holds no token: a token is one word of ASCII."
            )
        if ":" in self.user:
            raise ConfigurationError("A user's name has no ':'.")


class Store(Protocol):
    """A place that keeps a token for every server."""

    def get(self, url: str) -> str | None:
        """The token of a server."""

    def set(self, url: str, token: str) -> None:
        """Keep a token."""

    def delete(self, url: str) -> None:
        """Forget a token; nothing happens where there is none."""


class FileStore:
    """A JSON file that only its owner can read.

    Args:
        home: the folder of the user's settings.
    """

    def __init__(self, home: Path) -> None:
        self.file = home / FILE

    def get(self, url: str) -> str | None:
        """The token of a server.

        Raises:
            ConfigurationError: the file can't be read, or others can read it.
        """
        return self._read().get(url)

    def set(self, url: str, token: str) -> None:
        """Keep a token.

        Raises:
            ConfigurationError: the file can't be read or written, or others can read it.
        """
        with folder.locked(self.file.parent):
            self._write({**self._read(), url: token})

    def delete(self, url: str) -> None:
        """Forget a token.

        Raises:
            ConfigurationError: as of `set`.
        """
        if not self.file.exists():
            return
        with folder.locked(self.file.parent):
            kept = self._read()
            if kept.pop(url, None) is not None:
                self._write(kept)

    def _read(self) -> dict[str, str]:
        content = folder.read(self.file, private=True)
        if content is None:
            return {}
        try:
            return msgspec.json.decode(content, type=dict[str, str])
        except msgspec.DecodeError:
            # The error's own text would quote the file.
            raise ConfigurationError(
                f"{self.file} is damaged. Remove it and sign in again: runyard login URL."
            ) from None

    def _write(self, kept: Mapping[str, str]) -> None:
        folder.write(self.file, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")


class KeyringStore:
    """The operating system's keyring, through the optional package `keyring`."""

    def get(self, url: str) -> str | None:
        """The token of a server.

        Raises:
            ConfigurationError: the keyring isn't there, or doesn't open.
        """
        import keyring
        from keyring.errors import KeyringError

        try:
            return keyring.get_password(SERVICE, url)
        except (KeyringError, OSError, RuntimeError) as error:
            raise _closed(error) from error

    def set(self, url: str, token: str) -> None:
        """Keep a token, and make sure that it can be read again.

        Raises:
            ConfigurationError: the keyring isn't there, or doesn't open.
        """
        import keyring
        from keyring.errors import KeyringError

        try:
            keyring.set_password(SERVICE, url, token)
            kept = keyring.get_password(SERVICE, url)
        except (KeyringError, OSError, RuntimeError) as error:
            raise _closed(error) from error
        if kept != token:
            raise ConfigurationError("The keyring doesn't give back what it was given.")

    def delete(self, url: str) -> None:
        """Forget a token.

        Raises:
            ConfigurationError: the keyring isn't there, or doesn't open.
        """
        import keyring
        from keyring.errors import KeyringError, PasswordDeleteError

        try:
            keyring.delete_password(SERVICE, url)
        except PasswordDeleteError:
            return  # there is none
        except (KeyringError, OSError, RuntimeError) as error:
            raise _closed(error) from error


def has_keyring() -> bool:
    """Whether the package `keyring` is installed and found a keyring that it recommends."""
    try:
        import keyring
    except ImportError:
        return False
    try:
        # Below 1 are those that refuse everything, keep nothing, or keep it in the open.
        return bool(keyring.get_keyring().priority >= 1)
    except Exception:  # noqa: BLE001 - a backend of any kind may fail in any way; then there is none
        return False


def store_of(place: Place, home: Path) -> Store:
    """The store of a place.

    Raises:
        ConfigurationError: it is the keyring, and the package `keyring` isn't installed any more.
    """
    if place == "file":
        return FileStore(home)
    try:
        import keyring  # noqa: F401 - only whether it is there
    except ImportError:
        raise ConfigurationError(
            "The token is in the system's keyring, and the package that reads it isn't installed: "
            "pip install 'runyard[keyring]', or sign in again: runyard login URL."
        ) from None
    return KeyringStore()


def keep(url: str, token: str, home: Path, place: Place | None = None) -> Place:
    """Keep a server's token; returns where.

    Args:
        url: the server.
        token: its token.
        home: the folder of the user's settings.
        place: where; None: in the keyring if there is one that works, else in the file.

    Raises:
        ConfigurationError: it can't be kept there.
    """
    if place is None and has_keyring():
        try:
            KeyringStore().set(url, token)
        except ConfigurationError:
            pass  # locked, or without a desktop: the file serves
        else:
            return "keyring"
    place = place or "file"
    store_of(place, home).set(url, token)
    return place


def _closed(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The system's keyring can't be used ({type(error).__name__}). Unlock it, or keep the token in a "
        "file: runyard login URL --keep file."
    )
