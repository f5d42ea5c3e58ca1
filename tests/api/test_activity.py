"""The activity log: what is noted, who may read it, what a filter finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runyard.server.auth.types import TokenKind
from tests.api.conftest import Api, assert_refused, serve
from tests.api.principals import Headers, People, basic

ACTIVITY = "/api/runyard/1/activity"
PASSWORD = "a long password"


def events_of(api: Api, headers: Headers | None = None, **query: Any) -> list[dict[str, Any]]:
    """The events that a filter finds, the newest first."""
    found: list[dict[str, Any]] = api.request("GET", ACTIVITY, query=query, headers=headers).ok()["items"]
    return found


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """What was done to what, in the order in which it happened."""
    return [(one["action"], one["target_type"], one["target"]) for one in reversed(events)]


def test_what_changes_things_is_noted(api: Api) -> None:
    # Given
    experiment = api.experiment("first")
    run = api.run(experiment)
    model = api.post("logged-models", {"experiment_id": experiment, "name": "m"}).ok()["model"]["info"]
    artifact = f"/api/2.0/mlflow-artifacts/artifacts/default/{experiment}/{run}/artifacts/a.txt"
    api.request("PUT", artifact, content=b"a", headers={"Content-Type": "text/plain"}).ok()
    # When
    api.post("experiments/update", {"experiment_id": experiment, "new_name": "second"}).ok()
    api.post("runs/delete", {"run_id": run}).ok()
    api.post("runs/restore", {"run_id": run}).ok()
    api.delete(artifact).ok()
    api.delete(f"logged-models/{model['model_id']}").ok()
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    api.post("experiments/restore", {"experiment_id": experiment}).ok()
    # Then
    assert told(events_of(api)) == [
        ("experiment.create", "experiment", experiment),
        ("experiment.rename", "experiment", experiment),
        ("run.delete", "run", run),
        ("run.restore", "run", run),
        ("artifact.delete", "artifact", f"default/{experiment}/{run}/artifacts/a.txt"),
        ("model.delete", "model", model["model_id"]),
        ("experiment.delete", "experiment", experiment),
        ("experiment.restore", "experiment", experiment),
    ]
    (renamed,) = events_of(api, action="experiment.rename")
    assert renamed["detail"] == {"name": "second", "before": "first"}


def test_data_is_not_noted(api: Api) -> None:
    run = api.run(api.experiment())
    before = events_of(api)
    api.post("runs/log-metric", {"run_id": run, "key": "a", "value": 1, "timestamp": 1}).ok()
    api.post("runs/log-parameter", {"run_id": run, "key": "a", "value": "1"}).ok()
    api.post("runs/set-tag", {"run_id": run, "key": "a", "value": "1"}).ok()
    api.post("runs/update", {"run_id": run, "status": "FINISHED"}).ok()
    assert events_of(api) == before


def test_what_is_refused_is_not_noted(api: Api) -> None:
    experiment = api.experiment("taken")
    before = events_of(api)
    assert api.post("experiments/create", {"name": "taken"}).status == 400
    assert api.post("experiments/delete", {"experiment_id": "999"}).status == 404
    assert api.post("experiments/restore", {"experiment_id": experiment}).status == 404
    assert api.post("runs/delete", {"run_id": "0" * 32}).status == 404
    assert events_of(api) == before


def test_an_event_says_who_and_from_where(api: Api) -> None:
    experiment = api.experiment("first")
    (event,) = events_of(api)
    assert event.pop("time") > 1_700_000_000_000
    assert event.pop("id").isdigit()
    assert (event.pop("sequence") is None) == (event.pop("hash") is None)
    assert event == {
        "workspace_id": "1",
        "workspace": "default",
        "actor_id": "0",
        "actor": "local",
        "credential": "none",
        "address": "127.0.0.1",
        "action": "experiment.create",
        "target_type": "experiment",
        "target": experiment,
        "detail": {"name": "first"},
    }


def test_filters(api: Api) -> None:
    first, second = api.experiment("Größe"), api.experiment("second")
    api.post("experiments/delete", {"experiment_id": first}).ok()
    moment = events_of(api)[0]["time"]
    found = {
        "actor": events_of(api, actor="local"),
        "nobody": events_of(api, actor="ann"),
        "action": events_of(api, action="experiment.del"),
        "target": events_of(api, target_type="experiment", target=second),
        "text": events_of(api, text="größe", action="experiment.create"),
        "since": events_of(api, since=moment, text="delete"),
        "until": events_of(api, until=0),
        "workspace": events_of(api, workspace="default", target=second),
    }
    assert {name: [(e["action"], e["target"]) for e in events] for name, events in found.items()} == {
        "actor": [("experiment.delete", first), ("experiment.create", second), ("experiment.create", first)],
        "nobody": [],
        "action": [("experiment.delete", first)],
        "target": [("experiment.create", second)],
        "text": [("experiment.create", first)],
        "since": [("experiment.delete", first)],
        "until": [],
        "workspace": [("experiment.create", second)],
    }


def test_pages(api: Api) -> None:
    # Given
    made = [api.experiment() for _ in range(7)]
    # When
    found: list[dict[str, Any]] = []
    token = None
    while True:
        query: dict[str, Any] = {"limit": 3} if token is None else {"limit": 3, "page_token": token}
        page = api.get(ACTIVITY, query).ok()
        found += page["items"]
        token = page["next_page_token"]
        if token is None:
            break
        if len(found) == 3:  # what comes meanwhile belongs to no later page
            api.experiment()
    # Then
    assert [one["target"] for one in reversed(found)] == made


def test_bad_requests(api: Api) -> None:
    api.experiment()
    api.experiment()
    token = api.get(ACTIVITY, {"limit": 1}).ok()["next_page_token"]
    queries: dict[str, dict[str, Any]] = {
        "a limit of nothing": {"limit": 0},
        "a large limit": {"limit": 1_001},
        "a time": {"since": "yesterday"},
        "a long text": {"text": "a" * 201},
        "a token of another search": {"page_token": token, "actor": "ann"},
        "a broken token": {"page_token": "???"},
    }
    fields = dict(zip(queries, ["limit", "limit", "since", "text", "page_token", "page_token"], strict=True))
    assert_refused({name: api.get(ACTIVITY, query) for name, query in queries.items()}, fields)
    assert_refused({"format": api.get(f"{ACTIVITY}/export", {"format": "xml"})}, {"format": "format"})


@pytest.fixture
def people(database_url: str) -> People:
    return People(database_url)


@pytest.fixture
def shared(people: People, database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A started server with an administrator; who else there is, the test adds before it calls."""
    people.user("root", admin=True, password=PASSWORD)
    with serve(data=str(tmp_path), database=database_url) as started:
        yield started


def test_who_may_read_what(people: People, shared: Api) -> None:
    # Given two workspaces with an owner each
    team = people.workspace("team")
    ann, bob, eve = people.user("ann"), people.user("bob"), people.user("eve")
    people.role(ann, "Owner")
    people.role(bob, "Owner", team)
    people.role(eve, "Reader")
    people.role(eve, "Contributor", team)
    root = basic("root", PASSWORD)
    tokens = {"ann": people.token(ann), "bob": people.token(bob), "eve": people.token(eve)}
    in_team = {"X-MLFLOW-WORKSPACE": "team"}
    for headers, name in ((tokens["ann"], "of ann"), ({**tokens["bob"], **in_team}, "of bob")):
        shared.request("POST", "experiments/create", {"name": name}, headers=headers).ok()

    def seen(headers: Headers, **query: str) -> Any:
        reply = shared.request("GET", ACTIVITY, query=query, headers=headers)
        if reply.status != 200:
            return reply.status
        return sorted((one["workspace"], one["actor"]) for one in reply.body["items"])

    # When, then
    own, other = [("default", "ann")], [("team", "bob")]
    assert seen(tokens["ann"]) == seen(tokens["ann"], workspace="default") == own
    assert seen({**tokens["bob"], **in_team}) == other
    assert seen(tokens["ann"], workspace="*") == 403
    assert seen(tokens["ann"], workspace="team") == 403
    assert seen(tokens["ann"], workspace="nowhere") == 403
    assert seen({**tokens["ann"], **in_team}) == 404
    assert seen(tokens["eve"]) == 403
    assert seen({**tokens["eve"], **in_team}) == other
    assert seen(root) == own
    assert seen(root, workspace="*") == [*own, *other]
    assert seen({**root, **in_team}) == seen(root, workspace="team") == other
    assert seen(root, workspace="nowhere") == 404
    assert seen({}) == 401
    for path, status in (("export", 403), ("head", 403), ("verify", 403)):
        reply = shared.request("GET", f"{ACTIVITY}/{path}", headers=tokens["eve"])
        assert (path, reply.status) == (path, status)
    assert shared.request("GET", f"{ACTIVITY}/export?workspace=*", headers=tokens["ann"]).status == 403
    assert shared.request("GET", f"{ACTIVITY}/verify", headers=tokens["ann"]).status == 403
    assert shared.request("GET", f"{ACTIVITY}/head", headers=tokens["ann"]).status == 200


def test_a_tracking_token_reads_no_log(people: People, shared: Api) -> None:
    ann = people.user("ann")
    people.role(ann, "Owner")
    limited = people.token(ann, TokenKind.TRACKING, workspace_id=1)
    assert shared.request("GET", ACTIVITY, headers=limited).status == 403


def test_events_name_the_credential_and_its_owner(people: People, shared: Api) -> None:
    ann = people.user("ann")
    people.role(ann, "Owner")
    shared.request("POST", "experiments/create", {"name": "a"}, headers=people.token(ann)).ok()
    shared.request("POST", "experiments/create", {"name": "b"}, headers=basic("root", PASSWORD)).ok()
    found = events_of(shared, basic("root", PASSWORD))
    assert [(one["actor"], one["actor_id"], one["credential"]) for one in found] == [
        ("root", found[0]["actor_id"], "password"),
        ("ann", str(ann), "personal token ci"),
    ]


def test_failed_sign_ins_are_noted_but_few_of_many(shared: Api) -> None:
    # When
    for name, password in (("root", "wrong"), ("nobody here", PASSWORD), *[("root", "wrong")] * 5):
        assert shared.request("GET", ACTIVITY, headers=basic(name, password)).status == 401
    # Then, once all that waited is written
    root = basic("root", PASSWORD)
    shared.request("POST", "experiments/create", {"name": "a"}, headers=root).ok()
    found = events_of(shared, root, workspace="*", action="login.fail")
    assert told(found) == [("login.fail", "user", name) for name in ("root", "nobody here", "root", "root")]
    assert {(e["actor"], e["actor_id"], e["credential"], e["address"]) for e in found} == {
        ("nobody", "-1", "password", "127.0.0.1")
    }
    # And an owner of a workspace doesn't see them
    assert told(events_of(shared, root, action="login.fail")) == []
    # And the next one of another name says how many were left out
    shared.request("GET", ACTIVITY, headers=basic("someone", "wrong"))
    shared.request("POST", "experiments/create", {"name": "b"}, headers=root).ok()
    last = events_of(shared, root, workspace="*", action="login.fail")[0]
    assert (last["target"], last["detail"]) == ("someone", {"left_out": 3})


def test_names_that_no_database_holds_are_no_fault_of_ours(shared: Api) -> None:
    assert shared.request("GET", ACTIVITY, headers=basic("a\0b", PASSWORD)).status == 401
