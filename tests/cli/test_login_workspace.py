"""The workspace that signing in leads to."""

from __future__ import annotations

from tests.cli.conftest import Run, read_json
from tests.cli.team import PASSWORD, Team, root, team

__all__ = ["root", "team"]


def test_the_workspace_of_a_token_goes_with_it(team: Team, root: Run) -> None:
    # Given somebody who has chosen a workspace, and tokens
    for name in ("bound-a", "bound-b"):
        assert root("workspace", "create", name).exit_code == 0
    only = {name: ("--only-workspace", name) for name in ("bound-a", "default")}
    tokens = {name: root("token", "create", "of-one", *words).stdout for name, words in only.items()}
    other = team.person("root's laptop")
    everywhere = root("token", "create", "all").stdout
    assert other("login", f"{team.url}/w/bound-b", "--token", input=everywhere).exit_code == 0
    # When, Then
    for name in ("default", "bound-a", "default"):
        assert other("login", team.url, "--token", input=tokens[name]).exit_code == 0
        assert read_json(other("whoami", "-o", "json"))["workspace"] == name
        assert read_json(other("workspace", "show", "-o", "json"))["name"] == name
    assert other("login", team.url, "--token", input=tokens["bound-a"]).exit_code == 0
    signing_in = ("login", team.url, "--user", "root", "--password-stdin")
    assert other(*signing_in, input=PASSWORD).exit_code == 0
    assert read_json(other("whoami", "-o", "json"))["workspace"] == "default"
    # What one chose stays
    for words in (("workspace", "use", "bound-b"), signing_in):
        assert other(*words, input=PASSWORD).exit_code == 0
        assert read_json(other("whoami", "-o", "json"))["workspace"] == "bound-b"
