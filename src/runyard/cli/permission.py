"""`runyard permission`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from runyard.cli import commands
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_LIST = (
    Column("path", head="folder or experiment"),
    Column("experiment_id", head="experiment id"),
    Column("principal", whole=True),
    Column("kind", "kind"),
    Column("level", whole=True),
    Column("inherited", "flag"),
)
_HOLDERS = (
    Column("principal", whole=True),
    Column("kind", "kind"),
    Column("level", whole=True),
    Column("because", whole=True),
)
_EFFECTIVE = (Column("principal"), Column("level"), Column("because"), Column("permissions"))

LEVELS = ("none", "read", "edit", "manage")
# As lists and the API spell them.
_SPELLED = {"no_permission": "none", **{f"can_{level}": level for level in LEVELS[1:]}}


@click.group(cls=Group)
def permission() -> None:
    """Who may do what in a folder or an experiment.

    The nearest rule on an experiment's path decides: its own, else its folder's, else that of the folder
    above; where there is none, the roles in the workspace do.
    """


def _place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that name a folder or an experiment."""

    @click.option("--folder", metavar="PATH", help="A folder such as /Shared/team; / is the whole workspace.")
    @click.option("-e", "--experiment", metavar="NAME", help="An experiment, by its name or id.")
    @functools.wraps(command)
    def with_place(*args: Any, folder: str | None, experiment: str | None, **kwargs: Any) -> Any:
        if folder is not None and experiment is not None:
            raise click.UsageError("Name a folder or an experiment, not both.")
        return command(*args, folder=folder, experiment=experiment, **kwargs)

    return with_place


@permission.command(
    "list", examples=("runyard permission list", "runyard permission list --folder /Shared/team")
)
@_place
@click.option("--principal", metavar="NAME", help="Only those of this user, service principal or group.")
@commands.limit
@commands.server
@commands.output
def list_(
    session: Session,
    folder: str | None,
    experiment: str | None,
    principal: str | None,
    limit: int,
    out: Output,
) -> None:
    """List rules.

    All, or those that hold in a folder or an experiment, the nearest first.
    """
    from runyard.client import permissions

    found, more = permissions.listing(
        session.http,
        session.workspace,
        path=folder,
        experiment_id=_id(session, experiment),
        principal=principal,
        limit=limit,
    )
    out.rows(found, _LIST, more=more, empty="There is no rule: the roles in the workspace decide.")


@permission.command(examples=("runyard permission check alice -e /Shared/team/churn",))
@click.argument("principal")
@_place
@commands.server
@commands.output
def check(session: Session, principal: str, folder: str | None, experiment: str | None, out: Output) -> None:
    """Show what somebody may do at a place, and why.

    That is a user, a service principal or a group; rules and roles are taken together. Without a level: a
    role of your own gives some of reading only.
    """
    from runyard.client import permissions

    _require_place(folder, experiment)
    found = permissions.effective(
        session.http, session.workspace, principal, path=folder, experiment_id=_id(session, experiment)
    )
    if out.form != "json":
        because = _because(found["reasons"]) or "no rule and no role here"
        found = {**found, "because": because, "permissions": found["permissions"] or "none"}
    out.item(found, _EFFECTIVE)


@permission.command(
    examples=("runyard permission who -e /Shared/team/churn", "runyard permission who --folder /Shared/team")
)
@_place
@commands.limit
@commands.server
@commands.output
def who(session: Session, folder: str | None, experiment: str | None, limit: int, out: Output) -> None:
    """List who may read in a place, with what they may do and why.

    For those who manage the experiment or folder.

    Without a level: a role of your own gives some of reading only; `check` shows what.
    """
    from runyard.client import permissions

    _require_place(folder, experiment)
    found, more = permissions.holders(
        session.http, session.workspace, path=folder, experiment_id=_id(session, experiment), limit=limit
    )
    shown = found if out.form == "json" else [{**one, "because": _because(one["reasons"])} for one in found]
    out.rows(shown, _HOLDERS, more=more, empty="No user and no service principal may read there.")


@permission.command(
    "set",
    examples=(
        "runyard permission set alice edit --folder /Shared/team",
        "runyard permission set interns none -e /Shared/team/payroll",
    ),
)
@click.argument("principal")
@click.argument("level", type=commands.Spelled(LEVELS, _SPELLED))
@_place
@commands.server
@commands.output
def set_(
    session: Session, principal: str, level: str, folder: str | None, experiment: str | None, out: Output
) -> None:
    """Let a user, service principal or group do something at a place.

    read: see, compare and download. edit: also log, change and delete runs. manage: also change permissions.
    none: nothing, whatever the roles say.
    """
    from runyard.client import permissions

    _require_place(folder, experiment)
    place = {"path": folder, "experiment_id": _id(session, experiment)}
    permissions.put(session.http, session.workspace, principal, level, **place)
    message = f"'{principal}' has the permission '{level}' in {folder or experiment}."
    out.done(message, {"principal": principal, "level": permissions.LEVELS[level], **place})
    if folder is not None:
        _tell_if_empty(session, folder, out)


@permission.command(examples=("runyard permission unset alice --folder /Shared/team",))
@click.argument("principal")
@_place
@commands.server
@commands.output
def unset(session: Session, principal: str, folder: str | None, experiment: str | None, out: Output) -> None:
    """Delete a rule: what is above it decides again."""
    from runyard.client import permissions

    _require_place(folder, experiment)
    place = {"path": folder, "experiment_id": _id(session, experiment)}
    permissions.delete(session.http, session.workspace, principal, **place)
    message = f"No rule for '{principal}' in {folder or experiment} any more."
    out.done(message, {"principal": principal, **place})


def _because(reasons: list[dict[str, Any]]) -> str:
    """Why somebody may do something, in words."""
    told = []
    for why in reasons:
        match why["kind"]:
            case "administrator":
                text = "administers the server"
            case "owner":
                text = "owns the workspace"
            case "role":
                text = f"role {why['role']}"
            case _:
                where = "the experiment" if why["experiment_id"] is not None else f"folder {why['path']}"
                text = f"rule on {where}"
        told.append(text if why["group"] is None else f"{text}, by group {why['group']}")
    return "; ".join(told)


def _tell_if_empty(session: Session, folder: str, out: Output) -> None:
    """Say that nothing lies in a folder: its name may be a typing error."""
    if folder == "/" or _holds_any(session, folder):
        return
    meant = f"/{folder}"
    hint = f" Did you mean '{meant}'?" if folder[:1] != "/" and _holds_any(session, meant) else ""
    out.note(f"No experiment lies in '{folder}' yet that you may see.{hint}")


def _holds_any(session: Session, folder: str) -> bool:
    from runyard.client import experiments, folders
    from runyard.client.errors import NotFound

    try:
        folders.listing(session.http, folder, limit=1)
    except NotFound:
        try:
            experiments.get_by_name(session.http, folder)
        except NotFound:
            return False
    return True


def _require_place(folder: str | None, experiment: str | None) -> None:
    if folder is None and experiment is None:
        raise click.UsageError("Name the place: --folder PATH or --experiment NAME.")


def _id(session: Session, experiment: str | None) -> str | None:
    from runyard.client import experiments

    return None if experiment is None else experiments.find(session.http, experiment).experiment_id
