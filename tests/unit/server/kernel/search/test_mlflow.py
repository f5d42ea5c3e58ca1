"""What MLflow accepts, with the meaning that it has there.

Every expectation below was checked against the parsers of MLflow 3.17; where the outcome differs on
purpose, the test says so.
"""

from __future__ import annotations

import pytest

from tests.unit.server.kernel.search.schemas import EXPERIMENTS, LOGGED_MODELS, Flat, flat, message

RUN_FILTERS: list[tuple[str, list[Flat]]] = [
    # numbers
    ("metrics.acc > 0.5", [("metrics", "acc", ">", 0.5)]),
    ("metric.acc>0.5", [("metrics", "acc", ">", 0.5)]),
    ("metrics.acc > -5", [("metrics", "acc", ">", -5.0)]),
    ("metrics.acc >-6.5e-3", [("metrics", "acc", ">", -0.0065)]),
    ("metrics.acc<1e5", [("metrics", "acc", "<", 100000.0)]),
    ("metrics.acc >= 1E-5", [("metrics", "acc", ">=", 1e-5)]),
    ("metrics.acc <= .5", [("metrics", "acc", "<=", 0.5)]),
    ("metrics.acc != -.5", [("metrics", "acc", "!=", -0.5)]),
    ("metrics.acc = 5.", [("metrics", "acc", "=", 5.0)]),
    ("metrics.acc = 00012", [("metrics", "acc", "=", 12.0)]),
    ("metrics.acc < 1e400", [("metrics", "acc", "<", float("inf"))]),
    ("metrics.acc = 12345678901234567890", [("metrics", "acc", "=", 1.2345678901234567e19)]),
    # keys
    ("metrics.a.b.c > 1", [("metrics", "a.b.c", ">", 1.0)]),
    ("metrics.`a b` > 1", [("metrics", "a b", ">", 1.0)]),
    ('metrics."a b" > 1', [("metrics", "a b", ">", 1.0)]),
    ("metrics.'a b' > 1", [("metrics", "a b", ">", 1.0)]),
    ("metrics.`a/b:c-d` > 1", [("metrics", "a/b:c-d", ">", 1.0)]),
    ('metrics.`a"b` > 1', [("metrics", 'a"b', ">", 1.0)]),
    ("`metrics`.`acc` > 1", [("metrics", "acc", ">", 1.0)]),
    ("metrics.1a > 1", [("metrics", "1a", ">", 1.0)]),
    ("metrics.é > 1", [("metrics", "é", ">", 1.0)]),
    ("metrics.max > 1", [("metrics", "max", ">", 1.0)]),
    ("params.x[0] = 'y'", [("params", "x[0]", "=", "y")]),
    ("params.@ab = 'y'", [("params", "@ab", "=", "y")]),
    ("params.a. = 'y'", [("params", "a.", "=", "y")]),
    ("params..a = 'y'", [("params", ".a", "=", "y")]),
    ("params.and = 'x'", [("params", "and", "=", "x")]),
    ("params.not = 'x' AND params.null = 'y'", [("params", "not", "=", "x"), ("params", "null", "=", "y")]),
    ("tags.mlflow.user = 'me'", [("tags", "mlflow.user", "=", "me")]),
    ("tags.`mlflow.user` = 'me'", [("tags", "mlflow.user", "=", "me")]),
    ('tags."mlflow.parentRunId" = "me"', [("tags", "mlflow.parentRunId", "=", "me")]),
    # entities
    ("param.x = 'z'", [("params", "x", "=", "z")]),
    ("parameter.x = 'z'", [("params", "x", "=", "z")]),
    ("parameters.x = 'z'", [("params", "x", "=", "z")]),
    ("tag.x = 'z'", [("tags", "x", "=", "z")]),
    ("attribute.status = 'RUNNING'", [("attributes", "status", "=", "RUNNING")]),
    ("attributes.status = 'RUNNING'", [("attributes", "status", "=", "RUNNING")]),
    ("attr.status = 'RUNNING'", [("attributes", "status", "=", "RUNNING")]),
    ("run.`status` = 'RUNNING'", [("attributes", "status", "=", "RUNNING")]),
    ("dataset.name = 'x'", [("datasets", "name", "=", "x")]),
    ("datasets.context LIKE 'tr%'", [("datasets", "context", "LIKE", "tr%")]),
    ("dataset.digest IN ('a','b')", [("datasets", "digest", "IN", ("a", "b"))]),
    ("datasets.name NOT IN ('a')", [("datasets", "name", "NOT IN", ("a",))]),
    # attributes
    ("status = 'RUNNING'", [("attributes", "status", "=", "RUNNING")]),
    ('status != "running"', [("attributes", "status", "!=", "running")]),
    ("run_id = 'abc'", [("attributes", "run_id", "=", "abc")]),
    ("user_id ilike 'X%'", [("attributes", "user_id", "ILIKE", "X%")]),
    ("artifact_uri like '%x'", [("attributes", "artifact_uri", "LIKE", "%x")]),
    ("run_name = 'x'", [("attributes", "run_name", "=", "x")]),
    ("`run name` = 'x'", [("attributes", "run_name", "=", "x")]),
    ('"run name" = "x"', [("attributes", "run_name", "=", "x")]),
    ("attributes.`Run name` = 'x'", [("attributes", "run_name", "=", "x")]),
    ("attributes.\"Run Name\" = 'x'", [("attributes", "run_name", "=", "x")]),
    ("start_time > 1664067852747", [("attributes", "start_time", ">", 1664067852747)]),
    ("start_time >= 5.5", [("attributes", "start_time", ">=", 5.5)]),
    ("created > 5", [("attributes", "start_time", ">", 5)]),
    ("attributes.Created > -5", [("attributes", "start_time", ">", -5)]),
    ("attribute.`end_time` < 5", [("attributes", "end_time", "<", 5)]),
    # lists
    ("run_id IN ('abc', \"def\")", [("attributes", "run_id", "IN", ("abc", "def"))]),
    ("run_id in('abc')", [("attributes", "run_id", "IN", ("abc",))]),
    ("run_id IN ('abc',)", [("attributes", "run_id", "IN", ("abc",))]),
    ("attributes.run_id not  in ( 'abc' )", [("attributes", "run_id", "NOT IN", ("abc",))]),
    # NULL
    ("params.x IS NULL", [("params", "x", "IS NULL", None)]),
    ("params.x is not null", [("params", "x", "IS NOT NULL", None)]),
    ("tags.`a b` IS NOT NULL", [("tags", "a b", "IS NOT NULL", None)]),
    # texts
    ("params.x = ''", [("params", "x", "=", "")]),
    ('params.x like"y%"', [("params", "x", "LIKE", "y%")]),
    ("params.x iLike 'y%'", [("params", "x", "ILIKE", "y%")]),
    ("params.x = 'a\"b'", [("params", "x", "=", 'a"b')]),
    ('params.x = "it\'s"', [("params", "x", "=", "it's")]),
    ("params.x = 'a;b -- c /* d'", [("params", "x", "=", "a;b -- c /* d")]),
    ("tags.x = \"params.x = 'a' AND y\"", [("tags", "x", "=", "params.x = 'a' AND y")]),
    (r"params.x = 'C:\temp\'", [("params", "x", "=", "C:\\temp\\")]),
    ("params.x = 'line\nbreak'", [("params", "x", "=", "line\nbreak")]),
    # conjunctions, MLflow's loose ones included
    (
        "metrics.a > 1 And params.b = 'c'\nAND tags.d!='e'",
        [("metrics", "a", ">", 1.0), ("params", "b", "=", "c"), ("tags", "d", "!=", "e")],
    ),
    ("params.x='y'AND params.z='w'", [("params", "x", "=", "y"), ("params", "z", "=", "w")]),
    ("metrics.a > 1E-5AND params.z='w'", [("metrics", "a", ">", 1e-5), ("params", "z", "=", "w")]),
    ("  metrics.a > 1 \n", [("metrics", "a", ">", 1.0)]),
    ("AND metrics.a > 1", [("metrics", "a", ">", 1.0)]),
    ("metrics.a > 1 AND", [("metrics", "a", ">", 1.0)]),
    ("metrics.a > 1 AND AND metrics.b > 1", [("metrics", "a", ">", 1.0), ("metrics", "b", ">", 1.0)]),
    ("metrics.a > 1 metrics.b > 1", [("metrics", "a", ">", 1.0), ("metrics", "b", ">", 1.0)]),
    (
        "params.x IS NULL run_id IN ('a')",
        [("params", "x", "IS NULL", None), ("attributes", "run_id", "IN", ("a",))],
    ),
    ("", []),
    ("AND", []),
]

EXPERIMENT_FILTERS: list[tuple[str, list[Flat]]] = [
    ("name = 'x'", [("attributes", "name", "=", "x")]),
    ("attribute.name ILIKE '%x'", [("attributes", "name", "ILIKE", "%x")]),
    ("experiment_id = '1'", [("attributes", "experiment_id", "=", "1")]),
    ("experiment_id NOT IN ('1', '2')", [("attributes", "experiment_id", "NOT IN", ("1", "2"))]),
    ("creation_time >= 1664067852747", [("attributes", "creation_time", ">=", 1664067852747)]),
    ("last_update_time < 5", [("attributes", "last_update_time", "<", 5)]),
    ("tags.`a b` = 'c' AND tag.d IS NULL", [("tags", "a b", "=", "c"), ("tags", "d", "IS NULL", None)]),
]

LOGGED_MODEL_FILTERS: list[tuple[str, list[Flat]]] = [
    ("name = 'x'", [("attributes", "name", "=", "x")]),
    ("name = x", [("attributes", "name", "=", "x")]),
    ("name = 5", [("attributes", "name", "=", "5")]),
    ("status = READY", [("attributes", "status", "=", "READY")]),
    ("name = a.b", [("attributes", "name", "=", "a.b")]),
    ("params.lr = 0.010", [("params", "lr", "=", "0.010")]),
    ("params.`a b` like 'x'", [("params", "a b", "LIKE", "x")]),
    ("metrics.x > inf", [("metrics", "x", ">", float("inf"))]),
    ("attributes.name IN ('a','b')", [("attributes", "name", "IN", ("a", "b"))]),
    ("name IN ()", [("attributes", "name", "IN", ())]),
    ("creation_time > 5", [("attributes", "creation_timestamp", ">", 5)]),
    ("creation_timestamp_ms != 5", [("attributes", "creation_timestamp", "!=", 5)]),
    ("last_updated_timestamp = 5", [("attributes", "last_updated_timestamp", "=", 5)]),
    (
        "creation_timestamp < 12345678901234567890",
        [("attributes", "creation_timestamp", "<", 1.2345678901234567e19)],
    ),
]


@pytest.mark.parametrize(("text", "conditions"), RUN_FILTERS)
def test_filter_of_runs_means_what_it_means_in_mlflow(text: str, conditions: list[Flat]) -> None:
    found = flat(text)

    assert found == conditions
    assert [type(value) for *_, value in found] == [type(value) for *_, value in conditions]


@pytest.mark.parametrize(("text", "conditions"), EXPERIMENT_FILTERS)
def test_filter_of_experiments_means_what_it_means_in_mlflow(text: str, conditions: list[Flat]) -> None:
    assert flat(text, EXPERIMENTS) == conditions


@pytest.mark.parametrize(("text", "conditions"), LOGGED_MODEL_FILTERS)
def test_filter_of_logged_models_means_what_it_means_in_mlflow(text: str, conditions: list[Flat]) -> None:
    assert flat(text, LOGGED_MODELS) == conditions


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        # MLflow keeps both quotes of a doubled one, so that the value never matches what was meant.
        ("params.x = 'it''s'", [("params", "x", "=", "it's")]),
        ('params."a""b" = "c""d"', [("params", 'a"b', "=", 'c"d')]),
        # MLflow takes the aliases of run attributes for aliases of any key.
        ("params.Created = 'x'", [("params", "Created", "=", "x")]),
        ("tags.`run name` = 'x'", [("tags", "run name", "=", "x")]),
    ],
)
def test_meanings_that_differ_from_mlflow_on_purpose(text: str, conditions: list[Flat]) -> None:
    assert flat(text) == conditions


@pytest.mark.parametrize(
    "text",
    [
        "metrics.acc > '0.5'",
        "metrics.acc > 0x1F",
        "metrics.acc > 1_000",
        "metrics.acc > 5.5.5",
        "metrics.acc > - 5",
        "metrics.acc LIKE 5",
        "metrics.acc == 5",
        "metrics.acc <> 5",
        "metrics.acc => 5",
        "metrics.acc",
        "metrics.acc >",
        "metrics.acc > params.x",
        "1 < metrics.acc",
        "params.x = 5",
        "params.x = y",
        "params.x = `y`",
        "params.x > '5'",
        "params.x RLIKE 'a'",
        "params.x = 'a",
        "params.x = 'a' 'b'",
        "tags.a b = 'c'",
        "status = RUNNING",
        "status > 'RUNNING'",
        "Status = 'RUNNING'",
        "run_id IN ()",
        "run_id IN (1, 2)",
        "run_id IN (abc)",
        "run_id IN ('a'",
        "run_id IN 'a'",
        "start_time > '5'",
        "foo = 'x'",
        "attributes.foo = 'x'",
        "foo.bar = 'x'",
        "Params.x = 'y'",
        "dataset.foo = 'x'",
        "dataset.name > 'x'",
        "metrics.acc > 1;",
        "metrics.acc > 1; metrics.b > 2",
        "metrics.acc > 1 -- comment",
        ".acc > 1",
        "'run name' = 'x'",
    ],
)
def test_what_mlflow_refuses_and_would_mean_nothing_is_refused(text: str) -> None:
    assert message(text).startswith("Invalid filter, column ")
