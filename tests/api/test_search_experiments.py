"""experiments/search, by GET and by POST: filters, orders, views, pages, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.api.conftest import Api

INVALID = (400, "INVALID_PARAMETER_VALUE")

# Experiments with their tags; later ones are newer.
EXPERIMENTS: dict[str, dict[str, str]] = {
    "/Shared/vision/cats": {"team": "red", "stage": "new"},
    "/Shared/vision/dogs": {"team": "Red"},
    "/Shared/speech": {"my tag": "it's", "team": "blue"},
    "Ünïcode 50%_": {"mlflow.note.content": "long " * 3000},
    "zoo": {f"tag {i:03}": str(i) for i in range(100)},
}
OLDEST_FIRST = ["Default", *EXPERIMENTS]


@pytest.fixture
def library(api: Api) -> Library:
    """The experiments above, and a deleted one."""
    return Library(api)


class Library:
    """The experiments of the tests, searched by name."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.ids = {"Default": "0"}
        for name, tags in {**EXPERIMENTS, "gone": {"team": "red"}}.items():
            sent = [{"key": key, "value": value} for key, value in tags.items()]
            self.ids[name] = api.experiment(name, tags=sent)
        api.post("experiments/delete", {"experiment_id": self.ids["gone"]}).ok()

    def find(self, **search: Any) -> list[str]:
        """The names that a search finds, by POST and by GET."""
        answer = self.api.post("experiments/search", search).ok()
        assert self.api.get("experiments/search", search).ok() == answer
        assert "next_page_token" not in answer
        return [x["name"] for x in answer.get("experiments", [])]

    def pages(self, size: int, **search: Any) -> list[list[str]]:
        """The names on all pages of a search."""
        found, token = [], None
        while True:
            sent = {**search, "max_results": size, "page_token": token}
            answer = self.api.post("experiments/search", sent).ok()
            found.append([x["name"] for x in answer.get("experiments", [])])
            token = answer.get("next_page_token")
            if token is None:
                return found


CATS, DOGS, SPEECH, UNICODE, ZOO = EXPERIMENTS
FILTERS: dict[str, set[str]] = {
    "": set(OLDEST_FIRST),
    "name = '/Shared/vision/cats'": {CATS},
    "name = '/Shared/vision/cats/'": set(),  # the name is stored without it
    "attributes.name != 'zoo'": set(OLDEST_FIRST) - {ZOO},
    "name LIKE '/Shared/%'": {CATS, DOGS, SPEECH},
    "name LIKE '/shared/%'": set(),
    "name ILIKE '/shared/%s'": {CATS, DOGS},
    "name LIKE '%50%_'": {UNICODE},
    "name ILIKE 'ün%'": set(),  # only ASCII letters have two cases
    "name IN ('zoo', 'Default', 'gone')": {"Default", ZOO},
    "name NOT LIKE '/%' AND name NOT IN ('zoo')": {"Default", UNICODE},
    "experiment_id = '0'": {"Default"},
    "experiment_id != '0'": set(EXPERIMENTS),
    "experiment_id IN ('0', 'x', '99999999999999999999')": {"Default"},
    "creation_time > 0 AND last_update_time <= 99999999999999": set(OLDEST_FIRST),
    "creation_time < 5": set(),
    "tags.team = 'red'": {CATS},
    "tags.team ILIKE 'RED'": {CATS, DOGS},
    "tag.team != 'red'": {DOGS, SPEECH},
    "tags.`my tag` = 'it''s'": {SPEECH},
    "tags.\"my tag\" LIKE 'it_s'": {SPEECH},
    "tags.team IS NULL AND name != 'Default'": {UNICODE, ZOO},
    "tags.stage IS NOT NULL": {CATS},
    "tags.`mlflow.note.content` LIKE '%long '": {UNICODE},
    "tags.`tag 042` = '42' AND tags.`tag 099` = '99'": {ZOO},
    "tags.none = 'x'": set(),
    "NOT tags.team = 'red'": set(OLDEST_FIRST) - {CATS},
    "(tags.team = 'blue' OR name = 'zoo') AND NOT tags.none = 'x'": {SPEECH, ZOO},
}


def test_filters(library: Library) -> None:
    assert {text: set(library.find(filter=text)) for text in FILTERS} == FILTERS


ORDERS: dict[tuple[str, ...], list[str]] = {
    ("name",): sorted(OLDEST_FIRST),
    ("name DESC",): sorted(OLDEST_FIRST, reverse=True),
    ("attributes.experiment_id ASC",): OLDEST_FIRST,
    ("experiment_id DESC", "name"): OLDEST_FIRST[::-1],
    ("creation_time ASC", "experiment_id"): OLDEST_FIRST,
    ("last_update_time", "experiment_id ASC"): OLDEST_FIRST,
}


def test_orders(library: Library) -> None:
    assert {order: library.find(order_by=order) for order in ORDERS} == ORDERS


@pytest.mark.parametrize("size", [1, 4])
def test_orders_hold_over_pages(library: Library, size: int) -> None:
    for order, expected in ORDERS.items():
        # When
        pages = library.pages(size, order_by=order)
        # Then
        assert [name for page in pages for name in page] == expected, order
        assert all(len(page) == size for page in pages[:-1])
        assert pages[-1]


def test_the_newest_come_first_over_pages(library: Library) -> None:
    # When
    every = library.api.post("experiments/search", {}).ok()["experiments"]
    # Then: those of one millisecond in the order of their creation, as MLflow lists them
    assert every == sorted(every, key=lambda x: (-x["creation_time"], int(x["experiment_id"])))
    assert [name for page in library.pages(2) for name in page] == [x["name"] for x in every]


def test_an_experiment_comes_with_its_tags(library: Library) -> None:
    for name, tags in EXPERIMENTS.items():
        (found,) = library.api.post("experiments/search", {"filter": f"name = '{name}'"}).ok()["experiments"]
        assert {tag["key"]: tag["value"] for tag in found["tags"]} == tags
        assert (
            found
            == library.api.get("experiments/get", {"experiment_id": library.ids[name]}).ok()["experiment"]
        )


def test_views(library: Library) -> None:
    order = ["experiment_id"]
    for view in ("ACTIVE_ONLY", "1"):
        assert library.find(view_type=view, order_by=order) == OLDEST_FIRST
    for view in ("DELETED_ONLY", "2"):
        assert library.find(view_type=view) == ["gone"]
    for view in ("ALL", "3"):
        assert library.find(view_type=view, order_by=order) == [*OLDEST_FIRST, "gone"]
    assert library.find(view_type="ALL", filter="tags.team = 'red'", order_by=order) == [CATS, "gone"]


def test_what_is_refused(library: Library) -> None:
    def refused(field: str, **sent: Any) -> None:
        for reply in (
            library.api.post("experiments/search", sent),
            library.api.get("experiments/search", sent),
        ):
            assert (reply.error, reply.field) == (INVALID, field), (sent, reply.body)

    for size in (0, -1, 50_001):
        refused("max_results", max_results=size)
    refused("view_type", view_type="SOME")
    for text in (
        "name",
        "name > 'a'",
        "name = zoo",
        "metrics.acc > 1",
        "params.x = '1'",
        "attributes.foo = 'x'",
        "experiment_id > '1'",
        "experiment_id LIKE '1%'",
        "creation_time = 'x'",
        "tags.team = 'red' name",
        f"name LIKE '{'x' * 10_001}'",
    ):
        refused("filter", filter=text)
    for order in ("foo", "tags.team", "name UP", ""):
        refused("order_by[1]", order_by=["name", order])


def test_tokens_of_other_searches_are_refused(library: Library) -> None:
    # Given
    api = library.api
    token = api.post("experiments/search", {"max_results": 1, "order_by": ["name"]}).ok()["next_page_token"]

    def tampered(change: Any) -> str:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return base64.urlsafe_b64encode(json.dumps(change(content)).encode()).decode().rstrip("=")

    wrong = [
        "~~~",
        tampered(lambda c: c[:-1]),
        tampered(lambda c: [c[0], 5, c[2]]),
        tampered(lambda c: [c[0], None, c[2]]),
        tampered(lambda c: [c[0], "a\0", c[2]]),
        tampered(lambda c: [*c[:2], "1"]),
        tampered(lambda c: [*c[:2], 2**63]),
        tampered(lambda c: ["runs", *c[1:]]),
    ]
    # Then
    for bad in wrong:
        reply = api.post("experiments/search", {"order_by": ["name"], "page_token": bad})
        assert (reply.error, reply.field) == (INVALID, "page_token"), bad
    for order in ([], ["name DESC"], ["creation_time"]):
        reply = api.post("experiments/search", {"order_by": order, "page_token": token})
        assert (reply.error, reply.field) == (INVALID, "page_token")
    assert (
        len(api.post("experiments/search", {"order_by": ["name"], "page_token": token}).ok()["experiments"])
        == 5
    )
