"""`runyard user`."""

from __future__ import annotations

import click

from runyard.cli import asking, commands, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_LIST = (
    Column("name", whole=True),
    Column("display_name"),
    Column("email"),
    Column("is_admin", "flag", "admin"),
    Column("is_disabled", "flag", "disabled"),
    Column("creation_time", "time", "created"),
)
_ONE = (
    *_LIST,
    Column("id"),
    Column("has_password", "flag", "password"),
    Column("external", "flag"),
    Column("groups"),
    Column("roles"),
)

PASSWORD_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input's first line."
)


@click.group(cls=Group)
def user() -> None:
    """Users of a server."""


@user.command(
    examples=(
        "runyard user add alice --email alice@example.org",
        "runyard user add root --admin --data runyard-data  # without a server",
        "printf '%s' \"$PASSWORD\" | runyard user add alice --password-stdin",
    )
)
@click.argument("name")
@click.option("--admin", "is_admin", is_flag=True, help="May administer the server.")
@click.option("--display-name", default="", help="How people call them; the name by default.")
@click.option("--email", default="", help="E-mail address.")
@PASSWORD_STDIN
@click.option("--no-password", is_flag=True, help="They sign in through the identity provider only.")
@click.option(
    "--data",
    metavar="FOLDER",
    help="Make the first administrator in this data folder, while no server runs on it.",
)
@click.option(
    "--database",
    metavar="URL",
    help="Likewise in this database (of a data folder elsewhere, or PostgreSQL).  [env: RUNYARD_DATABASE]",
)
@commands.server_only
@commands.output
def add(
    session: Session,
    name: str,
    is_admin: bool,
    display_name: str,
    email: str,
    password_stdin: bool,
    no_password: bool,
    data: str | None,
    database: str | None,
    out: Output,
) -> None:
    """Add a user.

    The first user must be an administrator; from then on everybody has to sign in. With --data or --database
    it is made without a server; else by the server, as all others are.
    """
    offline = data is not None or database is not None
    if offline and (not is_admin or no_password):
        raise click.UsageError(
            "--data and --database make the first administrator: with --admin and a password."
        )
    if password_stdin and no_password:
        raise click.UsageError("--password-stdin and --no-password exclude each other.")
    password = None if no_password else _new_password(password_stdin)
    if offline:
        from runyard.cli.offline import add_first_admin

        made = add_first_admin(
            name, password or "", display_name=display_name, email=email, data=data, database=database
        )
    else:
        from runyard.client import users

        made = users.create(
            session.http,
            name,
            password=password,
            display_name=display_name,
            email=email,
            is_admin=is_admin,
        )
    where = f" in {made['database']}. From now on everybody has to sign in" if offline else ""
    out.done(f"Added {'administrator' if is_admin else 'user'} '{made['name']}'{where}.", made)


@user.command("list", examples=("runyard user list", "runyard user list -o csv > users.csv"))
@commands.limit
@commands.server_only
@commands.output
def list_(session: Session, limit: int, out: Output) -> None:
    """List users."""
    from runyard.client import users

    found, more = users.listing(session.http, limit)
    out.rows(found, _LIST, more=more, empty="There is no user: the server needs no login.")


@user.command(examples=("runyard user show alice",))
@click.argument("name")
@commands.server_only
@commands.output
def show(session: Session, name: str, out: Output) -> None:
    """Show a user and their groups and roles."""
    from runyard.client import users

    found = users.get(session.http, name)
    if out.form != "json":
        found = {**found, "roles": texts.held(found["roles"])}
    out.item(found, _ONE)


@user.command(
    examples=("runyard user update alice --admin", "runyard user update alice --email alice@example.org")
)
@click.argument("name")
@click.option("--admin/--no-admin", "is_admin", default=None, help="Whether they administer the server.")
@click.option("--display-name", help="How people call them.")
@click.option("--email", help="E-mail address.")
@commands.server_only
@commands.output
def update(
    session: Session,
    name: str,
    is_admin: bool | None,
    display_name: str | None,
    email: str | None,
    out: Output,
) -> None:
    """Change a user."""
    from runyard.client import users

    if is_admin is None and display_name is None and email is None:
        raise click.UsageError("Say what to change: --admin, --no-admin, --display-name or --email.")
    changed = users.change(session.http, name, is_admin=is_admin, display_name=display_name, email=email)
    out.done(f"Changed user '{name}'.", changed)


@user.command(examples=("runyard user disable alice",))
@click.argument("name")
@commands.server_only
@commands.output
def disable(session: Session, name: str, out: Output) -> None:
    """Refuse all credentials of a user, until they are enabled again."""
    from runyard.client import users

    changed = users.change(session.http, name, is_disabled=True)
    out.done(f"Disabled user '{name}'. To undo: runyard user enable {name}", changed)


@user.command(examples=("runyard user enable alice",))
@click.argument("name")
@commands.server_only
@commands.output
def enable(session: Session, name: str, out: Output) -> None:
    """Let a disabled user in again."""
    from runyard.client import users

    out.done(f"Enabled user '{name}'.", users.change(session.http, name, is_disabled=False))


@user.command(
    examples=(
        "runyard user password",
        "runyard user password alice",
        "runyard user password root --data runyard-data   # without a server",
        "runyard user password root --data runyard-data --revoke-tokens",
    )
)
@click.argument("name", required=False)
@PASSWORD_STDIN
@click.option(
    "--data", metavar="FOLDER", help="Set an administrator's in this data folder, while no server runs on it."
)
@click.option(
    "--database",
    metavar="URL",
    help="Likewise in this database (of a data folder elsewhere, or PostgreSQL).  [env: RUNYARD_DATABASE]",
)
@click.option("--revoke-tokens", is_flag=True, help="With --data or --database: end the tokens as well.")
@commands.server_only
@commands.output
def password(
    session: Session,
    name: str | None,
    password_stdin: bool,
    data: str | None,
    database: str | None,
    revoke_tokens: bool,
    out: Output,
) -> None:
    """Change your own password, or set another user's (administrators). It ends the user's sessions.

    For your own, the present password is asked first; --password-stdin then reads it from standard input's
    first line and the new one from its second.

    Where no administrator can sign in any more, --data or --database set an administrator's password without
    a server and without the present one; the activity log notes it. Tokens stay valid, as with a server,
    unless --revoke-tokens ends them.
    """
    if data is not None or database is not None:
        _reset_password(name, password_stdin, data, database, revoke_tokens, out)
        return
    if revoke_tokens:
        raise click.UsageError(
            "--revoke-tokens goes with --data or --database. On a server, `runyard token list --user NAME` "
            "shows the tokens and `runyard token revoke ID` ends one."
        )
    from runyard.client import identity, users

    me = identity.whoami(session.http)["name"]
    name = name or me
    old = None
    if name.lower() == me:
        if password_stdin:
            old = asking.line_of_input("present password")
        else:
            old = asking.secret("Present password", instead="--password-stdin")
    users.set_password(session.http, name, _new_password(password_stdin), old=old)
    out.done(f"Changed the password of '{name}'.", {"name": name})


@user.command(examples=("runyard user delete alice",))
@click.argument("name")
@commands.yes
@commands.server_only
@commands.output
def delete(session: Session, name: str, yes: bool, out: Output) -> None:
    """Move a user to the trash. Their runs stay; their tokens and sessions end for good."""
    from runyard.client import users

    asking.sure(f"Move the user '{name}' to the trash? Their tokens end for good.", yes=yes)
    moved = users.delete(session.http, name)
    out.done(texts.in_trash("user", name, moved), {"deleted": name, **moved})


def _reset_password(
    name: str | None,
    password_stdin: bool,
    data: str | None,
    database: str | None,
    revoke_tokens: bool,
    out: Output,
) -> None:
    if name is None:
        raise click.UsageError("Name the administrator whose password is set.")
    from runyard.cli.offline import reset_password

    new = _new_password(password_stdin)
    changed = reset_password(name, new, revoke_tokens=revoke_tokens, data=data, database=database)
    who, tokens, revoked = changed["name"], changed["tokens"], changed["revoked_tokens"]
    also = f" and {revoked:,} token{'' if revoked == 1 else 's'}" if revoke_tokens else ""
    told = f"Set the password of '{who}' in {changed['database']}, and ended its sessions{also}."
    if tokens:
        told += (
            f" {tokens:,} token{' is' if tokens == 1 else 's are'} still valid: this command with "
            f"--revoke-tokens ends all; on the server `runyard token list --user {who}` shows them and "
            "`runyard token revoke ID` ends one."
        )
    out.done(told, changed)


def _new_password(from_input: bool) -> str:
    return asking.line_of_input("password") if from_input else asking.new_password()
