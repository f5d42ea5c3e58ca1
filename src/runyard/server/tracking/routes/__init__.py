"""The native HTTP interface of the tracking slice: what MLflow's has no endpoint for."""

from runyard.server.tracking.routes.artifacts import DeletionRoutes
from runyard.server.tracking.routes.experiments import ExperimentRoutes
from runyard.server.tracking.routes.folders import FolderRoutes
from runyard.server.tracking.routes.runs import TrackingRoutes

__all__ = ["DeletionRoutes", "ExperimentRoutes", "FolderRoutes", "TrackingRoutes"]
