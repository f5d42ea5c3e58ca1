"""Experiments."""

from __future__ import annotations

import msgspec

from runyard.client.address import segment
from runyard.client.errors import ConfigurationError, NotFound
from runyard.client.http import MLFLOW, NATIVE, Http, Object, native_page, pages

VIEWS = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}
"""What to look at, as people say it, and as the protocol does."""


class Tag(msgspec.Struct):
    """A tag or a parameter."""

    key: str
    value: str = ""


class Experiment(msgspec.Struct):
    """An experiment. Times are milliseconds since the epoch.

    Attributes:
        lifecycle_stage: `active`, or `deleted` while it is in the trash.
    """

    experiment_id: str
    name: str
    artifact_location: str = ""
    lifecycle_stage: str = ""
    creation_time: int = 0
    last_update_time: int = 0
    tags: list[Tag] = []


class _Found(msgspec.Struct):
    experiment: Experiment


class _FoundMany(msgspec.Struct):
    experiments: list[Experiment] = []
    next_page_token: str | None = None


class _Created(msgspec.Struct):
    experiment_id: str


def search(
    http: Http, *, filter_text: str = "", view: str = "active", limit: int = 0
) -> tuple[list[Experiment], bool]:
    """Experiments, newest first, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """

    def fetch(token: str | None, size: int) -> tuple[list[Experiment], str | None]:
        body = {
            "filter": filter_text,
            "view_type": VIEWS[view],
            "max_results": size,
            "page_token": token,
            "order_by": ["creation_time DESC"],
        }
        answer: _FoundMany = http.post(f"{MLFLOW}/experiments/search", body, safe=True, kind=_FoundMany)
        return answer.experiments, answer.next_page_token

    return pages(fetch, limit)


def get(http: Http, experiment_id: str) -> Experiment:
    """An experiment by its id; it may be in the trash.

    Raises:
        ClientError: see `errors`.
    """
    found: _Found = http.get(f"{MLFLOW}/experiments/get", {"experiment_id": experiment_id}, kind=_Found)
    return found.experiment


def get_by_name(http: Http, name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        ClientError: see `errors`.
    """
    query = {"experiment_name": name}
    found: _Found = http.get(f"{MLFLOW}/experiments/get-by-name", query, kind=_Found)
    return found.experiment


def find(http: Http, name_or_id: str) -> Experiment:
    """An experiment by its name, else by its id.

    Raises:
        ClientError: see `errors`.
    """
    if not name_or_id:
        raise ConfigurationError("An experiment is named by its name or its id; this name is empty.")
    if not _is_id(name_or_id):
        return get_by_name(http, name_or_id)
    try:
        return get(http, name_or_id)
    except NotFound as missing:
        try:
            return get_by_name(http, name_or_id)
        except NotFound:
            raise missing from None


def find_deleted(http: Http, name_or_id: str) -> Experiment:
    """An experiment in the trash by its name, or any by its id: a name may be an active one's again.

    Raises:
        ConfigurationError: several experiments in the trash have the name.
        ClientError: see `errors`.
    """
    if _is_id(name_or_id) or not name_or_id:
        return find(http, name_or_id)
    name = stored_name(name_or_id)
    quoted = name.replace("'", "''")
    found, _ = search(http, filter_text=f"name = '{quoted}'", view="deleted", limit=100)
    if len(found) > 1:
        ids = ", ".join(one.experiment_id for one in found)
        raise ConfigurationError(
            f"Several experiments in the trash are called '{name}'; name one by its id: {ids}."
        )
    return found[0] if found else get_by_name(http, name)


def stored_name(name: str) -> str:
    """An experiment's name as the server keeps it: a path's trailing slash goes."""
    return name.rstrip("/") if name.startswith("/") else name


def quotas(http: Http, experiment_id: str) -> list[Object]:
    """What is used of an experiment's quotas, as `workspaces.quotas` has them.

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, f"{NATIVE}/experiments/{segment(experiment_id)}/quotas"), 0)[0]


def create(
    http: Http, name: str, *, artifact_location: str | None = None, tags: dict[str, str] | None = None
) -> str:
    """Make an experiment; returns its id.

    Raises:
        ClientError: see `errors`.
    """
    body = {
        "name": name,
        "artifact_location": artifact_location,
        "tags": [Tag(key, value) for key, value in (tags or {}).items()],
    }
    created: _Created = http.post(f"{MLFLOW}/experiments/create", body, kind=_Created)
    return created.experiment_id


def rename(http: Http, experiment_id: str, name: str) -> None:
    """Give an experiment another name.

    Raises:
        ClientError: see `errors`.
    """
    http.post(f"{MLFLOW}/experiments/update", {"experiment_id": experiment_id, "new_name": name})


def delete(http: Http, experiment_id: str) -> None:
    """Move an experiment and its runs to the trash.

    Raises:
        ClientError: see `errors`.
    """
    http.post(f"{MLFLOW}/experiments/delete", {"experiment_id": experiment_id})


def restore(http: Http, experiment_id: str, name: str | None = None) -> None:
    """Bring an experiment back from the trash, under its own name or another one.

    Raises:
        ClientError: see `errors`.
    """
    http.post(f"{NATIVE}/experiments/{segment(experiment_id)}/restore", {"name": name})


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()
