"""runs/search: filters, orders, views, pages; see `test_search_limits` for what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.farm import EVERY, LONG, NEWEST_FIRST, START, Farm, names


@pytest.fixture
def farm(api: Api) -> Farm:
    """The runs above in one experiment, and a deleted one."""
    return Farm(api)


FILTERS: dict[str, set[str]] = {
    "": EVERY,
    "   ": EVERY,
    # Metrics mean their last value.
    "metrics.acc > 0.5": {"bee"},
    "metrics.acc >= 0.5 and metrics.acc < 0.7": {"ant"},
    "metric.acc = 0.7": {"bee"},
    "metrics.acc != 0.7": {"ant", "cow", "dog"},
    "metrics.acc = nan": {"cow", "dog"},
    "metrics.acc != nan": {"ant", "bee"},
    "metrics.loss > 1e308": {"cow"},
    "metrics.loss = inf": {"cow"},
    "metrics.acc IN (0.5, 1, 0.7)": {"ant", "bee"},
    "metrics.acc NOT IN (0.5)": {"bee", "cow", "dog"},
    "metrics.acc BETWEEN 0.5 AND 0.7": {"ant", "bee"},
    "metrics.acc NOT BETWEEN 0.6 AND 0.7": {"ant", "cow", "dog"},
    "metrics.acc IS NULL": {"eel"},
    "metrics.none > 0": set(),
    "metrics.none IS NULL": EVERY,
    # Functions of their history.
    "max(metrics.acc) > 0.8": {"ant"},
    "min(metrics.acc) < 0.5": {"ant"},
    "mean(metrics.acc) = 0.5": {"ant"},
    "first(metrics.acc) = 0.7": {"bee", "dog"},
    "last(metrics.acc) = 0.5": {"ant"},
    "count(metrics.acc) > 1.5": {"ant", "dog"},
    "max(metrics.acc) = nan": {"cow"},
    # Params and tags.
    "params.model = 'CNN'": {"ant", "bee"},
    'param.model != "CNN"': {"cow", "dog"},
    "parameters.model LIKE 'C%'": {"ant", "bee"},
    "params.model LIKE 'c%'": set(),
    "params.model ILIKE 'cn_'": {"ant", "bee"},
    "params.model NOT ILIKE 'cn_'": {"cow", "dog"},
    "params.model LIKE '50%'": {"dog"},
    "params.model IN ('CNN', 'tree')": {"ant", "bee", "cow"},
    "params.model NOT IN ('CNN', 'tree')": {"dog"},
    "params.`my lr` = '1'": {"cow"},
    "params.\"my lr\" = '1'": {"cow"},
    "params.lr IS NOT NULL": {"ant", "bee"},
    f"params.note = '{LONG}'": {"dog"},
    f"params.note LIKE '{LONG}_'": {"eel"},
    "params.note LIKE '%9x'": {"eel"},
    'params.quote = "it\'s"': {"eel"},
    "params.quote = 'it''s'": {"eel"},
    "tags.team = 'blue'": {"dog"},
    "tag.team ILIKE 'BLUE'": {"bee", "dog"},
    "tags.`ä b` = 'Ä'": {"eel"},
    "tags.`ä b` ILIKE 'ä'": set(),  # only ASCII letters have two cases
    "tags.mlflow.runName = 'cow'": {"cow"},
    "tags.`mlflow.runName` LIKE '%o%'": {"cow", "dog"},
    # Attributes.
    "attributes.status = 'FAILED'": {"bee"},
    "status != 'RUNNING'": {"ant", "bee"},
    "status IN ('FAILED', 'FINISHED')": {"ant", "bee"},
    "status LIKE 'F%ED'": {"ant", "bee"},
    "run_name = 'ant'": {"ant"},
    "attributes.`run name` LIKE '%o_'": {"cow", "dog"},
    "attribute.run_name ILIKE 'A%'": {"ant"},
    "user_id = 'ada'": {"ant", "bee", "cow"},
    f"start_time > {START} AND attributes.start_time <= {START + 2}": {"bee", "cow"},
    f"created >= {START + 4}": {"eel"},
    f"start_time BETWEEN {START}.5 AND {START + 1}": {"bee"},
    "end_time > 0": {"ant", "bee"},
    "end_time IS NULL": {"cow", "dog", "eel"},
    "artifact_uri LIKE 'mlflow-artifacts:/%'": EVERY,
    "lifecycle_stage = 'active'": EVERY,
    # Datasets.
    "datasets.name = 'corpus'": {"bee"},
    "dataset.digest LIKE 'd%' AND dataset.context = 'training'": {"bee"},
    "inputs.name = 'other'": set(),
    "datasets.name IS NULL": EVERY - {"bee"},
    # Logic.
    "metrics.acc > 0.4 AND params.model = 'CNN' AND tags.team = 'red'": {"ant"},
    "metrics.acc > 0.6 OR tags.team = 'red'": {"ant", "bee"},
    "NOT params.model = 'CNN'": {"cow", "dog", "eel"},
    "NOT (metrics.acc > 0.6 OR metrics.acc < 0.6)": {"cow", "dog", "eel"},
    "(params.model = 'CNN' OR params.model = 'tree') AND NOT status = 'FAILED'": {"ant", "cow"},
    "NOT NOT params.none = 'x'": set(),
    "and params.model = 'CNN' and and tags.team = 'red' and": {"ant"},
}


def test_filters(farm: Farm) -> None:
    assert {text: set(farm.find(filter=text)) for text in FILTERS} == FILTERS


def test_a_filter_by_run_ids(farm: Farm) -> None:
    ant, bee, fox = (farm.ids[name] for name in ("ant", "bee", "fox"))
    assert farm.find(filter=f"run_id = '{ant}'") == ["ant"]
    assert farm.find(filter=f"attributes.run_id IN ('{ant}', '{bee}', '{fox}', 'nothing')") == ["bee", "ant"]
    assert farm.find(filter=f"run_id NOT IN ('{ant}', '{bee}')") == ["eel", "dog", "cow"]
    assert farm.find(filter=f"artifact_uri LIKE '%/{ant}/artifacts'") == ["ant"]


ORDERS: dict[tuple[str, ...], list[str]] = {
    (): NEWEST_FIRST,
    # NaN comes after all numbers, what is missing after NaN, in both directions; ties newest first.
    ("metrics.acc",): ["ant", "bee", "dog", "cow", "eel"],
    ("metrics.acc DESC",): ["bee", "ant", "dog", "cow", "eel"],
    ("metrics.`acc` asc", "attributes.start_time ASC"): ["ant", "bee", "cow", "dog", "eel"],
    ("max(metrics.acc) DESC",): ["ant", "dog", "bee", "cow", "eel"],
    ("count(metrics.acc) DESC", "run_name"): ["ant", "dog", "bee", "cow", "eel"],
    ("params.model",): ["dog", "bee", "ant", "cow", "eel"],
    ("params.model DESC",): ["cow", "bee", "ant", "dog", "eel"],
    ("params.note DESC", "run_name"): ["eel", "dog", "ant", "bee", "cow"],
    ("tags.team",): ["bee", "dog", "ant", "eel", "cow"],
    ("tags.team DESC", "start_time"): ["ant", "dog", "bee", "cow", "eel"],
    ("start_time",): ["ant", "bee", "cow", "dog", "eel"],
    ("attributes.start_time DESC",): NEWEST_FIRST,
    ("Created ASC",): ["ant", "bee", "cow", "dog", "eel"],
    ("end_time",): ["bee", "ant", "eel", "dog", "cow"],
    ("attributes.end_time DESC", "run_name DESC"): ["bee", "ant", "eel", "dog", "cow"],
    ("status",): ["bee", "ant", "eel", "dog", "cow"],
    ("user_id DESC", "run_name"): ["ant", "bee", "cow", "dog", "eel"],
    ("run_name DESC",): NEWEST_FIRST,
    ("metrics.none", "tags.none DESC"): NEWEST_FIRST,
    # A repeated term orders nothing.
    ("run_name", "run_name DESC"): ["ant", "bee", "cow", "dog", "eel"],
}


def test_orders(farm: Farm) -> None:
    assert {order: farm.find(order_by=order) for order in ORDERS} == ORDERS


@pytest.mark.parametrize("size", [1, 2])
def test_orders_hold_over_pages(farm: Farm, size: int) -> None:
    for order, expected in ORDERS.items():
        # When
        pages = farm.pages(size, order_by=order)
        # Then
        assert [name for page in pages for name in page] == expected, order
        assert all(len(page) == size for page in pages[:-1])
        assert pages[-1]


def test_a_run_comes_with_all_that_is_logged_to_it(farm: Farm) -> None:
    # When
    found = farm.search(filter="run_name = 'bee'")["runs"]
    # Then
    assert found == [farm.api.get("runs/get", {"run_id": farm.ids["bee"]}).ok()["run"]]
    assert found[0]["inputs"]["dataset_inputs"][0]["dataset"]["name"] == "corpus"


VIEWS: dict[Any, list[str]] = {
    "ACTIVE_ONLY": NEWEST_FIRST,
    "DELETED_ONLY": ["fox"],
    "ALL": ["fox", *NEWEST_FIRST],
    "all": ["fox", *NEWEST_FIRST],
    1: NEWEST_FIRST,
    2: ["fox"],
    3: ["fox", *NEWEST_FIRST],
}


def test_views(farm: Farm) -> None:
    assert {view: farm.find(run_view_type=view) for view in VIEWS} == VIEWS
    assert farm.find(run_view_type="ALL", order_by=["metrics.acc DESC"])[:2] == ["fox", "bee"]
    assert farm.find(run_view_type="ALL", filter="lifecycle_stage = 'deleted'") == ["fox"]
    assert farm.pages(4, run_view_type="ALL") == [["fox", "eel", "dog", "cow"], ["bee", "ant"]]


def test_a_run_that_moves_while_pages_are_read_moves_no_other(farm: Farm) -> None:
    # Given
    first = farm.search(max_results=2, order_by=["metrics.acc"])
    # When: the last run of the page gets another value, and a new one comes before it
    point = {"key": "acc", "value": 9, "timestamp": 9, "step": 9}
    farm.api.post("runs/log-metric", {"run_id": farm.ids["bee"], **point}).ok()
    farm.add("gnu", 10, {"metrics": {"acc": [0.2]}})
    rest = farm.search(page_token=first["next_page_token"], order_by=["metrics.acc"])
    # Then
    assert names(first) == ["ant", "bee"]
    assert names(rest) == ["bee", "dog", "cow", "eel"]


def test_several_experiments_are_one_list(api: Api) -> None:
    # Given: runs that alternate between two experiments
    first, second = api.experiment(), api.experiment()
    for i in range(6):
        run = api.run((first, second)[i % 2], run_name=f"run {i}", start_time=START + i)
        api.post("runs/log-metric", {"run_id": run, "key": "m", "value": i // 2, "timestamp": 1}).ok()
    sent = {"experiment_ids": [second, first, second, "987654"], "max_results": 2}
    for order in ([], ["metrics.m DESC"], ["run_name DESC"]):
        # When
        found, token = [], None
        while True:
            answer = api.post("runs/search", {**sent, "order_by": order, "page_token": token}).ok()
            found += names(answer)
            token = answer.get("next_page_token")
            if token is None:
                break
        # Then
        assert found == [f"run {i}" for i in range(5, -1, -1)]


def test_where_nothing_is(api: Api) -> None:
    api.run()
    empty = api.experiment()
    for ids in ([], None, [empty], ["987654321"]):
        assert api.post("runs/search", {"experiment_ids": ids}).ok() == {}
    assert api.post("runs/search", {}).ok() == {}
    assert api.post("runs/search", {"experiment_ids": [empty], "order_by": ["metrics.m"]}).ok() == {}


def test_the_size_of_a_page(farm: Farm) -> None:
    assert farm.pages(2) == [["eel", "dog"], ["cow", "bee"], ["ant"]]
    assert farm.find(max_results=5) == NEWEST_FIRST
    assert farm.find(max_results="50000") == NEWEST_FIRST
