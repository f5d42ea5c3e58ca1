"""The server that the demo logs to: whether it answers, and where a browser finds what is there."""

from __future__ import annotations

from runyard.client import experiments
from runyard.client.errors import ClientError
from runyard.client.http import Http


def check(http: Http) -> None:
    """Returns when a tracking server answers, lets the caller in and has the workspace.

    Raises:
        ClientError: see `runyard.client.errors`.
    """
    experiments.search(http, limit=1)


def answers(http: Http) -> bool:
    """Whether a tracking server answers now."""
    try:
        check(http)
    except ClientError:
        return False
    return True


def experiment_link(url: str, experiment_id: str) -> str:
    """Where a browser finds an experiment."""
    return f"{url}/#/experiments/{experiment_id}"


def run_link(url: str, experiment_id: str, run_id: str) -> str:
    """Where a browser finds a run."""
    return f"{experiment_link(url, experiment_id)}/runs/{run_id}"
