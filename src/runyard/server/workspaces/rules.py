"""Names, tags and quotas of workspaces. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from runyard.server.auth.types import DEFAULT_WORKSPACE, Access, Principal
from runyard.server.kernel.errors import InvalidArgument, LimitExceeded, QuotaExceeded
from runyard.server.workspaces.types import Scope

MIN_NAME, MAX_NAME = 2, 63
MAX_DESCRIPTION = 20_000
MAX_TAGS = 100
MAX_TAG_KEY = 250
MAX_TAG_VALUE = 5_000
MAX_LIMIT = 2**62

# MLflow's own (they begin paths), and words that stand for more than one workspace.
RESERVED = frozenset({"workspaces", "api", "ajax-api", "static-files", "server", "system", "all"})

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def check_name(name: str) -> None:
    """A new workspace's name: 2 to 63 lower-case letters, digits and hyphens, no hyphen at its ends.

    Raises:
        InvalidArgument: it is no such name, or is reserved.
    """
    if not MIN_NAME <= len(name) <= MAX_NAME or _NAME.fullmatch(name) is None:
        raise InvalidArgument(
            f"Invalid workspace name '{name[:100]}': it must have {MIN_NAME} to {MAX_NAME} lower-case "
            "letters, digits and hyphens, with no hyphen at its beginning or end.",
            field="name",
        )
    if name in RESERVED:
        raise InvalidArgument(
            f"The workspace name '{name}' is reserved and cannot be used; choose another.", field="name"
        )


def check_description(text: str) -> None:
    """A description of at most 20,000 characters."""
    _check_text(text, MAX_DESCRIPTION, "description")


def check_tags(tags: Mapping[str, str | None]) -> None:
    """Tags that are set, or with None deleted: keys of 1 to 250 characters, values of up to 5,000."""
    for key, value in tags.items():
        if not key.strip():
            raise InvalidArgument("A tag's key must not be empty.", field="tags")
        _check_text(key, MAX_TAG_KEY, "tags")
        _check_text(value or "", MAX_TAG_VALUE, f"tags.{key[:100]}")


def check_number_of_tags(count: int) -> None:
    """A workspace has at most 100 tags."""
    if count > MAX_TAGS:
        raise InvalidArgument(f"A workspace has at most {MAX_TAGS} tags; this makes {count}.", field="tags")


def _check_text(value: str, limit: int, field: str) -> None:
    if len(value) > limit:
        raise InvalidArgument(
            f"'{field}' exceeds the maximum length of {limit:,} characters (it has {len(value):,}).",
            field=field,
        )
    if "\0" in value:
        raise InvalidArgument(f"'{field}' contains a NUL character; remove it.", field=field)


def check_not_default(name: str, what: str) -> None:
    """Refuse what the default workspace can't undergo: clients that name none mean it."""
    if name == DEFAULT_WORKSPACE.name:
        raise InvalidArgument(
            f"The workspace '{name}' can't be {what}: clients that name no workspace use it.",
            field="workspace",
        )


class Quota(NamedTuple):
    """A row of the table of quotas.

    Attributes:
        name: a field of `Quotas`.
        unit: what it counts.
        scope: what each one of may have so many.
        counts: what counts.
        instead: what somebody can do who has reached it.
    """

    name: str
    unit: str
    scope: Scope
    counts: str
    instead: str


_FEWER = "Log less often, or in a new run"
_NEW = "Go on in a new experiment, or delete runs and purge them"
_PURGE = "Delete runs that nobody needs, and purge them"
_ROOM = "Delete artifacts that nobody needs, and purge them from the trash"

QUOTAS: Final = {
    quota.name: quota
    for quota in (
        Quota("points_per_run", "points", Scope.RUN, "Points of metrics, as often as they are sent.", _FEWER),
        Quota("points_per_experiment", "points", Scope.EXPERIMENT, "The same of all its runs.", _NEW),
        Quota("points_per_workspace", "points", Scope.WORKSPACE, "The same of all experiments.", _PURGE),
        Quota("params_per_run", "params", Scope.RUN, "Parameters.", "Log fewer, or a file with all of them"),
        Quota("tags_per_run", "tags", Scope.RUN, "Tags.", "Delete some, or log a file with all of them"),
        Quota("runs_per_experiment", "runs", Scope.EXPERIMENT, "Runs, also those in the trash.", _NEW),
        Quota("runs_per_workspace", "runs", Scope.WORKSPACE, "The same of all experiments.", _PURGE),
        Quota(
            "artifact_bytes_per_run", "bytes", Scope.RUN, "Files of the run, also those in the trash.", _ROOM
        ),
        Quota(
            "artifact_bytes_per_experiment",
            "bytes",
            Scope.EXPERIMENT,
            "Files of all its runs and logged models.",
            _ROOM,
        ),
        Quota("artifact_bytes_per_workspace", "bytes", Scope.WORKSPACE, "Those of all experiments.", _ROOM),
        Quota(
            "requests_per_second",
            "requests",
            Scope.WORKSPACE,
            "Requests to each server process; a second's worth may come at once.",
            "Send fewer requests: log-batch takes 1,000 points in one",
        ),
    )
}


def check_limit(name: str, limit: int | None) -> None:
    """A limit that somebody sets.

    Raises:
        InvalidArgument: there is no such quota, or it can't be that.
    """
    if name not in QUOTAS:
        raise InvalidArgument(
            f"There is no quota '{name[:100]}'; there are {', '.join(QUOTAS)}.", field="limits"
        )
    least = 1 if name == "requests_per_second" else 0
    if limit is not None and not least <= limit <= MAX_LIMIT:
        raise InvalidArgument(
            f"The quota '{name}' must be {least} or more, or null for no limit; not {limit}.",
            field=f"limits.{name}",
        )


def may_know(access: Access, scope: Scope) -> bool:
    """Whether somebody who may read a workspace, experiment or run is told what it holds in sum.

    A sum tells of all that it counts: a workspace's is for whoever sees all of it, an experiment's for every
    credential but those for one run.
    """
    if scope is Scope.WORKSPACE:
        return access.sees_all
    return scope is Scope.RUN or access.scope is None


def used_up(
    name: str, principal: Principal, owner: object, *, used: int, limit: int, more: int
) -> QuotaExceeded:
    """The error for a request that a quota doesn't allow; it tells what is used to whom may know it.

    Args:
        name: of the quota.
        principal: whose request it is.
        owner: the id of the run or experiment that the quota is of.
        used: what is used of it.
        limit: the quota.
        more: what the request brings.
    """
    quota, workspace = QUOTAS[name], principal.workspace.name
    what = (
        f"the workspace '{workspace}'"
        if quota.scope is Scope.WORKSPACE
        else f"the {_OF[quota.scope]} {owner}"
    )
    if may_know(principal.access, quota.scope):
        has, enough = f"has {used:,} of {limit:,} {quota.unit}", max(2 * limit, used + more)
    else:
        has, enough = f"may have {limit:,} {quota.unit}", max(2 * limit, limit + more)
    return QuotaExceeded(
        f"The quota '{name}' is used up: {what} {has}, and this request brings {more:,} more; nothing of "
        f"it was stored. {quota.instead}. {_raise(workspace, name, enough)}"
    )


def too_often(workspace: str, limit: int) -> LimitExceeded:
    """The error for a request that comes too soon."""
    name = "requests_per_second"
    return LimitExceeded(
        f"The quota '{name}' is used up: the workspace '{workspace}' has had its {limit:,} requests of this "
        f"second. Wait a second, then send it again. {QUOTAS[name].instead}. "
        f"{_raise(workspace, name, 2 * limit)}",
        wait=1,
    )


_OF = {Scope.RUN: "run", Scope.EXPERIMENT: "experiment"}


def _raise(workspace: str, name: str, limit: int) -> str:
    return (
        "An administrator of the server can raise it: "
        f"runyard workspace quotas {workspace} --set {name}={min(limit, MAX_LIMIT)}"
    )


class Bucket:
    """Lets so many requests a second pass; a second's worth may pass at once.

    Args:
        rate: how many.
        now: seconds.
    """

    __slots__ = ("_at", "_left", "rate")

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._left = float(rate)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more may pass."""
        self._left = min(float(self.rate), self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
