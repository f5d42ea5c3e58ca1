"""What administration shows: users, groups, members, rules, tokens. Times are milliseconds of the epoch."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

import msgspec

from runyard.server.auth.permissions import Level, Permission
from runyard.server.auth.types import IdentityKind, PrincipalKind, TokenKind

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list.

    Attributes:
        items: in the list's order.
        next_token: where the next part starts; None on the last one.
    """

    items: list[T]
    next_token: str | None


class User(msgspec.Struct, frozen=True):
    """A user or a service principal.

    Attributes:
        id: the surrogate key, never used a second time.
        name: in lower case; never changes.
        has_password: whether it can sign in with one.
        external: whether it signs in through an OIDC provider.
        is_admin: whether it administers the server.
        is_disabled: whether its credentials are refused.
    """

    id: int
    kind: PrincipalKind
    name: str
    display_name: str
    email: str
    has_password: bool
    external: bool
    is_admin: bool
    is_disabled: bool
    creation_time: int


class Group(msgspec.Struct, frozen=True):
    """A group of users and service principals."""

    id: int
    name: str
    display_name: str
    creation_time: int


class GroupMember(msgspec.Struct, frozen=True):
    """Somebody in a group."""

    kind: PrincipalKind
    name: str
    display_name: str


class Member(msgspec.Struct, frozen=True):
    """A principal with roles in a workspace."""

    kind: PrincipalKind
    name: str
    display_name: str
    roles: list[str]


class Held(msgspec.Struct, frozen=True):
    """A role that somebody has in a workspace; `group` is the one that it comes from, if any."""

    workspace_id: int
    role: str
    group: str | None


class HeldRole(msgspec.Struct, frozen=True):
    """The same, with the workspace's name."""

    workspace: str
    role: str
    group: str | None


class UserDetail(msgspec.Struct, frozen=True):
    """A user or a service principal, the groups that it is in, and its roles by workspace."""

    user: User
    groups: list[str]
    roles: list[HeldRole]


class Rule(msgspec.Struct, frozen=True):
    """What a principal may do in a folder or an experiment.

    Attributes:
        principal, kind: who.
        path: the folder; for an experiment's rule, the experiment's name.
        experiment: the experiment's id; None for a folder's rule.
        inherited: whether it stands above the place that was asked about.
    """

    principal: str
    kind: PrincipalKind
    level: Level
    path: str
    experiment: int | None
    inherited: bool = False


class Reason(msgspec.Struct, frozen=True):
    """Why somebody may do something at a place.

    Attributes:
        kind: it administers the server; it owns the workspace; a rule says so; a role in the workspace does.
        role: the role.
        path: where the rule stands: the folder, or the experiment's name.
        experiment: the experiment that the rule is for; None for a folder's.
        group: the group through which it has the role or the rule; None for what is its own.
    """

    kind: Literal["administrator", "owner", "rule", "role"]
    role: str | None = None
    path: str | None = None
    experiment: int | None = None
    group: str | None = None


class Effective(msgspec.Struct, frozen=True):
    """What one principal may do at one place.

    Attributes:
        level: the highest of which it holds all; None where it holds some of reading only.
        permissions: all of them that it holds there.
        reasons: all that give it what it has, or take it.
    """

    principal: str
    level: Level | None
    permissions: frozenset[Permission]
    reasons: list[Reason]


class Holder(msgspec.Struct, frozen=True):
    """Somebody who may read at a place.

    Attributes:
        name, kind, display_name: who.
        level: the highest of which it holds all; None where a custom role gives only some of reading.
        reasons: all that give it what it has.
    """

    name: str
    kind: PrincipalKind
    display_name: str
    level: Level | None
    reasons: list[Reason]


class Token(msgspec.Struct, frozen=True):
    """A token; its secret is nowhere.

    Attributes:
        owner: the principal's name.
        workspace_id: the only workspace that it is good for; None for all that its owner may enter.
        workspace: that workspace's name.
        run: the run that it is for.
    """

    id: int
    kind: TokenKind
    owner: str
    name: str
    workspace_id: int | None
    run: str | None
    creation_time: int
    expiry_time: int
    last_used_time: int | None
    workspace: str | None = None


class Deleted(msgspec.Struct, frozen=True):
    """A principal or role in the trash.

    Attributes:
        id: the public one; of a principal the one that it had and will have.
        purge_time: when it goes by itself; None for never.
    """

    id: str
    purge_time: int | None


class DeletedIdentity(msgspec.Struct, frozen=True):
    """A principal or role in the trash, as the trash lists it."""

    id: int
    kind: IdentityKind
    name: str
    deleted_time: int
