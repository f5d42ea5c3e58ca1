"""Regression on scikit-learn's diabetes data: 442 patients, how far the disease went within a year."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.entities import Metric
from sklearn.base import BaseEstimator
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, Ridge, SGDRegressor
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from runyard.demo import figures
from runyard.demo.autologging import autologging
from runyard.demo.errors import DemoError
from runyard.demo.ledger import STEP_TAG, best_of
from runyard.demo.steps import Goal, Runs, Step, Topic

SEED = 0
TARGET = "progression"
SWEEP = "sweep"
GOAL = Goal("validation_rmse", greater_is_better=False)
LARGEST_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the patients: features, target, and both as an MLflow dataset."""

    features: pd.DataFrame
    target: pd.Series[float]
    dataset: PandasDataset


@dataclass(frozen=True, slots=True)
class Data:
    """265 patients to train on, 88 to choose a model by, 89 to judge the chosen one."""

    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True, slots=True)
class Configuration:
    """One point of the sweep."""

    family: str
    params: Mapping[str, Any]
    quick: bool = False

    @property
    def name(self) -> str:
        """`ridge, alpha=10`."""
        return ", ".join((self.family, *(f"{key}={value}" for key, value in self.params.items())))

    @property
    def key(self) -> str:
        """The step that trains it."""
        return f"{SWEEP}/{self.name}"


def _configurations() -> tuple[Configuration, ...]:
    """The whole sweep, in the order of training."""
    ridge = [({"alpha": a}, a in {0.1, 10.0, 100.0}) for a in (0.01, 0.1, 1.0, 10.0, 100.0)]
    lasso = [({"alpha": a}, a == 1.0) for a in (0.01, 0.1, 1.0, 5.0)]
    elastic = [
        ({"alpha": a, "l1_ratio": r}, (a, r) == (0.1, 0.5)) for a in (0.1, 1.0) for r in (0.2, 0.5, 0.8)
    ]
    forest = [
        ({"n_estimators": n, "max_depth": d}, (n, d) == (50, 4)) for n in (50, 200) for d in (2, 4, 8, None)
    ]
    boosting = [
        ({"n_estimators": 200, "learning_rate": r, "max_depth": d}, (r, d) == (0.1, 2))
        for r in (0.02, 0.1, 0.3)
        for d in (1, 2, 3)
    ]
    sgd = [({"epochs": 200, "eta0": e}, e == 0.001) for e in (0.0001, 0.001, 0.005)]
    families: dict[str, Sequence[tuple[Mapping[str, Any], bool]]] = {
        "ridge": ridge,
        "lasso": lasso,
        "elastic net": elastic,
        "random forest": forest,
        "gradient boosting": boosting,
        "sgd": sgd,
    }
    return tuple(
        Configuration(family, params, quick)
        for family, points in families.items()
        for params, quick in points
    )


CONFIGURATIONS = _configurations()


def plan(quick: bool) -> tuple[Step, ...]:
    """The sweep, the model that follows from it, and a run that fails on purpose."""
    chosen = [configuration for configuration in CONFIGURATIONS if configuration.quick or not quick]
    sweep = Step(
        key=SWEEP,
        name="sweep",
        description="Six families of regression models, each with several settings: one nested run for "
        f"each. Chosen by the least `{GOAL.metric}`.",
        train=_compare,
        children=tuple(_point(configuration) for configuration in chosen),
        then=_best_model,
    )
    failure = Step(
        key="failure",
        name="ridge on missing values",
        description="Fails on purpose: a tenth of the values is missing, and ridge regression refuses "
        "that. It shows what a failed run looks like; its exception is in the tag `exception`.",
        train=_fail,
        tags={"model.family": "ridge"},
        ends="FAILED",
    )
    return (sweep, failure)


TOPIC = Topic(
    experiment="/Shared/demo/diabetes",
    description="How far diabetes went within a year, predicted from ten measurements of 442 patients "
    "(scikit-learn's bundled diabetes data). Made by `runyard demo`.",
    goal=GOAL,
    plan=plan,
)


@functools.cache
def _data() -> Data:
    bunch = load_diabetes(as_frame=True, scaled=False)
    features, target = bunch.data, bunch.target.rename(TARGET)
    x_rest, x_test, y_rest, y_test = train_test_split(features, target, test_size=0.2, random_state=SEED)
    x_train, x_val, y_train, y_val = train_test_split(x_rest, y_rest, test_size=0.25, random_state=SEED)
    return Data(
        train=_part("diabetes-train", x_train, y_train),
        validation=_part("diabetes-validation", x_val, y_val),
        test=_part("diabetes-test", x_test, y_test),
    )


def _part(name: str, features: pd.DataFrame, target: pd.Series[float]) -> Part:
    frame = features.assign(**{TARGET: target})
    return Part(features, target, from_pandas(frame, targets=TARGET, name=name))


def _point(configuration: Configuration) -> Step:
    return Step(
        key=configuration.key,
        name=configuration.name,
        description=f"{configuration.family} on standardised features; part of the sweep.",
        train=functools.partial(_train_point, configuration),
        tags={"model.family": configuration.family},
    )


def _train_point(configuration: Configuration, runs: Runs) -> None:
    del runs
    data = _data()
    mlflow.log_params({"family": configuration.family, **configuration.params})
    mlflow.log_input(data.train.dataset, context="training")
    mlflow.log_input(data.validation.dataset, context="validation")
    started = time.perf_counter()
    if configuration.family == "sgd":
        model = _train_by_epochs(data, configuration.params)
    else:
        model = _untrained(configuration).fit(data.train.features, data.train.target)
    mlflow.log_metric("fit_seconds", time.perf_counter() - started)
    if configuration.family == "gradient boosting":
        _log_stages(data, model)
    predicted = model.predict(data.validation.features)
    mlflow.log_metric(
        "train_rmse", root_mean_squared_error(data.train.target, model.predict(data.train.features))
    )
    mlflow.log_metrics(
        _errors("validation", data.validation.target, predicted), dataset=data.validation.dataset
    )
    figure = figures.residuals(configuration.name, predicted, data.validation.target.to_numpy())
    mlflow.log_figure(figure, "residuals.png")


def _untrained(configuration: Configuration) -> Pipeline:
    params = dict(configuration.params)
    makers: dict[str, Callable[..., BaseEstimator]] = {
        "ridge": Ridge,
        "lasso": Lasso,
        "elastic net": ElasticNet,
        "random forest": functools.partial(RandomForestRegressor, random_state=SEED),
        "gradient boosting": functools.partial(GradientBoostingRegressor, random_state=SEED),
        "sgd": _sgd,
    }
    return make_pipeline(StandardScaler(), makers[configuration.family](**params))


def _sgd(epochs: int, eta0: float) -> SGDRegressor:
    return SGDRegressor(max_iter=epochs, tol=None, eta0=eta0, learning_rate="constant", random_state=SEED)


def _train_by_epochs(data: Data, params: Mapping[str, Any]) -> Pipeline:
    """Gradient descent with the losses logged after each epoch."""
    scaler = StandardScaler().fit(data.train.features)
    x_train, x_val = scaler.transform(data.train.features), scaler.transform(data.validation.features)
    model = _sgd(**params)
    for epoch in range(1, params["epochs"] + 1):
        model.partial_fit(x_train, data.train.target)
        losses = {
            "train_loss": mean_squared_error(data.train.target, model.predict(x_train)),
            "validation_loss": mean_squared_error(data.validation.target, model.predict(x_val)),
        }
        mlflow.log_metrics(losses, step=epoch)
    return make_pipeline(scaler, model)


def _log_stages(data: Data, model: Pipeline) -> None:
    """The losses after each tree, which boosting can tell afterwards: in batches, all at once."""
    now = int(time.time() * 1000)
    points: list[Metric] = []
    for name, part in (("train_loss", data.train), ("validation_loss", data.validation)):
        stages = model[-1].staged_predict(model[:-1].transform(part.features))
        points += [
            Metric(name, float(mean_squared_error(part.target, predicted)), now, step)
            for step, predicted in enumerate(stages, start=1)
        ]
    run = mlflow.active_run()
    assert run is not None  # noqa: S101 - a step trains in its run
    for start in range(0, len(points), LARGEST_BATCH):
        mlflow.MlflowClient().log_batch(run.info.run_id, metrics=points[start : start + LARGEST_BATCH])


def _errors(prefix: str, actual: pd.Series[float], predicted: figures.Array) -> dict[str, float]:
    return {
        f"{prefix}_rmse": float(root_mean_squared_error(actual, predicted)),
        f"{prefix}_mae": float(mean_absolute_error(actual, predicted)),
        f"{prefix}_r2": float(r2_score(actual, predicted)),
    }


def _compare(runs: Runs) -> None:
    """What the sweep's own run tells of its nested runs."""
    points = [run for run in runs.children(SWEEP) if GOAL.metric in run.data.metrics]
    best = best_of(points, GOAL)
    if best is None:
        raise DemoError(f"No nested run of {SWEEP!r} has a {GOAL.metric}; train it anew with --force.")
    mlflow.log_metrics(
        {f"best_{GOAL.metric}": best.data.metrics[GOAL.metric], "configurations": float(len(points))}
    )
    mlflow.set_tag("best", best.info.run_name)
    values = [run.data.metrics[GOAL.metric] for run in points]
    names = [run.info.run_name or run.info.run_id for run in points]
    mlflow.log_figure(figures.bars("all configurations", names, values, GOAL.metric), "configurations.png")


def _best_model(runs: Runs) -> Step:
    """The step that follows from the sweep: another one for another winner."""
    best = best_of(runs.children(SWEEP), GOAL)
    by_key = {configuration.key: configuration for configuration in CONFIGURATIONS}
    configuration = by_key.get(best.data.tags.get(STEP_TAG, "")) if best else None
    if configuration is None:
        raise DemoError("The best nested run of the sweep isn't one of the demo's; train anew with --force.")
    return Step(
        key=f"best/{configuration.name}",
        name=f"best model: {configuration.name}",
        description="The sweep's best configuration, fitted on training and validation data through "
        "`mlflow.sklearn.autolog()` and judged on the test data, which nothing was chosen by.",
        train=functools.partial(_train_best, configuration),
        tags={"model.family": configuration.family},
    )


def _train_best(configuration: Configuration, runs: Runs) -> None:
    del runs
    data = _data()
    features = pd.concat([data.train.features, data.validation.features])
    target = pd.concat([data.train.target, data.validation.target])
    with autologging(log_models=True):
        model = _untrained(configuration).fit(features, target)
    logged = mlflow.last_logged_model()
    if logged is None:
        raise DemoError("Autologging logged no model. The server's log may say why.")
    mlflow.log_input(data.test.dataset, context="test")
    predicted = model.predict(data.test.features)
    mlflow.log_metrics(
        _errors("test", data.test.target, predicted), dataset=data.test.dataset, model_id=logged.model_id
    )
    actual = data.test.target.to_numpy()
    mlflow.log_figure(figures.residuals("test data", predicted, actual), "residuals.png")
    table = data.test.features.assign(actual=actual, predicted=predicted, error=actual - predicted)
    mlflow.log_table(table.reset_index(names="patient"), "predictions.json")


def _fail(runs: Runs) -> None:
    del runs
    part = _data().train
    holes = np.random.default_rng(SEED).random(part.features.shape) < 0.1
    mlflow.log_params({"family": "ridge", "alpha": 1.0, "missing": "10 %"})
    mlflow.log_input(part.dataset, context="training")
    make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(part.features.mask(holes), part.target)
    raise DemoError("Ridge regression took missing values; the run that shows a failure did not fail.")
