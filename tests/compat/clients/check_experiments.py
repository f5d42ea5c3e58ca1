"""MlflowClient: the life of an experiment, and how experiments are found."""

import mlflow
from harness import PEER, VERSION, fails, report, unique
from mlflow.entities import ViewType

CLIENT = mlflow.MlflowClient()


def names(**query):
    return [experiment.name for experiment in CLIENT.search_experiments(**query)]


def check_life():
    name = unique("life of an experiment: größe 実験")
    experiment_id = CLIENT.create_experiment(name, tags={"owner": "ann"})
    assert isinstance(experiment_id, str)
    experiment = CLIENT.get_experiment(experiment_id)
    assert experiment.name == name
    assert experiment.lifecycle_stage == "active"
    assert experiment.tags["owner"] == "ann"
    assert experiment.artifact_location.startswith("mlflow-artifacts:/")
    assert experiment.creation_time <= experiment.last_update_time
    assert CLIENT.get_experiment_by_name(name).experiment_id == experiment_id

    CLIENT.set_experiment_tag(experiment_id, "owner", "bob")
    CLIENT.set_experiment_tag(experiment_id, "stage", "")
    tags = CLIENT.get_experiment(experiment_id).tags
    assert (tags["owner"], tags["stage"]) == ("bob", "")
    if VERSION >= (3, 0):
        CLIENT.delete_experiment_tag(experiment_id, "stage")
        assert "stage" not in CLIENT.get_experiment(experiment_id).tags

    renamed = unique("renamed")
    CLIENT.rename_experiment(experiment_id, renamed)
    assert CLIENT.get_experiment(experiment_id).name == renamed
    assert CLIENT.get_experiment_by_name(name) is None

    run = CLIENT.create_run(experiment_id)
    CLIENT.delete_experiment(experiment_id)
    assert CLIENT.get_experiment(experiment_id).lifecycle_stage == "deleted"
    assert CLIENT.get_experiment_by_name(renamed).lifecycle_stage == "deleted"
    assert CLIENT.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    CLIENT.restore_experiment(experiment_id)
    assert CLIENT.get_experiment(experiment_id).lifecycle_stage == "active"
    assert CLIENT.get_run(run.info.run_id).info.lifecycle_stage == "active"


def check_artifact_location():
    location = "s3://bucket/some/where"
    experiment_id = CLIENT.create_experiment(unique("elsewhere"), artifact_location=location)
    assert CLIENT.get_experiment(experiment_id).artifact_location == location
    run = CLIENT.create_run(experiment_id)
    assert run.info.artifact_uri == f"{location}/{run.info.run_id}/artifacts"


def check_errors():
    name = unique("twice")
    experiment_id = CLIENT.create_experiment(name)
    with fails("RESOURCE_ALREADY_EXISTS", name):
        CLIENT.create_experiment(name)
    other = CLIENT.create_experiment(unique("other"))
    with fails("BAD_REQUEST" if PEER else "RESOURCE_ALREADY_EXISTS", name):
        CLIENT.rename_experiment(other, name)  # MLflow's server answers with the SQL error
    with fails("INVALID_PARAMETER_VALUE"):
        CLIENT.create_experiment("")
    with fails("RESOURCE_DOES_NOT_EXIST", "999999999"):
        CLIENT.get_experiment("999999999")
    with fails("RESOURCE_DOES_NOT_EXIST"):
        CLIENT.set_experiment_tag("999999999", "key", "value")
    with fails("RESOURCE_DOES_NOT_EXIST"):
        CLIENT.delete_experiment("999999999")
    CLIENT.delete_experiment(experiment_id)
    if not PEER:  # MLflow's server answers 500, which its clients then repeat for minutes
        with fails("INVALID_PARAMETER_VALUE"):
            CLIENT.rename_experiment(experiment_id, unique("late"))
    with fails("INVALID_PARAMETER_VALUE"):
        CLIENT.set_experiment_tag(experiment_id, "key", "value")
    with fails("INVALID_PARAMETER_VALUE"):
        CLIENT.create_run(experiment_id)


def check_name_of_a_deleted_one():
    name = unique("again")
    first = mlflow.create_experiment(name)
    mlflow.delete_experiment(first)
    assert mlflow.get_experiment_by_name(name).experiment_id == first
    with fails("INVALID_PARAMETER_VALUE", "deleted"):
        mlflow.set_experiment(name)  # the client itself looks whether it is deleted
    if PEER:
        return  # MLflow's server keeps the name until somebody runs `mlflow gc`
    second = mlflow.create_experiment(name)
    assert second != first
    assert mlflow.get_experiment_by_name(name).experiment_id == second
    mlflow.set_experiment(name)
    with mlflow.start_run() as run:
        assert run.info.experiment_id == second
    with fails("RESOURCE_ALREADY_EXISTS", second):
        CLIENT.restore_experiment(first)
    CLIENT.rename_experiment(second, unique("out of the way"))
    CLIENT.restore_experiment(first)
    assert mlflow.get_experiment_by_name(name).experiment_id == first


def check_search():
    stem = unique("found")
    ids = [CLIENT.create_experiment(f"{stem}-{letter}", tags={"stem": stem}) for letter in "abcde"]
    mine = f"tags.stem = '{stem}'"
    assert names(filter_string=mine) == [f"{stem}-{letter}" for letter in "edcba"], "newest first"
    assert names(filter_string=f"name = '{stem}-b'") == [f"{stem}-b"]
    assert names(filter_string=f"name LIKE '{stem}-%'", order_by=["name"]) == [f"{stem}-{x}" for x in "abcde"]
    assert names(filter_string=f"attribute.name ILIKE '{stem.upper()}-C'") == [f"{stem}-c"]
    assert names(filter_string=f"{mine} AND name != '{stem}-a'", order_by=["name DESC"])[-1] == f"{stem}-b"
    assert names(filter_string=mine, order_by=["experiment_id ASC"])[0] == f"{stem}-a"
    assert len(names(filter_string=f"{mine} and creation_time > 0 and last_update_time > 0")) == 5

    CLIENT.delete_experiment(ids[0])
    assert len(names(filter_string=mine)) == 4
    assert names(filter_string=mine, view_type=ViewType.DELETED_ONLY) == [f"{stem}-a"]
    assert len(names(filter_string=mine, view_type=ViewType.ALL)) == 5

    pages, token = [], None
    while True:
        page = CLIENT.search_experiments(
            filter_string=mine, view_type=ViewType.ALL, max_results=2, order_by=["name"], page_token=token
        )
        pages.append([experiment.name[-1] for experiment in page])
        token = page.token
        if not token:
            break
    assert pages == [["a", "b"], ["c", "d"], ["e"]], pages
    for nonsense in ("name ~ 'x'", "colour = 'red'", "name = 'open"):
        with fails("INVALID_PARAMETER_VALUE"):
            CLIENT.search_experiments(filter_string=nonsense)


def main():
    check_life()
    check_artifact_location()
    check_errors()
    check_name_of_a_deleted_one()
    check_search()
    report()


if __name__ == "__main__":
    main()
