"""Classification on scikit-learn's breast-cancer data: 569 tumours, malignant or benign."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score, roc_curve
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from runyard.demo import figures
from runyard.demo.autologging import autologging
from runyard.demo.steps import Goal, Runs, Step, Topic

SEED = 0
TARGET = "benign"
FOLDS = 5
GOAL = Goal("validation_roc_auc", greater_is_better=True)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the tumours: features, target, and both as an MLflow dataset."""

    features: pd.DataFrame
    target: pd.Series[int]
    dataset: PandasDataset


@dataclass(frozen=True, slots=True)
class Data:
    """398 tumours to train on, 171 to judge by; the classes by their number."""

    train: Part
    validation: Part
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A grid search: `grid` has the estimator's own parameter names."""

    name: str
    estimator: BaseEstimator
    grid: Mapping[str, Sequence[Any]]
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """A multi-layer perceptron, trained by epochs."""

    layers: tuple[int, ...]
    epochs: int
    quick: bool = False

    @property
    def name(self) -> str:
        """`network, 16-8`."""
        return f"network, {'-'.join(map(str, self.layers))}"


SEARCHES = (
    Search(
        "logistic regression", LogisticRegression(max_iter=1000), {"C": [0.01, 0.1, 1.0, 10.0]}, quick=True
    ),
    Search(
        "random forest",
        RandomForestClassifier(random_state=SEED),
        {"n_estimators": [25, 100], "max_depth": [2, 4, None]},
    ),
    Search(
        "gradient boosting",
        GradientBoostingClassifier(n_estimators=50, random_state=SEED),
        {"learning_rate": [0.05, 0.2], "max_depth": [1, 3]},
    ),
)
NETWORKS = (Network((16, 8), 100, quick=True), Network((8,), 150), Network((64, 32), 150))


def plan(quick: bool) -> tuple[Step, ...]:
    """The searches and the networks."""
    searches = [_search_step(search) for search in SEARCHES if search.quick or not quick]
    networks = [_network_step(network) for network in NETWORKS if network.quick or not quick]
    return (*searches, *networks)


TOPIC = Topic(
    experiment="/Shared/demo/breast-cancer",
    description="Whether a tumour is benign, from thirty measurements of its cells' nuclei, 569 tumours "
    "(scikit-learn's bundled Wisconsin breast-cancer data). Made by `runyard demo`.",
    goal=GOAL,
    plan=plan,
)


@functools.cache
def _data() -> Data:
    bunch = load_breast_cancer(as_frame=True)
    # Column names as in SQL: brackets and blanks make queries hard to write.
    features = bunch.data.rename(columns=lambda column: column.replace(" ", "_"))
    x_train, x_val, y_train, y_val = train_test_split(
        features, bunch.target.rename(TARGET), test_size=0.3, random_state=SEED, stratify=bunch.target
    )
    return Data(
        train=_part("breast-cancer-train", x_train, y_train),
        validation=_part("breast-cancer-validation", x_val, y_val),
        classes=tuple(map(str, bunch.target_names)),
    )


def _part(name: str, features: pd.DataFrame, target: pd.Series[int]) -> Part:
    frame = features.assign(**{TARGET: target})
    return Part(features, target, from_pandas(frame, targets=TARGET, name=name))


def _search_step(search: Search) -> Step:
    return Step(
        key=f"search/{search.name}",
        name=f"grid search: {search.name}",
        description=f"Autologged `GridSearchCV` over {', '.join(search.grid)} with {FOLDS} folds: one nested "
        "run for each candidate. The validation data had no part in the search.",
        train=functools.partial(_train_search, search),
        tags={"model.family": search.name},
    )


def _train_search(search: Search, runs: Runs) -> None:
    data = _data()
    pipeline = Pipeline([("scale", StandardScaler()), ("model", search.estimator)])
    grid = {f"model__{name}": values for name, values in search.grid.items()}
    with autologging(log_models=False):
        fitted = GridSearchCV(pipeline, grid, cv=FOLDS, scoring="roc_auc").fit(
            data.train.features, data.train.target
        )
    runs.adopt(_search_step(search), fitted.cv_results_["params"])
    _judge(data, fitted.best_estimator_)


def _network_step(network: Network) -> Step:
    return Step(
        key=f"network/{network.name}",
        name=network.name,
        description="Multi-layer perceptron with losses and accuracies after each of its "
        f"{network.epochs} epochs.",
        train=functools.partial(_train_network, network),
        tags={"model.family": "network"},
    )


def _train_network(network: Network, runs: Runs) -> None:
    del runs
    data = _data()
    scaler = StandardScaler().fit(data.train.features)
    model = MLPClassifier(network.layers, learning_rate_init=0.002, batch_size=32, random_state=SEED)
    mlflow.log_params(
        {
            "family": "network",
            "layers": "-".join(map(str, network.layers)),
            "epochs": network.epochs,
            "learning_rate": model.learning_rate_init,
            "batch_size": model.batch_size,
        }
    )
    mlflow.log_input(data.train.dataset, context="training")
    inputs = {name: scaler.transform(part.features) for name, part in _parts(data)}
    for epoch in range(1, network.epochs + 1):
        model.partial_fit(inputs["train"], data.train.target, classes=[0, 1])
        metrics = {}
        for name, part in _parts(data):
            chances = model.predict_proba(inputs[name])[:, 1]
            metrics[f"{name}_loss"] = float(log_loss(part.target, chances))
            metrics[f"{name}_accuracy"] = float(accuracy_score(part.target, chances > 0.5))
        mlflow.log_metrics(metrics, step=epoch)
    _judge(data, make_pipeline(scaler, model))


def _parts(data: Data) -> tuple[tuple[str, Part], ...]:
    return (("train", data.train), ("validation", data.validation))


def _judge(data: Data, model: Pipeline) -> None:
    """Logs the model, and its metrics and figures on the validation data."""
    part = data.validation
    example = data.train.features.head(5)
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(example, model.predict(example)),
        input_example=example,
        serialization_format="cloudpickle",  # the safer default knows no neural networks
        # Given, or MLflow loads the model in a new process to find them, which takes seconds.
        pip_requirements=mlflow.sklearn.get_default_pip_requirements(include_cloudpickle=True),
    )
    mlflow.log_input(part.dataset, context="validation")
    chances = model.predict_proba(part.features)[:, 1]
    predicted = (chances > 0.5).astype(int)
    area = float(roc_auc_score(part.target, chances))
    metrics = {
        "validation_roc_auc": area,
        "validation_f1": float(f1_score(part.target, predicted)),
        "validation_log_loss": float(log_loss(part.target, chances)),
        "validation_share_right": float(accuracy_score(part.target, predicted)),
    }
    mlflow.log_metrics(metrics, dataset=part.dataset, model_id=logged.model_id)
    false_positive, true_positive, _ = roc_curve(part.target, chances)
    mlflow.log_figure(
        figures.roc_curve("ROC on validation data", false_positive, true_positive, area),
        "validation_roc_curve.png",
    )
    counts = confusion_matrix(part.target, predicted)
    mlflow.log_figure(
        figures.confusion_matrix("validation data", counts, data.classes), "validation_confusion_matrix.png"
    )
