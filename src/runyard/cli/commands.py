"""Commands with examples, and the options that many of them share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from runyard.cli.output import Output
from runyard.cli.session import SESSION, Session

Decorated = Callable[..., Any]

DEFAULT_LIMIT = 100


class Command(click.Command):
    """A command whose help ends with examples.

    Args:
        examples: command lines as they are typed, without a prompt.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, below the options."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group of such commands; without one of them it shows its help."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("no_args_is_help", True)
        super().__init__(*args, **kwargs)


class Spelled(click.Choice[str]):
    """A choice in whatever case, whose values may be given in other spellings too.

    Args:
        choices: the values.
        others: other spellings, in lower case, and the values that they mean.
    """

    def __init__(self, choices: Sequence[str], others: Mapping[str, str]) -> None:
        super().__init__(choices, case_sensitive=False)
        self._others = others

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value that a spelling means."""
        return super().convert(self._others.get(str(value).lower(), value), param, ctx)


def server(command: Decorated) -> Decorated:
    """Options that say which server and workspace; the command gets a `session`."""

    @click.option("--url", metavar="URL", help="Address of the server.  [env: RUNYARD_URL]")
    @click.option("-w", "--workspace", metavar="NAME", help="The workspace.  [env: RUNYARD_WORKSPACE]")
    @functools.wraps(command)
    def with_session(*args: Any, url: str | None, workspace: str | None, **kwargs: Any) -> Any:
        session = _opened(Session(url, workspace))
        return command(session, *args, **kwargs)

    return with_session


def server_only(command: Decorated) -> Decorated:
    """The option that says which server, where no workspace matters; the command gets a `session`."""

    @click.option("--url", metavar="URL", help="Address of the server.  [env: RUNYARD_URL]")
    @functools.wraps(command)
    def with_session(*args: Any, url: str | None, **kwargs: Any) -> Any:
        session = _opened(Session(url, None))
        return command(session, *args, **kwargs)

    return with_session


def output(command: Decorated) -> Decorated:
    """The option that chooses the form of the result; the command gets `out`."""

    @click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["table", "json", "csv"]),
        default="table",
        show_default=True,
        help="Form of the result.",
    )
    @functools.wraps(command)
    def with_output(*args: Any, form: Any, **kwargs: Any) -> Any:
        return command(*args, out=Output(form), **kwargs)

    return with_output


def limit(command: Decorated) -> Decorated:
    """The option that says how many things to list."""
    return click.option(
        "-n",
        "--limit",
        type=click.IntRange(min=0),
        default=DEFAULT_LIMIT,
        show_default=True,
        metavar="N",
        help="The most to list; 0 for all.",
    )(command)


def yes(command: Decorated) -> Decorated:
    """The option that answers the question a destructive command asks."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def pairs(values: Sequence[str], option: str) -> dict[str, str]:
    """KEY=VALUE texts as a dict.

    Raises:
        click.UsageError: one has no `=`, or no key.
    """
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{option} takes KEY=VALUE, not {text!r}.")
        found[key] = value
    return found


def _opened(session: Session) -> Session:
    """The session, kept for whoever tells of an error, and closed at the command's end."""
    context = click.get_current_context()
    context.meta[SESSION] = session
    context.call_on_close(session.close)
    return session
