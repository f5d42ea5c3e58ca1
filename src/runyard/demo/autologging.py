"""`mlflow.sklearn.autolog()` for the time of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow.sklearn


@contextmanager
def autologging(*, log_models: bool) -> Iterator[None]:
    """Autologs each fit to the active run; scikit-learn is as before afterwards.

    With models, each costs seconds: MLflow finds the model's requirements by loading it in a new process.
    """
    mlflow.sklearn.autolog(
        log_models=log_models,
        log_input_examples=True,
        log_post_training_metrics=False,  # the demo logs its own, under names that say of which data
        max_tuning_runs=None,  # one child run for each candidate of a search
        silent=True,
    )
    try:
        yield
    finally:
        mlflow.sklearn.autolog(disable=True)
