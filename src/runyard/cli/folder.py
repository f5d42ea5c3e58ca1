"""`runyard folder`."""

from __future__ import annotations

from typing import Any

import click

from runyard.cli import asking, commands, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_LIST = (
    Column("path", head="folder or experiment", whole=True),
    Column("experiment_id", head="experiment id", whole=True),
    Column("experiments", "number", "here"),
    Column("experiments_below", "number", "in all"),
)


@click.group(cls=Group)
def folder() -> None:
    """Folders of experiments: what lies in them, moving them.

    An experiment's name is its path, as in /Shared/team/churn; a folder is there while an experiment lies in
    it. What is permitted in it says `runyard permission`.
    """


@folder.command("list", examples=("runyard folder list", "runyard folder list /Shared/team -o json"))
@click.argument("path", default="/")
@commands.limit
@commands.server
@commands.output
def list_(session: Session, path: str, limit: int, out: Output) -> None:
    """List what lies in a folder.

    In the folder PATH, or at the top: folders first, with how many experiments lie right there and in all,
    then experiments.
    """
    from runyard.client import folders

    below, more_below = folders.listing(session.http, path, limit=limit)
    inside, more_inside = folders.experiments(session.http, path, limit=limit)
    found = [{"kind": "folder", **one} for one in below]
    found += [{"kind": "experiment", "path": one["name"], **one} for one in inside]
    shown = found[:limit] if limit else found
    more = more_below or more_inside or len(shown) < len(found)
    out.rows(shown, _LIST, more=more, empty="There is no experiment.")


@folder.command(
    examples=(
        "runyard folder move /Shared/team /Archive/team --dry-run",
        "runyard folder move /Shared/team /Archive/team --yes",
    )
)
@click.argument("path", metavar="SOURCE")
@click.argument("to", metavar="DESTINATION")
@click.option("--dry-run", is_flag=True, help="Only tell what would move.")
@commands.yes
@commands.server
@commands.output
def move(session: Session, path: str, to: str, dry_run: bool, yes: bool, out: Output) -> None:
    """Give a folder another path.

    The folder SOURCE gets the path DESTINATION, with all that is in it; or nothing changes. Its experiments,
    those in the trash too, get new names, and its rules stand at the new path. An experiment that is called
    as the folder moves along.
    """
    from runyard.client import folders

    if dry_run or not yes:
        would = folders.move(session.http, path, to, dry_run=True)
        together = _together(session, path, to, would["experiments"])
        if dry_run:
            out.done(f"Would move {_told(would)} from '{path}' to '{to}'.{together}", would)
            return
        asking.sure(f"{together} Move {_told(would)} from '{path}' to '{to}'?".lstrip(), yes=yes)
    moved = folders.move(session.http, path, to)
    out.done(f"Moved {_told(moved)} from '{path}' to '{to}'.", moved)


def _together(session: Session, path: str, to: str, moving: int) -> str:
    """That something lies at the new path already, in words; nothing otherwise."""
    from runyard.client import folders
    from runyard.client.errors import NotFound

    try:
        below, _ = folders.listing(session.http, to)
        inside, _ = folders.experiments(session.http, to)
    except NotFound:
        return ""
    there = len(inside) + sum(one["experiments_below"] for one in below)
    if path.startswith(f"{to.rstrip('/')}/"):
        there -= moving  # what moves up is there now
    if there <= 0:
        return ""
    holds = f" '{to}' holds {texts.count(there, 'experiment')} already; they will lie together"
    return f"{holds}, under the rules of '{to}'."


def _told(moved: dict[str, Any]) -> str:
    """How much it is, in words."""
    told = [texts.count(moved["experiments"], "experiment")]
    if moved["deleted"]:
        told.append(f"{moved['deleted']:,} in the trash")
    if moved["rules"]:
        told.append(texts.count(moved["rules"], "rule"))
    return ", ".join(told)
