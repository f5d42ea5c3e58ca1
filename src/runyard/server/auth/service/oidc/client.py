"""What this server knows of its OpenID Connect provider, and what the provider's groups give. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from runyard.server.kernel.errors import InvalidArgument

ADMIN: Literal["admin"] = "admin"


class Grant(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A role in a workspace."""

    workspace: str
    role: str


_Given = Grant | Literal["admin"]
_decode = msgspec.json.Decoder(dict[str, _Given | list[_Given]]).decode


class RoleMap:
    """What a provider's groups give.

    It decides on what it names, and on nothing else: a role in a workspace that some group gives is granted
    and taken away at each sign-in; one that no group gives stays as an administrator has set it. The same
    holds for being an administrator.

    Args:
        groups: what each group gives.
    """

    def __init__(self, groups: Mapping[str, Iterable[_Given]]) -> None:
        self._groups = {group: frozenset(given) for group, given in groups.items()}
        every = frozenset[_Given]().union(*self._groups.values())
        self.roles = frozenset(given for given in every if isinstance(given, Grant))
        self.decides_on_admins = ADMIN in every

    def __bool__(self) -> bool:
        return bool(self._groups)

    def given(self, groups: Iterable[str]) -> tuple[frozenset[Grant], bool]:
        """The roles that somebody in these groups gets, and whether they make an administrator."""
        every = frozenset[_Given]().union(*(self._groups.get(group, frozenset()) for group in groups))
        return frozenset(given for given in every if isinstance(given, Grant)), ADMIN in every

    def names_any(self, groups: Iterable[str]) -> bool:
        """Whether one of these groups gives anything."""
        return any(self._groups.get(group) for group in groups)


class Client(msgspec.Struct, frozen=True):
    """This server as the provider knows it.

    Attributes:
        issuer: the provider, as it calls itself.
        client_id, secret: what the provider gave this server.
        callback: where the provider sends people back to.
        scopes: what it is asked for, with spaces between.
        name_claim, email_claim, groups_claim: what tells a user's name, address and groups. A name with dots
            may lead into a claim: `realm_access.roles`.
        roles: what the groups give.
        create_users: who gets an account at the first sign-in: `no`, `mapped` (whom a group gives
            something), `yes`.
    """

    issuer: str
    client_id: str
    secret: str
    callback: str
    scopes: str
    name_claim: str
    email_claim: str
    groups_claim: str
    roles: RoleMap
    create_users: str

    def external_id(self, subject: str) -> str:
        """What is stored of whom the provider calls so."""
        return f"{self.issuer}|{subject}"

    def __repr__(self) -> str:
        return f"Client({self.issuer!r}, {self.client_id!r})"


class Visitor(msgspec.Struct, frozen=True):
    """Whom the provider has recognized.

    Attributes:
        subject: what the provider calls the person for ever.
        name: what the name's claim says; empty where it says nothing that counts.
        display_name: for people to read.
        email: an address that the provider has verified, or nothing.
        groups: the person's groups.
    """

    subject: str
    name: str
    display_name: str
    email: str
    groups: tuple[str, ...]


def role_map(text: str) -> RoleMap:
    """Read what groups give: `{"GROUP": {"workspace": "NAME", "role": "ROLE"}}`, "admin", or lists of these.

    Raises:
        InvalidArgument: it isn't that.
    """
    try:
        groups = _decode(text or "{}")
    except msgspec.DecodeError as error:
        raise InvalidArgument(
            f"--oidc-roles (RUNYARD_OIDC_ROLES) can't be read: {str(error)[:200]}. It is JSON such as "
            '{"ml-team": {"workspace": "default", "role": "Contributor"}, "ops": "admin"}.',
            field="oidc_roles",
        ) from error
    return RoleMap({group: given if isinstance(given, list) else [given] for group, given in groups.items()})


def visitor(client: Client, claims: Mapping[str, Any]) -> Visitor:
    """What a provider's claims say of a person."""
    verified = claims.get("email_verified") in (True, "true")

    def text(claim: str) -> str:
        found = _find(claims, claim)
        # Anybody can say that an address is theirs.
        if not isinstance(found, str) or (claim == "email" and not verified):
            return ""
        return "".join(c for c in found if c.isprintable()).strip()[:200]

    groups = _find(claims, client.groups_claim)
    found = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return Visitor(
        subject=claims["sub"],
        name=text(client.name_claim) or text(client.email_claim),
        display_name=text("name"),
        email=text(client.email_claim),
        groups=tuple(group for group in found if isinstance(group, str)),
    )


def tells_all(client: Client, claims: Mapping[str, Any]) -> bool:
    """Whether claims say everything that is looked for."""
    wanted = [client.name_claim, client.email_claim, *([client.groups_claim] if client.roles else [])]
    return all(_find(claims, claim) is not None for claim in wanted)


def _find(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
