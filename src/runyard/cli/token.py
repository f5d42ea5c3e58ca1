"""`runyard token`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click

from runyard.cli import asking, commands, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_LIST = (
    Column("id", whole=True),
    Column("kind"),
    Column("name"),
    Column("workspace", spare=2),
    Column("run_id", head="run", whole=True, spare=3),
    Column("creation_time", "time", "created", spare=1),
    Column("expiry_time", "time", "expires"),
    Column("last_used_time", "time", "last used"),
)
_CSV = (*_LIST, Column("owner"))


@click.group(cls=Group)
def token() -> None:
    """Tokens for programs and machines.

    Programs send them from RUNYARD_TOKEN or, with MLflow's own client, from MLFLOW_TRACKING_TOKEN.
    """


@token.command(
    examples=(
        "runyard token create laptop --days 30",
        "export MLFLOW_TRACKING_TOKEN=$(runyard token create --tracking)",
        "export MLFLOW_TRACKING_URI=$(runyard token create --tracking --uri)",
        "runyard token create --run 3f2a9c1e",
        "runyard token create ci --for ci-bot --only-workspace vision",
    )
)
@click.argument("name", required=False)
@click.option("--days", type=click.IntRange(min=1), metavar="N", help="Until it expires.")
@click.option("--only-workspace", metavar="NAME", help="Good for this workspace only.")
@click.option("--for", "principal", metavar="NAME", help="For a service principal (administrators).")
@click.option("--tracking", is_flag=True, help="For tracking in the workspace, for an hour at most.")
@click.option("--seconds", type=click.IntRange(min=1), metavar="N", help="With --tracking: until it expires.")
@click.option("--run", metavar="RUN", help="For one run, its files and its children, until it ends.")
@click.option("--uri", is_flag=True, help="Print a tracking URI that holds the token, for any MLflow client.")
@commands.server
@commands.output
def create(
    session: Session,
    name: str | None,
    days: int | None,
    only_workspace: str | None,
    principal: str | None,
    tracking: bool,
    seconds: int | None,
    run: str | None,
    uri: bool,
    out: Output,
) -> None:
    """Create a token and print it; it is shown this once.

    A token with a NAME is a personal one: it may do what you may. --tracking and --run make tokens that may
    do less, and end by themselves.
    """
    made = _make(
        session,
        name=name,
        days=days,
        only_workspace=only_workspace,
        principal=principal,
        tracking=tracking,
        seconds=seconds,
        run=run,
    )
    if uri:
        made["uri"] = _uri(session, made)
    if not out.for_people:
        out.done("", made)
        return
    click.echo(made["uri"] if uri else made["token"])
    out.note(f"Token {made['id']}, until {texts.time(made['expiry_time'])}. It isn't shown again.")


@token.command("list", examples=("runyard token list", "runyard token list --user alice --expired"))
@click.option("--user", metavar="NAME", help="Those of a user or service principal (administrators).")
@click.option("--expired", is_flag=True, help="Also those that have expired.")
@commands.limit
@commands.server_only
@commands.output
def list_(session: Session, user: str | None, expired: bool, limit: int, out: Output) -> None:
    """List your tokens and sessions, newest first."""
    from runyard.client import tokens

    found, more = tokens.listing(session.http, user=user, expired=expired, limit=limit)
    out.rows(found, _LIST if out.for_people else _CSV, more=more, empty="There is no token.")


@token.command(examples=("runyard token revoke 1834",))
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@commands.yes
@commands.server_only
@commands.output
def revoke(session: Session, ids: tuple[str, ...], yes: bool, out: Output) -> None:
    """Revoke tokens or end sessions. This can't be undone."""
    from runyard.client import tokens

    asking.sure(f"Revoke {', '.join(ids)}? Programs that use them are refused from now on.", yes=yes)
    for one in ids:
        tokens.revoke(session.http, one)
    out.done(f"Revoked {', '.join(ids)}.", {"revoked": list(ids)})


def _make(
    session: Session,
    *,
    name: str | None,
    days: int | None,
    only_workspace: str | None,
    principal: str | None,
    tracking: bool,
    seconds: int | None,
    run: str | None,
) -> dict[str, Any]:
    from runyard.client import runs, tokens

    personal = (name, days, only_workspace, principal) != (None, None, None, None)
    if sum((personal, tracking, run is not None)) != 1 or (seconds is not None and not tracking):
        raise click.UsageError(
            "Make one of three: NAME [--days] [--only-workspace] [--for], --tracking [--seconds], --run RUN."
        )
    if tracking:
        return tokens.create_tracking(session.http, seconds=seconds)
    if run is not None:
        return tokens.create_for_run(session.http, runs.find(session.http, run).info.run_id)
    if name is None:
        raise click.UsageError("Give the token a NAME that you will recognize it by.")
    return tokens.create(session.http, name, days=days, workspace=only_workspace, principal=principal)


def _uri(session: Session, made: dict[str, Any]) -> str:
    """The server's address with the token as its user information and the workspace in its path."""
    from runyard.client.address import segment

    parts = urlsplit(session.settings.url)
    workspace = made.get("workspace") or session.workspace
    place = f"runyard:{made['token']}@{parts.netloc}"
    return urlunsplit((parts.scheme, place, f"{parts.path}/w/{segment(workspace)}", "", ""))
