"""Questions to whoever sits at the terminal; nothing is asked where nobody does."""

from __future__ import annotations

import sys

import click

from runyard.cli import exits
from runyard.cli.texts import safe


def sure(question: str, *, yes: bool) -> None:
    """Go on only if the answer is yes.

    Args:
        question: what is about to be done, ending with a question mark.
        yes: whether the answer was given with the command (`--yes`).

    Raises:
        click.UsageError: nobody can be asked.
        click.exceptions.Exit: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("This asks first, and standard input is no terminal: add --yes to go ahead.")
    if not click.confirm(safe(question), err=True):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(exits.REFUSED)


def secret(what: str, *, instead: str) -> str:
    """A secret, typed in without being shown.

    Raises:
        click.UsageError: nobody can be asked; `instead` is the option to use.
    """
    _require_terminal(what, instead)
    given: str = click.prompt(what, hide_input=True, err=True)
    return given


def new_password(what: str = "New password", *, instead: str = "--password-stdin") -> str:
    """A password, typed in twice without being shown.

    Raises:
        click.UsageError: nobody can be asked; `instead` is the option to use.
    """
    _require_terminal(what, instead)
    given: str = click.prompt(what, hide_input=True, confirmation_prompt="The same again", err=True)
    return given


def text(what: str, *, default: str | None = None, instead: str) -> str:
    """A text, typed in.

    Raises:
        click.UsageError: nobody can be asked; `instead` is the option to use.
    """
    _require_terminal(what, instead)
    given: str = click.prompt(what, default=default, show_default=bool(default), err=True)
    return given


def line_of_input(what: str) -> str:
    """The next line of standard input, without its end.

    Raises:
        click.UsageError: it is empty.
    """
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise click.UsageError(f"Standard input holds no {what}.")
    return line


def _require_terminal(what: str, instead: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what}: standard input is no terminal to ask at. Use {instead}.")
