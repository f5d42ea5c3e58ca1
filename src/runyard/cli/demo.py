"""`runyard demo`."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import asdict

import click

from runyard.cli import asking, exits
from runyard.demo import address, isolation
from runyard.demo.errors import DemoError


@click.command()
@click.option("--url", default="http://127.0.0.1:5000", show_default=True, help="Address of the server.")
@click.option("--quick", is_flag=True, help="Fewer models: done in seconds.")
@click.option("--force", is_flag=True, help="Move the demo's old runs to the trash and train anew.")
@click.option("--yes", is_flag=True, help="Do not ask before --force.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the summary.",
)
@click.pass_context
def demo(ctx: click.Context, url: str, quick: bool, force: bool, yes: bool, output: str) -> None:
    """Train models on real data and log them to a running server.

    A regression and a classification with the data that scikit-learn brings, logged by the stock MLflow
    client into the experiments /Shared/demo/diabetes and /Shared/demo/breast-cancer. What is there already
    is not trained again. Needs the extra: pip install 'runyard[demo]'.
    """
    try:
        isolation.check_packages()
        server = address.parse(url)
        address.check(server)
        if force:
            asking.sure(f"Move the demo's runs on {server} to the trash and train anew?", yes=yes)
        _train(server, quick=quick, anew=force, output=output)
    except DemoError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted. `runyard demo` goes on with what is missing.", err=True)
        ctx.exit(exits.INTERRUPTED)


def _train(server: str, *, quick: bool, anew: bool, output: str) -> None:
    from rich.console import Console

    from runyard.demo.progress import ProgressDisplay

    with ProgressDisplay() as progress, isolation.isolated(server):
        progress.note("Loading MLflow and scikit-learn")
        gc.disable()  # it would search the imports' objects again and again, for a tenth of the time
        try:
            from runyard.demo import engine, summary
        finally:
            gc.enable()
        result = engine.run(server, quick=quick, anew=anew, progress=progress)
    if output == "json":
        click.echo(json.dumps(asdict(result), indent=2))
    else:
        summary.show(result, Console() if sys.stdout.isatty() else Console(width=120))
