"""The one policy function: deny by default."""

from __future__ import annotations

from runyard.server.auth.types import Permission, Principal
from runyard.server.kernel.errors import PermissionDenied


def require(principal: Principal, permission: Permission) -> None:
    """Let `principal` pass if it holds `permission`.

    Raises:
        PermissionDenied: it doesn't.
    """
    if permission is Permission.PUBLIC or permission in principal.permissions:
        return
    raise PermissionDenied(f"{principal.name} may not do this: it needs the permission {permission.value!r}.")
