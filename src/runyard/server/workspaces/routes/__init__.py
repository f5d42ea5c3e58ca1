"""The native HTTP interface of the workspaces slice, one module per noun."""

from runyard.server.workspaces.routes.quotas import QuotaList, quota_items
from runyard.server.workspaces.routes.trash import TrashRoutes
from runyard.server.workspaces.routes.workspaces import WorkspaceRoutes

__all__ = ["QuotaList", "TrashRoutes", "WorkspaceRoutes", "quota_items"]
