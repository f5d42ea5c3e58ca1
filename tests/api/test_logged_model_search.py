"""logged-models/search: filters, datasets, orders, pages."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.api.conftest import Api, assert_refused
from tests.api.test_logged_models import INVALID, new

# Models with what is searched; later ones are newer. Each has a run of its own.
MODELS: dict[str, dict[str, Any]] = {
    "ash": {"type": "tree", "params": {"depth": "3"}, "tags": {"team": "red"}},
    "birch": {"type": "tree", "params": {"depth": "10", "my lr": "0.1"}, "tags": {"team": "blue"}},
    "cedar": {"type": "linear", "tags": {"team": "Blue"}},
    "douglas": {"type": "", "params": {"depth": "3" * 300}},
}
# Model, key, value, timestamp, step, dataset, digest
POINTS: list[tuple[str, str, Any, int, int, str, str]] = [
    ("ash", "acc", 0.9, 1, 0, "", ""),
    ("ash", "acc", 0.5, 2, 0, "train", "d1"),  # the latest of ash
    ("ash", "acc", 0.4, 1, 9, "test", "d1"),
    ("birch", "acc", 0.7, 1, 0, "train", "d1"),
    ("birch", "acc", 0.8, 1, 1, "train", "d2"),  # the latest of birch: the greater step
    ("cedar", "acc", "NaN", 3, 0, "train", "d1"),
    ("cedar", "loss", "Infinity", 3, 0, "", ""),
    ("birch", "loss", 0.0, 3, 0, "", ""),
]


@pytest.fixture
def forest(api: Api) -> Forest:
    """The models above in one experiment, and a deleted one."""
    return Forest(api)


class Forest:
    """The models of the tests, searched by name."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.experiment = api.experiment()
        self.ids: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        for name, facts in MODELS.items():
            self.runs[name] = api.run(self.experiment)
            self.ids[name] = self.add(name, facts)
        for name, key, value, timestamp, step, dataset, digest in POINTS:
            point = {"key": key, "value": value, "timestamp": timestamp, "step": step}
            origin = {"model_id": self.ids[name], "dataset_name": dataset, "dataset_digest": digest}
            api.post("runs/log-metric", {"run_id": self.runs[name], **point, **origin}).ok()
        ready = {"status": "LOGGED_MODEL_READY"}
        api.patch(f"logged-models/{self.ids['ash']}", ready).ok()
        gone = new(api, self.experiment, name="gone", tags=[{"key": "team", "value": "red"}])
        api.delete(f"logged-models/{gone}").ok()

    def add(self, name: str, facts: dict[str, Any]) -> str:
        """A new model of the experiment."""
        params, tags = (
            [{"key": k, "value": v} for k, v in facts.get(kind, {}).items()] for kind in ("params", "tags")
        )
        return new(
            self.api,
            self.experiment,
            name=name,
            model_type=facts["type"],
            source_run_id=self.runs[name],
            params=params,
            tags=tags,
        )

    def find(self, **search: Any) -> list[str]:
        """The names that a search of the experiment finds."""
        answer = self.api.post("logged-models/search", {"experiment_ids": [self.experiment], **search}).ok()
        assert "next_page_token" not in answer
        return [model["info"]["name"] for model in answer.get("models", [])]

    def pages(self, size: int, **search: Any) -> list[list[str]]:
        """The names on all pages of a search."""
        sent = {"experiment_ids": [self.experiment], "max_results": size, **search}
        found, token = [], None
        while True:
            answer = self.api.post("logged-models/search", {**sent, "page_token": token}).ok()
            found.append([model["info"]["name"] for model in answer.get("models", [])])
            token = answer.get("next_page_token")
            if token is None:
                return found


NEWEST_FIRST = ["douglas", "cedar", "birch", "ash"]

FILTERS: dict[str, list[str]] = {
    "": NEWEST_FIRST,
    "name = 'birch'": ["birch"],
    "name = birch": ["birch"],
    "attributes.name LIKE '%r%'": ["cedar", "birch"],
    "name ILIKE 'C%' AND name != 'birch'": ["cedar"],
    "name IN ('ash', 'cedar')": ["cedar", "ash"],
    "name NOT IN ('ash', 'cedar')": ["douglas", "birch"],
    "model_type = 'tree'": ["birch", "ash"],
    "model_type = ''": ["douglas"],
    "status = 'READY'": ["ash"],
    "status = 'LOGGED_MODEL_READY'": ["ash"],
    "status = 1": ["douglas", "cedar", "birch"],
    "status != 'PENDING'": ["ash"],
    "status = 'nonsense'": [],
    "creation_timestamp > 0 AND creation_time < 99999999999999": NEWEST_FIRST,
    "last_updated_timestamp < 5": [],
    "params.depth = '3'": ["ash"],
    "params.depth LIKE '3%'": ["douglas", "ash"],
    f"params.depth = '{'3' * 300}'": ["douglas"],
    "params.depth != '3'": ["douglas", "birch"],
    "params.`my lr` = '0.1'": ["birch"],
    "params.none = '1'": [],
    "tags.team = 'blue'": ["birch"],
    "tags.team ILIKE 'blue'": ["cedar", "birch"],
    "tags.team IS NULL": ["douglas"],
    "NOT tags.team = 'red'": ["douglas", "cedar", "birch"],
    "tags.team = 'red' OR model_type = 'linear'": ["cedar", "ash"],
    # Any point counts.
    "metrics.acc > 0.85": ["ash"],
    "metrics.acc = 0.5": ["ash"],
    "metrics.acc < 0.75": ["birch", "ash"],
    "metrics.acc = nan": ["cedar"],
    "metrics.acc = 0": [],
    "metrics.loss > 1e300": ["cedar"],
    "metrics.acc > 0.45 AND params.depth = '10'": ["birch"],
    "metrics.acc > 0.45 AND metrics.loss = 0": ["birch"],
}


def test_filters(forest: Forest) -> None:
    assert {text: forest.find(filter=text) for text in FILTERS} == FILTERS


def test_a_filter_by_ids(forest: Forest) -> None:
    assert forest.find(filter=f"source_run_id = '{forest.runs['cedar']}'") == ["cedar"]
    assert forest.find(filter=f"model_id = '{forest.ids['ash']}'") == ["ash"]
    assert forest.find(filter=f"model_id != '{forest.ids['ash']}'") == ["douglas", "cedar", "birch"]
    assert forest.find(filter=f"experiment_id = '{forest.experiment}'") == NEWEST_FIRST


def dataset(name: str, digest: str | None = None) -> dict[str, str | None]:
    """A dataset of a search."""
    return {"dataset_name": name, "dataset_digest": digest}


DATASETS: list[tuple[list[dict[str, str | None]], str, list[str]]] = [
    # Models with any metric there.
    ([dataset("train")], "", ["cedar", "birch", "ash"]),
    ([dataset("train", "d2")], "", ["birch"]),
    ([dataset("train", "d2"), dataset("test")], "", ["birch", "ash"]),
    ([dataset("none")], "", []),
    ([dataset("train")], "tags.team = 'red'", ["ash"]),
    # Only points there count.
    ([dataset("train")], "metrics.acc > 0.85", []),
    ([dataset("train", "d1")], "metrics.acc > 0.45", ["birch", "ash"]),
    ([dataset("train", "d2")], "metrics.acc > 0.45", ["birch"]),
    ([dataset("test")], "metrics.acc > 0.1 AND params.depth = '3'", ["ash"]),
    ([dataset("train")], "metrics.loss >= 0", []),
]


def test_datasets(forest: Forest) -> None:
    found = [forest.find(datasets=datasets, filter=text) for datasets, text, _ in DATASETS]
    assert found == [names for _, _, names in DATASETS]


def by(name: str, ascending: bool | None = None, **on: str) -> dict[str, Any]:
    """A term of an order."""
    return {"field_name": name, "ascending": ascending, **on}


ORDERS: list[tuple[list[dict[str, Any]], list[str]]] = [
    ([], NEWEST_FIRST),
    ([by("name")], ["ash", "birch", "cedar", "douglas"]),
    ([by("name", False)], NEWEST_FIRST),
    ([by("attributes.name", True)], ["ash", "birch", "cedar", "douglas"]),
    ([by("creation_timestamp")], ["ash", "birch", "cedar", "douglas"]),
    ([by("creation_timestamp_ms", False)], NEWEST_FIRST),
    ([by("creation_time", True)], ["ash", "birch", "cedar", "douglas"]),
    ([by("model_type"), by("name")], ["douglas", "cedar", "ash", "birch"]),
    ([by("status", False)], ["ash", "douglas", "cedar", "birch"]),
    ([by("last_updated_timestamp", True), by("name", True)], ["birch", "cedar", "douglas", "ash"]),
    # The latest point counts; NaN comes after all numbers, nothing after NaN, in both directions.
    ([by("metrics.acc")], ["ash", "birch", "cedar", "douglas"]),
    ([by("metrics.acc", False)], ["birch", "ash", "cedar", "douglas"]),
    ([by("metrics.loss", False)], ["cedar", "birch", "douglas", "ash"]),
    ([by("metrics.none"), by("name")], ["ash", "birch", "cedar", "douglas"]),
    (
        [by("metrics.acc", False, dataset_name="train", dataset_digest="d1")],
        ["birch", "ash", "cedar", "douglas"],
    ),
    ([by("metrics.acc", False, dataset_name="test")], ["ash", "douglas", "cedar", "birch"]),
    # A repeated term orders nothing, the same metric on another dataset does.
    (
        [by("metrics.acc", dataset_name="test"), by("metrics.acc", False)],
        ["ash", "birch", "cedar", "douglas"],
    ),
    ([by("name"), by("name", False)], ["ash", "birch", "cedar", "douglas"]),
]


def test_orders(forest: Forest) -> None:
    assert [forest.find(order_by=order) for order, _ in ORDERS] == [names for _, names in ORDERS]


@pytest.mark.parametrize("size", [1, 3])
def test_orders_hold_over_pages(forest: Forest, size: int) -> None:
    for order, names in ORDERS:
        # When
        pages = forest.pages(size, order_by=order)
        # Then
        assert [name for page in pages for name in page] == names
        assert all(len(page) == size for page in pages[:-1])
        assert pages[-1]


def test_ties_come_newest_first_over_pages(api: Api) -> None:
    # Given: models that differ in nothing that is ordered by
    experiment = api.experiment()
    made = [new(api, experiment, name="same") for _ in range(7)]
    sent = {"experiment_ids": [experiment], "max_results": 2, "order_by": [by("name"), by("metrics.acc")]}
    # When
    found, token = [], None
    for _ in range(4):
        answer = api.post("logged-models/search", {**sent, "page_token": token}).ok()
        found += [model["info"]["model_id"] for model in answer["models"]]
        token = answer.get("next_page_token")
    # Then
    assert token is None
    assert found == made[::-1]


@pytest.mark.parametrize("order", [[], [by("name")], [by("metrics.acc", False), by("name", False)]])
def test_several_experiments_are_merged(api: Api, order: list[dict[str, Any]]) -> None:
    # Given: names that alternate between two experiments
    first, second, run = api.experiment(), api.experiment(), api.run()
    for i in range(6):
        model = new(api, (first, second)[i % 2], name=f"model {i}")
        point = {"key": "acc", "value": i // 2, "timestamp": 1, "model_id": model}
        api.post("runs/log-metric", {"run_id": run, **point}).ok()
    # When
    found, token = [], None
    ids = [second, first, second, "987654"]
    sent = {"experiment_ids": ids, "max_results": 2, "order_by": order}
    while True:
        answer = api.post("logged-models/search", {**sent, "page_token": token}).ok()
        found += [model["info"]["name"] for model in answer["models"]]
        token = answer.get("next_page_token")
        if token is None:
            break
    # Then
    expected = [f"model {i}" for i in range(6)]
    assert found == (expected if order == [by("name")] else expected[::-1])


def test_pages_hold_while_models_come(forest: Forest) -> None:
    # Given
    api, sent = forest.api, {"experiment_ids": [forest.experiment], "max_results": 2}
    first = api.post("logged-models/search", sent).ok()
    # When
    forest.runs["elm"] = forest.runs["ash"]
    forest.add("elm", {"type": "tree"})
    second = api.post("logged-models/search", {**sent, "page_token": first["next_page_token"]}).ok()
    # Then
    assert [model["info"]["name"] for model in second["models"]] == ["birch", "ash"]


def test_a_found_model_is_whole(forest: Forest) -> None:
    # When
    answer = forest.api.post(
        "logged-models/search", {"experiment_ids": [forest.experiment], "filter": "name = 'ash'"}
    ).ok()
    # Then
    assert answer["models"] == [forest.api.get(f"logged-models/{forest.ids['ash']}").ok()["model"]]


@pytest.mark.parametrize(("size", "count"), [(None, 50), (0, 50), (1, 1), ("60", 60), (2**31 - 1, 61)])
def test_page_sizes(api: Api, size: object, count: int) -> None:
    # Given
    experiment = api.experiment()
    api.together(("POST", "logged-models", {"experiment_id": experiment}) for _ in range(61))
    # When
    answer = api.post("logged-models/search", {"experiment_ids": [experiment], "max_results": size}).ok()
    # Then
    assert len(answer["models"]) == count
    assert ("next_page_token" in answer) == (count < 61)


@pytest.mark.parametrize("ids", [[], ["987654"]])
def test_nowhere_nothing_is_found(api: Api, ids: list[str]) -> None:
    assert api.post("logged-models/search", {"experiment_ids": ids}).ok() == {}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no experiments": ({"experiment_ids": None}, "experiment_ids"),
    "experiments of the wrong type": ({"experiment_ids": "1"}, "experiment_ids"),
    "an experiment that is no number": ({"experiment_ids": ["1", "x"]}, "experiment_ids[1]"),
    "too many experiments": ({"experiment_ids": ["1"] * 10_001}, "experiment_ids"),
    "a negative size": ({"max_results": -1}, "max_results"),
    "a size of the wrong type": ({"max_results": "many"}, "max_results"),
    "a filter on nothing": ({"filter": "bogus = 'x'"}, "filter"),
    "half a filter": ({"filter": "metrics.acc >"}, "filter"),
    "a text for a number": ({"filter": "metrics.acc > 'x'"}, "filter"),
    "a run's entity": ({"filter": "datasets.name = 'x'"}, "filter"),
    "LIKE on a status": ({"filter": "status LIKE 'R%'"}, "filter"),
    "an order of texts": ({"order_by": ["name"]}, "order_by[0]"),
    "an order without field": ({"order_by": [by("name"), {}]}, "order_by[1].field_name"),
    "an order by nothing": ({"order_by": [by("bogus")]}, "order_by[0].field_name"),
    "an order by params": ({"order_by": [by("params.depth")]}, "order_by[0].field_name"),
    "an order by an empty metric": ({"order_by": [by("metrics.")]}, "order_by[0].field_name"),
    "an order by a name on data": ({"order_by": [by("name", dataset_name="d")]}, "order_by[0].dataset_name"),
    "a long order": ({"order_by": [by(f"metrics.m{i}") for i in range(33)]}, "order_by"),
    "a dataset without name": ({"datasets": [{"dataset_digest": "d1"}]}, "datasets[0].dataset_name"),
    "too many datasets": ({"datasets": [dataset("d")] * 1001}, "datasets"),
    "a token that is none": ({"page_token": "abc"}, "page_token"),
    "a token of ours for runs": ({"page_token": "WyJydW5zIiwxXQ"}, "page_token"),
}


def test_bad_searches_are_refused(api: Api) -> None:
    # When
    replies = {
        name: api.post("logged-models/search", {"experiment_ids": ["1"], **search})
        for name, (search, _) in BAD.items()
    }
    # Then
    assert_refused(replies, {name: field for name, (_, field) in BAD.items()})


def test_a_token_belongs_to_its_search(forest: Forest) -> None:
    # Given
    sent = {"experiment_ids": [forest.experiment], "max_results": 1}
    token = forest.api.post("logged-models/search", sent).ok()["next_page_token"]
    # Then
    for other in (
        {"filter": "name != 'x'"},
        {"order_by": [by("name")]},
        {"datasets": [dataset("train")]},
        {"experiment_ids": ["987654"]},
    ):
        reply = forest.api.post("logged-models/search", {**sent, "page_token": token, **other})
        assert (reply.error, reply.field) == (INVALID, "page_token")
    # But another size is fine
    forest.api.post("logged-models/search", {**sent, "page_token": token, "max_results": 2}).ok()


def test_forged_tokens_are_refused(forest: Forest) -> None:
    # Given
    sent = {"experiment_ids": [forest.experiment], "max_results": 1}
    token = forest.api.post("logged-models/search", sent).ok()["next_page_token"]
    kind = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))[0]
    positions: list[list[Any]] = [[], ["a", 1], [1, None], [1.5, 1], [1, 2**63], [1, 1, 1], [{}, 1]]
    for position in positions:
        # When
        forged = base64.urlsafe_b64encode(json.dumps([kind, *position]).encode()).decode().rstrip("=")
        reply = forest.api.post("logged-models/search", {**sent, "page_token": forged})
        # Then
        assert (reply.error, reply.field) == (INVALID, "page_token")
