"""`runyard group`."""

from __future__ import annotations

import click

from runyard.cli import asking, commands, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_LIST = (
    Column("name", whole=True),
    Column("display_name"),
    Column("creation_time", "time", "created"),
)
_ONE = (*_LIST, Column("id"))
_MEMBERS = (Column("name", whole=True), Column("kind", "kind"), Column("display_name"))


@click.group(cls=Group)
def group() -> None:
    """Groups of users and service principals.

    What a group is given by `runyard workspace assign` and `runyard permission set`, its members have.
    """


@group.command(examples=("runyard group create vision --display-name 'Vision team'",))
@click.argument("name")
@click.option("--display-name", default="", help="How people call it; the name by default.")
@commands.server_only
@commands.output
def create(session: Session, name: str, display_name: str, out: Output) -> None:
    """Create a group."""
    from runyard.client import groups

    made = groups.create(session.http, name, display_name=display_name)
    out.done(f"Created group '{made['name']}'.", made)


@group.command("list", examples=("runyard group list",))
@commands.limit
@commands.server_only
@commands.output
def list_(session: Session, limit: int, out: Output) -> None:
    """List groups."""
    from runyard.client import groups

    found, more = groups.listing(session.http, limit)
    out.rows(found, _LIST, more=more, empty="There is no group.")


@group.command(examples=("runyard group show vision",))
@click.argument("name")
@commands.server_only
@commands.output
def show(session: Session, name: str, out: Output) -> None:
    """Show a group; `members` lists who is in it."""
    from runyard.client import groups

    out.item(groups.get(session.http, name), _ONE)


@group.command(examples=("runyard group update vision --display-name 'All eyes'",))
@click.argument("name")
@click.option("--display-name", required=True, help="How people call it.")
@commands.server_only
@commands.output
def update(session: Session, name: str, display_name: str, out: Output) -> None:
    """Change how people call a group."""
    from runyard.client import groups

    changed = groups.change(session.http, name, display_name=display_name)
    out.done(f"Changed group '{name}'.", changed)


@group.command(examples=("runyard group members vision",))
@click.argument("name")
@commands.limit
@commands.server_only
@commands.output
def members(session: Session, name: str, limit: int, out: Output) -> None:
    """List who is in a group."""
    from runyard.client import groups

    found, more = groups.members(session.http, name, limit)
    out.rows(found, _MEMBERS, more=more, empty="Nobody is in this group.")


@group.command(examples=("runyard group add vision alice bob",))
@click.argument("name")
@click.argument("added", metavar="MEMBER...", nargs=-1, required=True)
@commands.server_only
@commands.output
def add(session: Session, name: str, added: tuple[str, ...], out: Output) -> None:
    """Put users or service principals into a group."""
    from runyard.client import groups

    for member in added:
        groups.add(session.http, name, member)
    out.done(f"Now in '{name}': {', '.join(added)}.", {"group": name, "added": list(added)})


@group.command(examples=("runyard group remove vision bob",))
@click.argument("name")
@click.argument("removed", metavar="MEMBER...", nargs=-1, required=True)
@commands.server_only
@commands.output
def remove(session: Session, name: str, removed: tuple[str, ...], out: Output) -> None:
    """Take users or service principals out of a group."""
    from runyard.client import groups

    for member in removed:
        groups.remove(session.http, name, member)
    out.done(f"No longer in '{name}': {', '.join(removed)}.", {"group": name, "removed": list(removed)})


@group.command(examples=("runyard group delete vision",))
@click.argument("name")
@commands.yes
@commands.server_only
@commands.output
def delete(session: Session, name: str, yes: bool, out: Output) -> None:
    """Move a group to the trash. Its members stay; what they hold through it ends until it is restored."""
    from runyard.client import groups

    question = f"Move the group '{name}' to the trash? What its members hold through it ends."
    asking.sure(question, yes=yes)
    moved = groups.delete(session.http, name)
    out.done(texts.in_trash("group", name, moved), {"deleted": name, **moved})
