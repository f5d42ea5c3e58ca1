"""`runyard run delete`, `runyard run restore` and `runyard run delete-artifact`."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import asking, commands, moments, texts
from runyard.cli.commands import Command
from runyard.cli.output import Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.experiments import Experiment


@click.command(
    cls=Command,
    examples=(
        "runyard run delete 3f2a9c1e 77aa01bc",
        "runyard run delete -e /Shared/churn --started-before 90d",
    ),
)
@click.argument("names", metavar="[RUN...]", nargs=-1)
@click.option(
    "-e", "--experiment", metavar="NAME", help="All runs of this experiment, with --started-before."
)
@click.option("--started-before", metavar="TIME", help="Until when: 2026-01-31, 90d (ago), 12h.")
@commands.yes
@commands.server
@commands.output
def delete(
    session: Session,
    names: tuple[str, ...],
    experiment: str | None,
    started_before: str | None,
    yes: bool,
    out: Output,
) -> None:
    """Move runs to the trash.

    Those that are named, or all old ones of an experiment.
    """
    from runyard.client import experiments, runs, trash

    until = _moment(names, experiment, started_before, "--started-before")
    if experiment is not None and until is not None:
        at = experiments.find(session.http, experiment)
        found = runs.count(session.http, [at.experiment_id], filter_text=f"start_time <= {until}")
        many = f"{texts.count(found.count, 'run')}{' or more' if found.more else ''} of '{at.name}'"
        asking.sure(f"Move {many} to the trash?", yes=yes)
        before = trash.entry(session.http, "run", experiment_id=at.experiment_id)
        moved = runs.delete_older(session.http, at.experiment_id, until)
        told = {"experiment_id": at.experiment_id, "runs_deleted": moved}
        out.done(_many_gone(session, at, moved, before) if moved else "There is no such run.", told)
        return
    infos = [runs.find(session.http, name).info for name in names]
    named = ", ".join(f"'{one.run_name}' ({one.run_id})" for one in infos)
    asking.sure(f"Move {named} to the trash?", yes=yes)
    for one in infos:
        runs.delete(session.http, one.run_id)
    names_of = {one.run_id: one.run_name for one in infos}
    last = infos[-1]
    purge_time = trash.entry(session.http, "run", last.run_id, experiment_id=last.experiment_id).get(
        "purge_time"
    )
    message = texts.all_in_trash("run", names_of, purge_time)
    out.done(message, {"deleted": list(names_of), "purge_time": purge_time})


@click.command(
    cls=Command,
    examples=("runyard run restore 3f2a9c1e", "runyard run restore -e /Shared/churn --deleted-since 1h"),
)
@click.argument("names", metavar="[RUN...]", nargs=-1)
@click.option("-e", "--experiment", metavar="NAME", help="All runs of this experiment, with --deleted-since.")
@click.option("--deleted-since", metavar="TIME", help="Since when: 2026-01-31, 1h (ago).")
@commands.server
@commands.output
def restore(
    session: Session,
    names: tuple[str, ...],
    experiment: str | None,
    deleted_since: str | None,
    out: Output,
) -> None:
    """Bring runs back from the trash.

    Those that are named, or all of an experiment that went lately.
    """
    from runyard.client import experiments, runs

    since = _moment(names, experiment, deleted_since, "--deleted-since")
    if experiment is not None and since is not None:
        at = experiments.find(session.http, experiment)
        moved = runs.restore_since(session.http, at.experiment_id, since)
        told = {"experiment_id": at.experiment_id, "runs_restored": moved}
        out.done(f"Restored {texts.count(moved, 'run')} of '{at.name}'.", told)
        return
    infos = [runs.find(session.http, name).info for name in names]
    for one in infos:
        runs.restore(session.http, one.run_id)
    named = ", ".join(f"'{one.run_name}' ({one.run_id})" for one in infos)
    out.done(f"Restored {named}.", {"restored": [one.run_id for one in infos]})


@click.command(
    "delete-artifact",
    cls=Command,
    examples=("runyard run delete-artifact 3f2a9c1e checkpoints/epoch-3",),
)
@click.argument("name", metavar="RUN")
@click.argument("path", metavar="PATH")
@commands.yes
@commands.server
@commands.output
def delete_artifact(session: Session, name: str, path: str, yes: bool, out: Output) -> None:
    """Move a file or a folder of a run to the trash."""
    from runyard.client import artifacts, runs

    info = runs.find(session.http, name).info
    asking.sure(f"Move '{path}' of '{info.run_name}' ({info.run_id}) to the trash?", yes=yes)
    gone = artifacts.delete(session.http, info.run_id, path)
    size = f"{texts.count(gone.artifact_files, 'file')}, {texts.size(gone.artifact_bytes)}"
    told = {"run_id": info.run_id, **{name: getattr(gone, name) for name in gone.__struct_fields__}}
    what, undo = f"artifact '{gone.path}', {size}", f"trash restore artifact:{gone.id}"
    out.done(texts.gone(what, gone.purge_time, undo), told)


def _many_gone(session: Session, at: Experiment, count: int, before: dict[str, Any]) -> str:
    """What is told of all runs of an experiment that went; `before` is what had gone there last."""
    from runyard.client import trash

    entry = trash.entry(session.http, "run", experiment_id=at.experiment_id)
    if not entry:  # One may delete and not see the trash.
        return f"In the trash: {texts.count(count, 'run')} of '{at.name}'."
    # By the server's clock: this machine's may be another.
    since = texts.iso_time(before.get("deleted_time", at.creation_time) + 1)
    undo = f"run restore -e {shlex.quote(at.name)} --deleted-since {since}"
    return texts.gone(f"{texts.count(count, 'run')} of '{at.name}'", entry.get("purge_time"), undo)


def _moment(names: tuple[str, ...], experiment: str | None, text: str | None, option: str) -> int | None:
    """The time that was given with an experiment; None where runs are named.

    Raises:
        click.UsageError: it is neither the one nor the other.
    """
    if bool(names) == bool(experiment) or (experiment is None) != (text is None):
        raise click.UsageError(f"Name runs, or an experiment with {option}.")
    return None if text is None else moments.parse(text, now_ms=int(time.time() * 1000))
