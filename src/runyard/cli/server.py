"""`runyard server`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import click

from runyard.cli.commands import Command
from runyard.server import settings as settings_module
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.process import StartError, run
from runyard.server.settings import SETTINGS, Setting


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for every setting that is no secret."""
    for setting in reversed([setting for setting in SETTINGS if not setting.secret]):
        command = click.option(
            setting.option, setting.name, type=_type(setting), metavar=_metavar(setting), help=_help(setting)
        )(command)
    return command


def _type(setting: Setting[object]) -> click.ParamType[object] | type:
    return click.Choice(setting.choices) if setting.choices else setting.kind


def _metavar(setting: Setting[object]) -> str | None:
    return None if setting.choices else "NUMBER" if setting.kind is int else setting.name.upper()


def _help(setting: Setting[object]) -> str:
    default = f"default: {setting.default}; " if setting.default != "" else ""
    return f"{setting.help} [{default}env: {setting.variable}]"


@click.command(
    cls=Command,
    examples=(
        "runyard server",
        "runyard server --host 0.0.0.0 --port 8080 --data /srv/runyard",
        "runyard server --database postgresql://runyard@db/runyard --workers 4",
    ),
)
@_options
def server(**given: object) -> None:
    """Start the server.

    It stops at Ctrl+C or SIGTERM, after the requests in flight.
    """
    try:
        run(settings_module.load(given), click.echo)
    except InvalidArgument as error:
        _end(str(error), 2)
    except StartError as error:
        _end(str(error), 1)


def _end(message: str, code: int) -> None:
    # With log_level=debug the cause is shown whole.
    logging.getLogger("runyard.server").debug("the cause:", exc_info=True)
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)
