"""The server that the demo logs to: its address, and whether an MLflow tracking server answers there."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit

from runyard.demo.errors import DemoError

SECONDS_TO_ANSWER = 5.0


def parse(url: str) -> str:
    """The address without its trailing slash.

    Raises:
        DemoError: it isn't an http address, or it holds user information, which would end up in messages.
    """
    try:
        parts = urlsplit(url)
        port_is_legal = parts.port is None or parts.port > 0
    except ValueError:
        port_is_legal = False
    if not port_is_legal or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DemoError("The address must be like http://127.0.0.1:5000.")
    if parts.username or parts.password:
        raise DemoError("Give the address without user information; the demo does not sign in.")
    return url.rstrip("/")


def check(url: str) -> None:
    """Returns when a tracking server answers.

    Raises:
        DemoError: nothing answers, or something else does.
    """
    question = f"{url}/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote('/Shared/demo')}"
    try:
        with urllib.request.urlopen(question, timeout=SECONDS_TO_ANSWER) as answer:  # noqa: S310 - see parse
            speaks_mlflow = "experiment" in _fields(answer.read())
            status = answer.status
    except urllib.error.HTTPError as error:
        speaks_mlflow = "error_code" in _fields(error.read()) and error.code not in {401, 403}
        status = error.code
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DemoError(
            f"No server answers at {url} ({reason}). Start one with `runyard server` in another terminal, "
            "or give the address of one that runs with --url."
        ) from error
    if status in {401, 403}:
        raise DemoError(f"The server at {url} asks for a login; the demo does not sign in.")
    if not speaks_mlflow:
        raise DemoError(
            f"What answers at {url} is no MLflow tracking server (HTTP {status}). Give the address of a "
            "Runyard server with --url."
        )


def answers(url: str) -> bool:
    """Whether a tracking server answers now."""
    try:
        check(url)
    except DemoError:
        return False
    return True


def experiment_link(url: str, experiment_id: str) -> str:
    """Where a browser finds an experiment."""
    return f"{url}/#/experiments/{experiment_id}"


def run_link(url: str, experiment_id: str, run_id: str) -> str:
    """Where a browser finds a run."""
    return f"{experiment_link(url, experiment_id)}/runs/{run_id}"


def _fields(body: bytes) -> dict[str, object]:
    """A JSON object's fields; none if it is something else."""
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
