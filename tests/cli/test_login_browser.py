"""`runyard login` through the browser, as a process of its own; and how long tokens live."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.conftest import Run, read_json
from tests.cli.process import Called
from tests.cli.team import PASSWORD, Team, root, team
from tests.cli.visitor import Visitor, address_in, code_in

__all__ = ["root", "team"]

DAY = 24 * 3_600_000


@pytest.fixture
def laptop(team: Team, tmp_path: Path) -> dict[str, str | None]:
    """The environment of a machine with a browser, which writes down what it is to open."""
    script = tmp_path / "browser.py"
    script.write_text(
        f"import sys, pathlib\npathlib.Path({str(tmp_path / 'opened')!r}).write_text(sys.argv[1])"
    )
    environment = team.environment(f"laptop {tmp_path.name}")
    return {**environment, "BROWSER": f"{sys.executable} {script} %s", "SSH_CONNECTION": None}


def _kept(environment: dict[str, str | None], url: str) -> str:
    file = Path(str(environment["XDG_CONFIG_HOME"])) / "runyard" / "credentials.json"
    found: str = json.loads(file.read_text())[url] if file.exists() else ""
    return found


def _begin(called: Called) -> str:
    called.wait_for("&port=")
    called.wait_for("\n")
    return address_in(called.shown)


def test_somebody_lets_their_machine_in(
    team: Team, laptop: dict[str, str | None], root: Run, tmp_path: Path
) -> None:
    # Given
    team.joined("lena")
    words = ("login", team.url, "--browser", "--days", "7")
    with Called(*words, environment=laptop) as called, Visitor(team.url) as visitor:
        visitor.sign_in("lena")
        # When
        address = _begin(called)
        page = visitor.follow(visitor.answer(address))
        # Then
        assert called.end() == 0
    assert "Approved" in page.text
    assert (tmp_path / "opened").read_text() == address
    assert f"Signed in to {team.url} as lena" in called.shown
    token = _kept(laptop, team.url)
    assert token.startswith("ryp_")
    assert token not in called.shown
    found = read_json(root("token", "list", "--user", "lena", "-o", "json"))
    made = [one for one in found if one["expiry_time"] - one["creation_time"] == 7 * DAY]
    assert [one["name"].startswith("runyard on ") for one in made] == [True]
    # And the activity log says how
    events = read_json(root("activity", "list", "--all-workspaces", "--action", "token.create", "-o", "json"))
    assert [e["credential"] for e in events if e["target"] == made[0]["id"]] == ["login code"]


def test_who_denies_ends_it(team: Team, laptop: dict[str, str | None]) -> None:
    with Called("login", team.url, "--browser", environment=laptop) as called, Visitor(team.url) as visitor:
        visitor.sign_in("root")
        address = _begin(called)
        # But not who doesn't know the state, as any page could send a browser there
        state = parse_qs(urlsplit(address).query)["state"][0]
        for answer in ("deny", "approve"):
            page = visitor.follow(visitor.answer(address.replace(state, "x" * len(state)), answer))
            assert page.status_code == 404
            assert "belongs to another sign-in" in page.text
        visitor.follow(visitor.answer(address, "deny"))
        assert called.end() == 3
    assert "denied in the browser" in called.shown
    assert _kept(laptop, team.url) == ""


def test_ctrl_c_stops_it(team: Team, laptop: dict[str, str | None]) -> None:
    with Called("login", team.url, "--browser", environment=laptop) as called:
        _begin(called)
        called.interrupt()
        assert called.end() == 130
    assert "Interrupted" in called.shown
    assert "Traceback" not in called.shown
    assert _kept(laptop, team.url) == ""


def test_a_code_is_carried_over_by_hand(team: Team) -> None:
    # Given a machine without a browser
    team.joined("nina")
    environment = {
        **team.environment("nina's server"),
        "DISPLAY": None,
        "WAYLAND_DISPLAY": None,
        "BROWSER": None,
    }
    words = ("login", team.url, "--no-browser")
    with Called(*words, environment=environment, terminal=True) as called, Visitor(team.url) as visitor:
        visitor.sign_in("nina")
        called.wait_for("Code")
        # When
        shown = visitor.answer(address_in(called.shown))
        called.type(f"{code_in(shown)}\n")
        # Then
        assert called.end() == 0
    assert f"Signed in to {team.url} as nina" in called.shown
    assert read_json(team.person("nina's server")("whoami", "-o", "json"))["name"] == "nina"


def test_the_code_of_another_sign_in_is_worth_nothing(team: Team, laptop: dict[str, str | None]) -> None:
    other = "a" * 43
    address = f"{team.url}/cli?challenge={other}&state={other}&name=other"
    words = ("login", team.url, "--no-browser")
    with Called(*words, environment=laptop, terminal=True) as called, Visitor(team.url) as visitor:
        visitor.sign_in("root")
        called.wait_for("Code")
        called.type(f"{code_in(visitor.answer(address))}\n")
        assert called.end() == 3
    assert "This code isn't valid" in called.shown
    assert _kept(laptop, team.url) == ""


def test_without_a_terminal_the_code_comes_from_standard_input(team: Team) -> None:
    result = team.person("stranger")("login", team.url, "--no-browser", input="ryc_none\n")
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"{team.url}/cli?challenge=" in result.stderr
    assert "isn't valid" in result.stderr
    assert team.person("stranger")("login", team.url, "--no-browser", input="").exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--browser", "--user", "a"), "--user"),
        (("--no-browser", "--token"), "--token"),
        (("--browser", "--days", "367"), "366 days at most"),
        (("--user", "root", "--password-stdin", "--days", "367"), "366 days at most"),
        (("--browser", "--days", "0"), "--days"),
    ],
)
def test_what_can_not_be_asked_for_is_told_first(team: Team, words: tuple[str, ...], told: str) -> None:
    result = team.person("stranger")("login", team.url, *words, input=PASSWORD)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "/cli?" not in result.stderr


def test_a_token_for_ci_as_the_guide_makes_it(team: Team, root: Run) -> None:
    # Given an administrator whose machine was let in for the usual time
    assert root("workspace", "create", "ci-vision").exit_code == 0
    assert root("service-principal", "add", "ci").exit_code == 0
    assert root("workspace", "assign", "ci", "Contributor", "-w", "ci-vision").exit_code == 0
    words = ("token", "create", "nightly", "--for", "ci", "--only-workspace", "ci-vision")
    token = root(*words).stdout.strip()
    # When CI uses it, then it serves
    ci = {"RUNYARD_URL": team.url, "RUNYARD_TOKEN": token, "RUNYARD_WORKSPACE": "ci-vision"}
    listed = team.person("runner")("experiment", "list", "-o", "json", **ci)
    assert listed.exit_code == 0, listed.output
    # And a longer one than the own is refused with what to do, which works
    refused = root(*words, "--days", "365")
    assert refused.exit_code == 1
    assert "runyard login --days N" in refused.stderr
    again = ("login", team.url, "--user", "root", "--password-stdin", "--days", "366")
    assert root(*again, input=PASSWORD).exit_code == 0
    made = read_json(root(*words, "--days", "365", "-o", "json"))
    assert made["expiry_time"] - made["creation_time"] == 365 * DAY
