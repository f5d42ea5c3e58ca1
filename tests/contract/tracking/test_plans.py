"""SQLite has no statistics: what each statement of a search walks is written in it, and stays so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runyard.server.db import Database, Query
from runyard.server.db.search_forms import AllOf, Analysis, Form, Leaf
from runyard.server.kernel.search import parse_filter, parse_order_by
from runyard.server.tracking.store.columns import RUN_TARGET
from runyard.server.tracking.store.columns import RUNS as SCHEMA
from runyard.server.tracking.store.search.order import Order, order_of
from runyard.server.tracking.store.search.statements import Filter, Statements

KEYS = {"m": 1, "p": 2, "t": 3}
FILTER = "metrics.m > 1 AND params.p = 'x' AND NOT tags.t = 'y'"
STATEMENTS = Statements("sqlite")


@pytest.fixture
def database_url(tmp_path: Any, sqlite_template: Any) -> str:
    """SQLite alone."""
    file = tmp_path / "runyard.db"
    file.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{file}"


def plan(database: Database, query: Query) -> list[str]:
    """What SQLite does for a statement, a line each step."""
    compiled = query.compiled(database.dialect)
    with database.reader() as connection:
        marks = [None] * compiled.sql.count("?")
        return [row[3] for row in connection.driver.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", marks)]


def forms(text: str) -> tuple[Form, ...]:
    """The forms of a conjunction."""
    tree = parse_filter(text, SCHEMA)
    assert tree is not None
    form = Analysis(RUN_TARGET.attributes, "sqlite", KEYS, []).form(tree)
    return form.terms if isinstance(form, AllOf) else (form,)


def leaf(text: str) -> Leaf:
    """The form of a condition."""
    (found,) = forms(text)
    assert isinstance(found, Leaf)
    return found


def order(*clauses: str) -> Order:
    """The form of an order."""
    return order_of(parse_order_by(clauses, SCHEMA))


def sorts(steps: list[str]) -> list[str]:
    """The steps that sort."""
    return [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize("given", [None, (True, True)])
@pytest.mark.parametrize("text", [FILTER, "status = 'FAILED' AND end_time > 5 AND user_id = 'ada'"])
@pytest.mark.parametrize("clauses", [(), ("start_time",)])
def test_the_listing_is_walked_without_a_sort(
    database: Database, clauses: tuple[str, ...], text: str, given: tuple[bool, ...] | None
) -> None:
    steps = plan(database, STATEMENTS.page("experiment", Filter(forms(text)), order(*clauses), given))

    assert steps[0].startswith("SEARCH run USING COVERING INDEX ix_run_listing")
    assert ("start_time" in steps[0]) == (given is not None)
    assert sorts(steps) == []


@pytest.mark.parametrize("start", ["all", "at", "after"])
@pytest.mark.parametrize(
    ("clause", "table", "index"),
    [
        ("metrics.m DESC", "d", "COVERING INDEX ix_run_metric_value"),
        ("params.p", "d", "COVERING INDEX ix_run_param_value"),
        ("tags.t DESC", "d", "COVERING INDEX ix_run_tag_value"),
        ("run_name", "run", "INDEX ix_run_name"),
    ],
)
def test_values_are_walked_in_their_order(
    database: Database, clause: str, table: str, index: str, start: Any
) -> None:
    query = STATEMENTS.by_value(Filter(forms(FILTER)), order(clause, "params.q"), start=start, exact=True)
    steps = plan(database, query)

    walked = [step for step in steps if step.startswith(f"SEARCH {table} USING {index}")]
    assert len(walked) == 1
    assert (">" in walked[0] or "<" in walked[0]) == (start != "all")
    # The answer, which is short, is sorted by the rest of the order.
    assert len(sorts(steps)) == 1
    assert steps.index(walked[0]) < steps.index(sorts(steps)[0])


@pytest.mark.parametrize(
    ("clause", "index"),
    [
        ("max(metrics.m)", "ix_run_metric_value"),
        ("mean(metrics.m) DESC", "ix_run_metric_value"),
        ("count(metrics.m)", "ix_run_metric_value"),
        ("end_time", "ix_run_listing"),
        ("status DESC", "ix_run_listing"),
        ("user_id", "ix_run_listing"),
    ],
)
def test_other_orders_read_an_index_alone(database: Database, clause: str, index: str) -> None:
    query = STATEMENTS.by_value(Filter((), chosen=True), order(clause), start="all", exact=True)

    assert any(re.match(rf"SEARCH \w+ USING COVERING INDEX {index}", step) for step in plan(database, query))


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("metrics.m > 1", "run_metric USING COVERING INDEX ix_run_metric_value (.*last_value>.)"),
        ("metrics.m = nan", "run_metric USING COVERING INDEX ix_run_metric_value (.*last_nan=.)"),
        ("metrics.m IN (1, 2)", "run_metric USING COVERING INDEX ix_run_metric_value (.*last_value=.)"),
        ("max(metrics.m) > 1", "run_metric USING COVERING INDEX ix_run_metric_value (.*key_id=.)"),
        ("params.p = 'x'", "run_param USING COVERING INDEX ix_run_param_value (.*value=.)"),
        ("params.p LIKE 'x%'", "run_param USING COVERING INDEX ix_run_param_value (.*value>. AND value<.)"),
        ("params.p LIKE '%x'", "run_param USING COVERING INDEX ix_run_param_value (.*key_id=.)"),
        ("tags.t IN ('x', 'y')", "run_tag USING COVERING INDEX ix_run_tag_value (.*value=.)"),
        ("tags.t IS NOT NULL", "run_tag USING COVERING INDEX ix_run_tag_value (.*key_id=.)"),
        ("run_id = 'x'", "run USING COVERING INDEX sqlite_autoindex_run_1 (uuid=.)"),
        ("run_name IN ('x', 'y')", "run USING COVERING INDEX ix_run_name (experiment_id=. AND name=.)"),
        ("run_name LIKE 'x%'", "run USING COVERING INDEX ix_run_name (.*name>. AND name<.)"),
        ("start_time > 5", "run USING COVERING INDEX ix_run_listing (.*start_time>.)"),
        ("datasets.name = 'x'", "run_dataset USING COVERING INDEX ix_run_dataset_dataset_id"),
    ],
)
def test_what_meets_a_condition_is_found_by_its_index(database: Database, text: str, step: str) -> None:
    expected = re.compile(re.escape(f"SEARCH {step}").replace(r"\.\*", ".*").replace(r"\.", "."))
    for query in (STATEMENTS.count(leaf(text)), STATEMENTS.ids(leaf(text))):
        steps = plan(database, query)
        assert any(expected.match(found) for found in steps), steps
        assert not any(found.startswith("SCAN run") for found in steps)


@pytest.mark.parametrize(
    "source", ["ids", (leaf("params.p = 'x'"),), (leaf("tags.t = 'x'"), leaf("run_id = 'y'"))]
)
def test_few_runs_are_looked_up_one_by_one(database: Database, source: Any) -> None:
    query = STATEMENTS.page(source, Filter(forms(FILTER)), order("metrics.m", "params.p"), None)

    assert any(step == "SEARCH run USING INTEGER PRIMARY KEY (rowid=?)" for step in plan(database, query))


def test_sizes_are_counted_in_the_listing(database: Database) -> None:
    steps = plan(database, STATEMENTS.sizes())

    assert any(step.startswith("SEARCH run USING COVERING INDEX ix_run_listing") for step in steps)
