"""`/folders`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from runyard.server.auth import Permission
from runyard.server.tracking.service import Folders
from runyard.server.web import Call, Route
from runyard.server.web.native import native

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class FolderRequest(msgspec.Struct):
    """Asks for a page of what lies in a folder: `limit` items, 1 to 1,000.

    Attributes:
        path: the folder, such as `/Shared/team`; `/` is all of the workspace.
    """

    path: str = "/"
    limit: Int64 = 100
    page_token: str | None = None


class FolderShown(msgspec.Struct):
    """A folder: how many experiments one may see right in it, and how many there and in the ones below."""

    name: str
    path: str
    experiments: int
    experiments_below: int


class FoldersPage(msgspec.Struct):
    """Folders right below the one that was asked about, by path."""

    items: list[FolderShown]
    next_page_token: str | None


class ExperimentShown(msgspec.Struct):
    """An experiment in a folder. Times are milliseconds since the epoch."""

    experiment_id: str
    name: str
    creation_time: int
    last_update_time: int


class ExperimentsPage(msgspec.Struct):
    """Experiments right in a folder, by name."""

    items: list[ExperimentShown]
    next_page_token: str | None


class MoveFolder(msgspec.Struct):
    """A folder to move.

    Attributes:
        path: where it is.
        to: its new path, not that of the folder above it.
        dry_run: only tell what would move.
    """

    path: str
    to: str
    dry_run: bool = False


class FolderMoved(msgspec.Struct):
    """What has moved, or would: active experiments, those in the trash, rules, also deleted principals'."""

    experiments: int
    deleted: int
    rules: int


class FolderRoutes:
    """Handlers of `/folders`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write = Permission.EXPERIMENT_READ, Permission.EXPERIMENT_WRITE
        return [
            native("GET", "/folders", self.list, FolderRequest, FoldersPage, read, "Folders below a folder"),
            native(
                "GET",
                "/folders/experiments",
                self.experiments,
                FolderRequest,
                ExperimentsPage,
                read,
                "Experiments in a folder",
            ),
            native(
                "POST",
                "/folders/move",
                self.move,
                MoveFolder,
                FolderMoved,
                write,
                "Give a folder another path, with all that is in it",
            ),
        ]

    async def list(self, call: Call) -> FoldersPage:
        """GET folders"""
        sent: FolderRequest = call.body
        page = await self._folders.page(call.principal, sent.path, sent.limit, sent.page_token)
        items = [
            FolderShown(one.path.rpartition("/")[2], one.path, one.experiments, one.experiments_below)
            for one in page.items
        ]
        return FoldersPage(items, page.next_token)

    async def experiments(self, call: Call) -> ExperimentsPage:
        """GET folders/experiments"""
        sent: FolderRequest = call.body
        page = await self._folders.experiments(call.principal, sent.path, sent.limit, sent.page_token)
        items = [
            ExperimentShown(str(one.id), one.name, one.creation_time, one.last_update_time)
            for one in page.items
        ]
        return ExperimentsPage(items, page.next_token)

    async def move(self, call: Call) -> FolderMoved:
        """POST folders/move"""
        sent: MoveFolder = call.body
        moved = await self._folders.move(call.principal, sent.path, sent.to, dry_run=sent.dry_run)
        return FolderMoved(*moved)
