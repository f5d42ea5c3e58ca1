"""`runyard login`, `logout`, `whoami` and the first administrator."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import httpx
import pytest

from tests.api.trash_data import sql
from tests.cli.conftest import Run, read_json
from tests.cli.process import Called
from tests.cli.team import PASSWORD, Team, root, team
from tests.server.process import Process

__all__ = ["root", "team"]


def _kept(team: Team, name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((team.home(name) / "runyard" / "credentials.json").read_text())
    return found


def _status(process: Process, token: str) -> int:
    """What the server answers to a token."""
    at, headers = f"{process.url}/api/runyard/1/whoami", {"Authorization": f"Bearer {token}"}
    return httpx.get(at, headers=headers, trust_env=False).status_code


def test_signing_in_keeps_a_token_and_no_password(team: Team, root: Run) -> None:
    # Given, When
    alice = team.joined("alice")
    # Then
    me = read_json(alice("whoami", "-o", "json"))
    assert (me["name"], me["kind"], me["is_admin"], me["url"]) == ("alice", "user", False, team.url)
    folder = team.home("alice") / "runyard"
    assert PASSWORD not in "".join(p.read_text() for p in folder.iterdir())
    assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
    assert list(_kept(team, "alice")) == [team.url]
    tokens = read_json(root("token", "list", "--user", "alice", "-o", "json"))
    assert [token["name"].startswith("runyard on ") for token in tokens] == [True]


def test_signing_in_says_where_the_token_is_and_shows_no_secret(team: Team) -> None:
    team.joined("anna")
    again = team.person("anna")("login", team.url, "--user", "anna", "--password-stdin", input=PASSWORD)
    assert f"Signed in to {team.url} as anna" in again.stdout
    assert str(team.home("anna") / "runyard" / "credentials.json") in again.stdout
    assert _kept(team, "anna")[team.url] not in again.output
    assert PASSWORD not in again.output


def test_signing_in_again_revokes_the_token_from_before(team: Team, root: Run) -> None:
    bert = team.joined("bert")
    before = _kept(team, "bert")[team.url]
    bert("login", team.url, "--user", "bert", "--password-stdin", input=PASSWORD)
    after = _kept(team, "bert")[team.url]
    assert before != after
    assert bert("whoami", RUNYARD_URL=team.url, RUNYARD_TOKEN=before).exit_code == 3
    assert len(read_json(root("token", "list", "--user", "bert", "-o", "json"))) == 1


def test_signing_in_as_somebody_else_revokes_the_token_from_before(team: Team) -> None:
    first = team.joined("ben")
    before = _kept(team, "ben")[team.url]
    team.joined("bea")
    assert first("login", team.url, "--user", "bea", "--password-stdin", input=PASSWORD).exit_code == 0
    assert read_json(first("whoami", "-o", "json"))["name"] == "bea"
    assert first("whoami", RUNYARD_TOKEN=before).exit_code == 3


def test_signing_out_revokes_and_forgets(team: Team, root: Run) -> None:
    carl = team.joined("carl")
    token = _kept(team, "carl")[team.url]
    assert "revoked and forgotten" in carl("logout").stdout
    assert _kept(team, "carl") == {}
    assert carl("whoami", RUNYARD_URL=team.url, RUNYARD_TOKEN=token).exit_code == 3
    assert read_json(root("token", "list", "--user", "carl", "-o", "json")) == []
    again = carl("logout", team.url)
    assert again.exit_code == 3
    assert "aren't signed in" in again.stderr


def test_a_token_from_elsewhere_signs_in_and_is_not_revoked(team: Team, root: Run) -> None:
    dora = team.joined("dora")
    token = dora("token", "create", "elsewhere").stdout.strip()
    other = team.person("dora's laptop")
    result = other("login", team.url, "--token", input=f"{token}\n")
    assert f"Signed in to {team.url} as dora" in result.stdout
    assert token not in result.output
    assert read_json(other("whoami", "-o", "json"))["name"] == "dora"
    assert "forgotten" in other("logout").stdout
    assert dora("whoami", RUNYARD_TOKEN=token).exit_code == 0


@pytest.mark.parametrize(
    ("words", "input", "code", "told"),
    [
        (("--user", "root", "--password-stdin"), "wrong password", 3, "wrong"),
        (("--user", "nobody-here", "--password-stdin"), "wrong password", 3, "wrong"),
        (("--user", "root", "--password-stdin"), "", 2, "holds no password"),
        (("--password-stdin",), "x", 2, "--user"),
        (("--token",), "ryp_" + "A" * 43, 3, "token"),
        (("--token",), "two words", 2, "no token"),
        (("--token", "--user", "a"), "x", 2, "--user"),
        ((), "", 2, "--password-stdin"),
    ],
)
def test_who_may_not_in(team: Team, words: tuple[str, ...], input: str, code: int, told: str) -> None:
    stranger = team.person("stranger")
    result = stranger("login", team.url, *words, input=input)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert len(input) < 2 or input not in result.stderr
    assert "To sign in" not in result.stderr
    assert not (team.home("stranger") / "runyard" / "credentials.json").exists()


def test_a_newcomer_is_told_where_to_go(team: Team, root: Run) -> None:
    # Given somebody without a role
    nora = team.joined("nora")
    again = ("login", team.url, "--user", "nora", "--password-stdin")
    nowhere = "You have no role in any workspace yet: ask an administrator of the server for one."
    for words in (again, ("whoami",), ("experiment", "list")):
        assert nowhere in nora(*words, input=PASSWORD).stderr
    # When there is one, elsewhere
    assert root("workspace", "create", "newcomers").exit_code == 0
    assert root("workspace", "assign", "nora", "Contributor", "-w", "newcomers").exit_code == 0
    # Then
    for words in (again, ("whoami",), ("experiment", "list")):
        told = nora(*words, input=PASSWORD).stderr
        assert "You may enter: newcomers (`-w newcomers`" in told
        assert "runyard workspace use newcomers`" in told
    assert nora("whoami", "-w", "newcomers").stderr == ""
    # A token for one workspace leads there, however it is sent.
    token = nora("token", "create", "bound", "--only-workspace", "newcomers").stdout.strip()
    other = team.person("nora's laptop")
    assert other("login", team.url, "--token", input=f"{token}\n").stderr == ""
    assert other("permission", "list").exit_code == other("experiment", "create", "/a").exit_code == 0
    bound = {"RUNYARD_URL": team.url, "RUNYARD_TOKEN": token}
    job = team.person("nobody")
    assert job("experiment", "show", "/a", **bound).exit_code == 0
    # So it is where the name of the workspace is needed.
    for words in (
        ("permission", "list"),
        ("permission", "check", "nora", "--folder", "/"),
        ("workspace", "members"),
        ("workspace", "quotas"),
    ):
        result = job(*words, **bound)
        assert result.exit_code == 0, result.output
    assert read_json(job("workspace", "show", "-o", "json", **bound))["name"] == "newcomers"
    assert job("workspace", "list", **bound).stdout.splitlines()[1].startswith("*  newcomers ")


def test_nobody_is_told_to_sign_in(team: Team) -> None:
    result = team.person("stranger")("experiment", "list", "--url", team.url)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"\nTo sign in: runyard login {team.url}\n" in result.stderr


def test_a_token_of_the_environment_comes_first_and_that_is_told(team: Team, root: Run) -> None:
    emil = team.joined("emil")
    token = _kept(team, "emil")[team.url]
    assert read_json(root("whoami", "-o", "json", RUNYARD_TOKEN=token))["name"] == "emil"
    result = emil(
        "login", team.url, "--user", "emil", "--password-stdin", input=PASSWORD, RUNYARD_TOKEN=token
    )
    assert "RUNYARD_TOKEN is set" in result.stderr


def test_the_credential_of_mlflow_serves(team: Team) -> None:
    team.joined("frida")
    token = _kept(team, "frida")[team.url]
    plain = team.person("nothing kept")
    for variables in (
        {"MLFLOW_TRACKING_TOKEN": token},
        {"MLFLOW_TRACKING_USERNAME": "frida", "MLFLOW_TRACKING_PASSWORD": PASSWORD},
    ):
        me = read_json(plain("whoami", "-o", "json", MLFLOW_TRACKING_URI=team.url, **variables))
        assert me["name"] == "frida"
    at = team.url.replace("http://", f"http://runyard:{token}@")
    me = read_json(plain("whoami", "-o", "json", MLFLOW_TRACKING_URI=f"{at}/w/default"))
    assert (me["name"], me["workspace"]) == ("frida", None)


def test_a_file_that_others_can_read_is_not_used(team: Team) -> None:
    gerd = team.joined("gerd")
    file = team.home("gerd") / "runyard" / "credentials.json"
    file.chmod(0o644)
    result = gerd("whoami")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "chmod 600" in result.stderr


def test_name_and_password_are_asked_at_a_terminal_and_not_shown(team: Team, root: Run) -> None:
    assert root("user", "add", "hans", "--password-stdin", input=PASSWORD).exit_code == 0
    with Called("login", team.url, environment=team.environment("hans"), terminal=True) as called:
        called.wait_for("Name")
        called.type("hans\n")
        called.wait_for("Password")
        called.type(f"{PASSWORD}\n")
        assert called.end() == 0
    assert "Signed in" in called.shown
    assert PASSWORD not in called.shown


def test_a_new_password_is_asked_twice(team: Team, root: Run) -> None:
    words = ("user", "add", "ida")
    with Called(*words, environment=team.environment("root"), terminal=True) as called:
        called.wait_for("New password")
        called.type(f"{PASSWORD}\n")
        called.wait_for("The same again")
        called.type("something else\n")
        called.wait_for("New password")
        called.type(f"{PASSWORD}\n")
        called.wait_for("The same again")
        called.type(f"{PASSWORD}\n")
        assert called.end() == 0
    assert PASSWORD not in called.shown
    assert read_json(root("user", "show", "ida", "-o", "json"))["has_password"] is True


def test_a_server_without_login_is_only_noted(
    run: Run, server: Process, environment: dict[str, str | None]
) -> None:
    environment["RUNYARD_URL"] = None
    result = run("login", f"{server.url}/w/default")
    assert result.exit_code == 0
    assert "needs no login" in result.stdout
    me = read_json(run("whoami", "-o", "json"))
    assert (me["kind"], me["url"], me["login_required"]) == ("local", server.url, False)
    assert run("logout").exit_code == 0


def test_the_first_administrator_is_the_only_one_made_without_a_server(team: Team, tmp_path: Path) -> None:
    root = team.person("first")
    words = ("user", "add", "root", "--admin", "--data", str(tmp_path / "data"), "--password-stdin")
    made = read_json(root(*words, "-o", "json", input=PASSWORD))
    assert (made["name"], made["is_admin"]) == ("root", True)
    assert str(tmp_path / "data") in made["database"]
    assert PASSWORD not in str(made)
    again = root(*words, input=PASSWORD)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "users already" in again.stderr


def test_the_first_administrator_in_a_database_elsewhere(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    words = ("user", "add", "root", "--admin", "--database", url, "--password-stdin")
    assert team.person("first")(*words, input=PASSWORD).exit_code == 0
    assert not (tmp_path / "runyard-data").exists()


def test_the_first_administrator_in_postgresql(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("user", "add", "root", "--admin", "--password-stdin", "--database", postgresql_url)
    assert team.person("first")(*words, input=PASSWORD).exit_code == 0
    assert list(tmp_path.iterdir()) == []
    assert team.person("first")(*words, input=PASSWORD).exit_code == 1


@pytest.mark.parametrize(
    ("options", "input", "code", "told"),
    [
        ((), PASSWORD, 2, "--admin"),
        (("--admin", "--no-password"), "", 2, "--admin"),
        (("--admin", "--password-stdin"), "short", 2, "password"),
        (("--admin", "--password-stdin"), "", 2, "password"),
    ],
)
def test_the_first_user_is_an_administrator_with_a_password(
    team: Team, tmp_path: Path, options: tuple[str, ...], input: str, code: int, told: str
) -> None:
    words = ("user", "add", "root", "--data", str(tmp_path / "data"), *options)
    result = team.person("first")(*words, input=input)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


def test_a_server_that_runs_keeps_its_data_folder(run: Run, server: Process) -> None:
    data = server.log.parent / "data"
    words = ("user", "add", "root", "--admin", "--data", str(data), "--password-stdin")
    result = run(*words, input=PASSWORD)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "in use by a Runyard server (process " in result.stderr
    assert "another --data" not in result.stderr
    assert "without --data" in result.stderr


def test_an_administrator_who_is_locked_out_gets_a_new_password(team: Team, tmp_path: Path) -> None:
    # Given a server with an administrator who has signed in
    data = ("--data", str(tmp_path / "data"))
    someone, new = team.person("locked-out"), "another good password"
    added = someone("user", "add", "root", "--admin", *data, "--password-stdin", input=PASSWORD)
    assert added.exit_code == 0
    process = Process(tmp_path / "server.log", *data)
    try:
        process.wait_until_it_answers()
        signing = ("login", process.url, "--user", "root", "--password-stdin")
        assert someone(*signing, input=PASSWORD).exit_code == 0
        assert someone("user", "add", "eve", "--password-stdin", input=PASSWORD).exit_code == 0
        (token,) = _kept(team, "locked-out").values()
        # When it is tried beside the server that runs
        reset = ("user", "password", "ROOT", *data, "--password-stdin")
        refused = someone(*reset, input=new)
        assert (refused.exit_code, "in use by a Runyard server" in refused.stderr) == (1, True)
    finally:
        process.end()
    # When, with the server stopped
    done = someone(*reset, input=new)
    assert (done.exit_code, new in done.output) == (0, False), done.output
    assert "Set the password of 'root'" in done.stdout
    assert "1 token is still valid: this command with --revoke-tokens ends all" in done.stdout
    for names, code, told in (
        (("eve",), 1, "those who may sign in are: root"),
        (("nobody",), 1, "root"),
        ((), 2, "Name the administrator"),
    ):
        failed = someone("user", "password", *names, *data, "--password-stdin", input=new)
        assert (failed.exit_code, told in failed.stderr) == (code, True), failed.output
    # Then
    process = Process(tmp_path / "server.log", *data)
    try:
        process.wait_until_it_answers()
        signing = ("login", process.url, "--user", "root", "--password-stdin")
        # Then her token is valid
        assert _status(process, token) == 200
        assert someone(*signing, input=PASSWORD).exit_code == 3
        assert someone(*signing, input=new).exit_code == 0
        words = ("activity", "list", "--all-workspaces", "--action", "user.password", "-o", "json")
        (event,) = read_json(someone(*words))
        assert (event["actor"], event["target"], event["credential"]) == ("local", "root", "command line")
    finally:
        process.end()
    # When the tokens are to end as well
    told = read_json(someone(*reset, "--revoke-tokens", "-o", "json", input=PASSWORD))
    assert (told["tokens"], told["revoked_tokens"]) == (0, 2)
    assert "0 tokens" in someone(*reset, "--revoke-tokens", input=PASSWORD).stdout
    assert someone("user", "password", "root", "--revoke-tokens").exit_code == 2
    # Then they did
    process = Process(tmp_path / "server.log", *data)
    try:
        process.wait_until_it_answers()
        assert _status(process, token) == 401
    finally:
        process.end()


@pytest.mark.parametrize("revision", ["0010", "9999"])
def test_no_database_is_touched_that_a_server_of_another_version_may_run_on(
    team: Team, postgresql_url: str, revision: str
) -> None:
    # Given an empty database, then one with an administrator
    for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
        sql(postgresql_url, statement)
    someone, at = team.person("offline"), ("--database", postgresql_url, "--password-stdin")
    add, reset = ("user", "add", "root", "--admin", *at), ("user", "password", "root", *at)
    empty = someone(*reset, input=PASSWORD)
    assert (empty.exit_code, "no Runyard in the database" in empty.stderr) == (1, True)
    assert sql(postgresql_url, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()") == [(0,)]
    assert someone(*add, input=PASSWORD).exit_code == 0
    assert someone(*reset, input=PASSWORD).exit_code == 0
    # When
    sql(postgresql_url, f"UPDATE alembic_version SET version_num = '{revision}'")
    # Then
    for words in (add, reset):
        refused = someone(*words, input=PASSWORD)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "Another version of Runyard" in refused.stderr
        assert revision in refused.stderr
    assert sql(postgresql_url, "SELECT version_num FROM alembic_version") == [(revision,)]


def test_a_new_password_makes_no_database(team: Team, tmp_path: Path) -> None:
    words = ("user", "password", "root", "--data", str(tmp_path / "no"), "--password-stdin")
    missing = team.person("first")(*words, input=PASSWORD)
    assert (missing.exit_code, "no database" in missing.stderr) == (2, True)
    assert not (tmp_path / "no").exists()
