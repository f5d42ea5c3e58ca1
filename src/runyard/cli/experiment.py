"""`runyard experiment`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runyard.cli import asking, commands, quotas, texts
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.experiments import Experiment

_LIST = (
    Column("experiment_id", head="id", whole=True),
    Column("name"),
    Column("creation_time", "time", "created"),
    Column("last_update_time", "time", "updated"),
    Column("lifecycle_stage", head="stage", whole=True),
)
_ONE = (*_LIST, Column("runs", "number"), Column("artifact_location"), Column("tags"))


@click.group(cls=Group)
def experiment() -> None:
    """Experiments. NAME is an experiment's name or its id."""


@experiment.command(
    "list",
    examples=(
        "runyard experiment list",
        "runyard experiment list --filter \"name LIKE '/Shared/%'\" -o json",
    ),
)
@click.option(
    "--filter", "filter_text", metavar="FILTER", default="", help="Only those: name LIKE '/team/%'."
)
@click.option(
    "--view",
    type=click.Choice(["active", "deleted", "all"]),
    default="active",
    show_default=True,
    help="Also or only those in the trash.",
)
@commands.limit
@commands.server
@commands.output
def list_(session: Session, filter_text: str, view: str, limit: int, out: Output) -> None:
    """List experiments, newest first."""
    from runyard.client import experiments

    found, more = experiments.search(session.http, filter_text=filter_text, view=view, limit=limit)
    columns = _LIST[:-1] if view == "active" else _LIST
    out.rows(map(_item, found), columns, more=more, empty="There is no such experiment.")


@experiment.command(examples=("runyard experiment show /Shared/churn", "runyard experiment show 12 -o json"))
@click.argument("name")
@commands.server
@commands.output
def show(session: Session, name: str, out: Output) -> None:
    """Show an experiment and its quotas."""
    from runyard.client import experiments, runs

    found = experiments.find(session.http, name)
    count = runs.count(session.http, [found.experiment_id])
    used = experiments.quotas(session.http, found.experiment_id)
    out.item({**_item(found), "runs": count.count, "more_runs": count.more, "quotas": used}, _ONE)
    if out.for_people:
        quotas.section(out, used)


@experiment.command(examples=("runyard experiment create /Shared/churn --tag team=growth",))
@click.argument("name")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="A tag; may be given again.")
@click.option("--artifact-location", metavar="URI", help="Where its runs' files go, if not to the server.")
@commands.server
@commands.output
def create(
    session: Session, name: str, tags: tuple[str, ...], artifact_location: str | None, out: Output
) -> None:
    """Create an experiment."""
    from runyard.client import experiments

    tagged = commands.pairs(tags, "--tag")
    made = experiments.create(session.http, name, artifact_location=artifact_location, tags=tagged)
    name = experiments.stored_name(name)
    out.done(f"Created experiment '{name}', id {made}.", {"experiment_id": made, "name": name})


@experiment.command(examples=("runyard experiment rename /Shared/churn /Shared/churn-2025",))
@click.argument("name")
@click.argument("new_name")
@commands.server
@commands.output
def rename(session: Session, name: str, new_name: str, out: Output) -> None:
    """Give an experiment another name."""
    from runyard.client import experiments

    found = experiments.find(session.http, name)
    experiments.rename(session.http, found.experiment_id, new_name)
    new_name = experiments.stored_name(new_name)
    out.done(
        f"Renamed experiment {found.experiment_id} from '{found.name}' to '{new_name}'.",
        {"experiment_id": found.experiment_id, "name": new_name},
    )


@experiment.command(
    examples=("runyard experiment delete /Shared/churn", "runyard experiment delete 12 13 --yes")
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@commands.yes
@commands.server
@commands.output
def delete(session: Session, names: tuple[str, ...], yes: bool, out: Output) -> None:
    """Move experiments with all their runs to the trash."""
    from runyard.client import experiments, trash

    named = [experiments.find(session.http, name) for name in names]
    found = _others(named, "deleted", "in the trash", out)
    told = ", ".join(f"'{one.name}'" for one in found)
    if found:
        asking.sure(f"Move {told} with all runs to the trash?", yes=yes)
    for one in found:
        experiments.delete(session.http, one.experiment_id)
    names_of = {one.experiment_id: one.name for one in found}
    if found:
        purge_time = trash.entry(session.http, "experiment", found[-1].experiment_id).get("purge_time")
        message = texts.all_in_trash("experiment", names_of, purge_time)
        out.done(message, {"deleted": list(names_of), "purge_time": purge_time})
    elif not out.for_people:
        out.done("", {"deleted": [], "purge_time": None})


@experiment.command(
    examples=("runyard experiment restore 12", "runyard experiment restore 12 --name /Shared/churn-2024")
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--name", "new_name", metavar="NAME", help="Under another name: its own may be taken.")
@commands.server
@commands.output
def restore(session: Session, names: tuple[str, ...], new_name: str | None, out: Output) -> None:
    """Bring experiments back from the trash."""
    from runyard.client import experiments

    if new_name is not None and len(names) > 1:
        raise click.UsageError("--name gives one experiment its name; restore the others by themselves.")
    named = [experiments.find_deleted(session.http, name) for name in names]
    # One that is to get another name isn't as it is wanted: the server says what to do.
    found = named if new_name is not None else _others(named, "active", "active", out)
    for one in found:
        experiments.restore(session.http, one.experiment_id, new_name)
    told = ", ".join(f"'{one.name}'" for one in found)
    under = "" if new_name is None else f" as '{new_name}'"
    if found or not out.for_people:
        out.done(f"Restored {told}{under}.", {"restored": [one.experiment_id for one in found]})


def _others(named: list[Experiment], stage: str, where: str, out: Output) -> list[Experiment]:
    """Those that aren't in a stage yet; of the others it is said that they are: there is nothing to do."""
    for one in named:
        if one.lifecycle_stage == stage:
            out.note(f"Experiment {one.experiment_id} ('{one.name}') is {where} already.")
    return [one for one in named if one.lifecycle_stage != stage]


def _item(found: Experiment) -> dict[str, Any]:
    return {
        "experiment_id": found.experiment_id,
        "name": found.name,
        "lifecycle_stage": found.lifecycle_stage,
        "creation_time": found.creation_time,
        "last_update_time": found.last_update_time,
        "artifact_location": found.artifact_location,
        "tags": {tag.key: tag.value for tag in found.tags},
    }
