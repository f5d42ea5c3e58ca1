"""Which server, workspace and credential: from the most particular to the most general."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.client import credentials, logins, settings
from runyard.client.errors import ConfigurationError
from runyard.client.logins import Login, Logins

KEPT = "https://kept.example.org"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder in which somebody has signed in, with a workspace in use."""
    folder = tmp_path / "runyard"
    credentials.FileStore(folder).set(KEPT, "ryp_kept")

    def sign_in(known: Logins) -> None:
        known.current = KEPT
        known.servers[KEPT] = Login("alice", "used", "7", "file")

    logins.change(folder, sign_in)
    return tmp_path


@pytest.mark.parametrize(
    ("url", "variables", "found", "named_by"),
    [
        ("http://flag", {"RUNYARD_URL": "http://variable"}, "http://flag", "--url"),
        (None, {"RUNYARD_URL": "http://variable"}, "http://variable", "RUNYARD_URL"),
        (None, {"MLFLOW_TRACKING_URI": "http://mlflow"}, KEPT, "runyard login"),
    ],
)
def test_the_server(
    home: Path, url: str | None, variables: dict[str, str], found: str, named_by: str
) -> None:
    known = settings.load(url=url, environment={"XDG_CONFIG_HOME": str(home), **variables})
    assert (known.url, known.named_by) == (found, named_by)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("http://mlflow:5000/w/x", "http://mlflow:5000"),
        ("runyard://mlflow", "https://mlflow"),
        ("sqlite:///mlflow.db", "http://127.0.0.1:5000"),
        ("databricks", "http://127.0.0.1:5000"),
        ("./mlruns", "http://127.0.0.1:5000"),
        ("", "http://127.0.0.1:5000"),
    ],
)
def test_without_a_login_the_server_of_mlflow_is_meant(tmp_path: Path, uri: str, found: str) -> None:
    variables = {"XDG_CONFIG_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": uri}
    assert settings.load(environment=variables).url == found


@pytest.mark.parametrize(
    ("url", "workspace", "variables", "found"),
    [
        (KEPT, "flag", {"RUNYARD_WORKSPACE": "variable"}, "flag"),
        (f"{KEPT}/w/in-flag", None, {"RUNYARD_WORKSPACE": "variable"}, "in-flag"),
        (f"{KEPT}/w/same", "same", {}, "same"),
        (None, None, {"RUNYARD_WORKSPACE": "variable"}, "variable"),
        (None, None, {"RUNYARD_WORKSPACE": "variable", "RUNYARD_URL": f"{KEPT}/w/address"}, "variable"),
        (None, None, {"RUNYARD_URL": f"{KEPT}/w/address"}, "address"),
        (None, None, {"RUNYARD_WORKSPACE": ""}, "used"),
        ("http://other", None, {"MLFLOW_WORKSPACE": "mlflow"}, None),
    ],
)
def test_the_workspace(
    home: Path, url: str | None, workspace: str | None, variables: dict[str, str], found: str | None
) -> None:
    environment = {"XDG_CONFIG_HOME": str(home), **variables}
    assert settings.load(url=url, workspace=workspace, environment=environment).workspace == found


def test_two_workspaces_are_a_mistake(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="Two workspaces"):
        settings.load(url=f"{KEPT}/w/a", workspace="b", environment={"XDG_CONFIG_HOME": str(home)})


MLFLOW = {"MLFLOW_TRACKING_URI": "http://mlflow"}


@pytest.mark.parametrize(
    ("url", "variables", "header"),
    [
        (KEPT, {"RUNYARD_TOKEN": "ryp_env\n"}, "Bearer ryp_env"),
        (KEPT, {}, "Bearer ryp_kept"),
        (KEPT, {"MLFLOW_TRACKING_TOKEN": "ryp_mlflow"}, "Bearer ryp_kept"),
        # What was kept or set for one server isn't sent to another.
        ("http://other", {}, None),
        ("http://other", {**MLFLOW, "MLFLOW_TRACKING_TOKEN": "ryp_mlflow"}, None),
        ("http://mlflow", {**MLFLOW, "MLFLOW_TRACKING_TOKEN": "ryp_mlflow"}, "Bearer ryp_mlflow"),
        (
            "http://mlflow",
            {**MLFLOW, "MLFLOW_TRACKING_USERNAME": "a", "MLFLOW_TRACKING_PASSWORD": "b"},
            "Basic YTpi",
        ),
        ("http://mlflow", {"MLFLOW_TRACKING_URI": "http://a:b@mlflow/w/x"}, "Basic YTpi"),
        ("http://mlflow", {"MLFLOW_TRACKING_URI": "http://ryt_x@mlflow"}, "Bearer ryt_x"),
    ],
)
def test_the_credential(home: Path, url: str, variables: dict[str, str], header: str | None) -> None:
    known = settings.load(url=url, environment={"XDG_CONFIG_HOME": str(home), **variables})
    found = known.credential()
    assert (found.header if found else None) == header


def test_a_token_that_is_none_is_told_by_its_variable(tmp_path: Path) -> None:
    known = settings.load(environment={"XDG_CONFIG_HOME": str(tmp_path), "RUNYARD_TOKEN": "two words"})
    with pytest.raises(ConfigurationError, match="RUNYARD_TOKEN"):
        known.credential()


@pytest.mark.parametrize("url", ["http://alice:secret@host", "http://ryp_secret@host"])
def test_a_secret_in_an_address_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="RUNYARD_TOKEN") as failed:
        settings.load(url=url, environment={"XDG_CONFIG_HOME": str(tmp_path)})
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"XDG_CONFIG_HOME": "/x", "HOME": "/home/a"}, "/x/runyard"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/home/a"}, "/home/a/.config/runyard"),
        ({"HOME": "/home/a"}, "/home/a/.config/runyard"),
    ],
)
def test_the_folder(variables: dict[str, str], folder: str) -> None:
    assert settings.load(environment=variables).home == Path(folder)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "runyard" / logins.FILE
    file.parent.mkdir()
    file.write_text("{")
    with pytest.raises(ConfigurationError, match=r"config\.json is damaged"):
        settings.load(environment={"XDG_CONFIG_HOME": str(tmp_path)})
