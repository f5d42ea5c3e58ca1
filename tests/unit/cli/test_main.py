"""The command as a whole: light, complete, with help that is true."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from runyard.cli import exits
from runyard.cli import main as main_module
from runyard.cli.commands import Command, Group
from runyard.cli.main import main
from runyard.client import errors

HEAVY = (
    "httpx",
    "rich",
    "numpy",
    "sqlalchemy",
    "uvicorn",
    "starlette",
    "msgspec",
    "keyring",
    "runyard.server",
)


def commands(group: click.Group = main, before: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


ALL = dict(commands())
# What these print has a form of its own: a script, the server's log, a file that is no table.
FORMS = {"completion": None, "server": None, "activity export": ["json", "csv"]}


@pytest.mark.parametrize(
    "words",
    ["--help", "--version", "run --help", "run list --help", "completion bash", "workspace", "login --help"],
)
def test_help_loads_nothing_heavy(words: str) -> None:
    script = (
        "import sys\n"
        "from runyard.cli.main import main\n"
        f"sys.argv[1:] = {words.split()!r}\n"
        "try: main(prog_name='runyard')\n"
        "except SystemExit: pass\n"
        f"print('loaded', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_a_completion_loads_nothing_heavy() -> None:
    script = (
        "import sys, os\n"
        "os.environ['_RUNYARD_COMPLETE'] = 'zsh_complete'\n"
        "os.environ |= {'COMP_WORDS': 'runyard wor', 'COMP_CWORD': '1'}\n"
        "from runyard.cli.main import main\n"
        "try: main(prog_name='runyard')\n"
        "except SystemExit: pass\n"
        f"print('loaded', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
    assert "workspace" in done.stdout


def test_the_list_of_commands_says_what_they_say_themselves() -> None:
    ctx = click.Context(main)
    for name, listed in main_module._COMMANDS.items():
        command = main.get_command(ctx, name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == listed.help, name


@pytest.mark.parametrize("words", sorted(ALL))
def test_every_command_explains_itself(words: str) -> None:
    command = ALL[words]
    assert isinstance(command, Command)
    assert command.help
    assert command.examples, "give it an example"
    for param in command.params:
        assert not isinstance(param, click.Option) or param.help, param.name
    shown = CliRunner().invoke(main, [*words.split(), "--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.output


@pytest.mark.parametrize("words", sorted({*ALL, *(words.rpartition(" ")[0] for words in ALL)}))
def test_help_fits_into_80_columns_and_cuts_no_sentence(words: str) -> None:
    shown = (
        CliRunner().invoke(main, [*words.split(), "--help"], prog_name="runyard", terminal_width=80).output
    )
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    listed = shown.partition("Commands:")[2]
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("words", sorted(ALL))
def test_every_command_chooses_its_form(words: str) -> None:
    forms = [param for param in ALL[words].params if param.opts == ["-o", "--output"]]
    choices = [list(param.type.choices) for param in forms if isinstance(param.type, click.Choice)]
    expected = FORMS.get(words, ["table", "json", "csv"])
    assert choices == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("words", "example"),
    [
        (words, example)
        for words, command in sorted(ALL.items())
        for example in getattr(command, "examples", ())
    ],
)
def test_examples_are_command_lines_that_parse(words: str, example: str) -> None:
    tokens = shlex.split(example.replace("$(", " ").replace(")", " "), comments=True)
    tokens = tokens[tokens.index("runyard") + 1 :]
    end = next((i for i, token in enumerate(tokens) if token in ("|", ">", "<", "&&")), len(tokens))
    expected = words.split()
    assert tokens[: len(expected)] == expected
    arguments = tokens[len(expected) : end]
    if words == "role set":
        arguments = ["-" if token.endswith(".json") else token for token in arguments]
    ALL[words].make_context(words, arguments, parent=click.Context(main)).close()


@pytest.mark.parametrize("words", [w for w in ALL if w.split()[-1] in ("delete", "revoke", "purge")])
def test_what_destroys_has_an_answer_for_its_question(words: str) -> None:
    assert any(param.name == "yes" for param in ALL[words].params)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.refusal(400, "X", "m"), exits.REFUSED),
        (errors.refusal(403, "X", "m"), exits.REFUSED),
        (errors.refusal(500, "X", "m"), exits.REFUSED),
        (errors.refusal(401, "X", "m"), exits.NOT_SIGNED_IN),
        (errors.refusal(404, "RESOURCE_DOES_NOT_EXIST", "m"), exits.NOT_FOUND),
        (errors.refusal(404, "ENDPOINT_NOT_FOUND", "m"), exits.REFUSED),
        (errors.refusal(503, "X", "m"), exits.UNREACHABLE),
        (errors.Unreachable("m"), exits.UNREACHABLE),
        (errors.NotRunyard("m"), exits.UNREACHABLE),
        (errors.ConfigurationError("m"), exits.USAGE),
        (errors.NotWritten("m"), exits.REFUSED),
    ],
)
def test_exit_codes(error: errors.ClientError, code: int) -> None:
    assert exits.code_of(error) == code
    assert exits.told(error).startswith("m") or "m" in exits.told(error)
    assert code in exits.MEANINGS


def test_a_message_names_the_request_that_failed() -> None:
    told = exits.told(errors.refusal(500, "INTERNAL_ERROR", "It failed.", request_id="r-1"))
    assert told == "It failed. (request r-1)"


def test_a_hostile_message_is_shown_as_it_is() -> None:
    assert exits.told(errors.NotRunyard("a\x1b[2Jb")) == "a\\x1b[2Jb"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell], prog_name="runyard")
    assert done.exit_code == 0
    assert "_RUNYARD_COMPLETE" in done.stdout


def test_groups_show_their_help() -> None:
    ctx = click.Context(main)
    for name in main.list_commands(ctx):
        command = main.get_command(ctx, name)
        if isinstance(command, Group):
            shown = CliRunner().invoke(main, [name])
            assert shown.exit_code == exits.USAGE
            assert "Commands:" in shown.output
