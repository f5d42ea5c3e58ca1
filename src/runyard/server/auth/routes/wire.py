"""What the requests and answers of identity have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from runyard.server.auth.permissions import Level
from runyard.server.auth.records import HeldRole
from runyard.server.auth.types import PrincipalKind

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Kind = Literal["user", "service", "group"]
LevelName = Literal["NO_PERMISSION", "CAN_READ", "CAN_EDIT", "CAN_MANAGE"]

KINDS: dict[PrincipalKind, Kind] = {
    PrincipalKind.USER: "user",
    PrincipalKind.SERVICE: "service",
    PrincipalKind.GROUP: "group",
}
LEVELS: dict[LevelName, Level] = {
    "NO_PERMISSION": Level.NONE,
    "CAN_READ": Level.READ,
    "CAN_EDIT": Level.EDIT,
    "CAN_MANAGE": Level.MANAGE,
}
LEVEL_NAMES: dict[Level, LevelName] = {level: name for name, level in LEVELS.items()}


class Deleted(msgspec.Struct):
    """What went to the trash.

    Attributes:
        id: what the trash calls it: `POST trash/restore` brings it back.
        purge_time: when it goes by itself (milliseconds since the epoch); null for never.
    """

    id: str
    purge_time: int | None


class RoleHeld(msgspec.Struct):
    """A role in a workspace; `group` is the one that it comes from, null where it is one's own."""

    workspace: str
    role: str
    group: str | None


def roles_held(found: Sequence[HeldRole]) -> list[RoleHeld]:
    """Roles as answers have them."""
    return [RoleHeld(one.workspace, one.role, one.group) for one in found]


class ListRequest(msgspec.Struct):
    """Asks for a page: `limit` items, 1 to 1,000, after those of the page that gave the token."""

    limit: Int64 = 100
    page_token: str | None = None
