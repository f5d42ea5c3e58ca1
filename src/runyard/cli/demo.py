"""`runyard demo`."""

from __future__ import annotations

import gc
import sys
from dataclasses import asdict

import click

from runyard.cli import asking, commands, exits
from runyard.cli.commands import Command
from runyard.cli.output import Column, Output
from runyard.cli.session import Session
from runyard.demo.errors import DemoError

_CSV = (
    Column("name"),
    Column("experiment_id"),
    Column("runs", "number"),
    Column("metric"),
    Column("value", "number"),
    Column("run_name"),
    Column("run_id"),
    Column("url"),
)


@click.command(
    cls=Command,
    examples=("runyard demo --quick", "runyard demo --url https://ml.example.org -w vision -o json"),
)
@click.option("--quick", is_flag=True, help="Fewer models: done in seconds.")
@click.option("--force", is_flag=True, help="Move the demo's old runs to the trash and train anew.")
@commands.yes
@commands.server
@commands.output
@click.pass_context
def demo(ctx: click.Context, session: Session, quick: bool, force: bool, yes: bool, out: Output) -> None:
    """Train models on real data and log them to a running server.

    A regression and a classification with the data that scikit-learn brings, logged by the stock MLflow
    client into the experiments /Shared/demo/diabetes and /Shared/demo/breast-cancer. What is there already
    is not trained again. Needs the extra: pip install 'runyard[demo]'.
    """
    from runyard.demo import address, isolation

    session = session.apart_from_mlflow()
    ctx.call_on_close(session.close)
    try:
        isolation.check_packages()
        address.check(session.http)
        if force:
            asking.sure(f"Move the demo's runs on {session.http.base} to the trash and train anew?", yes=yes)
        _train(session, quick=quick, anew=force, out=out)
    except DemoError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted. `runyard demo` goes on with what is missing.", err=True)
        ctx.exit(exits.INTERRUPTED)


def _train(session: Session, *, quick: bool, anew: bool, out: Output) -> None:
    from rich.console import Console

    from runyard.demo import isolation
    from runyard.demo.progress import ProgressDisplay

    http = session.http
    with ProgressDisplay() as progress, isolation.isolated(http.base, session.settings.credential()):
        progress.note("Loading MLflow and scikit-learn")
        gc.disable()  # it would search the imports' objects again and again, for a tenth of the time
        try:
            from runyard.demo import engine, summary
        finally:
            gc.enable()
        result = engine.run(http, quick=quick, anew=anew, progress=progress)
    if out.for_people:
        summary.show(result, Console() if sys.stdout.isatty() else Console(width=120))
    elif out.form == "json":
        out.json(asdict(result))
    else:
        found = [asdict(experiment) for experiment in result.experiments]
        out.csv([{**one, **(one["best"] or {}), "url": one["url"]} for one in found], _CSV)
