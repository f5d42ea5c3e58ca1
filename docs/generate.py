"""Writes the pages of the reference that follow from the code: `make docs`.

    python docs/generate.py           writes them
    python docs/generate.py --check   names those that aren't current, and fails if there are any

A page is a function without arguments that returns Markdown, registered under its path below `docs/`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from runyard.cli import exits
from runyard.cli.main import main as command
from runyard.server import app
from runyard.server import settings as settings_module
from runyard.server.auth.permissions import OF_RUN_TOKEN, TRACKING, Level, Permission, permissions_at
from runyard.server.auth.rules import BUILT_IN, GRANTABLE, permissions_of
from runyard.server.settings import SETTINGS, Setting
from runyard.server.web import Route
from runyard.server.workspaces.rules import QUOTAS
from runyard.server.workspaces.types import Quotas

DOCS = Path(__file__).parent
TEMPLATES = DOCS / "templates"
NOTE = "<!-- Made by docs/generate.py (make docs) from the code; edits here are lost. -->"

Page = Callable[[], str]

PAGES: dict[str, Page] = {}


def page(path: str) -> Callable[[Page], Page]:
    """Register a page under its path below `docs/`."""

    def register(made: Page) -> Page:
        if path in PAGES:
            raise ValueError(f"two pages at {path}")
        PAGES[path] = made
        return made

    return register


def text_of(path: str) -> str:
    """A page as its file should be."""
    return f"{NOTE}\n\n{PAGES[path]().strip()}\n"


def outdated() -> list[str]:
    """The pages whose files aren't current."""
    return [
        path
        for path in PAGES
        if not (DOCS / path).is_file() or (DOCS / path).read_text(encoding="utf-8") != text_of(path)
    ]


def template(name: str) -> str:
    """A page's text with gaps in braces for what follows from the code."""
    return (TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


@page("reference/settings.md")
def settings() -> str:
    """Every setting of the server."""
    rows = [
        (
            "" if s.secret else f"`{s.option}`",
            f"`{s.variable}`",
            f"`{s.default}`" if s.default != "" else "",
            _allowed(s),
            s.help,
        )
        for s in SETTINGS
    ]
    return f"""# Settings of the server

`runyard server` takes each setting from the command line, else from the environment, else it has its
default. A value that isn't allowed ends the start with one line on standard error and exit code 2.

{table(("option", "environment", "default", "allowed", "meaning"), rows)}

A secret and a password in an address are never logged nor shown. On a machine with several users give
such an address by the environment, since they can see each other's command lines; a setting that is a secret
as such has no option.
"""


@page("reference/quotas.md")
def quotas() -> str:
    """Every quota of a workspace."""
    defaults = Quotas()
    rows = [
        (f"`{q.name}`", q.scope.name.lower(), q.unit, _limit(getattr(defaults, q.name)), q.counts)
        for q in QUOTAS.values()
    ]
    return f"""# Quotas

What each workspace, experiment or run may hold, and how many requests a workspace may send; how to see and
set them is in [workspaces](../guides/workspaces.md#quotas). Runs and files in the trash count until they are
purged.

{table(("name", "of each", "in", "default", "what counts"), rows)}

Those of a run's points, params and tags are exact. The others are exact while the server is one process; with
several, as much too much may be accepted as the others accept in about two seconds. After a crash up to a
second's worth isn't counted, until the server has counted anew: points and runs within 6 hours, files within
a day.
"""


def _limit(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"


def _allowed(setting: Setting[Any]) -> str:
    if setting.choices:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    if setting.kind is not int:
        return "text"
    endless = setting.most is None or setting.most >= 2**62
    return f"{setting.least:,} or more" if endless else f"{setting.least:,} to {setting.most:,}"


@page("guides/roles-and-permissions.md")
def roles_and_permissions() -> str:
    """Who may do what; the tables follow from the roles."""
    roles = [(name, permissions_of([role])) for name, role in BUILT_IN.items()]
    levels = [(_LEVELS[level], permissions_at(level)) for level in Level if level]
    tokens = [("tracking token", TRACKING), ("run's token", OF_RUN_TOKEN)]
    of_experiments = [p for p in GRANTABLE if p.of_experiments]
    return template("roles-and-permissions").format(
        roles=table(("role", "what it is for"), [(name, r.description) for name, r in BUILT_IN.items()]),
        matrix=_matrix(GRANTABLE, roles),
        server=", ".join(f"`{p.value}`" for p in Permission if p.of_server),
        levels=_matrix(of_experiments, levels),
        tokens=_matrix([p for p in GRANTABLE if p in TRACKING], tokens),
        samples="\n\n".join(_sample(role) for role in sample_roles()),
    )


def sample_roles() -> list[dict[str, Any]]:
    """The roles that the guide shows as examples."""
    roles: list[dict[str, Any]] = json.loads((TEMPLATES / "sample-roles.json").read_text(encoding="utf-8"))
    return roles


def _sample(role: dict[str, Any]) -> str:
    fields = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in role.items())
    return f"```json\n{{\n{fields}\n}}\n```"


_MLFLOW = "/api/2.0/mlflow/"
_FILES = "/api/2.0/mlflow-artifacts/"
_NATIVE = "/api/runyard/1/"


@page("reference/permissions.md")
def permissions() -> str:
    """Which permission each operation needs, from the table of routes."""
    routes = app.build(settings_module.load({"data": "runyard-data"}, {})).routes
    return f"""# Which operation needs which permission

What each address asks for before anything else, from the table that the server itself is made of.
[Roles, rules of folders and experiments, and tokens](../guides/roles-and-permissions.md) give permissions;
what is about experiments must be held where the experiment lies. `public` needs no credential, `signedIn` any
valid one.

## MLflow

Below `/api/2.0/mlflow/`, or `3.0` and `ajax-api` in the place of these:

{_operations(routes, _MLFLOW)}

Files, below `/api/2.0/mlflow-artifacts/`:

{_operations(routes, _FILES)}

## Runyard

Below `/api/runyard/1/`:

{_operations(routes, _NATIVE)}

Some ask for more, by what is sent: a rename for `experiments/write` in the old and the new place; archiving a
workspace, or making it active again, for `workspaces/delete`; bringing a thing back from the trash for what
deletes it; another user's password or tokens for `server/users/write`. A token never gives more than its
owner has.
"""


def _operations(routes: Sequence[Route], below: str) -> str:
    found = [
        (f"{r.method} `{r.path.removeprefix(below)}`", f"`{r.permission.value}`", r.summary)
        for r in routes
        if r.path.startswith(below) and isinstance(r.permission, Permission)
    ]
    return table(("operation", "permission", "what it does"), found)


_LEVELS = {Level.READ: "`CAN_READ`", Level.EDIT: "`CAN_EDIT`", Level.MANAGE: "`CAN_MANAGE`"}


def _matrix(rows: Sequence[Permission], columns: Sequence[tuple[str, frozenset[Permission]]]) -> str:
    """Which of the permissions each column has."""
    return table(
        ("permission", *(name for name, _ in columns)),
        [(f"`{p.value}`", *("yes" if p in held else "" for _, held in columns)) for p in rows],
    )


_VARIABLES = (
    ("`RUNYARD_URL`", "address of the server, instead of the one of `runyard login`; may end in `/w/NAME`"),
    ("`RUNYARD_TOKEN`", "token to send, instead of the one that `runyard login` kept"),
    ("`RUNYARD_WORKSPACE`", "the workspace, instead of the one of `runyard workspace use`"),
    (
        "`MLFLOW_TRACKING_URI`, `MLFLOW_TRACKING_TOKEN`, `MLFLOW_TRACKING_USERNAME`, "
        "`MLFLOW_TRACKING_PASSWORD`, `MLFLOW_WORKSPACE`",
        "what MLflow's client uses, where nothing else is named and nobody has signed in",
    ),
    ("`XDG_CONFIG_HOME`", "where the folder `runyard` with what is kept lies; `~/.config` by default"),
    ("`SSL_CERT_FILE`", "certificates of authorities to trust, beside the public ones of this machine"),
    ("`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`", "the way to servers on other machines"),
)
# Options that are explained once for all commands, by a command that has them all.
_SHARED = ("url", "workspace", "form", "limit", "yes")
_SHARED_OF = (("run", "list"), ("run", "delete"))


@page("reference/cli.md")
def command_line() -> str:
    """Every command of the command line."""
    shared = {param.name: param for words in _SHARED_OF for param in _find(words).params}
    meanings = [(f"`{code}`", meaning) for code, meaning in sorted(exits.MEANINGS.items())]
    return f"""# The command line

How to use it is in [the guide](../guides/command-line.md). Behind any command, `--help` shows what is here.

## Options of many commands

{table(("option", "meaning"), [_option(shared[name]) for name in _SHARED])}

## Environment

{table(("variable", "meaning"), _VARIABLES)}

## Exit codes

{table(("code", "meaning"), meanings)}

`runyard server` has [its own](operations.md).

{"".join(_section(words, found) for words, found in commands(command, "runyard"))}"""


def _find(words: Sequence[str]) -> click.Command:
    found: click.Command = command
    for word in words:
        assert isinstance(found, click.Group)  # noqa: S101
        inner = found.get_command(click.Context(found), word)
        assert inner is not None  # noqa: S101
        found = inner
    return found


def commands(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    """Groups and commands with the words that call them."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        assert found is not None  # noqa: S101
        yield f"{before} {name}", found
        if isinstance(found, click.Group):
            yield from commands(found, f"{before} {name}")


def _section(words: str, found: click.Command) -> str:
    parts = ["#" * (words.count(" ") + 1) + f" {words}", _prose(found.help or "")]
    if not isinstance(found, click.Group):
        usage = " ".join(found.collect_usage_pieces(click.Context(found)))
        parts.append(f"```\n{words} {usage}\n```")
        own = [p for p in found.params if isinstance(p, click.Option) and p.name not in _SHARED]
        if words == "runyard server":
            parts.append("Its options are the [settings](settings.md).")
        elif own:
            parts.append(table(("option", "meaning"), [_option(param) for param in own]))
        parts += ["```\n" + "\n".join(lines) + "\n```" for lines in [getattr(found, "examples", ())] if lines]
    return "\n\n".join(parts) + "\n\n"


def _prose(text: str) -> str:
    """A help text as paragraphs of one line."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in part.splitlines()) for part in paragraphs)


def _option(param: click.Parameter) -> tuple[str, str]:
    assert isinstance(param, click.Option)  # noqa: S101
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    value = "" if param.is_flag else f" `{param.make_metavar(click.Context(command))}`"
    shown = (param.help or "").replace("  [env: ", " [env: ")
    if param.show_default and param.default is not None:
        shown += f" [default: {param.default}]"
    return names + value, shown


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` name those that aren't current; returns the exit code."""
    stale = outdated()
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"docs/{path} isn't current: run make docs\n")
        return 1 if stale else 0
    for path in stale:
        file = DOCS / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(path), encoding="utf-8")
        sys.stdout.write(f"wrote docs/{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
