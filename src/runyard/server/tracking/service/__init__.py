"""Use cases of experiments and runs, one module per noun."""

from runyard.server.tracking.service.artifacts import Artifacts
from runyard.server.tracking.service.datasets import RunInputs
from runyard.server.tracking.service.experiments import Experiments
from runyard.server.tracking.service.history import MetricHistory
from runyard.server.tracking.service.logging import RunLog
from runyard.server.tracking.service.models import LoggedModels
from runyard.server.tracking.service.runs import Runs
from runyard.server.tracking.service.search import RunSearch

__all__ = [
    "Artifacts",
    "Experiments",
    "LoggedModels",
    "MetricHistory",
    "RunInputs",
    "RunLog",
    "RunSearch",
    "Runs",
]
