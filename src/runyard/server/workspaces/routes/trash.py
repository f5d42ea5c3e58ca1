"""`/api/runyard/1/trash`: what was deleted, restoring it, and letting it go for good."""

from __future__ import annotations

from typing import Annotated

import msgspec

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.web import Call, Route, get, post
from runyard.server.workspaces.service import Filter, Item, KindName, Trash
from runyard.server.workspaces.service.trash import Listed, Moved

Time = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class ListTrash(msgspec.Struct):
    """Asks for a page of the trash.

    Attributes:
        kind: only these kinds; all without one.
        experiment_id: only what belongs to this experiment, and the experiment itself.
        deleted_before: only what was deleted before this time (milliseconds since the epoch).
        limit: the page's size.
        page_token: where the page begins.
        sizes: whether to measure what each item takes.
    """

    kind: list[KindName] = []
    experiment_id: str | None = None
    deleted_before: Time | None = None
    limit: int = 100
    page_token: str | None = None
    sizes: bool = True


class TrashItem(msgspec.Struct):
    """Something in the trash. Times are milliseconds since the epoch.

    Attributes:
        kind: what it is.
        id: its id; of a workspace its name, of a role one that the trash gave it.
        name: its name; of artifact files their path in the experiment, of a folder with a slash at its end.
        experiment_id, experiment_name: what it belongs to; null for what is the server's matter.
        deleted_time: when it was deleted.
        purge_time: when it goes by itself; null for never.
        runs, points, artifact_files, artifact_bytes: what it takes; null where that isn't known.
    """

    kind: KindName
    id: str
    name: str
    experiment_id: str | None
    experiment_name: str | None
    deleted_time: int
    purge_time: int | None
    runs: int | None
    points: int | None
    artifact_files: int | None
    artifact_bytes: int | None


class TrashPage(msgspec.Struct):
    """A page of the trash, what was deleted last first; the token is null on the last page."""

    items: list[TrashItem]
    next_page_token: str | None


class ItemName(msgspec.Struct):
    """Names something in the trash: its kind and id, as the list shows them."""

    kind: KindName
    id: str


class RestoreRequest(msgspec.Struct):
    """Brings things back: all of them or, on an error, none."""

    items: list[ItemName]


class Restored(msgspec.Struct):
    """How many of each kind were restored."""

    workspaces: int
    experiments: int
    runs: int
    models: int
    artifacts: int
    users: int
    service_principals: int
    groups: int
    roles: int


class PurgeRequest(msgspec.Struct):
    """Lets things go for good: those named or, with `all`, those that the filter finds.

    Attributes:
        items: what goes: all of it or, on an error, nothing.
        all: everything in the trash that one may purge.
        kind, experiment_id, deleted_before: with `all`, only these; as in the list.
        dry_run: only tell what would go.
    """

    items: list[ItemName] = []
    all: bool = False
    kind: list[KindName] = []
    experiment_id: str | None = None
    deleted_before: Time | None = None
    dry_run: bool = False


class PurgeWorkspace(msgspec.Struct):
    """Lets a workspace in the trash go for good; with `dry_run` only tells what would go."""

    dry_run: bool = False


class Purged(msgspec.Struct):
    """What went, or would go.

    Attributes:
        dry_run: whether it is still there.
        done: whether all of it is destroyed already; else that goes on in the background.
        workspaces, experiments, models, artifacts, users, service_principals, groups, roles: how many.
        runs: how many, those of the experiments included; null where it isn't known.
        points, artifact_files, artifact_bytes: what it took; null where that would take long to find out.
    """

    dry_run: bool
    done: bool
    workspaces: int
    experiments: int
    models: int
    artifacts: int
    users: int
    service_principals: int
    groups: int
    roles: int
    runs: int | None
    points: int | None
    artifact_files: int | None
    artifact_bytes: int | None


class TrashRoutes:
    """Handlers of the trash."""

    def __init__(self, trash: Trash) -> None:
        self._trash = trash

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        at = "/api/runyard/1/trash"
        # What an item takes beside this, the service asks for at the item's place.
        see, purge = Permission.TRASH_READ, Permission.TRASH_PURGE
        return [
            get(at, self.page, ListTrash, TrashPage, see, "What lies in the trash"),
            post(f"{at}/restore", self.restore, RestoreRequest, Restored, see, "Bring things back"),
            post(f"{at}/purge", self.purge, PurgeRequest, Purged, purge, "Let things go for good"),
            post(
                "/api/runyard/1/workspaces/{workspace}/purge",
                self.purge_workspace,
                PurgeWorkspace,
                Purged,
                Permission.WORKSPACE_DELETE,
                "Let a workspace in the trash go for good",
            ),
        ]

    async def page(self, call: Call) -> TrashPage:
        """GET trash"""
        sent: ListTrash = call.body
        wanted = _filter(sent.kind, sent.experiment_id, sent.deleted_before)
        listed, token = await self._trash.page(
            call.principal, wanted, limit=sent.limit, token=sent.page_token, sizes=sent.sizes
        )
        return TrashPage([_item(one) for one in listed], token)

    async def restore(self, call: Call) -> Restored:
        """POST trash/restore"""
        sent: RestoreRequest = call.body
        moved = await self._trash.restore(call.principal, _named(sent.items))
        return Restored(runs=moved.counts.get("run", 0), **_counts(moved))

    async def purge(self, call: Call) -> Purged:
        """POST trash/purge"""
        sent: PurgeRequest = call.body
        filtered = bool(sent.kind or sent.experiment_id or sent.deleted_before is not None)
        if sent.all == bool(sent.items) or (filtered and not sent.all):
            raise InvalidArgument(
                "Name what goes in 'items', or send 'all' (with 'kind', 'experiment_id' or 'deleted_before' "
                "to limit it).",
                field="items",
            )
        moved = await self._trash.purge(
            call.principal,
            None if sent.all else _named(sent.items),
            _filter(sent.kind, sent.experiment_id, sent.deleted_before),
            dry_run=sent.dry_run,
        )
        return _purged(moved, dry_run=sent.dry_run)

    async def purge_workspace(self, call: Call) -> Purged:
        """POST workspaces/{workspace}/purge"""
        sent: PurgeWorkspace = call.body
        item = Item("workspace", call.path["workspace"])
        moved = await self._trash.purge(call.principal, [item], Filter(), dry_run=sent.dry_run)
        return _purged(moved, dry_run=sent.dry_run)


def _named(items: list[ItemName]) -> list[Item]:
    return [Item(item.kind, item.id) for item in items]


def _filter(kinds: list[KindName], experiment: str | None, before: int | None) -> Filter:
    if experiment is None:
        return Filter(tuple(kinds), None, before)
    if not experiment.isascii() or not experiment.isdigit() or len(experiment) > 18:
        raise InvalidArgument(
            f"Invalid experiment ID '{experiment[:100]}'; it is a whole number.", field="experiment_id"
        )
    return Filter(tuple(kinds), int(experiment), before)


def _item(listed: Listed) -> TrashItem:
    entry, size = listed.entry, listed.size
    return TrashItem(
        kind=entry.kind,
        id=entry.id,
        name=entry.name,
        experiment_id=None if entry.place is None else str(entry.place.experiment),
        experiment_name=None if entry.place is None else entry.place.name,
        deleted_time=entry.deleted_time,
        purge_time=listed.purge_time,
        runs=None if size is None else size.runs,
        points=None if size is None else size.points,
        artifact_files=None if size is None else size.artifact_files,
        artifact_bytes=None if size is None else size.artifact_bytes,
    )


def _purged(moved: Moved, *, dry_run: bool) -> Purged:
    return Purged(
        dry_run=dry_run,
        done=moved.done,
        runs=moved.runs,
        points=moved.points,
        artifact_files=moved.artifact_files,
        artifact_bytes=moved.artifact_bytes,
        **_counts(moved),
    )


def _counts(moved: Moved) -> dict[str, int]:
    """How many things of each kind, under the names of the answers' fields; runs are told otherwise."""
    kinds = ("workspace", "experiment", "model", "artifact", "user", "service_principal", "group", "role")
    return {f"{kind}s": moved.counts.get(kind, 0) for kind in kinds}
