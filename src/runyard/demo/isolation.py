"""A process that knows nothing of the user's own MLflow.

The demo must log to one server and nowhere else: no `MLFLOW_TRACKING_URI`, no `MLFLOW_RUN_ID`, no
credentials file of another server may reach the client, and nothing that the client sets may stay.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import site
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from runyard.client.credentials import Credential
from runyard.demo.errors import DemoError

INSTALL = "pip install 'runyard[demo]'"
PACKAGES = ("mlflow", "scikit-learn", "pandas", "matplotlib", "rich")
OLDEST_MLFLOW = (3, 1)  # logged models, metrics linked to them
_PREFIXES = ("MLFLOW_", "_MLFLOW_")
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


def check_packages() -> None:
    """Returns when all that the demo imports is installed.

    Raises:
        DemoError: a package is missing, or MLflow is too old.
    """
    missing = [name for name in PACKAGES if _version(name) is None]
    if missing:
        raise DemoError(f"The demo needs {', '.join(missing)}. Install with: {INSTALL}")
    mlflow = _version("mlflow") or ""
    if tuple(int(part) for part in mlflow.split(".")[:2]) < OLDEST_MLFLOW:
        oldest = ".".join(map(str, OLDEST_MLFLOW))
        raise DemoError(
            f"The demo needs mlflow {oldest} or newer, and {mlflow} is installed. Install with: {INSTALL}"
        )


@contextmanager
def isolated(url: str, credential: Credential | None = None) -> Iterator[None]:
    """Runs its body with an environment in which MLflow's client knows the server at `url` only.

    It signs in there with the credential, if there is one.

    Everything is as before afterwards. MLflow must be imported inside.
    """
    before = dict(os.environ)
    try:
        os.environ["MPLBACKEND"] = "Agg"  # read at its import
        # While the home folder is the true one: in another, matplotlib would search all fonts anew.
        importlib.import_module("matplotlib.font_manager")
        for name in before:
            if name.startswith(_PREFIXES):
                del os.environ[name]
        with tempfile.TemporaryDirectory(prefix="runyard-demo-") as home:
            os.environ.update(_variables(url, home) | _sign_in(credential))
            yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def stop_retrying() -> None:
    """From now on, a request to a server that is gone fails at once (inside `isolated`)."""
    os.environ[_RETRIES] = "0"


def _variables(url: str, home: str) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_REGISTRY_URI": url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_UV_AUTO_DETECT": "false",  # else a lock file in the current folder goes into the models
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        _RETRIES: "3",  # about 10 seconds, where the client's default is minutes
        "HOME": home,  # ~/.mlflow/credentials, ~/.databrickscfg
        "PYTHONUSERBASE": site.getuserbase(),  # packages may be installed below the true home
    }


def _sign_in(credential: Credential | None) -> dict[str, str]:
    if credential is None:
        return {}
    if not credential.user:
        return {"MLFLOW_TRACKING_TOKEN": credential.secret}
    return {
        "MLFLOW_TRACKING_USERNAME": credential.user,
        "MLFLOW_TRACKING_PASSWORD": credential.secret,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
