"""Searching runs: every shape of filter, ordering, paging and view that MLflow documents."""

import math

import mlflow
from harness import PEER, VERSION, fails, report, unique
from mlflow.entities import Metric, Param, RunTag, ViewType

CLIENT = mlflow.MlflowClient()
START = 1_700_000_000_000


def make_runs(experiment_id):
    """Six runs a..f; their metric `acc` is 0.1, 0.2, 0.3, NaN, missing, 0.2."""
    acc = {"a": 0.1, "b": 0.2, "c": 0.3, "d": math.nan, "f": 0.2}
    ids = {}
    for position, name in enumerate("abcdef"):
        run_id = CLIENT.create_run(
            experiment_id, start_time=START + position, run_name=f"run {name}"
        ).info.run_id
        ids[run_id] = name
        metrics = [Metric("val loss", position, START, 0)]
        if name in acc:
            metrics.append(Metric("acc", acc[name], START, 0))
        CLIENT.log_batch(
            run_id,
            metrics=metrics,
            params=[Param("model", "CNN" if name in "ab" else "tree"), Param("opt/lr-1", str(position))],
            tags=[RunTag("mlflow.user", "ann" if name in "abc" else "bob"), RunTag("quote", "it's")],
        )
        CLIENT.set_terminated(
            run_id, "FAILED" if name == "b" else "FINISHED", end_time=START + 1000 + position
        )
    CLIENT.log_param(next(run_id for run_id, name in ids.items() if name == "f"), "only", "f")
    return ids


def check_filters(find, ids):
    run_a = next(run_id for run_id, name in ids.items() if name == "a")
    run_c = next(run_id for run_id, name in ids.items() if name == "c")
    expected = {
        "": "abcdef",
        "metrics.acc > 0.1": "bcf",
        "metrics.acc >= 0.2 and metrics.acc < 0.3": "bf",
        "metric.acc = 0.2": "bf",
        "metrics.acc <= 2e-1": "abf",
        'metrics."val loss" > 3': "ef",
        "metrics.`val loss` <= 1": "ab",
        "params.model = 'CNN'": "ab",
        "param.model != 'CNN'": "cdef",
        "parameters.model LIKE 'C%'": "ab",
        "params.model ILIKE 'TR_e'": "cdef",
        'params.model = "CNN"': "ab",
        "params.`opt/lr-1` = '4'": "e",
        "params.only != 'x'": "f",  # a run without the parameter doesn't match
        "params.only IS NOT NULL": "f",
        "params.only IS NULL AND params.model = 'CNN'": "ab",
        "tags.absent IS NULL": "abcdef",
        "tags.`mlflow.user` IS NOT NULL": "abcdef",
        "tags.mlflow.user = 'ann'": "abc",
        "tags.`mlflow.user` != 'ann'": "def",
        "tag.\"mlflow.user\" ILIKE 'B%'": "def",
        'tags.quote = "it\'s"': "abcdef",
        "attributes.status = 'FAILED'": "b",
        "status != 'FINISHED'": "b",
        "attribute.run_name = 'run c'": "c",
        "run_name LIKE 'run %' AND attributes.`Run name` != 'run a'": "bcdef",
        f"attributes.run_id = '{run_a}'": "a",
        f"run_id IN ('{run_a}', '{run_c}')": "ac",
        f"attributes.start_time > {START + 2} and start_time <= {START + 4}": "de",
        f"attribute.Created >= {START + 5}": "f",
        f"run.end_time < {START + 1001}": "a",
        "artifact_uri LIKE 'mlflow-artifacts:/%'": "abcdef",
        "user_id = 'nobody at all'": "",
        "metrics.acc > 0 AND params.model = 'CNN' AND tags.mlflow.user = 'ann' AND status = 'FINISHED'": "a",
        "metrics.missing > 0": "",
    }
    for text, names in expected.items():
        assert find(text) == names, f"{text!r} finds {find(text)!r} instead of {names!r}"
    assert find(f"run_id NOT IN ('{run_a}')") == "bcdef"
    for nonsense in (
        "metrics.acc > 'x'",
        "params.model > 3",
        "colour = 'red'",
        "acc >",
        "params.model = 'open",
    ):
        with fails("INVALID_PARAMETER_VALUE"):
            find(nonsense)


def check_orders(find):
    expected = {
        (): "fedcba",  # newest first
        ("attributes.start_time ASC",): "abcdef",
        ("start_time DESC",): "fedcba",
        ("metrics.acc DESC", "start_time ASC"): "cbfade",  # NaN, then runs without the metric, come last
        ("metrics.acc ASC", "start_time ASC"): "abfcde",
        ("params.model", "attributes.start_time DESC"): "bafedc",
        ("params.only ASC", "start_time ASC"): "fabcde",
        ("tags.`mlflow.user` DESC", "metrics.`val loss`"): "defabc",
        ("status", "start_time"): "bacdef",
        ("attributes.run_name DESC",): "fedcba",
        ("attribute.end_time",): "abcdef",
    }
    for order, names in expected.items():
        got = find("", order_by=list(order))
        assert got == names, f"{order} gives {got!r} instead of {names!r}"
    for nonsense in ("colour", "metrics.acc SIDEWAYS"):
        with fails("INVALID_PARAMETER_VALUE"):
            find("", order_by=[nonsense])


def check_views(experiment_id, ids):
    run_f = next(run_id for run_id, name in ids.items() if name == "f")
    CLIENT.delete_run(run_f)
    counts = {
        view: len(CLIENT.search_runs([experiment_id], run_view_type=view))
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL)
    }
    assert list(counts.values()) == [5, 1, 6], counts
    CLIENT.restore_run(run_f)


def check_paging(experiment_ids, total):
    for order in ([], ["metrics.acc DESC"], ["params.model", "attributes.run_name"]):
        seen, token = [], None
        while True:
            page = CLIENT.search_runs(experiment_ids, max_results=23, order_by=order, page_token=token)
            assert len(page) <= 23
            seen += [run.info.run_id for run in page]
            token = page.token
            if not token:
                break
        assert len(seen) == total, f"{order}: {len(seen)} of {total}"
        assert len(set(seen)) == total
    with fails("INVALID_PARAMETER_VALUE"):
        CLIENT.search_runs(experiment_ids, max_results=50_001)


def check_pandas(experiment_id, name):
    frame = mlflow.search_runs([experiment_id], order_by=["attributes.start_time ASC"])
    assert len(frame) == 6
    assert {
        "run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time",
        "metrics.acc", "metrics.val loss", "params.model", "params.only", "tags.mlflow.user",
    } <= set(frame.columns)  # fmt: skip
    assert list(frame["params.model"]) == ["CNN", "CNN", "tree", "tree", "tree", "tree"]
    assert math.isnan(frame["metrics.acc"][3])
    assert math.isnan(frame["metrics.acc"][4])
    assert frame["metrics.acc"][2] == 0.3
    assert frame["params.only"].isna().sum() == 5
    assert int(frame["start_time"][0].timestamp() * 1000) == START
    by_name = mlflow.search_runs(experiment_names=[name], filter_string="metrics.acc > 0.15", max_results=2)
    assert len(by_name) == 2
    listed = mlflow.search_runs([experiment_id], output_format="list")
    assert [type(run).__name__ for run in listed] == ["Run"] * 6
    if VERSION >= (2, 0) or not PEER:  # the 1.x client needs experiments/list, gone from MLflow's server
        assert len(mlflow.search_runs(search_all_experiments=True, max_results=3)) == 3
    assert len(mlflow.search_runs([experiment_id], filter_string="metrics.acc > 99")) == 0


def main():
    name = unique("search")
    experiment_id = CLIENT.create_experiment(name)
    ids = make_runs(experiment_id)

    def find(text, order_by=("attributes.start_time ASC",)):
        runs = CLIENT.search_runs([experiment_id], text, order_by=list(order_by))
        return "".join(ids[run.info.run_id] for run in runs)

    check_filters(find, ids)
    check_orders(find)
    check_views(experiment_id, ids)
    check_pandas(experiment_id, name)
    many = CLIENT.create_experiment(unique("many"))
    for _ in range(64):
        CLIENT.create_run(many)
    check_paging([experiment_id, many], total=70)
    report()


if __name__ == "__main__":
    main()
