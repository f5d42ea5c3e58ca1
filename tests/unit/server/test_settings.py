from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.settings import SETTINGS, Setting, Settings, load

NUMBERS = [setting for setting in SETTINGS if setting.kind is int]
CHOICES = [setting for setting in SETTINGS if setting.choices]
POSTGRESQL = "postgresql://me:pw@host/db"


def test_the_table_and_the_values_have_the_same_names() -> None:
    assert [setting.name for setting in SETTINGS] == [field.name for field in fields(Settings)]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_is_explained(setting: Setting[Any]) -> None:
    assert setting.help.endswith(".")
    assert setting.variable == f"RUNYARD_{setting.name.upper()}"
    assert setting.option == "--" + setting.name.replace("_", "-")


def test_without_anything_the_defaults_hold() -> None:
    settings = load({}, {})
    assert {s.name: getattr(settings, s.name) for s in SETTINGS} == {s.name: s.default for s in SETTINGS}


def test_the_command_line_wins_over_the_environment() -> None:
    environment = {"RUNYARD_PORT": "1", "RUNYARD_HOST": "localhost"}
    settings = load({"port": 2, "host": None}, environment)
    assert (settings.port, settings.host) == (2, "localhost")


def test_another_process_reads_the_same_settings() -> None:
    given = load({"port": 0, "workers": 3, "database": POSTGRESQL, "log_format": "json"}, {})
    assert load({}, given.environment()) == given


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda s: s.name)
def test_a_number_must_be_one(setting: Setting[Any]) -> None:
    with pytest.raises(InvalidArgument, match="whole number, not 'x'") as caught:
        load({}, {setting.variable: "x"})
    assert caught.value.field == setting.name
    assert setting.option in caught.value.message
    assert setting.variable in caught.value.message


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda s: s.name)
def test_a_number_has_bounds(setting: Setting[Any]) -> None:
    assert setting.least is not None
    assert setting.most is not None
    more = {} if setting.name == "database" else {"database": POSTGRESQL}
    for value in (setting.least, setting.most):
        assert getattr(load({setting.name: value, **more}, {}), setting.name) == value
    for value, rule in ((setting.least - 1, "at least"), (setting.most + 1, "at most")):
        with pytest.raises(InvalidArgument, match=rule):
            load({setting.name: value, **more}, {})


@pytest.mark.parametrize("setting", CHOICES, ids=lambda s: s.name)
def test_a_choice_is_one_of_few(setting: Setting[Any]) -> None:
    for choice in setting.choices:
        assert getattr(load({setting.name: choice}, {}), setting.name) == choice
    with pytest.raises(InvalidArgument, match=f"one of {', '.join(setting.choices)}"):
        load({setting.name: "loud"}, {})


def test_several_workers_need_postgresql() -> None:
    with pytest.raises(InvalidArgument, match="PostgreSQL") as caught:
        load({"workers": 2}, {})
    assert caught.value.field == "workers"
    assert load({"workers": 2, "database": POSTGRESQL}, {}).workers == 2


OIDC = {
    "public_url": "https://ml.example.org",
    "oidc_issuer": "https://login.example.org",
    "oidc_client_id": "runyard",
}
SECRET = {"RUNYARD_OIDC_CLIENT_SECRET": "hush"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public_url", "ml.example.org"),
        ("public_url", "https://ml.example.org/runyard"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "10.0.0.7,proxy.example.org"),
        ("oidc_issuer", "http://login.example.org"),
        ("oidc_scopes", "profile"),
        ("oidc_create_users", "maybe"),
        ("oidc_client_secret_file", "/does/not/exist"),
    ],
)
def test_an_address_must_be_one(name: str, value: str) -> None:
    environment = {} if name == "oidc_client_secret_file" else SECRET
    with pytest.raises(InvalidArgument, match="must be") as caught:
        load({**OIDC, name: value}, environment)
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("left_out", "told"),
    [("public_url", "--public-url"), ("oidc_client_id", "--oidc-client-id"), ("", "OIDC_CLIENT_SECRET")],
)
def test_a_provider_needs_more(left_out: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        load({**OIDC, left_out: ""}, SECRET if left_out else {})


def test_the_secret_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n")
    settings = load({**OIDC, "oidc_client_secret_file": str(file)}, {})
    assert settings.oidc_secret == "hush"
    with pytest.raises(InvalidArgument, match="twice"):
        load({**OIDC, "oidc_client_secret_file": str(file)}, SECRET)


def test_a_secret_is_not_shown() -> None:
    settings = load(OIDC, SECRET)
    assert settings.oidc_secret == "hush"
    assert "hush" not in repr(settings)


def test_files_are_in_the_data_folder_unless_told_otherwise() -> None:
    settings = load({"data": "somewhere"}, {})
    assert settings.data_folder == Path("somewhere").absolute()
    assert settings.database_url == f"sqlite:///{Path('somewhere').absolute()}/runyard.db"
    assert settings.artifacts_url == f"{Path('somewhere').absolute()}/artifacts"


def test_given_addresses_are_taken() -> None:
    settings = load({"database": POSTGRESQL, "artifacts": "/elsewhere"}, {})
    assert (settings.database_url, settings.artifacts_url) == (POSTGRESQL, "/elsewhere")


def test_the_home_folder_may_be_short() -> None:
    assert load({"data": "~/runs"}, {}).data_folder == Path.home() / "runs"
