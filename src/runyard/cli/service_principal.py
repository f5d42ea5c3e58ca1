"""`runyard service-principal`."""

from __future__ import annotations

import click

from runyard.cli import asking, commands, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_LIST = (
    Column("name", whole=True),
    Column("display_name"),
    Column("is_admin", "flag", "admin"),
    Column("is_disabled", "flag", "disabled"),
    Column("creation_time", "time", "created"),
)
_ONE = (*_LIST, Column("id"), Column("groups"), Column("roles"))


@click.group(cls=Group)
def service_principal() -> None:
    """Service principals: who programs sign in as.

    They have no password; make them tokens: runyard token create NAME --for SERVICE_PRINCIPAL.
    """


@service_principal.command(
    examples=("runyard service-principal add ci --display-name 'Continuous integration'",)
)
@click.argument("name")
@click.option("--display-name", default="", help="How people call it; the name by default.")
@click.option("--admin", "is_admin", is_flag=True, help="May administer the server.")
@commands.server_only
@commands.output
def add(session: Session, name: str, display_name: str, is_admin: bool, out: Output) -> None:
    """Add a service principal."""
    from runyard.client import service_principals

    made = service_principals.create(session.http, name, display_name=display_name, is_admin=is_admin)
    out.done(f"Added service principal '{made['name']}'.", made)


@service_principal.command("list", examples=("runyard service-principal list",))
@commands.limit
@commands.server_only
@commands.output
def list_(session: Session, limit: int, out: Output) -> None:
    """List service principals."""
    from runyard.client import service_principals

    found, more = service_principals.listing(session.http, limit)
    out.rows(found, _LIST, more=more, empty="There is no service principal.")


@service_principal.command(examples=("runyard service-principal show ci",))
@click.argument("name")
@commands.server_only
@commands.output
def show(session: Session, name: str, out: Output) -> None:
    """Show a service principal and its groups and roles."""
    from runyard.client import service_principals

    found = service_principals.get(session.http, name)
    if out.form != "json":
        found = {**found, "roles": texts.held(found["roles"])}
    out.item(found, _ONE)


@service_principal.command(examples=("runyard service-principal update ci --display-name 'Nightly builds'",))
@click.argument("name")
@click.option("--admin/--no-admin", "is_admin", default=None, help="Whether it administers the server.")
@click.option("--display-name", help="How people call it.")
@commands.server_only
@commands.output
def update(session: Session, name: str, is_admin: bool | None, display_name: str | None, out: Output) -> None:
    """Change a service principal."""
    from runyard.client import service_principals

    if is_admin is None and display_name is None:
        raise click.UsageError("Say what to change: --admin, --no-admin or --display-name.")
    changed = service_principals.change(session.http, name, is_admin=is_admin, display_name=display_name)
    out.done(f"Changed service principal '{name}'.", changed)


@service_principal.command(examples=("runyard service-principal disable ci",))
@click.argument("name")
@commands.server_only
@commands.output
def disable(session: Session, name: str, out: Output) -> None:
    """Refuse its tokens, until it is enabled again."""
    from runyard.client import service_principals

    changed = service_principals.change(session.http, name, is_disabled=True)
    message = f"Disabled service principal '{name}'. To undo: runyard service-principal enable {name}"
    out.done(message, changed)


@service_principal.command(examples=("runyard service-principal enable ci",))
@click.argument("name")
@commands.server_only
@commands.output
def enable(session: Session, name: str, out: Output) -> None:
    """Take its tokens again."""
    from runyard.client import service_principals

    changed = service_principals.change(session.http, name, is_disabled=False)
    out.done(f"Enabled service principal '{name}'.", changed)


@service_principal.command(examples=("runyard service-principal delete ci",))
@click.argument("name")
@commands.yes
@commands.server_only
@commands.output
def delete(session: Session, name: str, yes: bool, out: Output) -> None:
    """Move a service principal to the trash. Its tokens end for good."""
    from runyard.client import service_principals

    asking.sure(f"Move the service principal '{name}' to the trash? Its tokens end for good.", yes=yes)
    moved = service_principals.delete(session.http, name)
    out.done(texts.in_trash("service_principal", name, moved), {"deleted": name, **moved})
