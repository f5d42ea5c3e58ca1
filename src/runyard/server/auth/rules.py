"""Roles, and how often somebody may try. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache

from runyard.server.auth.permissions import Permission
from runyard.server.auth.types import RoleDefinition
from runyard.server.kernel.errors import InvalidArgument

MAX_PATTERNS = 100
MAX_STARS = 4
OWNER = "Owner"
# The one place where roles can be defined, as scopes name it: the server.
EVERYWHERE = "/"

BUILT_IN: Mapping[str, RoleDefinition] = {
    role.name: role
    for role in (
        RoleDefinition(OWNER, "Everything in the workspace, whatever the rules of folders say.", ["*"], []),
        RoleDefinition(
            "Contributor",
            "Everything but deleting the workspace, its members' roles and the rules of others' folders.",
            ["*"],
            ["workspaces/delete", "members/write", "experiments/permissions/write"],
        ),
        RoleDefinition(
            "Data Scientist",
            "Experiments, runs, models and artifacts; nothing of the workspace itself.",
            [
                "experiments/*",
                "metadata/*",
                "loggedModels/*",
                "trash/read",
                "workspaces/read",
                "members/read",
            ],
            ["experiments/permissions/write"],
        ),
        RoleDefinition(
            "Compute Operator",
            "Compute targets; of everything else the workspace's description only.",
            ["compute/*", "workspaces/read", "members/read"],
            [],
        ),
        RoleDefinition("Reader", "Sees everything and changes nothing.", ["*/read"], ["activity/read"]),
    )
}

# Of what comes later: roles may name it before it exists.
_COMING = "compute/"
_SHAPE = re.compile(r"[A-Za-z*/]{1,100}")
_UNGRANTED = (Permission.PUBLIC, Permission.SIGNED_IN, Permission.ARTIFACT_PART)
# What roles can give, in the order of their definition.
GRANTABLE = tuple(p for p in Permission if p not in _UNGRANTED and not p.of_server)


def permissions_of(roles: Iterable[RoleDefinition]) -> frozenset[Permission]:
    """What the roles give together. Nothing of a role's NotActions comes from its own Actions."""
    found: set[Permission] = set()
    for role in roles:
        found |= _given(tuple(role.actions), tuple(role.not_actions))
    return frozenset(found)


def check_patterns(patterns: Sequence[str], field: str) -> None:
    """Refuse patterns of a custom role that stand for nothing that a role can give.

    Raises:
        InvalidArgument: there are too many, one can't be read, or one matches no permission.
    """
    if len(patterns) > MAX_PATTERNS:
        raise InvalidArgument(
            f"'{field}' has at most {MAX_PATTERNS} entries; there are {len(patterns):,}.", field=field
        )
    for i, pattern in enumerate(patterns):
        # Each `*` multiplies the ways in which a pattern can match.
        readable = _SHAPE.fullmatch(pattern) is not None and pattern.count("*") <= MAX_STARS
        if readable and (
            pattern.lower().startswith(_COMING) or any(_matches(p, [pattern]) for p in GRANTABLE)
        ):
            continue
        why = "it stands for no permission; `*` stands for any text, as in 'experiments/*' or '*/read'"
        if pattern.lower().startswith("server/"):
            why = "what is about the server belongs to administrators and can't be given by a role"
        raise InvalidArgument(
            f"'{pattern[:100]}' can't be in a role: {why}. The permissions are: "
            f"{', '.join(p.value for p in GRANTABLE)}.",
            field=f"{field}[{i}]",
        )


def check_gives(role: RoleDefinition) -> None:
    """Refuse a role that gives nothing: whoever gets it would wonder why.

    Raises:
        InvalidArgument: it has no actions, or its NotActions match all that they do.
    """
    if permissions_of([role]) or any(
        action.lower().startswith(_COMING) and not _covers(role.not_actions, action)
        for action in role.actions
    ):
        return
    if not role.actions:
        raise InvalidArgument("A role needs actions: without any it gives nothing.", field="actions")
    raise InvalidArgument(
        "This role would give nothing: its not_actions take away all that its actions give. Of one role "
        "not_actions always win; take from them what the role is to give.",
        field="not_actions",
    )


def check_scopes(scopes: Sequence[str]) -> None:
    """Refuse to say where a role may be given: nothing would keep to it.

    Raises:
        InvalidArgument: they name less than the whole server.
    """
    if any(scope != EVERYWHERE for scope in scopes):
        raise InvalidArgument(
            "A role can't be for some workspaces only: it is there for all of the server, and holds where "
            "somebody is given it (`runyard workspace assign PRINCIPAL ROLE -w WORKSPACE`). Leave "
            f"assignable_scopes out, or say '{EVERYWHERE}'.",
            field="assignable_scopes",
        )


@lru_cache(1_000)
def _given(actions: tuple[str, ...], not_actions: tuple[str, ...]) -> frozenset[Permission]:
    """What a role gives; asked again and again for the same few."""
    found = {p for p in GRANTABLE if _matches(p, actions) and not _matches(p, not_actions)}
    if Permission.ARTIFACT_WRITE in found:
        found.add(Permission.ARTIFACT_PART)
    return frozenset(found)


def _covers(patterns: Iterable[str], action: str) -> bool:
    return any(_pattern(pattern).fullmatch(action) for pattern in patterns)


def _matches(permission: Permission, patterns: Iterable[str]) -> bool:
    return _covers(patterns, permission.value)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.IGNORECASE)


class Attempts:
    """Counts tries per key over a window of time.

    Of a key its hash is kept, so that nobody fills the memory with long names.

    Args:
        seconds: the window's length.
    """

    MAX_KEYS = 10_000

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._counts: dict[int, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def wait(self, key: Hashable, most: int, now: float) -> float:
        """How many seconds until the key may try again; 0 for at once."""
        start, count = self._counts.get(hash(key), (now, 0))
        end = start + self._seconds
        return end - now if count >= most and end > now else 0.0

    def note(self, key: Hashable, now: float) -> None:
        """Count a try."""
        start, count = self._counts.get(hash(key), (now, 0))
        if now >= start + self._seconds:
            start, count = now, 0
        elif hash(key) not in self._counts and len(self._counts) >= self.MAX_KEYS:
            self._make_room(now)
        self._counts[hash(key)] = (start, count + 1)

    def take_back(self, key: Hashable) -> None:
        """Uncount a try that succeeded."""
        start, count = self._counts.get(hash(key), (0.0, 0))
        if count > 0:
            self._counts[hash(key)] = (start, count - 1)

    def forget(self, key: Hashable) -> None:
        """Begin anew with a key."""
        self._counts.pop(hash(key), None)

    def _make_room(self, now: float) -> None:
        """Drop what is over; of the rest, should that be too much, the half that was tried least.

        So nobody ends the wait of a key by trying many others.
        """
        kept = [item for item in self._counts.items() if item[1][0] + self._seconds > now]
        if len(kept) > self.MAX_KEYS // 2:
            kept.sort(key=lambda item: item[1][1], reverse=True)
            del kept[self.MAX_KEYS // 2 :]
        self._counts = dict(kept)
