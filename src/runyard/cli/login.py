"""`runyard login`, `runyard logout` and `runyard whoami`."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import asking, commands, texts
from runyard.cli.commands import Command
from runyard.cli.output import Column, Output
from runyard.cli.session import DEFAULT_WORKSPACE, Session
from runyard.client.errors import ClientError, ConfigurationError, NotFound, NotSignedIn

if TYPE_CHECKING:
    from pathlib import Path

    from runyard.client.address import Address
    from runyard.client.credentials import Credential, Place
    from runyard.client.logins import Logins

_ME = (
    Column("name", whole=True),
    Column("kind", "kind"),
    Column("is_admin", "flag", "administrator"),
    Column("url", head="server"),
    Column("workspace"),
    Column("roles"),
    Column("permissions"),
    Column("credential"),
    Column("credential_source", head="from"),
    Column("expiry_time", "time", "expires"),
    Column("login_required", "flag"),
)


@click.command(
    cls=Command,
    examples=(
        "runyard login https://ml.example.org",
        "runyard login https://ml.example.org --browser --days 30",
        "runyard login https://ml.example.org/w/vision --user alice",
        "runyard login https://ml.example.org --token < token.txt",
    ),
)
@click.argument("url", required=False)
@click.option("--user", metavar="NAME", help="Who you are; asked for otherwise.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input's first line; needs --user."
)
@click.option(
    "--token",
    "with_token",
    is_flag=True,
    help="Sign in with a token instead: it is asked for, or read from standard input.",
)
@click.option(
    "--browser/--no-browser",
    default=None,
    help="Sign in in the browser, at the server or its provider; with --no-browser in one on another "
    "machine, from which you bring back a code.",
)
@click.option("--days", type=click.IntRange(min=1), metavar="N", help="Until this machine's token expires.")
@click.option(
    "--keep",
    "place",
    type=click.Choice(["keyring", "file"]),
    help="Where the token is kept; by default in the system's keyring if there is one.",
)
@commands.output
def login(
    url: str | None,
    user: str | None,
    password_stdin: bool,
    with_token: bool,
    browser: bool | None,
    days: int | None,
    place: Place | None,
    out: Output,
) -> None:
    """Sign in to a server, and use it from now on.

    In the browser, or with your name and password, this machine gets a token of its own, which is kept in
    the system's keyring or in a file that only you can read; the password isn't kept. On a server without
    login it is only noted as the one in use.
    """
    from runyard.client import address, settings, sign_in
    from runyard.client.http import Http

    _check(user, password_stdin, with_token, browser, days)
    known = settings.load(url=url)
    at = address.parse(url or known.url)
    with Http(at.url) as http:
        offer = sign_in.offer(http)
    if not offer.login_required:
        _keep(known.home, at, _Made())
        message = f"{at.url} needs no login. It is the server in use from now on."
        out.done(message, {"url": at.url, "user": None, "kept": None})
        return
    if not at.is_encrypted and not at.is_loopback:
        out.note(f"Warning: {at.url} is not encrypted: others on the network can read what you type.")
    if days is not None and days > offer.max_days:
        raise click.UsageError(f"--days: tokens of this server live for {offer.max_days} days at most.")
    if with_token:
        made = _by_token(at)
    else:
        if browser is None and user is None:
            user = _name(offer.provider)
        made = _by_password(at, user, password_stdin, days) if user else _by_browser(at, out, browser, days)
    kept = _keep(known.home, at, made, place)
    _tell(out, at, made, kept, known.home)
    with suppress(ClientError):
        _tell_entry(out, Session(url or at.url, None))


@click.command(cls=Command, examples=("runyard logout", "runyard logout https://ml.example.org"))
@click.argument("url", required=False)
@commands.output
def logout(url: str | None, out: Output) -> None:
    """Sign out: revoke this machine's token and forget it."""
    from runyard.client import credentials, logins, settings

    known = settings.load(url=url)
    if known.login is None:
        raise NotSignedIn(f"You aren't signed in to {known.url}.", status=401, error_code="")
    failure = None
    revoked = False
    if known.login.kept is not None:
        store = credentials.store_of(known.login.kept, known.home)
        token = store.get(known.url)
        if token and known.login.token_id:
            try:
                revoked = _revoke(known.url, credentials.Credential(token), known.login.token_id)
            except ClientError as error:
                failure = error
        store.delete(known.url)

    def forgotten(kept: Logins) -> None:
        kept.servers.pop(known.url, None)
        if kept.current == known.url:
            kept.current = ""

    logins.change(known.home, forgotten)
    if failure is not None:
        out.note(f"Forgotten on this machine, but the token {known.login.token_id} could not be revoked.")
        raise failure
    told = "The token is revoked and forgotten." if revoked else "It is forgotten on this machine."
    out.done(f"Signed out of {known.url}. {told}", {"url": known.url, "revoked": revoked})


@click.command(cls=Command, examples=("runyard whoami", "runyard whoami -w vision -o json"))
@commands.server
@commands.output
def whoami(session: Session, out: Output) -> None:
    """Show as whom you are signed in, where, and what you may do."""
    from runyard.client import identity

    found = identity.whoami(session.http)
    credential = session.settings.credential()
    source = credential.source if credential is not None else None
    # Who has it is an administrator, with a credential that takes nothing away.
    if out.for_people and "server/users/write" in found["permissions"]:
        found = {**found, "permissions": "everything"}
    out.item({**found, "url": session.settings.url, "credential_source": source}, _ME)
    _tell_entry(out, session, found)


class _Made:
    """What signing in gave.

    Args:
        told: what the server said of the token, if it made one.
        token: the secret.
        user: its owner.
    """

    def __init__(self, told: dict[str, Any] | None = None, token: str = "", user: str = "") -> None:
        self.token = token
        self.user = user
        self.id = str((told or {}).get("id", ""))
        self.name = str((told or {}).get("name", ""))
        self.expiry_time = (told or {}).get("expiry_time")
        # The only one that it is good for.
        self.workspace = (told or {}).get("workspace") or ""


def _check(
    user: str | None, password_stdin: bool, with_token: bool, browser: bool | None, days: int | None
) -> None:
    """Refuse options that don't go together."""
    if password_stdin and (user is None or with_token):
        raise click.UsageError("--password-stdin needs --user, and no --token.")
    if browser is not None and (user is not None or with_token):
        raise click.UsageError("In the browser you say who you are: leave --user and --token away.")
    if with_token and (user is not None or days is not None):
        raise click.UsageError(
            "A token says itself who you are and until when: leave --user and --days away."
        )


def _name(provider: str | None) -> str:
    """Who somebody is, as typed; nothing for who wants to say so in the browser."""
    instead = "--browser, --user and --password-stdin, or --token"
    if provider is None:
        return asking.text("Name", instead=instead)
    what = f"Name, or Enter alone to sign in in the browser ({texts.safe(provider)})"
    return asking.text(what, default="", instead=instead).strip()


def _by_token(at: Address) -> _Made:
    from runyard.client import identity
    from runyard.client.credentials import Credential
    from runyard.client.http import Http

    if sys.stdin.isatty():
        token = asking.secret("Token", instead="--token with standard input")
    else:
        token = asking.line_of_input("token")
    credential = Credential(token.strip())
    credential.check()
    with Http(at.url, None, credential) as http:
        me = identity.whoami(http)
    only = me["workspace"] if me.get("one_workspace") else None
    return _Made({"expiry_time": me.get("expiry_time"), "workspace": only}, credential.secret, me["name"])


def _by_password(at: Address, user: str, password_stdin: bool, days: int | None) -> _Made:
    from runyard.client import tokens
    from runyard.client.credentials import Credential
    from runyard.client.http import Http

    instead = "--password-stdin, --browser or --token"
    password = (
        asking.line_of_input("password") if password_stdin else asking.secret("Password", instead=instead)
    )
    credential = Credential(password, user)
    credential.check()
    with Http(at.url, None, credential) as http:
        made = tokens.create(http, _name_of_token(), days=days)
    return _Made(made, made["token"], made["owner"])


def _by_browser(at: Address, out: Output, here: bool | None, days: int | None) -> _Made:
    from runyard.cli.browser import sign_in

    made = sign_in(at.url, out, name=_name_of_token(), days=days, here=here is not False)
    return _Made(made, made["token"], made["owner"])


def _name_of_token() -> str:
    return f"runyard on {texts.safe(platform.node())[:80] or 'a machine'}"


def _keep(home: Path, at: Address, made: _Made, place: Place | None = None) -> Place | None:
    """Keep the token and the server; what was kept before is revoked. Returns where the token is."""
    from runyard.client import credentials, logins

    before = logins.load(home).servers.get(at.url, logins.Login())
    old = None
    if before.kept is not None:
        with suppress(ClientError):
            old = credentials.store_of(before.kept, home).get(at.url)
    kept = None
    if made.token:
        try:
            kept = credentials.keep(at.url, made.token, home, place)
        except ConfigurationError:
            # Nobody could use it: it shouldn't lie about.
            with suppress(ClientError):
                _revoke(at.url, credentials.Credential(made.token), made.id)
            raise

    def noted(known: Logins) -> None:
        chosen = at.workspace or ("" if before.bound or made.workspace else before.workspace)
        known.servers[at.url] = logins.Login(
            made.user, chosen or made.workspace, made.id, kept, bound=not chosen and bool(made.workspace)
        )
        known.current = at.url

    logins.change(home, noted)
    # Nothing depends on whether the rest succeeds.
    with suppress(ClientError):
        if old and before.token_id:
            _revoke(at.url, credentials.Credential(old), before.token_id)
    with suppress(ClientError):
        if before.kept is not None and before.kept != kept:
            credentials.store_of(before.kept, home).delete(at.url)
    return kept


def _revoke(url: str, credential: Credential, token_id: str) -> bool:
    """Revoke a token; one that isn't valid any more is as good as revoked."""
    from runyard.client import tokens
    from runyard.client.http import Http

    if not token_id:
        return False
    with Http(url, None, credential) as http, suppress(NotSignedIn, NotFound):
        tokens.revoke(http, token_id)
    return True


def _tell(out: Output, at: Address, made: _Made, kept: Place | None, home: Path) -> None:
    from runyard.client import credentials, settings

    where = "in the system's keyring" if kept == "keyring" else f"in {home / credentials.FILE}, for you only"
    token = f"The token '{made.name}'" if made.name else "The token"
    until = f" and expires {texts.time(made.expiry_time)}" if made.expiry_time else ""
    told = {"url": at.url, "user": made.user, "token_id": made.id, "kept": kept}
    out.done(
        f"Signed in to {at.url} as {made.user}. {token} is kept {where}{until}.",
        {**told, "expiry_time": made.expiry_time},
    )
    for name in settings.overrides():
        out.note(f"{name} is set in the environment and comes first.")


def _tell_entry(out: Output, session: Session, me: dict[str, Any] | None = None) -> None:
    """Say which workspaces are there for somebody who may not enter the one in use."""
    from runyard.client import identity, workspaces

    if (me or identity.whoami(session.http))["workspace"] is not None:
        return
    found, more = workspaces.listing(session.http, limit=5)
    if not found:
        out.note("You have no role in any workspace yet: ask an administrator of the server for one.")
        return
    names, first = ", ".join(one["name"] for one in found), found[0]["name"]
    there = session.settings.workspace or DEFAULT_WORKSPACE
    out.note(
        f"There is no workspace '{there}' that you may enter. You may enter: "
        f"{names}{', ...' if more else ''} (`-w {first}`, or `runyard workspace use {first}`)."
    )
