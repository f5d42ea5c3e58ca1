"""`runyard role`."""

from __future__ import annotations

import json
from typing import Any, TextIO

import click

from runyard.cli import asking, commands, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

_LIST = (Column("name", whole=True), Column("built_in", "flag"), Column("description"))
_ONE = (*_LIST, Column("actions"), Column("not_actions"), Column("permissions"))

# What a file may say; what a server tells beside it is passed over.
_KEYS = {"name", "description", "actions", "notactions", "assignablescopes"}
_TOLD = {"builtin", "permissions", "iscustom", "id"}


@click.group(cls=Group)
def role() -> None:
    """Roles: the built-in ones and your own. `runyard workspace assign` gives them."""


@role.command("list", examples=("runyard role list",))
@commands.limit
@commands.server_only
@commands.output
def list_(session: Session, limit: int, out: Output) -> None:
    """List roles."""
    from runyard.client import roles

    found, more = roles.listing(session.http, limit)
    out.rows(found, _LIST, more=more)


@role.command(examples=("runyard role show Reader", "runyard role show 'Data Scientist' -o json > role.json"))
@click.argument("name")
@commands.server_only
@commands.output
def show(session: Session, name: str, out: Output) -> None:
    """Show a role and all permissions that it gives."""
    from runyard.client import roles

    found = roles.get(session.http, name)
    if out.for_people and found["actions"] == ["*"] and not found["not_actions"]:
        found = {**found, "permissions": "everything in a workspace"}
    out.item(found, _ONE)


@role.command(
    "set",
    examples=(
        "runyard role set labeller.json",
        """echo '{"name": "Labeller", "actions": ["experiments/*"]}' | runyard role set -""",
    ),
)
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--name", help="Its name, if the file doesn't say it or says another.")
@commands.server_only
@commands.output
def set_(session: Session, file: TextIO, name: str | None, out: Output) -> None:
    """Create or change a role of your own from a JSON file.

    The file holds an object with name, description, actions and not_actions (Name, Actions and NotActions
    mean the same); * in an action stands for any text.
    """
    from runyard.client import roles

    wanted = read(file.read())
    name = name or wanted.get("name")
    if not name:
        raise click.UsageError("The file says no name; give one with --name.")
    saved = roles.save(
        session.http,
        name,
        actions=wanted.get("actions", []),
        not_actions=wanted.get("notactions", []),
        description=wanted.get("description", ""),
        scopes=wanted.get("assignablescopes", []),
    )
    out.done(f"Saved role '{name}'.", saved)


@role.command(examples=("runyard role delete Labeller",))
@click.argument("name")
@commands.yes
@commands.server_only
@commands.output
def delete(session: Session, name: str, yes: bool, out: Output) -> None:
    """Move a role of your own, which nobody has any more, to the trash."""
    from runyard.client import roles

    asking.sure(f"Move the role '{name}' to the trash?", yes=yes)
    moved = roles.delete(session.http, name)
    out.done(texts.in_trash("role", name, moved), {"deleted": name, **moved})


def read(text: str) -> dict[str, Any]:
    """A role as a file says it, the keys in lower case without underscores.

    Raises:
        click.UsageError: it is no such object.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"The file is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise click.UsageError("The file must hold one JSON object.")
    role = {str(key).replace("_", "").lower(): value for key, value in found.items()}
    unknown = sorted(set(role) - _KEYS - _TOLD)
    if unknown:
        raise click.UsageError(
            f"A role has no {', '.join(unknown)}; it has name, description, actions, not_actions."
        )
    for key in ("actions", "notactions", "assignablescopes"):
        value = role.get(key, [])
        if not isinstance(value, list) or not all(isinstance(action, str) for action in value):
            raise click.UsageError("actions, not_actions and assignable_scopes must be lists of texts.")
    if any(not isinstance(role.get(key, ""), str) for key in ("name", "description")):
        raise click.UsageError("name and description must be texts.")
    return {key: role[key] for key in _KEYS & set(role)}
