"""Rules of folders and experiments: who sets them, who sees them, what they come to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.auth.team import FOREIGN, GROUP, NATIVE, OWN, Team
from tests.api.conftest import Reply

RULES = f"{NATIVE}/workspaces/{OWN}/rules"


def _set(team: Team, who: str, principal: str, level: str, **place: Any) -> Reply:
    return team[who].put(RULES, {"principal": principal, "level": level, **place})


def _list(team: Team, who: str, **query: Any) -> list[tuple[Any, ...]]:
    items = team[who].get(RULES, query).ok()["items"]
    return [(r["principal"], r["level"], r["path"], r["experiment_id"], r["inherited"]) for r in items]


@pytest.fixture
def experiment(team: Team) -> str:
    """The owner's experiment `/Shared/vision/x`."""
    return team["owner"].experiment("/Shared/vision/x")


def test_a_rule_opens_and_closes_a_folder(team: Team, experiment: str) -> None:
    get = "experiments/get", {"experiment_id": experiment}
    run = "runs/create", {"experiment_id": experiment}
    assert (team["stranger"].get(*get).status, team["reader"].get(*get).status) == (404, 200)
    # Somebody without a role comes in, a reader is kept out.
    _set(team, "owner", "stranger", "CAN_READ", path="/Shared/").ok()
    _set(team, "owner", "reader", "NO_PERMISSION", path="/Shared/vision").ok()
    assert (team["stranger"].get(*get).status, team["reader"].get(*get).status) == (200, 404)
    assert team["stranger"].post(*run).status == 403
    # The nearer rule decides.
    _set(team, "owner", "Stranger", "CAN_EDIT", experiment_id=experiment).ok()
    team["stranger"].post(*run).ok()
    # Without it, the next one above does.
    gone = {"principal": "stranger", "experiment_id": experiment}
    team["owner"].delete(RULES, gone).ok()
    assert team["stranger"].post(*run).status == 403
    assert team["owner"].delete(RULES, gone).error == (404, "RESOURCE_DOES_NOT_EXIST")


def test_the_rules_of_a_place_are_shown_nearest_first(team: Team, experiment: str) -> None:
    _set(team, "owner", "reader", "NO_PERMISSION", path="/").ok()
    _set(team, "owner", "reader", "CAN_READ", path="/Shared").ok()
    _set(team, "owner", GROUP, "CAN_EDIT", path="/Shared/vision").ok()
    _set(team, "owner", "operator", "CAN_READ", path="/Shared/vision").ok()
    _set(team, "owner", "reader", "CAN_READ", path="/Shared/visionary").ok()
    _set(team, "owner", "reader", "CAN_MANAGE", experiment_id=experiment).ok()
    above = [
        (GROUP, "CAN_EDIT", "/Shared/vision", None, True),
        ("reader", "CAN_READ", "/Shared", None, True),
        ("reader", "NO_PERMISSION", "/", None, True),
    ]
    operator = ("operator", "CAN_READ", "/Shared/vision", None, True)
    own = ("reader", "CAN_MANAGE", "/Shared/vision/x", experiment, False)
    creator = ("owner", "CAN_MANAGE", "/Shared/vision/x", experiment, False)
    assert _list(team, "owner", experiment_id=experiment) == [creator, own, operator, *above]
    at_folder = _list(team, "owner", path="/Shared/vision/")
    assert at_folder == [(*operator[:4], False), (*above[0][:4], False), *above[1:]]
    # Page by page.
    first = team["owner"].get(RULES, {"experiment_id": experiment, "limit": 4}).ok()
    rest = {"experiment_id": experiment, "page_token": first["next_page_token"]}
    assert len(first["items"]) == 4
    assert _list(team, "owner", **rest) == above[1:]
    # Of one principal, and what it comes to.
    assert _list(team, "owner", experiment_id=experiment, principal="grouped") == above[:1]
    told = team["owner"].get(RULES, {"experiment_id": experiment, "principal": "grouped"}).ok()["effective"]
    assert (told["principal"], told["level"]) == ("grouped", "CAN_EDIT")
    assert "experiments/runs/write" in told["permissions"]
    assert "experiments/permissions/write" not in told["permissions"]


@pytest.mark.parametrize(
    ("who", "level", "kinds"),
    [
        ("contributor", "CAN_EDIT", ["role"]),
        ("scientist", "CAN_EDIT", ["role"]),
        ("reader", "NO_PERMISSION", ["rule"]),
        ("owner", "CAN_MANAGE", ["owner"]),
        ("admin", "CAN_MANAGE", ["administrator"]),
        ("stranger", "NO_PERMISSION", []),
        (GROUP, "CAN_EDIT", ["role"]),
    ],
)
def test_what_holds_for_somebody(team: Team, who: str, level: str, kinds: list[str]) -> None:
    _set(team, "owner", "reader", "NO_PERMISSION", path="/").ok()
    told = team["owner"].get(RULES, {"path": "/a", "principal": who}).ok()["effective"]
    assert (told["level"], "experiments/read" in told["permissions"]) == (level, level != "NO_PERMISSION")
    assert [why["kind"] for why in told["reasons"]] == kinds
    # What an upload's ticket gives is part of writing, and no permission that anybody knows.
    assert "metadata/artifacts/part" not in told["permissions"]


def test_what_holds_for_a_group(team: Team) -> None:
    _set(team, "owner", GROUP, "CAN_READ", path="/Shared").ok()
    _set(team, "owner", "grouped", "CAN_MANAGE", path="/Shared").ok()
    told = team["owner"].get(RULES, {"path": "/Shared/a", "principal": GROUP}).ok()["effective"]
    assert told["level"] == "CAN_READ"
    assert [(why["kind"], why["path"], why["group"]) for why in told["reasons"]] == [
        ("rule", "/Shared", None)
    ]
    team["admin"].put(f"{NATIVE}/roles/Peeker", {"actions": ["experiments/read"]}).ok()
    team["owner"].put(f"{NATIVE}/workspaces/{OWN}/members/stranger/Peeker").ok()
    told = team["owner"].get(RULES, {"path": "/a", "principal": "stranger"}).ok()["effective"]
    assert (told["level"], told["permissions"]) == (None, ["experiments/read"])


def test_all_rules_are_shown_to_whoever_may_see_them(team: Team, experiment: str) -> None:
    for path in ("/Shared", "/secret"):
        for who in ("operator", "reader", "stranger"):
            _set(team, "owner", who, "NO_PERMISSION", path=path).ok()
    _set(team, "owner", "scientist", "NO_PERMISSION", path="/secret").ok()
    team["contributor"].experiment("/secret/y")
    everything = _list(team, "owner")
    folders = [rule[2] for rule in everything if rule[3] is None]
    assert folders == ["/Shared"] * 3 + ["/secret"] * 4
    assert [rule[2:4] for rule in everything[7:]] == [
        ("/Shared/vision/x", experiment),
        ("/secret/y", str(int(experiment) + 1)),
    ]
    # Page by page, across the end of the folders.
    found, token = [], None
    while True:
        page = team["owner"].get(RULES, {"limit": 2, **({"page_token": token} if token else {})}).ok()
        found += [(r["principal"], r["level"], r["path"], r["experiment_id"], False) for r in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert found == everything
    # Of one principal; and only what one may see.
    assert [rule[2] for rule in _list(team, "owner", principal="scientist")] == ["/secret"]
    assert {rule[2] for rule in _list(team, "scientist")} == {"/Shared", "/Shared/vision/x"}
    assert _list(team, "scientist", limit=1)[0][2] == "/Shared"
    assert team["owner"].get(RULES, {"principal": "ghost"}).status == 404


def test_whoever_manages_a_place_sets_its_rules(team: Team) -> None:
    # Given a scientist's own experiment, and a folder that the reader manages
    own = team["scientist"].experiment("/mine/x")
    _set(team, "owner", "reader", "CAN_MANAGE", path="/theirs").ok()
    # Then both give others rules there, and nowhere else
    _set(team, "scientist", "stranger", "CAN_READ", experiment_id=own).ok()
    _set(team, "reader", "stranger", "CAN_EDIT", path="/theirs/below").ok()
    for reply in (
        _set(team, "scientist", "stranger", "CAN_READ", path="/mine"),
        _set(team, "reader", "stranger", "CAN_READ", path="/"),
        _set(team, "reader", "stranger", "CAN_READ", experiment_id=own),
        _set(team, "contributor", "stranger", "CAN_READ", path="/theirs"),
    ):
        assert reply.error == (403, "PERMISSION_DENIED")
    assert team["stranger"].get("experiments/get", {"experiment_id": own}).status == 200
    assert [e[1:] for e in team.events("rule.set")] == [
        ("owner", "rule.set", "folder", "/theirs", {"holder": "reader", "level": "manage"}),
        ("scientist", "rule.set", "experiment", own, {"holder": "stranger", "level": "read"}),
        ("reader", "rule.set", "folder", "/theirs/below", {"holder": "stranger", "level": "edit"}),
    ]


def test_the_log_says_what_a_rule_was(team: Team) -> None:
    # Given
    own, holder = team["scientist"].experiment("/mine/x"), {"holder": "stranger"}
    places: list[dict[str, Any]] = [{"path": "/theirs"}, {"experiment_id": own}]
    for place in places:
        _set(team, "owner", "stranger", "CAN_READ", **place).ok()
        # When it is changed and deleted
        _set(team, "owner", "stranger", "NO_PERMISSION", **place).ok()
        team["owner"].delete(RULES, {"principal": "stranger", **place}).ok()
    # Then whoever wants can set it again
    for target in ("/theirs", own):
        assert [e.detail for e in team.events("rule.set", "rule.delete") if e.target == target] == [
            {**holder, "level": "read"},
            {**holder, "level": "none", "before": "read"},
            {**holder, "before": "none"},
        ]


def test_a_place_that_one_may_not_see_is_missing(team: Team, experiment: str) -> None:
    _set(team, "owner", "scientist", "CAN_MANAGE", path="/mine").ok()
    _set(team, "owner", "scientist", "NO_PERMISSION", path="/Shared").ok()
    for place in ({"path": "/Shared"}, {"path": "/Shared/vision"}, {"experiment_id": experiment}):
        replies = [
            team["scientist"].get(RULES, place),
            _set(team, "scientist", "scientist", "CAN_MANAGE", **place),
            team["scientist"].delete(RULES, {"principal": "scientist", **place}),
        ]
        assert {reply.error for reply in replies} == {(404, "RESOURCE_DOES_NOT_EXIST")}
    assert team["owner"].get(RULES, {"experiment_id": "9999"}).status == 404


def test_the_experiment_0_is_the_default_one_of_the_workspace(team: Team) -> None:
    _set(team, "owner", "stranger", "CAN_MANAGE", experiment_id="0").ok()
    assert team["stranger"].get("experiments/get", {"experiment_id": "0"}).status == 200
    # It is a rule for this one, not for those that don't exist yet.
    assert team["stranger"].post("experiments/create", {"name": "new"}).status == 403
    other, rules = team.of("foreigner", workspace=FOREIGN), f"{NATIVE}/workspaces/{FOREIGN}/rules"
    other.put(rules, {"experiment_id": "0", "principal": "stranger", "level": "CAN_READ"}).ok()
    default = other.get("experiments/get", {"experiment_id": "0"}).ok()["experiment"]["experiment_id"]
    (rule,) = other.get(rules).ok()["items"]
    assert rule["experiment_id"] == default != "0"
    # Neither workspace knows the other's.
    assert _list(team, "owner", experiment_id="0") == [("stranger", "CAN_MANAGE", "Default", "0", False)]
    assert team["owner"].get(RULES, {"experiment_id": default}).status == 404


def test_a_rule_that_gives_nothing_lets_nobody_in(team: Team) -> None:
    _set(team, "owner", "stranger", "NO_PERMISSION", path="/").ok()
    assert team["stranger"].get("experiments/search").error == (404, "RESOURCE_DOES_NOT_EXIST")


def test_what_is_refused(team: Team, experiment: str) -> None:
    level = {"level": "CAN_READ"}
    both = {"path": "/a", "experiment_id": experiment}
    cases: dict[str, tuple[dict[str, Any], tuple[int, str | None]]] = {
        "no place": ({"principal": "reader", **level}, (400, "path")),
        "two places": ({"principal": "reader", **both, **level}, (400, "path")),
        "empty": ({"principal": "reader", "path": "", **level}, (400, "path")),
        "long": ({"principal": "reader", "path": "/" + "x" * 500, **level}, (400, "path")),
        "level": ({"principal": "reader", "path": "/a", "level": "EDIT"}, (400, "level")),
        "nobody": ({"principal": "ghost", "path": "/a", **level}, (404, "principal")),
    }
    replies = {case: team["owner"].put(RULES, body) for case, (body, _) in cases.items()}
    assert {case: (r.status, r.field) for case, r in replies.items()} == {
        case: expected for case, (_, expected) in cases.items()
    }
