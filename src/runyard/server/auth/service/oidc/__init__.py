"""Sign-in with an OpenID Connect provider."""

from runyard.server.auth.service.oidc.client import Client, RoleMap, role_map
from runyard.server.auth.service.oidc.login import OidcLogin

__all__ = ["Client", "OidcLogin", "RoleMap", "role_map"]
