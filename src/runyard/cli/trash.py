"""`runyard trash`."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import asking, commands, moments, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.trash import Wanted

KINDS = ("workspace", "experiment", "run", "model", "artifact", "user", "service-principal", "group", "role")
# What belongs to no workspace, or is one.
OF_SERVER = ("workspace", "user", "service-principal", "group", "role")
_ALL = (
    "All that is in the trash; for administrators also workspaces, users, service principals, groups and "
    "roles of the whole server."
)

_LIST = (
    Column("kind", "kind"),
    Column("id", whole=True),
    Column("name"),
    Column("experiment_name", head="experiment", spare=1),
    Column("deleted_time", "time", "deleted"),
    Column("purge_time", "time", "kept until", spare=2),
)
_SIZES = (
    Column("runs", "number"),
    Column("points", "number"),
    Column("artifact_files", "number", "files", spare=3),
    Column("artifact_bytes", "bytes", "size"),
)


@click.group(cls=Group)
def trash() -> None:
    """What was deleted, until it is purged.

    THING is a kind and an id, as the list shows them: run:3f2a9c1e, experiment:12, model:m-8c01f2,
    artifact:9b0c7d, workspace:NAME, user:4021..., service-principal:..., group:... or role:.... Of the ids of
    runs, models and artifacts the first six characters or more are enough, but for `purge --yes`. What was
    deleted with its experiment is restored and purged with it.
    """


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which entries; the command gets them as `wanted`."""

    @click.option(
        "--kind",
        "kinds",
        type=commands.Spelled(KINDS, {"service_principal": "service-principal"}),
        multiple=True,
        metavar="KIND",
        help=f"Only such: {', '.join(KINDS[:-1])} or {KINDS[-1]}; may be given again.",
    )
    @click.option("-e", "--experiment", metavar="ID", help="Only of this experiment, by its id.")
    @click.option("--before", metavar="TIME", help="Only what was deleted before: 30d (ago), 2026-01-31.")
    @functools.wraps(command)
    def with_filter(
        *args: Any, kinds: tuple[str, ...], experiment: str | None, before: str | None, **kwargs: Any
    ) -> Any:
        from runyard.client.trash import Wanted

        if experiment is not None and not (experiment.isascii() and experiment.isdigit()):
            raise click.UsageError(
                "--experiment takes an id here: several deleted ones may have had one name."
            )
        at = None if before is None else moments.parse(before, now_ms=int(time.time() * 1000))
        told = tuple(kind.replace("-", "_") for kind in kinds)
        return command(*args, wanted=Wanted(told, experiment, at), **kwargs)

    return with_filter


@trash.command("list", examples=("runyard trash list", "runyard trash list --kind run --before 30d --sizes"))
@_filtered
@click.option("--sizes", is_flag=True, help="Also how much each takes; this may take a while.")
@commands.limit
@commands.server
@commands.output
def list_(session: Session, wanted: Wanted, sizes: bool, limit: int, out: Output) -> None:
    """List what is in the trash, the newest first."""
    from runyard.client import trash as client

    found, more = client.listing(session.http, wanted, sizes=sizes, limit=limit)
    out.rows(found, _LIST + _SIZES if sizes else _LIST, more=more, empty="The trash is empty.")


@trash.command(examples=("runyard trash restore run:3f2a9c1e experiment:12",))
@click.argument("things", metavar="THING...", nargs=-1, required=True)
@commands.server
@commands.output
def restore(session: Session, things: tuple[str, ...], out: Output) -> None:
    """Bring things back, all or none. Tokens of users and service principals don't come back."""
    from runyard.client import trash as client

    restored = client.restore(session.http, _whole(session, _named(things)))
    out.done(f"Restored {_told(restored)}.", restored)


@trash.command(
    examples=(
        "runyard trash purge --before 30d --dry-run",
        "runyard trash purge run:3f2a9c1e",
        "runyard trash purge --all --yes",
    )
)
@click.argument("things", metavar="[THING...]", nargs=-1)
@_filtered
@click.option("--all", "everything", is_flag=True, help=_ALL)
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@commands.yes
@commands.server
@commands.output
def purge(
    session: Session,
    things: tuple[str, ...],
    wanted: Wanted,
    everything: bool,
    dry_run: bool,
    yes: bool,
    out: Output,
) -> None:
    """Destroy what is in the trash for good, and free its space. This can't be undone.

    Deleted workspaces, users, service principals, groups and roles belong to the whole server, whatever
    workspace is in use.
    """
    from runyard.client import trash as client

    if bool(things) == (everything or any(wanted)):
        raise click.UsageError("Say what to purge: THINGS, or --kind, --experiment, --before, or --all.")
    named = _named(things)
    items = _whole(session, named)
    begun = [one for (_, given), one in zip(named, items, strict=True) if _is_beginning(given, one[1])]
    if begun and yes and not dry_run:
        raise click.UsageError(
            "With --yes give whole ids of runs, models and artifacts: `runyard trash list -o json` has them."
        )
    which = ""
    if dry_run or not yes:
        would = client.purge(session.http, items, wanted, dry_run=True)
        which = _which(session, begun)
        told = f"{_told(would)}{which if items else _where(would)}"
        if dry_run:
            out.done(f"Would destroy {told}.", would)
            return
        asking.sure(f"Destroy {told} for good?", yes=yes)
    gone = client.purge(session.http, items, wanted, dry_run=False)
    rest = "" if gone.get("done", True) else " The server frees its space in the background."
    out.done(f"Destroyed {_told(gone)}{which}.{rest}", gone)


def _named(things: Sequence[str]) -> list[tuple[str, str]]:
    """Kinds as the server has them, and ids as they were given."""
    found = []
    for thing in things:
        kind, colon, identifier = thing.partition(":")
        kind = texts.spelled(kind)
        if kind not in KINDS or not colon or not identifier:
            raise click.UsageError(f"{thing!r} names nothing: write KIND:ID, with one of {', '.join(KINDS)}.")
        found.append((kind.replace("-", "_"), identifier))
    return found


def _whole(session: Session, named: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same with ids as the server has them."""
    from runyard.client import trash as client

    return [(kind, client.find(session.http, kind, identifier)) for kind, identifier in named]


def _is_beginning(given: str, whole: str) -> bool:
    """Whether an id was completed; a model's `m-` doesn't count."""
    return len(given.removeprefix("m-")) < len(whole.removeprefix("m-"))


def _which(session: Session, items: Sequence[tuple[str, str]]) -> str:
    """Things of which the beginning of the id was given, by their whole ids and their names, in words."""
    from runyard.client import runs
    from runyard.client import trash as client

    told = []
    for kind, one in items:
        if kind == "run":
            name = runs.get(session.http, one).info.run_name
        else:
            name = client.entry(session.http, kind, one).get("name", "")
        told.append(f"{kind}:{one} '{name}'")
    return f" ({', '.join(told)})" if told else ""


def _where(moved: dict[str, Any]) -> str:
    """That something of it isn't the workspace's alone, in words."""
    found = [kind.replace("-", " ") + "s" for kind in OF_SERVER if moved.get(f"{kind.replace('-', '_')}s")]
    return f" ({' and '.join(found)} of the whole server)" if found else ""


def _told(moved: dict[str, Any]) -> str:
    """How much something is, in words."""
    counts = [(moved.get(f"{kind.replace('-', '_')}s") or 0, kind.replace("-", " ")) for kind in KINDS]
    told = ", ".join(texts.count(count, kind) for count, kind in counts if count) or "nothing"
    size = moved.get("artifact_bytes")
    return f"{told}, with {texts.size(size)} of files" if size else told
