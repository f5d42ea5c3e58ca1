"""What the client scripts share: names that never collide, expected errors, and the line of results.

The scripts run inside a client's own environment against the server of MLFLOW_TRACKING_URI; nothing
here or in them imports Runyard. Their names begin with `check_` because their folder comes first on the
import path: a `multipart.py` here would be imported in place of the package of that name.
"""

import contextlib
import json
import math
import os
import uuid

import mlflow
from mlflow.exceptions import MlflowException

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])

# Set when the suite runs against another server than Runyard, to compare: known flaws of MLflow's own
# server are then let through. Against Runyard nothing is.
PEER = bool(os.environ.get("COMPAT_PEER"))


def unique(stem):
    """A name that no other script, client or earlier run has used."""
    return f"{stem}-{uuid.uuid4().hex[:12]}"


def new_experiment(stem):
    """Create and activate a fresh experiment; answer its id."""
    return mlflow.set_experiment(unique(stem)).experiment_id


@contextlib.contextmanager
def fails(error_code, *words):
    """Expect an MlflowException with this error_code whose message holds all the words."""
    try:
        yield
    except MlflowException as raised:
        error = raised
    else:
        raise AssertionError(f"no error, expected {error_code}")
    assert error.error_code == error_code, f"{error.error_code} instead of {error_code}: {error}"
    missing = [word for word in words if word.lower() not in str(error).lower()]
    assert not missing, f"the message says nothing of {missing}: {error}"


def same_number(got, expected):
    """Equality for floats in which NaN equals NaN."""
    return got == expected or (math.isnan(got) and math.isnan(expected))


def report(**facts):
    """Print the script's result: the last line of its output, as JSON."""
    print(json.dumps({"client": mlflow.__version__, **facts}))
