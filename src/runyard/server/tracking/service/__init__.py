"""Use cases of experiments and runs, one module per noun."""

from runyard.server.tracking.service.access import places
from runyard.server.tracking.service.artifacts import Artifacts
from runyard.server.tracking.service.bulk import RunBulk
from runyard.server.tracking.service.charts import Charts
from runyard.server.tracking.service.contents import WorkspaceContents
from runyard.server.tracking.service.datasets import RunInputs
from runyard.server.tracking.service.deleted_files import DeletedFiles
from runyard.server.tracking.service.experiments import Experiments
from runyard.server.tracking.service.folders import Folders
from runyard.server.tracking.service.history import MetricHistory
from runyard.server.tracking.service.logging import RunLog
from runyard.server.tracking.service.models import LoggedModels
from runyard.server.tracking.service.purge import Destroyer
from runyard.server.tracking.service.quotas import TrackingQuotas
from runyard.server.tracking.service.runs import Runs, find_for_token
from runyard.server.tracking.service.search import RunSearch
from runyard.server.tracking.service.table import RunsTable
from runyard.server.tracking.service.trash import tracked_kinds
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.store.summaries import SummaryRows
from runyard.server.tracking.store.trash import count_experiments

__all__ = [
    "Artifacts",
    "Charts",
    "DeletedFiles",
    "Destroyer",
    "Experiments",
    "Folders",
    "Keys",
    "LoggedModels",
    "MetricHistory",
    "RunBulk",
    "RunInputs",
    "RunLog",
    "RunSearch",
    "Runs",
    "RunsTable",
    "SummaryRows",
    "TrackingQuotas",
    "WorkspaceContents",
    "count_experiments",
    "find_for_token",
    "places",
    "tracked_kinds",
]
