"""Who may read, change and manage an experiment or what a folder holds, and why.

Each principal's access is composed and asked as the gate's is, so that what is told here holds there.
"""

from __future__ import annotations

from collections.abc import Mapping

from runyard.server.auth.permissions import OF_EXPERIMENTS, OF_LEVEL, Level, Permission
from runyard.server.auth.records import Effective, Holder, Page, Reason
from runyard.server.auth.rules import BUILT_IN, GRANTABLE, OWNER, permissions_of
from runyard.server.auth.service.access import compose
from runyard.server.auth.service.grants import At, FindPlaces, admitted
from runyard.server.auth.service.members import must_be_somebody
from runyard.server.auth.service.paging import begin, cut
from runyard.server.auth.service.policy import require
from runyard.server.auth.store import holders as store
from runyard.server.auth.store import principals
from runyard.server.auth.store import roles as role_store
from runyard.server.auth.types import Access, Identity, Place, Principal, RoleDefinition, ancestors
from runyard.server.db import Connection, Database

# Principals that are looked at together.
_BATCH = 500
_LEVELS = (Level.MANAGE, Level.EDIT, Level.READ)


class Holders:
    """Lists who may do what at a place. Always in the caller's workspace.

    Args:
        database: where they live.
        find_places: knows experiments.
    """

    def __init__(self, database: Database, find_places: FindPlaces) -> None:
        self._database = database
        self._find_places = find_places

    async def page(self, principal: Principal, at: At, limit: int, token: str | None) -> Page[Holder]:
        """The users and service principals who may read at a place, by name, but for disabled ones.

        Raises:
            NotFound: there is no such place for the caller.
            PermissionDenied: the caller may not set rules there: through which group, and who administers the
                server, is for those who manage it.
        """

        def read(connection: Connection) -> Page[Holder]:
            place = admitted(connection, self._find_places, principal, at, Permission.RULE_WRITE)
            kind = f"holders at {place.experiment} {place.name}"
            (after,) = begin(kind, limit, token, [""])
            custom = {role.name: role for role in role_store.custom(connection)}
            paths, found, more = ancestors(place.name), list[Holder](), True
            # Some have nothing to read with: read on until the page is full.
            while more and len(found) <= limit:
                rows = store.page(connection, principal.workspace.id, paths, place.experiment, after, _BATCH)
                found += [one for one in (_holder(row, custom, place) for row in rows) if one is not None]
                more = len(rows) == _BATCH
                after = rows[-1].identity.name if rows else after
            return cut(kind, found, limit, lambda holder: [holder.name])

        return await self._database.read(read)

    async def effective(self, principal: Principal, at: At, name: str) -> Effective:
        """What a user, service principal or group may do at a place, and why.

        Of others it is told to those who manage the place only, as with `page`.

        Raises:
            NotFound: there is no such place for the caller, or no such principal.
            PermissionDenied: the caller may not read the rules there; of others, not set them.
        """

        def read(connection: Connection) -> Effective:
            place = admitted(connection, self._find_places, principal, at, Permission.RULE_READ)
            if name.lower() != principal.name:
                require(principal, Permission.RULE_WRITE, place)
            target = must_be_somebody(name, principals.find(connection, name.lower()), "principal")
            identity = Identity(target.id, target.name, target.kind, target.is_admin)
            custom = {role.name: role for role in role_store.custom(connection)}
            grants = store.grants_of(
                connection, principal.workspace.id, ancestors(place.name), place.experiment, identity.id
            )
            access, reasons = _decided(identity, grants, custom, place)
            held = frozenset(p for p in GRANTABLE if p.of_experiments and access.allows(p, place))
            level = _level(access, place)
            return Effective(target.name, level if held else Level.NONE, held, reasons)

        return await self._database.read_point(read)


def _holder(found: store.Holder, custom: Mapping[str, RoleDefinition], place: Place) -> Holder | None:
    """What somebody may do at a place, and why; None if it may not even read."""
    access, reasons = _decided(found.identity, found.grants, custom, place)
    if not access.allows(Permission.EXPERIMENT_READ, place):
        return None
    one = found.identity
    return Holder(one.name, one.kind, found.display_name, _level(access, place), reasons)


def _level(access: Access, place: Place) -> Level | None:
    """The highest level of which all is held at a place."""
    return next((level for level in _LEVELS if all(access.allows(p, place) for p in OF_LEVEL[level])), None)


def _decided(
    identity: Identity, grants: list[store.Grant], custom: Mapping[str, RoleDefinition], place: Place
) -> tuple[Access, list[Reason]]:
    """What somebody may do at a place, by what it has there, and why."""
    folders: dict[str, Level] = {}
    experiments: dict[int, Level] = {}
    for grant in grants:
        if grant.path is not None:
            folders[grant.path] = max(grant.level, folders.get(grant.path, Level.NONE))
        elif grant.role is None:
            own = experiments.get(place.experiment, Level.NONE)
            experiments[place.experiment] = max(grant.level, own)
    roles = [grant.role for grant in grants if grant.role is not None]
    access = compose(identity, roles, custom, folders=folders, experiments=experiments)
    reasons = [Reason("administrator")] if identity.is_admin else _reasons(access, grants, custom, place)
    reasons.sort(key=lambda reason: (reason.role or "", reason.group or ""))
    return access, reasons


def _reasons(
    access: Access, grants: list[store.Grant], custom: Mapping[str, RoleDefinition], place: Place
) -> list[Reason]:
    """What decides: ownership, else the nearest rule, else the roles that give something here."""
    if access.owner:
        return [Reason("owner", OWNER, group=grant.group) for grant in grants if grant.role == OWNER]
    level = access.level(place)
    if level is None:
        given = [grant for grant in grants if grant.role is not None and _gives(grant.role, custom)]
        return [Reason("role", grant.role, group=grant.group) for grant in given]
    # An experiment's own rule is the nearest; a folder's is the nearer, the longer its path is.
    where = [] if place.experiment in access.experiments else ancestors(place.name)
    at = next((path for path in where if path in access.folders), None)
    deciding = [grant for grant in grants if grant.role is None and grant.path == at and grant.level == level]
    own = place.experiment if at is None else None
    return [
        Reason("rule", path=place.name if at is None else at, experiment=own, group=grant.group)
        for grant in deciding
    ]


def _gives(role: str, custom: Mapping[str, RoleDefinition]) -> bool:
    """Whether a role gives anything on experiments."""
    defined = BUILT_IN.get(role) or custom.get(role)
    return defined is not None and bool(permissions_of([defined]) & OF_EXPERIMENTS)
