"""Whoever reaches a quota learns no sum by it that is hidden from him elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.api.auth.team import NATIVE, OWN, Team
from tests.api.conftest import Api, Reply
from tests.api.test_quotas import FULL, limit, points

FILES = "/api/2.0/mlflow-artifacts"
HIDDEN = re.compile(
    r"The quota '\w+' is used up: .* may have 50 \w+, and this request brings (\d+) more; nothing \D*=(\d+)"
)


class Place(NamedTuple):
    """An experiment with a run, which the others have filled with 37 of everything."""

    experiment: str
    run: str

    @property
    def parent(self) -> list[dict[str, str]]:
        """The tag of runs below the run."""
        return [{"key": "mlflow.parentRunId", "value": self.run}]


def put(api: Api, place: Place, name: str, size: int) -> Reply:
    """Upload a file."""
    at = f"{FILES}/artifacts/{OWN}/{place.experiment}/{place.run}/artifacts/{name}"
    return api.request("PUT", at, content=b"x" * size)


def log(api: Api, place: Place) -> Reply:
    """Log more points than there is room for."""
    return api.post("runs/log-batch", {"run_id": place.run, "metrics": points(14)})


def create(api: Api, place: Place) -> Reply:
    """Create runs until there is no room for more."""
    sent = {"experiment_id": place.experiment, "tags": place.parent}
    while (reply := api.post("runs/create", sent)).status == 200:
        pass
    return reply


def upload(api: Api, place: Place) -> Reply:
    """Upload a file that is too large."""
    return put(api, place, "mine", 14)


def part(api: Api, place: Place) -> Reply:
    """Upload a part that is too large, with the ticket that belongs to it."""
    at = f"{FILES}/mpu/create/{OWN}/{place.experiment}/{place.run}/artifacts"
    made = api.post(at, {"path": "mine", "num_parts": 1}).ok()["credentials"][0]
    url = urlsplit(made["url"]).path
    return api.as_().request("PUT", url, content=b"x" * 14, headers=made["headers"])


WAYS = {
    "points": (log, 14),
    "runs": (create, 1),
    "artifact_bytes": (upload, 14),
    "artifact_bytes in parts": (part, 14),
}


@pytest.fixture
def place(team: Team) -> Place:
    """Where everybody may write."""
    owner = team["owner"]
    experiment = owner.experiment("/Shared/e")
    place, other = (Place(experiment, owner.run(experiment)) for _ in range(2))
    owner.post("runs/log-batch", {"run_id": other.run, "metrics": points(37)}).ok()
    put(owner, other, "theirs", 37).ok()
    for _ in range(35):
        owner.run(experiment)
    return place


def holder(team: Team, place: Place) -> Api:
    """Who has a token for the run."""
    made = team["scientist"].post(f"{NATIVE}/tokens/run", {"run_id": place.run}).ok()
    return team.api.as_(made["token"])


def kept_out(team: Team, place: Place) -> Api:
    """Who may not see one folder."""
    rule = {"path": "/Secret", "principal": "contributor", "level": "NO_PERMISSION"}
    team["owner"].put(f"{NATIVE}/workspaces/{OWN}/rules", rule).ok()
    return team["contributor"]


def member(team: Team, place: Place) -> Api:
    """Who sees everything."""
    return team["scientist"]


Who = Callable[[Team, Place], Api]


@pytest.mark.parametrize(
    ("who", "hidden"),
    [(holder, {"experiment", "workspace"}), (kept_out, {"workspace"}), (member, set[str]())],
)
def test_a_full_quota_tells_no_sum_that_is_hidden(
    team: Team, place: Place, who: Who, hidden: set[str]
) -> None:
    api = who(team, place)
    for scope in ("experiment", "workspace"):
        for way, (fill, more) in WAYS.items():
            # Given
            name = f"{way.split()[0]}_per_{scope}"
            limit(team["admin"], **{name: 50})
            # When
            reply = fill(api, place)
            # Then
            assert reply.error == FULL, (name, way)
            told = HIDDEN.match(reply.message)
            assert (told is not None) == (scope in hidden), reply.message
            if told is not None:
                assert told.groups() == (str(more), "100")
            else:
                assert f"has {50 if way == 'runs' else 37} of 50 " in reply.message
            limit(team["admin"], **{name: None})


def test_a_runs_token_is_told_what_is_used_of_its_run(team: Team, place: Place) -> None:
    # Given
    limit(team["admin"], points_per_run=10, artifact_bytes_per_run=10)
    api = holder(team, place)
    api.post("runs/log-batch", {"run_id": place.run, "metrics": points(7)}).ok()
    put(api, place, "a", 7).ok()
    # Then
    assert "has 7 of 10 points" in log(api, place).message
    assert "has 7 of 10 bytes" in upload(api, place).message
