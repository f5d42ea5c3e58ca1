"""The `runyard` command."""

from __future__ import annotations

import gc

import click

from runyard import __version__


class _Commands(click.Group):
    """Loads a command's module when it is called: a start of one must not pay for the others."""

    modules = {"demo": "runyard.cli.demo", "server": "runyard.cli.server"}

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        import importlib

        module = self.modules.get(cmd_name)
        if module is None:
            return None
        # Importing makes thousands of objects and drops none: the collector would only lose time.
        gc.disable()
        try:
            command = getattr(importlib.import_module(module), cmd_name)
        finally:
            gc.enable()
        assert isinstance(command, click.Command)  # noqa: S101
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runyard")
def main() -> None:
    """Runyard: a self-hosted machine-learning workspace that speaks MLflow."""
