"""mlflow.sklearn.autolog() with real fits on scikit-learn's own data; models come back the same."""

import warnings

import mlflow
import mlflow.sklearn
import numpy as np
from harness import VERSION, new_experiment, report
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import ElasticNet
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.tree import DecisionTreeClassifier

CLIENT = mlflow.MlflowClient()
warnings.filterwarnings("ignore")


def artifact_paths(run_id):
    return {info.path for info in CLIENT.list_artifacts(run_id)}


def check_single_fit():
    features, target = load_diabetes(return_X_y=True, as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(features, target, random_state=0)
    with mlflow.start_run(run_name="elastic net") as run:
        model = ElasticNet(alpha=0.05, l1_ratio=0.25).fit(x_train, y_train)
        model.score(x_test, y_test)
    run_id = run.info.run_id
    data = CLIENT.get_run(run_id).data
    assert data.params["alpha"] == "0.05"
    assert data.params["l1_ratio"] == "0.25"
    assert data.tags["estimator_name"] == "ElasticNet"
    predictions = model.predict(x_train)
    mse = float(np.mean((predictions - y_train) ** 2))
    mse_key = "training_mean_squared_error" if VERSION >= (2, 0) else "training_mse"
    assert abs(data.metrics[mse_key] - mse) < 1e-9 * mse
    assert data.metrics["ElasticNet_score_x_test"] == model.score(x_test, y_test)
    if VERSION < (3, 0):
        assert "model" in artifact_paths(run_id)
        assert "mlflow.log-model.history" in data.tags
    loaded = mlflow.sklearn.load_model(f"runs:/{run_id}/model")
    assert np.array_equal(loaded.predict(x_test), model.predict(x_test))
    generic = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    assert np.allclose(generic.predict(x_test), model.predict(x_test), rtol=1e-12)
    assert generic.metadata.run_id == run_id
    if VERSION >= (2, 4):
        inputs = CLIENT.get_run(run_id).inputs.dataset_inputs
        assert "train" in [tag.value for entry in inputs for tag in entry.tags]
    return run_id


def check_grid_search():
    features, target = load_breast_cancer(return_X_y=True, as_frame=True)
    with mlflow.start_run(run_name="grid") as run:
        search = GridSearchCV(
            DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 4], "criterion": ["gini"]}, cv=3
        ).fit(features, target)
    parent = CLIENT.get_run(run.info.run_id)
    assert parent.data.params["best_max_depth"] == str(search.best_params_["max_depth"])
    assert abs(parent.data.metrics["best_cv_score"] - search.best_score_) < 1e-12
    children = CLIENT.search_runs(
        [run.info.experiment_id],
        f"tags.mlflow.parentRunId = '{run.info.run_id}'",
        order_by=["metrics.mean_test_score DESC"],
    )
    assert sorted(child.data.params["max_depth"] for child in children) == ["1", "2", "4"]
    assert children[0].data.metrics["mean_test_score"] == max(search.cv_results_["mean_test_score"])
    assert {child.info.status for child in children} == {"FINISHED"}
    assert "cv_results.csv" in artifact_paths(run.info.run_id)
    return len(children)


def main():
    new_experiment("autolog")
    mlflow.sklearn.autolog()
    run_id = check_single_fit()
    mlflow.sklearn.autolog(log_models=False)  # saving a model takes the client ten seconds; one will do
    children = check_grid_search()
    report(run_id=run_id, children=children)


if __name__ == "__main__":
    main()
