"""`runyard server`: its options."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from runyard.cli.server import server
from runyard.server.settings import SETTINGS


def test_every_setting_that_is_no_secret_has_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNYARD_OIDC_CLIENT_SECRET", "hush-hush")
    told = CliRunner().invoke(server, ["--help"], terminal_width=200).output
    offered = {word for word in told.split() if word.startswith("--")}
    for setting in SETTINGS:
        assert (setting.option in offered) is not setting.secret
    assert "hush-hush" not in told


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--oidc-client-secret", "x"], "No such option"),
        (["--public-url", "ml.example.org"], "--public-url"),
    ],
)
def test_a_wrong_setting_ends_it(options: list[str], part: str) -> None:
    done = CliRunner().invoke(server, options)
    assert done.exit_code == 2
    assert part in done.output
