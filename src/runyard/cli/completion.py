"""`runyard completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from runyard.cli.commands import Command

VARIABLE = "_RUNYARD_COMPLETE"


@click.command(
    cls=Command,
    examples=(
        "runyard completion bash > ~/.local/share/bash-completion/completions/runyard",
        "runyard completion zsh > ~/.zfunc/_runyard",
        "runyard completion fish > ~/.config/fish/completions/runyard.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands in a shell.

    zsh looks for it in the folders of $fpath: put `fpath+=~/.zfunc` before compinit in ~/.zshrc.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices are those that click knows
    click.echo(kind(ctx.find_root().command, {}, "runyard", VARIABLE).source())
