"""The native HTTP interface of identity, one module per noun."""

from runyard.server.auth.routes.groups import GroupRoutes
from runyard.server.auth.routes.members import MemberRoutes
from runyard.server.auth.routes.roles import RoleRoutes
from runyard.server.auth.routes.rules import RuleRoutes
from runyard.server.auth.routes.services import ServiceRoutes
from runyard.server.auth.routes.tokens import TokenRoutes
from runyard.server.auth.routes.users import UserRoutes
from runyard.server.auth.routes.whoami import WhoAmIRoutes

__all__ = [
    "GroupRoutes",
    "MemberRoutes",
    "RoleRoutes",
    "RuleRoutes",
    "ServiceRoutes",
    "TokenRoutes",
    "UserRoutes",
    "WhoAmIRoutes",
]
