"""`runyard activity`."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from runyard.cli import commands, exits, files, moments, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_TABLE = (
    Column("time", "time"),
    Column("workspace", spare=3),
    Column("actor", whole=True),
    Column("action", whole=True),
    Column("target", whole=True),
    Column("credential", spare=1),
    Column("address", spare=2),
    Column("detail"),
)
_CSV = (
    Column("time", "time"),
    Column("workspace"),
    Column("actor", whole=True),
    Column("action", whole=True),
    Column("target_type", head="type"),
    Column("target"),
    Column("credential"),
    Column("address"),
    Column("detail"),
)
_HEAD = (
    Column("head"),
    Column("time", "time", "of"),
    Column("unsealed", "number"),
)
_VERIFIED = (
    Column("ok", "flag"),
    Column("checked", "number"),
    Column("verified"),
    Column("unsealed", "number"),
    Column("message", head="broken"),
)
# What events are noted of, and how their actions begin.
TYPES = (
    "artifact",
    "experiment",
    "folder",
    "group",
    "model",
    "role",
    "run",
    "service",
    "token",
    "user",
    "workspace",
)
ACTIONS = (*TYPES, "login", "logout", "rule", "trash")
_KNOWN = f" Types are {', '.join(TYPES)}; actions begin with one of them, or with {', '.join(ACTIONS[-4:])}."
# As the server calls what `--output` chooses.
_FORMATS = {"json": "jsonl", "csv": "csv"}


@click.group(cls=Group)
def activity() -> None:
    """Who did what, and whether the record is whole."""


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An option's value as a time."""
    del ctx, param
    return None if value is None else moments.parse(value, now_ms=int(time.time() * 1000))


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which events; the command gets them as `asked`."""

    @click.option("--actor", metavar="NAME", help="By whom.")
    @click.option("--action", metavar="ACTION", help="What, or how it begins: run.delete, run.")
    @click.option("--target", metavar="TYPE[:ID]", help="To what: experiment, experiment:12.")
    @click.option("--since", callback=_moment, metavar="TIME", help="Not before: 2026-01-31, 7d (ago), 12h.")
    @click.option("--until", callback=_moment, metavar="TIME", help="Before.")
    @click.option("--text", metavar="TEXT", help="Somewhere in the event.")
    @click.option(
        "--all-workspaces", is_flag=True, help="Everywhere, and of the server itself (administrators)."
    )
    @functools.wraps(command)
    def with_filter(
        *args: Any,
        actor: str | None,
        action: str | None,
        target: str | None,
        since: int | None,
        until: int | None,
        text: str | None,
        all_workspaces: bool,
        **kwargs: Any,
    ) -> Any:
        kind, _, identifier = (target or "").partition(":")
        if texts.spelled(kind) == "service-principal":
            kind = "service"
        asked = {
            "actor": actor,
            "action": action,
            "target_type": kind or None,
            "target": identifier or None,
            "since": since,
            "until": until,
            "text": text,
            "workspace": "*" if all_workspaces else None,
        }
        return command(*args, asked=asked, **kwargs)

    return with_filter


@activity.command(
    "list",
    examples=(
        "runyard activity list --since 7d",
        "runyard activity list --action run.delete --actor alice",
        "runyard activity list --all-workspaces --action login.fail -o json",
    ),
)
@_filtered
@commands.limit
@commands.server
@commands.output
def list_(session: Session, asked: dict[str, Any], limit: int, out: Output) -> None:
    """List who did what, the newest first."""
    from runyard.client import activity as client

    found, more = client.listing(session.http, _resolved(session, asked), limit)
    if not out.for_people:
        out.rows(found, _CSV, more=more)
        return
    # All are of one workspace, unless all workspaces were asked for.
    columns = [column for column in _TABLE if column.key != "workspace" or asked["workspace"]]
    hint = _KNOWN if asked["action"] or asked["target_type"] else ""
    out.rows(map(_for_people, found), columns, more=more, empty=f"There is no such event.{hint}")


@activity.command(
    examples=(
        "runyard activity export --since 2026-01-01 --until 2026-02-01 > january.jsonl",
        "runyard activity export -o csv --to activity.csv",
    )
)
@_filtered
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["json", "csv"]),
    default="json",
    show_default=True,
    help="Form of the file: JSON lines or CSV.",
)
@click.option("--to", "to", metavar="FILE", default="-", help="The file; standard output by default (-).")
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@commands.server
def export(session: Session, asked: dict[str, Any], form: str, to: str, force: bool) -> None:
    """Write all events, the oldest first, as JSON lines or CSV.

    A file appears when it is whole, readable by its owner only.
    """
    from runyard.client import activity as client

    if to != "-" and os.path.lexists(to) and not force:
        raise click.UsageError(f"{to} is there already; --force replaces it.")
    pieces = client.export(session.http, _resolved(session, asked), _FORMATS[form])
    if to == "-":
        files.write_all(sys.stdout.buffer, pieces)
        return
    with files.whole(Path(to)) as part, files.create(part) as opened:
        files.write_all(opened, pieces)
    click.echo(f"Wrote {to}.", err=True)


@activity.command(
    examples=("runyard activity head", "runyard activity head -o json | jq -r .head >> heads.txt")
)
@commands.server
@commands.output
def head(session: Session, out: Output) -> None:
    """Show the record's newest hash.

    Keep it somewhere else, and verify with it later.
    """
    from runyard.client import activity as client

    out.item(client.head(session.http), _HEAD)


@activity.command(examples=("runyard activity verify", "runyard activity verify --head 4711:9f2c..."))
@click.option("--head", "noted", metavar="SEQUENCE:HASH", default="", help="A head that was noted earlier.")
@commands.server_only
@commands.output
def verify(session: Session, noted: str, out: Output) -> None:
    """Have the record's chain of hashes computed anew.

    It ends with code 1 where the record was changed. Without a head that was noted earlier a cut tail doesn't
    show (administrators).
    """
    from runyard.client import activity as client

    checked = 0
    found: dict[str, Any] = {}
    for found in client.verify(session.http, noted):
        checked += found["checked"]
        if out.for_people and sys.stderr.isatty() and not found["complete"]:
            click.echo(f"{checked:,} events so far", err=True)
    broken = found.get("broken") or {}
    out.item({**found, "checked": checked, "message": broken.get("message")}, _VERIFIED)
    if not found["ok"]:
        raise click.exceptions.Exit(exits.REFUSED)


def _resolved(session: Session, asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, with the whole id of what it may be about."""
    from runyard.client import activity as client

    kind, given = asked["target_type"], asked["target"]
    if not kind or not given:
        return asked
    return {**asked, "target": client.target(session.http, kind, given, workspace=asked["workspace"])}


def _for_people(event: dict[str, Any]) -> dict[str, Any]:
    """An event with its target as `--target` takes it, and of its detail what says something."""
    detail = {
        key: texts.time(value) if key.endswith("_time") and isinstance(value, int) else value
        for key, value in (event["detail"] or {}).items()
        if value not in (None, "", [], {})
    }
    target = ":".join(part for part in (texts.spelled(event["target_type"] or ""), event["target"]) if part)
    return {**event, "target": target, "detail": detail}
