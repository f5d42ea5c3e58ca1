"""From whom a provider has recognized to a user of this server, and to what the provider's groups give.

A user belongs to a provider's person by what the provider calls that person for ever (`issuer|subject`),
and by nothing else: whoever can make a provider say a name or an address gets nobody's account by it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from runyard.server.auth.service.activity import note
from runyard.server.auth.service.oidc.client import Client, Grant, Visitor
from runyard.server.auth.store import access as access_store
from runyard.server.auth.store import external as store
from runyard.server.auth.store.access import PrincipalRow
from runyard.server.auth.types import Access, Identity, Principal, PrincipalKind, WorkspaceRef
from runyard.server.db import Connection, Transaction
from runyard.server.kernel import clock
from runyard.server.kernel.errors import AlreadyExists, NotFound, PermissionDenied

log = logging.getLogger("runyard.oidc")

FindWorkspace = Callable[[Connection, str], WorkspaceRef | None]

CREDENTIAL = "openid connect"
_NOWHERE = WorkspaceRef(0, "", 0)
# What a principal may be called; the two names are those of who is none.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
_RESERVED = frozenset(("local", "nobody"))


def admit(
    tx: Transaction, client: Client, visitor: Visitor, find_workspace: FindWorkspace, address: str
) -> PrincipalRow:
    """The user whom a provider has recognized, with what its groups give; makes one where that is allowed.

    Raises:
        PermissionDenied: there is none and none is made, or it is disabled.
    """
    user = store.lock(tx, client.external_id(visitor.subject)) or _create(tx, client, visitor, address)
    row = user.row
    if row.is_disabled or row.kind != PrincipalKind.USER:
        raise PermissionDenied(f"The account '{row.name}' is disabled. Ask an administrator.")
    grants, made_admin = client.roles.given(visitor.groups)
    is_admin = made_admin if client.roles.decides_on_admins else bool(row.is_admin)
    display_name, email = visitor.display_name or user.display_name, visitor.email or user.email
    if (display_name, email, is_admin) != (user.display_name, user.email, bool(row.is_admin)):
        store.save(tx, row.id, display_name, email, is_admin=is_admin)
    if is_admin != bool(row.is_admin):
        actor = _actor(row, address)
        note(tx, actor, "user.update", "user", row.name, workspace_id=0, is_admin=is_admin, by=CREDENTIAL)
    _settle_roles(tx, client, row, grants, find_workspace, address)
    return row._replace(is_admin=int(is_admin))


def link(tx: Transaction, principal: Principal, client: Client, name: str, subject: str | None) -> None:
    """Let a user sign in as a provider's person, or as none there any more: only administrators may.

    Raises:
        NotFound: there is no such user.
        AlreadyExists: another user is that person.
    """
    row = access_store.find_by_name(tx, name.lower())
    if row is None or row.kind != PrincipalKind.USER:
        raise NotFound(f"There is no user '{name[:100]}'.", field="name")
    external_id = None if subject is None else client.external_id(subject)
    if external_id is not None:
        other = store.lock(tx, external_id)
        if other is not None and other.row.id != row.id:
            raise AlreadyExists(
                f"The provider's '{subject}' is the user '{other.row.name}' already; unlink that one first.",
                field="subject",
            )
    store.link(tx, row.id, external_id)
    action = "user.unlink" if subject is None else "user.link"
    note(tx, principal, action, "user", row.name, workspace_id=0, external_id=external_id)


def _create(tx: Transaction, client: Client, visitor: Visitor, address: str) -> store.External:
    mapped = client.create_users == "mapped" and client.roles.names_any(visitor.groups)
    if not mapped and client.create_users != "yes":
        why = "none of your groups gets one" if client.create_users == "mapped" else "none is made"
        raise PermissionDenied(
            f"The provider knows you, but you have no account here, and {why}. {_ask(visitor)}"
        )
    name = _name(visitor.name)
    if name is None:
        raise PermissionDenied(
            f"The provider tells no name for you that can be one here (claim '{client.name_claim}'; of an "
            f"e-mail address only one that it has verified). {_ask(visitor)}"
        )
    display_name = visitor.display_name or name
    row = store.insert(
        tx, client.external_id(visitor.subject), name, display_name, visitor.email, clock.now_ms()
    )
    if row is None:
        raise PermissionDenied(
            f"The name '{name}' belongs to another account here. It may be yours, but isn't taken for yours "
            f"because of its name. {_ask(visitor)}"
        )
    note(tx, _actor(row, address), "user.create", "user", name, workspace_id=0, by=CREDENTIAL)
    return store.External(row, display_name, visitor.email)


def _settle_roles(
    tx: Transaction,
    client: Client,
    row: PrincipalRow,
    grants: frozenset[Grant],
    find_workspace: FindWorkspace,
    address: str,
) -> None:
    """Give what the groups give, and take what they would but don't."""
    if not client.roles.roles:
        return
    has = store.roles_of(tx, row.id)
    for grant in sorted(client.roles.roles):
        workspace = find_workspace(tx, grant.workspace)
        if workspace is None:
            if grant in grants:
                log.warning("--oidc-roles names the workspace %r, which doesn't exist", grant.workspace)
            continue
        given = grant in grants
        if given == ((workspace.id, grant.role) in has):
            continue
        (store.assign if given else store.take)(tx, workspace.id, row.id, grant.role)
        action = "role.assign" if given else "role.take"
        actor = _actor(row, address)
        note(tx, actor, action, "user", row.name, workspace_id=workspace.id, role=grant.role, by=CREDENTIAL)


def _name(text: str) -> str | None:
    """A name for an account out of what a provider says; None where nothing can be made of it."""
    plain = re.sub(r"[^a-z0-9._@-]+", "-", text.strip().lower()).lstrip("._@-")[:64].rstrip("-")
    return plain if _NAME.fullmatch(plain) and plain not in _RESERVED else None


def _ask(visitor: Visitor) -> str:
    return (
        f"Ask an administrator, who can let an account be yours: the provider calls you '{visitor.subject}'."
    )


def _actor(row: PrincipalRow, address: str) -> Principal:
    identity = Identity(row.id, row.name, PrincipalKind.USER, bool(row.is_admin))
    return Principal(identity, _NOWHERE, Access(), CREDENTIAL, address)
