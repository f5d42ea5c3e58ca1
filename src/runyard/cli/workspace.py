"""`runyard workspace`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runyard.cli import asking, commands, texts
from runyard.cli import quotas as quota_tables
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.logins import Logins

_LIST = (
    Column("current", head=" "),
    Column("name", whole=True),
    Column("description"),
    Column("state"),
    Column("creation_time", "time", "created"),
)
_ONE = (
    Column("name"),
    Column("id"),
    Column("description"),
    Column("state"),
    Column("creation_time", "time", "created"),
    Column("last_update_time", "time", "updated"),
    Column("deleted_time", "time", "deleted"),
    Column("tags"),
    Column("tracking_uri"),
    Column("artifact_location"),
    Column("experiments", "number"),
    Column("runs", "number"),
    Column("models", "number"),
    Column("storage_bytes", "bytes", "storage"),
    Column("storage_files", "number", "files"),
)
_MEMBERS = (
    Column("name", whole=True),
    Column("kind", "kind"),
    Column("display_name"),
    Column("roles", whole=True),
)
_QUOTAS = (
    Column("name", whole=True),
    Column("limit", "number"),
    Column("used", "number"),
    Column("unit"),
    Column("scope"),
    Column("counts"),
)


@click.group(cls=Group)
def workspace() -> None:
    """Workspaces, their members and quotas.

    Where NAME may be left out, the workspace in use is meant.
    """


@workspace.command("list", examples=("runyard workspace list", "runyard workspace list --state deleted"))
@click.option("--state", type=click.Choice(["active", "archived", "deleted"]), help="Only those.")
@commands.limit
@commands.server
@commands.output
def list_(session: Session, state: str | None, limit: int, out: Output) -> None:
    """List the workspaces that you may enter; * marks the one in use."""
    from runyard.client import workspaces

    found, more = workspaces.listing(session.http, state=state, limit=limit)
    if out.for_people:
        found = [{**one, "current": "*" if one["name"] == session.workspace else ""} for one in found]
    out.rows(found, _LIST if out.for_people else _LIST[1:], more=more, empty="There is no such workspace.")


@workspace.command(examples=("runyard workspace show", "runyard workspace show vision -o json"))
@click.argument("name", required=False)
@commands.server
@commands.output
def show(session: Session, name: str | None, out: Output) -> None:
    """Show a workspace and its quotas.

    What it holds, what it takes, where clients reach it.
    """
    from runyard.client import workspaces

    found = workspaces.get(session.http, name or session.workspace)
    out.item(found if out.form == "json" else _flat(found), _ONE)
    if out.for_people:
        quota_tables.section(out, found["quotas"])


@workspace.command(
    examples=("runyard workspace create vision --description 'Vision team' --tag team=vision",)
)
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="A tag; may be given again.")
@commands.server_only
@commands.output
def create(session: Session, name: str, description: str, tags: tuple[str, ...], out: Output) -> None:
    """Create a workspace (administrators)."""
    from runyard.client import workspaces

    tagged = commands.pairs(tags, "--tag")
    made = workspaces.create(session.http, name, description=description, tags=tagged)
    out.done(f"Created workspace '{name}'. To work in it: runyard workspace use {name}", made)


@workspace.command(
    examples=("runyard workspace update vision --description 'Eyes' --tag team=v --untag old",)
)
@click.argument("name", required=False)
@click.option("--description", help="What it is for.")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="A tag to set; may be given again.")
@click.option("--untag", "dropped", metavar="KEY", multiple=True, help="A tag to delete; may be given again.")
@commands.server
@commands.output
def update(
    session: Session,
    name: str | None,
    description: str | None,
    tags: tuple[str, ...],
    dropped: tuple[str, ...],
    out: Output,
) -> None:
    """Change a workspace's description or tags."""
    from runyard.client import workspaces

    changed: dict[str, str | None] = {**commands.pairs(tags, "--tag"), **dict.fromkeys(dropped)}
    if description is None and not changed:
        raise click.UsageError("Say what to change: --description, --tag or --untag.")
    name = name or session.workspace
    found = workspaces.change(session.http, name, description=description, tags=changed or None)
    out.done(f"Changed workspace '{name}'.", found)


@workspace.command(examples=("runyard workspace archive vision",))
@click.argument("name")
@commands.server_only
@commands.output
def archive(session: Session, name: str, out: Output) -> None:
    """Make a workspace read-only."""
    from runyard.client import workspaces

    found = workspaces.change(session.http, name, state="archived")
    out.done(f"Archived workspace '{name}'. To undo: runyard workspace activate {name}", found)


@workspace.command(examples=("runyard workspace activate vision",))
@click.argument("name")
@commands.server_only
@commands.output
def activate(session: Session, name: str, out: Output) -> None:
    """Make an archived workspace writable again."""
    from runyard.client import workspaces

    out.done(f"Activated workspace '{name}'.", workspaces.change(session.http, name, state="active"))


@workspace.command(examples=("runyard workspace delete vision",))
@click.argument("name")
@commands.yes
@commands.server_only
@commands.output
def delete(session: Session, name: str, yes: bool, out: Output) -> None:
    """Move a workspace with everything in it to the trash."""
    from runyard.client import trash, workspaces

    asking.sure(f"Move the workspace '{name}' with everything in it to the trash?", yes=yes)
    workspaces.delete(session.http, name)
    purge_time = trash.entry(session.http, "workspace", name).get("purge_time")
    # Who has nothing but this workspace restores it by its own name.
    message = texts.gone(f"workspace '{name}'", purge_time, f"workspace restore {name}")
    out.done(message, {"deleted": name, "purge_time": purge_time})


@workspace.command(examples=("runyard workspace restore vision",))
@click.argument("name")
@commands.server_only
@commands.output
def restore(session: Session, name: str, out: Output) -> None:
    """Bring a workspace back from the trash."""
    from runyard.client import workspaces

    workspaces.restore(session.http, name)
    out.done(f"Restored workspace '{name}'.", {"restored": name})


@workspace.command(examples=("runyard workspace use vision", "runyard workspace use default"))
@click.argument("name")
@commands.server_only
@commands.output
def use(session: Session, name: str, out: Output) -> None:
    """Use a workspace from now on, on this machine and this server."""
    from runyard.client import logins, workspaces

    workspaces.get(session.http, name)
    settings = session.settings

    def chosen(kept: Logins) -> None:
        login = kept.servers.setdefault(settings.url, logins.Login())
        login.workspace, login.bound = name, False

    logins.change(settings.home, chosen)
    out.done(f"Using workspace '{name}' of {settings.url}.", {"url": settings.url, "workspace": name})


@workspace.command(examples=("runyard workspace members", "runyard workspace members vision -o json"))
@click.argument("name", required=False)
@commands.limit
@commands.server
@commands.output
def members(session: Session, name: str | None, limit: int, out: Output) -> None:
    """List who has which roles."""
    from runyard.client import workspaces

    found, more = workspaces.members(session.http, name or session.workspace, limit)
    out.rows(found, _MEMBERS, more=more, empty="Nobody but the server's administrators.")


@workspace.command(
    examples=(
        "runyard workspace assign alice 'Data Scientist'",
        "runyard workspace assign ml-team Reader -w vision",
    )
)
@click.argument("principal")
@click.argument("role")
@commands.server
@commands.output
def assign(session: Session, principal: str, role: str, out: Output) -> None:
    """Give a user, service principal or group a role in the workspace."""
    from runyard.client import workspaces

    workspaces.assign(session.http, session.workspace, principal, role)
    message = f"'{principal}' has the role '{role}' in '{session.workspace}'."
    out.done(message, {"workspace": session.workspace, "principal": principal, "role": role})


@workspace.command(examples=("runyard workspace unassign alice 'Data Scientist' -w vision",))
@click.argument("principal")
@click.argument("role")
@commands.server
@commands.output
def unassign(session: Session, principal: str, role: str, out: Output) -> None:
    """Take a role from a user, service principal or group."""
    from runyard.client import workspaces

    workspaces.unassign(session.http, session.workspace, principal, role)
    message = f"'{principal}' no longer has the role '{role}' in '{session.workspace}'."
    out.done(message, {"workspace": session.workspace, "principal": principal, "role": role})


@workspace.command(
    examples=(
        "runyard workspace quotas",
        "runyard workspace quotas vision --set artifact_bytes_per_workspace=500GB",
        "runyard workspace quotas vision --set points_per_run=none",
    )
)
@click.argument("name", required=False)
@click.option(
    "--set",
    "limits",
    metavar="QUOTA=LIMIT",
    multiple=True,
    help="Set a limit (administrators): a number, of bytes also 500GB, none or default; may be given again.",
)
@commands.server
@commands.output
def quotas(session: Session, name: str | None, limits: tuple[str, ...], out: Output) -> None:
    """Show a workspace's quotas, or set some."""
    from runyard.client import workspaces

    name = name or session.workspace
    wanted = {key: quota_tables.parse(key, value) for key, value in commands.pairs(limits, "--set").items()}
    if wanted:
        workspaces.set_quotas(session.http, name, wanted)
    found = workspaces.quotas(session.http, name)
    if out.for_people:
        quota_tables.table(out, found)
    else:
        out.rows(found, _QUOTAS)


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    """Details as lines: the numbers of what is in use, and where clients go."""
    counts, storage = found.get("counts") or {}, found.get("storage") or {}
    return {
        **found,
        "tracking_uri": (found.get("addresses") or {}).get("tracking"),
        **{key: (counts.get(key) or {}).get("active") for key in ("experiments", "runs", "models")},
        "storage_bytes": storage.get("bytes"),
        "storage_files": storage.get("files"),
    }
