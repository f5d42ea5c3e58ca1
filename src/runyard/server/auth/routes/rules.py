"""`/workspaces/{workspace}/rules`, and what they come to: `/workspaces/{workspace}/access`."""

from __future__ import annotations

from typing import Literal

import msgspec

from runyard.server.auth import records
from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.wire import KINDS, LEVEL_NAMES, LEVELS, Int64, Kind, LevelName, ListRequest
from runyard.server.auth.rules import GRANTABLE
from runyard.server.auth.service.grants import At, Rules
from runyard.server.auth.service.holders import Holders
from runyard.server.web import Call, Route
from runyard.server.web.native import Done, native


class RulesRequest(ListRequest):
    """Asks for rules.

    Attributes:
        path, experiment_id: only those that hold in this folder or experiment, with the inherited ones;
            without either all of the workspace.
        principal: only those of this user, service principal or group; at a place those of its groups too,
            and what they come to.
    """

    path: str | None = None
    experiment_id: Int64 | None = None
    principal: str | None = None


class NewRule(msgspec.Struct):
    """A rule to set: where, for whom, and what it gives.

    Attributes:
        path, experiment_id: the folder or the experiment; one of them.
        principal: a user, service principal or group.
    """

    principal: str
    level: LevelName
    path: str | None = None
    experiment_id: Int64 | None = None


class RuleName(msgspec.Struct):
    """A rule to delete: where and whose."""

    principal: str
    path: str | None = None
    experiment_id: Int64 | None = None


class RuleShown(msgspec.Struct):
    """A rule.

    Attributes:
        principal, kind: who.
        path: the folder; for an experiment's rule the experiment's name.
        experiment_id: null for a folder's rule.
        inherited: whether it stands above the place that was asked about.
    """

    principal: str
    kind: Kind
    level: LevelName
    path: str
    experiment_id: str | None
    inherited: bool


class ReasonShown(msgspec.Struct):
    """Why: somebody administers the server, owns the workspace, or has a rule or a role.

    Attributes:
        role: the role in the workspace.
        path, experiment_id: where the rule stands: a folder, or the experiment with its name.
        group: through which it has the rule or the role; null for its own.
    """

    kind: Literal["administrator", "owner", "rule", "role"]
    role: str | None
    path: str | None
    experiment_id: str | None
    group: str | None


class EffectiveShown(msgspec.Struct):
    """What a principal may do at a place.

    Attributes:
        level: what it may do in all; null where a custom role gives only some of what reading takes.
        permissions: all that it holds there.
        reasons: what decides; none where neither a rule nor a role says anything.
    """

    principal: str
    level: LevelName | None
    permissions: list[str]
    reasons: list[ReasonShown]


class RulesPage(msgspec.Struct):
    """Rules: at a place the nearest first, else folders' by path and then experiments'.

    Attributes:
        effective: what they come to, when a place and a principal were named.
    """

    items: list[RuleShown]
    next_page_token: str | None
    effective: EffectiveShown | None


class AccessRequest(ListRequest):
    """Asks who may do what in a folder or with an experiment; one of them."""

    path: str | None = None
    experiment_id: Int64 | None = None


class HolderShown(msgspec.Struct):
    """A user or service principal who may read there.

    Attributes:
        level: what it may do in all; null where a custom role gives only some of what reading takes.
    """

    principal: str
    kind: Kind
    display_name: str
    level: LevelName | None
    reasons: list[ReasonShown]


class HoldersPage(msgspec.Struct):
    """Those who may, by name; disabled users aren't among them."""

    items: list[HolderShown]
    next_page_token: str | None


class RuleRoutes:
    """Handlers of `/workspaces/{workspace}/rules` and `/workspaces/{workspace}/access`."""

    def __init__(self, rules: Rules, holders: Holders) -> None:
        self._rules = rules
        self._holders = holders

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write = Permission.RULE_READ, Permission.RULE_WRITE
        base = "/workspaces/{workspace}/rules"
        return [
            native("GET", base, self.list, RulesRequest, RulesPage, read, "Rules of folders and experiments"),
            native("PUT", base, self.set, NewRule, Done, write, "Set a rule"),
            native("DELETE", base, self.drop, RuleName, Done, write, "Delete a rule"),
            native(
                "GET",
                "/workspaces/{workspace}/access",
                self.access,
                AccessRequest,
                HoldersPage,
                write,
                "Who may read, edit and manage an experiment or a folder, and why",
            ),
        ]

    async def list(self, call: Call) -> RulesPage:
        """GET workspaces/{workspace}/rules"""
        sent: RulesRequest = call.body
        who, limit, token = sent.principal, sent.limit, sent.page_token
        effective = None
        if sent.path is None and sent.experiment_id is None:
            page = await self._rules.all(call.principal, who, limit, token)
        else:
            at = At(sent.path, sent.experiment_id)
            page = await self._rules.at(call.principal, at, who, limit, token)
            if who is not None:
                effective = _effective(await self._holders.effective(call.principal, at, who))
        return RulesPage([_shown(rule) for rule in page.items], page.next_token, effective)

    async def set(self, call: Call) -> Done:
        """PUT workspaces/{workspace}/rules"""
        sent: NewRule = call.body
        at = At(sent.path, sent.experiment_id)
        await self._rules.set(call.principal, at, sent.principal, LEVELS[sent.level])
        return Done()

    async def drop(self, call: Call) -> Done:
        """DELETE workspaces/{workspace}/rules"""
        sent: RuleName = call.body
        await self._rules.drop(call.principal, At(sent.path, sent.experiment_id), sent.principal)
        return Done()

    async def access(self, call: Call) -> HoldersPage:
        """GET workspaces/{workspace}/access"""
        sent: AccessRequest = call.body
        at = At(sent.path, sent.experiment_id)
        page = await self._holders.page(call.principal, at, sent.limit, sent.page_token)
        return HoldersPage([_holder(one) for one in page.items], page.next_token)


def _holder(found: records.Holder) -> HolderShown:
    level = None if found.level is None else LEVEL_NAMES[found.level]
    kind = KINDS[found.kind]
    return HolderShown(found.name, kind, found.display_name, level, _reasons(found.reasons))


def _reasons(found: list[records.Reason]) -> list[ReasonShown]:
    return [
        ReasonShown(
            kind=one.kind,
            role=one.role,
            path=one.path,
            experiment_id=None if one.experiment is None else str(one.experiment),
            group=one.group,
        )
        for one in found
    ]


def _shown(rule: records.Rule) -> RuleShown:
    return RuleShown(
        principal=rule.principal,
        kind=KINDS[rule.kind],
        level=LEVEL_NAMES[rule.level],
        path=rule.path,
        experiment_id=None if rule.experiment is None else str(rule.experiment),
        inherited=rule.inherited,
    )


def _effective(found: records.Effective) -> EffectiveShown:
    return EffectiveShown(
        principal=found.principal,
        level=None if found.level is None else LEVEL_NAMES[found.level],
        permissions=[p.value for p in GRANTABLE if p in found.permissions],
        reasons=_reasons(found.reasons),
    )
