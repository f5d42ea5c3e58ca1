"""The `runyard` command."""

from __future__ import annotations

import gc
from typing import NamedTuple

import click

from runyard import __version__
from runyard.cli import exits
from runyard.cli.session import SESSION
from runyard.client.errors import ClientError, NotSignedIn


class _Listed(NamedTuple):
    """A command that isn't loaded yet: its module, and the help that lists and completions show."""

    module: str
    help: str


_COMMANDS = {
    "activity": _Listed("activity", "Who did what, and whether the record is whole."),
    "completion": _Listed("completion", "Print a script that completes commands in a shell."),
    "demo": _Listed("demo", "Train models on real data and log them to a running server."),
    "experiment": _Listed("experiment", "Experiments."),
    "folder": _Listed("folder", "Folders of experiments: what lies in them, moving them."),
    "group": _Listed("group", "Groups of users and service principals."),
    "login": _Listed("login", "Sign in to a server, and use it from now on."),
    "logout": _Listed("login", "Sign out: revoke this machine's token and forget it."),
    "metrics": _Listed("metrics", "Metrics of runs: values, histories, exports, plots."),
    "permission": _Listed("permission", "Who may do what in a folder or an experiment."),
    "role": _Listed("role", "Roles: the built-in ones and your own."),
    "run": _Listed("run", "Runs: find, watch, compare, download, delete."),
    "server": _Listed("server", "Start the server."),
    "service-principal": _Listed("service_principal", "Service principals: who programs sign in as."),
    "token": _Listed("token", "Tokens for programs and machines."),
    "trash": _Listed("trash", "What was deleted, until it is purged."),
    "user": _Listed("user", "Users of a server."),
    "whoami": _Listed("login", "Show as whom you are signed in, where, and what you may do."),
    "workspace": _Listed("workspace", "Workspaces, their members and quotas."),
}


class _Commands(click.Group):
    """Loads a command's module when it is called: a start of one must not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        import importlib

        listed = _COMMANDS.get(cmd_name)
        if listed is None:
            return None
        # Importing makes thousands of objects and drops none: the collector would only lose time.
        gc.disable()
        try:
            module = importlib.import_module(f"runyard.cli.{listed.module}")
        finally:
            gc.enable()
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.help) for name, listed in sorted(_COMMANDS.items())])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [
            click.shell_completion.CompletionItem(name, help=listed.help)
            for name, listed in sorted(_COMMANDS.items())
            if name.startswith(incomplete)
        ] + options

    def invoke(self, ctx: click.Context) -> object:
        """Call the command; what it expects to go wrong becomes a line and an exit code."""
        try:
            return super().invoke(ctx)
        except ClientError as error:
            session = ctx.meta.get(SESSION)
            url = session.settings.url if isinstance(error, NotSignedIn) and session is not None else None
            click.echo(f"Error: {exits.told(error, url)}", err=True)
            ctx.exit(exits.code_of(error))
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(exits.INTERRUPTED)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runyard")
def main() -> None:
    """Runyard: a self-hosted machine-learning workspace that speaks MLflow.

    `runyard COMMAND --help` tells about a command, with examples. Without `runyard login` the commands
    speak to the server on this machine, http://127.0.0.1:5000.
    """
