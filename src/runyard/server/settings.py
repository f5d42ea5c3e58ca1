"""Every setting in one table. This is the only reader of the environment.

A setting comes from the command line, else from the environment (`RUNYARD_` and its name in capitals),
else it has its default. A secret comes from the environment or from a file only: everybody on a machine
sees its command lines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from runyard.server.kernel.addresses import is_network, is_private, is_site
from runyard.server.kernel.errors import InvalidArgument

T = TypeVar("T")

PREFIX = "RUNYARD_"


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One row of the table.

    Attributes:
        name: as a field of `Settings`; the option is the same with hyphens.
        kind: the type of its values.
        default: the value when nobody gives one.
        help: one or two sentences for the command line and the reference.
        choices: the values that are allowed; empty for any.
        least, most: the bounds of a number, both included.
        secret: never shown, and not taken from the command line.
    """

    name: str
    kind: type[T]
    default: T
    help: str
    choices: tuple[T, ...] = ()
    least: int | None = None
    most: int | None = None
    secret: bool = False

    @property
    def option(self) -> str:
        """The command line's option."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return PREFIX + self.name.upper()


_MIB = 2**20
_NO_END = 2**63 - 1

SETTINGS: tuple[Setting[Any], ...] = (
    Setting(
        "host",
        str,
        "127.0.0.1",
        "Address to listen on; until the first user exists only a loopback address is allowed.",
    ),
    Setting("port", int, 5000, "Port to listen on; 0 takes a free one.", least=0, most=65535),
    Setting(
        "public_url",
        str,
        "",
        "Address under which people and programs reach the server, such as https://ml.example.org: for what "
        "it prints, for the cookies' security, and for sign-in with OpenID Connect.",
    ),
    Setting(
        "trusted_proxies",
        str,
        "",
        "Addresses or networks, separated by commas, of proxies whose X-Forwarded-For and X-Forwarded-Proto "
        "are believed; empty: nobody's.",
    ),
    Setting("data", str, "runyard-data", "Folder for the database, the artifacts and the lock."),
    Setting(
        "database",
        str,
        "",
        "Database address: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; empty: a SQLite file in "
        "the data folder.",
    ),
    Setting(
        "artifacts",
        str,
        "",
        "Where artifacts are stored: a folder or file:// address; empty: in the data folder.",
    ),
    Setting("workers", int, 1, "Server processes; more than one needs PostgreSQL.", least=1, most=256),
    Setting(
        "log_level",
        str,
        "info",
        "The least grave log lines that are written; debug writes one for every request.",
        choices=("debug", "info", "warning", "error"),
    ),
    Setting("log_format", str, "text", "text for people, json for machines.", choices=("text", "json")),
    Setting(
        "max_body_bytes",
        int,
        32 * _MIB,
        "Largest JSON request body in bytes; artifacts have no such limit.",
        least=1024,
        most=2**31,
    ),
    Setting(
        "max_database_bytes",
        int,
        0,
        "Largest size of the SQLite file in bytes; 0 for no limit.",
        least=0,
        most=_NO_END,
    ),
    Setting(
        "max_artifact_bytes",
        int,
        0,
        "Largest total size of all artifacts in bytes; 0 for no limit.",
        least=0,
        most=_NO_END,
    ),
    Setting(
        "trash_days",
        int,
        30,
        "How many days deleted things lie in the trash before they are destroyed; 0 for ever.",
        least=0,
        most=36_500,
    ),
    Setting(
        "shutdown_seconds",
        int,
        30,
        "How long a shutdown waits for requests in flight.",
        least=1,
        most=86_400,
    ),
    Setting(
        "oidc_issuer",
        str,
        "",
        "Issuer of an OpenID Connect provider, such as https://login.example.org: people can sign in there.",
    ),
    Setting("oidc_client_id", str, "", "Client id that the provider gave this server."),
    Setting("oidc_client_secret", str, "", "Secret that belongs to the client id.", secret=True),
    Setting("oidc_client_secret_file", str, "", "File that holds the client's secret instead."),
    Setting("oidc_scopes", str, "openid profile email", "What the provider is asked for."),
    Setting(
        "oidc_name_claim",
        str,
        "preferred_username",
        "Claim that gives a new user its name; email counts only when the provider has verified it.",
    ),
    Setting("oidc_email_claim", str, "email", "Claim with a user's e-mail address."),
    Setting("oidc_groups_claim", str, "groups", "Claim with the names of a user's groups."),
    Setting(
        "oidc_roles",
        str,
        "",
        'What the provider\'s groups give, as JSON: {"GROUP": {"workspace": "NAME", "role": "ROLE"}}, or '
        '"admin", or a list of these.',
    ),
    Setting(
        "oidc_create_users",
        str,
        "mapped",
        "Who gets an account at the first sign-in: nobody, whoever is in a group that oidc_roles names, or "
        "everybody whom the provider lets in.",
        choices=("no", "mapped", "yes"),
    ),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force; one field per row of the table."""

    host: str
    port: int
    public_url: str
    trusted_proxies: str
    data: str
    database: str
    artifacts: str
    workers: int
    log_level: str
    log_format: str
    max_body_bytes: int
    max_database_bytes: int
    max_artifact_bytes: int
    trash_days: int
    shutdown_seconds: int
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str = field(repr=False)
    oidc_client_secret_file: str
    oidc_scopes: str
    oidc_name_claim: str
    oidc_email_claim: str
    oidc_groups_claim: str
    oidc_roles: str
    oidc_create_users: str

    @property
    def data_folder(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.data).expanduser().absolute()

    @property
    def database_url(self) -> str:
        """The database's address."""
        return self.database or f"sqlite:///{self.data_folder / 'runyard.db'}"

    @property
    def artifacts_url(self) -> str:
        """The artifact store's address."""
        return self.artifacts or str(self.data_folder / "artifacts")

    @property
    def oidc_secret(self) -> str:
        """The client's secret, from wherever it is.

        Raises:
            InvalidArgument: its file can't be read.
        """
        if not self.oidc_client_secret_file:
            return self.oidc_client_secret
        try:
            return Path(self.oidc_client_secret_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it isn't text"
            raise _wrong(
                _BY_NAME["oidc_client_secret_file"],
                f"a file that can be read ({reason.lower()})",
                self.oidc_client_secret_file,
            ) from error

    def environment(self) -> dict[str, str]:
        """The variables from which another process reads the same settings."""
        return {_BY_NAME[f.name].variable: str(getattr(self, f.name)) for f in fields(self)}


def load(given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force.

    Args:
        given: values from the command line; None means not given.
        environment: the variables to read; the process's own by default.

    Raises:
        InvalidArgument: a value isn't of its setting's type or out of its range.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        value = (given or {}).get(setting.name)
        if value is None:
            value = variables.get(setting.variable, setting.default)
        values[setting.name] = _read(setting, value)
    settings = Settings(**values)
    _check(settings)
    return settings


def _read(setting: Setting[Any], value: Any) -> Any:
    try:
        read = setting.kind(value)
    except ValueError as error:
        raise _wrong(
            setting, "a whole number" if setting.kind is int else setting.kind.__name__, value
        ) from error
    if setting.choices and read not in setting.choices:
        raise _wrong(setting, "one of " + ", ".join(setting.choices), value)
    if setting.least is not None and read < setting.least:
        raise _wrong(setting, f"at least {setting.least}", value)
    if setting.most is not None and read > setting.most:
        raise _wrong(setting, f"at most {setting.most}", value)
    return read


def _wrong(setting: Setting[Any], rule: str, value: Any) -> InvalidArgument:
    return InvalidArgument(
        f"{setting.option} ({setting.variable}) must be {rule}, not {value!r}.", field=setting.name
    )


def _check(settings: Settings) -> None:
    if settings.workers > 1 and settings.database_url.startswith("sqlite"):
        raise InvalidArgument(
            f"{settings.workers} workers need PostgreSQL, since SQLite has one writer: give --database "
            "postgresql://USER:PASSWORD@HOST/NAME, or run one worker.",
            field="workers",
        )
    if settings.public_url and not is_site(settings.public_url):
        raise _wrong(
            _BY_NAME["public_url"],
            "http:// or https:// with a host, perhaps a port, and nothing behind it",
            settings.public_url,
        )
    for proxy in filter(None, settings.trusted_proxies.split(",")):
        if not is_network(proxy.strip()):
            raise _wrong(
                _BY_NAME["trusted_proxies"], "addresses or networks, such as 10.0.0.7,10.1.0.0/16", proxy
            )
    _check_oidc(settings)


def _check_oidc(settings: Settings) -> None:
    if not settings.oidc_issuer:
        return
    if not is_private(settings.oidc_issuer):
        raise _wrong(_BY_NAME["oidc_issuer"], "an https:// address", settings.oidc_issuer)
    if settings.oidc_client_secret and settings.oidc_client_secret_file:
        raise InvalidArgument(
            "The OpenID Connect client's secret is given twice, by RUNYARD_OIDC_CLIENT_SECRET and by a file; "
            "leave one out.",
            field="oidc_client_secret",
        )
    missing = [
        name
        for name, value in (
            ("--public-url", settings.public_url),
            ("--oidc-client-id", settings.oidc_client_id),
            ("RUNYARD_OIDC_CLIENT_SECRET or --oidc-client-secret-file", settings.oidc_secret),
        )
        if not value
    ]
    if missing:
        raise InvalidArgument(
            f"Sign-in with OpenID Connect needs {' and '.join(missing)} too.", field="oidc_issuer"
        )
    if "openid" not in settings.oidc_scopes.split():
        raise _wrong(_BY_NAME["oidc_scopes"], "scopes with openid among them", settings.oidc_scopes)
