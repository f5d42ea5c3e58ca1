"""MLflow's endpoints of what a run reads and puts out."""

from __future__ import annotations

from dataclasses import replace

from runyard.server.auth import Permission
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import EMPTY, Answer, Empty, Int64, KeyValue, Request
from runyard.server.tracking.service import RunInputs
from runyard.server.tracking.types import DatasetInput, DatasetSummary, ModelOutput
from runyard.server.web import Call, Route, post


class SentDataset(Request):
    """A dataset in runs/log-inputs"""

    name: str | None = None
    digest: str | None = None
    source_type: str | None = None
    source: str | None = None
    schema: str | None = None
    profile: str | None = None


class SentDatasetInput(Request):
    """A dataset and the tags of its use in runs/log-inputs"""

    tags: list[KeyValue] | None = None
    dataset: SentDataset | None = None


class SentModel(Request):
    """A logged model in runs/log-inputs, runs/outputs"""

    model_id: str | None = None
    step: Int64 | None = None


class LogInputs(Request):
    """runs/log-inputs"""

    run_id: str | None = None
    datasets: list[SentDatasetInput] | None = None
    models: list[SentModel] | None = None


class LogOutputs(Request):
    """runs/outputs"""

    run_id: str | None = None
    models: list[SentModel] | None = None


class SearchDatasets(Request):
    """experiments/search-datasets"""

    experiment_ids: list[str] | None = None


class WireDatasetSummary(Answer):
    """A dataset of an experiment"""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class FoundDatasets(Answer):
    """experiments/search-datasets"""

    dataset_summaries: list[WireDatasetSummary] = []


class DatasetEndpoints:
    """Handlers of `runs/log-inputs`, `runs/outputs` and `experiments/search-datasets`."""

    def __init__(self, inputs: RunInputs) -> None:
        self._inputs = inputs

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write = Permission.RUN_READ, Permission.RUN_WRITE
        search = post(
            "/mlflow/experiments/search-datasets",
            self.search,
            SearchDatasets,
            FoundDatasets,
            read,
            "List the datasets that an experiment's runs read",
        )
        return [
            post(
                "/mlflow/runs/log-inputs",
                self.log_inputs,
                LogInputs,
                Empty,
                write,
                "Note datasets and models that a run read",
            ),
            post(
                "/mlflow/runs/outputs",
                self.log_outputs,
                LogOutputs,
                Empty,
                write,
                "Note models that a run put out",
            ),
            search,
            # MLflow's protocol spells it without the slash: `/api/2.0mlflow/experiments/search-datasets`.
            replace(search, path="mlflow/experiments/search-datasets", alias=True),
        ]

    async def log_inputs(self, call: Call) -> Empty:
        """runs/log-inputs"""
        sent: LogInputs = call.body
        run = wire.required(sent.run_id, "run_id")
        datasets = [_dataset(x, f"datasets[{i}]") for i, x in enumerate(sent.datasets or ())]
        models = [wire.required(m.model_id, f"models[{i}].model_id") for i, m in enumerate(sent.models or ())]
        await self._inputs.log_inputs(call.principal, run, datasets, models)
        return EMPTY

    async def log_outputs(self, call: Call) -> Empty:
        """runs/outputs"""
        sent: LogOutputs = call.body
        run = wire.required(sent.run_id, "run_id")
        if sent.models is None:
            raise wire.missing("models")
        models = [
            ModelOutput(wire.required(m.model_id, f"models[{i}].model_id"), m.step or 0)
            for i, m in enumerate(sent.models)
        ]
        await self._inputs.log_outputs(call.principal, run, models)
        return EMPTY

    async def search(self, call: Call) -> FoundDatasets:
        """experiments/search-datasets"""
        sent: SearchDatasets = call.body
        experiments = [
            wire.experiment_id(x, f"experiment_ids[{i}]") for i, x in enumerate(sent.experiment_ids or ())
        ]
        return FoundDatasets([_summary_to(x) for x in await self._inputs.search(call.principal, experiments)])


def _dataset(sent: SentDatasetInput, field: str) -> DatasetInput:
    dataset = sent.dataset
    if dataset is None:
        raise wire.missing(f"{field}.dataset")
    if dataset.source_type is None:
        raise wire.missing(f"{field}.dataset.source_type")
    if dataset.source is None:
        raise wire.missing(f"{field}.dataset.source")
    return DatasetInput(
        wire.required(dataset.name, f"{field}.dataset.name"),
        wire.required(dataset.digest, f"{field}.dataset.digest"),
        dataset.source_type,
        dataset.source,
        dataset.schema,
        dataset.profile,
        wire.tags_from(sent.tags, f"{field}.tags"),
    )


def _summary_to(found: DatasetSummary) -> WireDatasetSummary:
    return WireDatasetSummary(str(found.experiment_id), found.name, found.digest, found.context or None)
