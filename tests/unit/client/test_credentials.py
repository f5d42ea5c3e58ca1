"""Credentials: where they are kept, and who can read them."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import types
from pathlib import Path

import pytest

from runyard.client import credentials, folder
from runyard.client.credentials import Credential, FileStore
from runyard.client.errors import ConfigurationError

A, B = "https://a.example.org", "https://b.example.org"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring of whoever runs the tests is left alone."""
    monkeypatch.setattr(credentials, "has_keyring", lambda: False)


class Keyring(types.ModuleType):
    """The package `keyring`, in memory; with `fault` it fails."""

    def __init__(self, priority: float = 5, fault: Exception | None = None, forgets: bool = False) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.priority = priority
        self.fault = fault
        self.forgets = forgets

    def get_keyring(self) -> Keyring:
        return self

    def get_password(self, service: str, name: str) -> str | None:
        if self.fault:
            raise self.fault
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        if self.fault:
            raise self.fault
        if not self.forgets:
            self.kept[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        from keyring.errors import PasswordDeleteError

        if self.fault:
            raise self.fault
        if self.kept.pop((service, name), None) is None:
            raise PasswordDeleteError


def _install(monkeypatch: pytest.MonkeyPatch, keyring: Keyring) -> None:
    pytest.importorskip("keyring.errors")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "keyring", keyring)


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        (Credential("ryp_abc"), "Bearer ryp_abc"),
        (Credential("pass:word", "alice"), "Basic YWxpY2U6cGFzczp3b3Jk"),
        (Credential("pässword", "alice"), "Basic YWxpY2U6cMOkc3N3b3Jk"),
    ],
)
def test_the_header(credential: Credential, header: str) -> None:
    credential.check()
    assert credential.header == header


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak", "\x1b[0m", "tökén"])
def test_what_is_no_token_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="RUNYARD_TOKEN") as failed:
        Credential(secret, source="RUNYARD_TOKEN").check()
    assert not secret or secret not in str(failed.value)


def test_a_secret_is_not_in_its_repr() -> None:
    assert "ryp_abc" not in repr(Credential("ryp_abc"))


def test_the_file_is_for_its_owner_only_and_holds_every_server(tmp_path: Path) -> None:
    home = tmp_path / "runyard"
    store = FileStore(home)
    assert store.get(A) is None
    # When
    store.set(A, "ryp_a")
    store.set(B, "ryp_b")
    store.delete(A)
    store.delete(A)
    # Then
    assert (store.get(A), store.get(B)) == (None, "ryp_b")
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert sorted(path.name for path in home.iterdir()) == [".lock", "credentials.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    store = FileStore(tmp_path)
    store.set(A, "ryp_a")
    store.file.chmod(mode)
    for use in (lambda: store.get(A), lambda: store.set(A, "x"), lambda: store.delete(A)):
        with pytest.raises(ConfigurationError, match="chmod 600"):
            use()  # type: ignore[no-untyped-call]
    assert json.loads(store.file.read_text()) == {A: "ryp_a"}


def test_a_damaged_file_is_told_without_its_content(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    folder.write(store.file, b'{"https://a": "ryp_secret"')
    with pytest.raises(ConfigurationError, match="damaged") as failed:
        store.get(A)
    assert "ryp_secret" not in str(failed.value)


def test_writers_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    urls = [f"https://{i}.example.org" for i in range(20)]
    threads = [threading.Thread(target=store.set, args=(url, "ryp_x")) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.get(url) for url in urls] == ["ryp_x"] * len(urls)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    store.set(A, "ryp_a")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="no space left"):
        store.set(A, "ryp_new")
    assert store.get(A) == "ryp_a"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "credentials.json"]


def test_without_a_keyring_the_file_keeps(tmp_path: Path) -> None:
    assert credentials.keep(A, "ryp_a", tmp_path) == "file"
    assert credentials.store_of("file", tmp_path).get(A) == "ryp_a"


def test_a_keyring_that_works_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = Keyring()
    _install(monkeypatch, keyring)
    assert credentials.keep(A, "ryp_a", tmp_path) == "keyring"
    assert keyring.kept == {("runyard", A): "ryp_a"}
    store = credentials.store_of("keyring", tmp_path)
    assert store.get(A) == "ryp_a"
    store.delete(A)
    store.delete(A)
    assert store.get(A) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "keyring",
    [
        Keyring(priority=0),
        Keyring(priority=0.5),
        Keyring(fault=RuntimeError("no bus")),
        Keyring(forgets=True),
    ],
    ids=["none", "in the open", "broken", "forgetful"],
)
def test_a_keyring_that_does_not_serve_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyring: Keyring
) -> None:
    _install(monkeypatch, keyring)
    assert credentials.keep(A, "ryp_a", tmp_path) == "file"
    assert credentials.store_of("file", tmp_path).get(A) == "ryp_a"


def test_a_keyring_that_was_asked_for_must_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, Keyring(fault=RuntimeError("locked")))
    with pytest.raises(ConfigurationError, match="--keep file"):
        credentials.keep(A, "ryp_a", tmp_path, "keyring")


def test_a_token_in_a_keyring_whose_package_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"runyard\[keyring\]"):
        credentials.store_of("keyring", tmp_path)
