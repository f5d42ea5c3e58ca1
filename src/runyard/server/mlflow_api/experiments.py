"""MLflow's experiments endpoints."""

from __future__ import annotations

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import EMPTY, Answer, Empty, Int64, KeyValue, Request, WireExperiment
from runyard.server.tracking.rules import MAX_RESULTS_EXPERIMENTS
from runyard.server.tracking.service import Experiments
from runyard.server.tracking.types import Tag
from runyard.server.web import Call, Route, get, post

DEFAULT_PAGE = 1000


class CreateExperiment(Request):
    """experiments/create"""

    name: str | None = None
    artifact_location: str | None = None
    tags: list[KeyValue] | None = None


class CreatedExperiment(Answer):
    """experiments/create"""

    experiment_id: str


class ById(Request):
    """Names an experiment."""

    experiment_id: str | None = None


class ByName(Request):
    """experiments/get-by-name"""

    experiment_name: str | None = None


class FoundExperiment(Answer):
    """experiments/get, experiments/get-by-name"""

    experiment: WireExperiment


class UpdateExperiment(Request):
    """experiments/update"""

    experiment_id: str | None = None
    new_name: str | None = None


class SetTag(Request):
    """experiments/set-experiment-tag"""

    experiment_id: str | None = None
    key: str | None = None
    value: str | None = None


class SearchExperiments(Request):
    """experiments/search"""

    max_results: Int64 | None = None
    page_token: str | None = None
    filter: str | None = None
    order_by: list[str] | None = None
    view_type: str | Int64 | None = None


class ListExperiments(Request):
    """experiments/list"""

    max_results: Int64 | None = None
    page_token: str | None = None
    view_type: str | int | None = None
    filter: None = None
    order_by: None = None


class FoundExperiments(Answer):
    """experiments/search"""

    experiments: list[WireExperiment] = []
    next_page_token: str | None = None


class ExperimentEndpoints:
    """Handlers of `/mlflow/experiments/...`."""

    def __init__(self, experiments: Experiments) -> None:
        self._experiments = experiments

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write, delete = (
            Permission.EXPERIMENT_READ,
            Permission.EXPERIMENT_WRITE,
            Permission.EXPERIMENT_DELETE,
        )
        at = "/mlflow/experiments"
        found, tag = f"{at}/search", "tag of an experiment"
        return [
            post(
                f"{at}/create",
                self.create,
                CreateExperiment,
                CreatedExperiment,
                write,
                "Create an experiment",
            ),
            get(f"{at}/get", self.get, ById, FoundExperiment, read, "Get an experiment"),
            get(
                f"{at}/get-by-name",
                self.get_by_name,
                ByName,
                FoundExperiment,
                read,
                "Get an experiment by its name",
            ),
            post(f"{at}/update", self.update, UpdateExperiment, Empty, write, "Rename an experiment"),
            post(f"{at}/delete", self.delete, ById, Empty, delete, "Move an experiment to the trash"),
            post(f"{at}/restore", self.restore, ById, Empty, delete, "Bring an experiment back"),
            post(f"{at}/set-experiment-tag", self.set_tag, SetTag, Empty, write, f"Set a {tag}"),
            post(f"{at}/delete-experiment-tag", self.delete_tag, SetTag, Empty, write, f"Delete a {tag}"),
            post(found, self.search, SearchExperiments, FoundExperiments, read, "Search experiments"),
            get(found, self.search, SearchExperiments, FoundExperiments, read, "Search experiments"),
            # Clients of MLflow 1 have both; newer ones search.
            get(f"{at}/list", self.search, ListExperiments, FoundExperiments, read, "List experiments"),
        ]

    async def create(self, call: Call) -> CreatedExperiment:
        """experiments/create"""
        sent: CreateExperiment = call.body
        created = await self._experiments.create(
            call.principal,
            wire.required(sent.name, "name"),
            sent.artifact_location or None,
            wire.tags_from(sent.tags),
        )
        return CreatedExperiment(str(created))

    async def get(self, call: Call) -> FoundExperiment:
        """experiments/get"""
        found = await self._experiments.get(call.principal, wire.experiment_id(call.body.experiment_id))
        return FoundExperiment(wire.experiment_to(found))

    async def get_by_name(self, call: Call) -> FoundExperiment:
        """experiments/get-by-name"""
        name = wire.required(call.body.experiment_name, "experiment_name")
        return FoundExperiment(wire.experiment_to(await self._experiments.get_by_name(call.principal, name)))

    async def update(self, call: Call) -> Empty:
        """experiments/update"""
        sent: UpdateExperiment = call.body
        experiment = wire.experiment_id(sent.experiment_id)
        await self._experiments.rename(call.principal, experiment, wire.required(sent.new_name, "new_name"))
        return EMPTY

    async def delete(self, call: Call) -> Empty:
        """experiments/delete"""
        await self._experiments.delete(call.principal, wire.experiment_id(call.body.experiment_id))
        return EMPTY

    async def restore(self, call: Call) -> Empty:
        """experiments/restore"""
        await self._experiments.restore(call.principal, wire.experiment_id(call.body.experiment_id))
        return EMPTY

    async def set_tag(self, call: Call) -> Empty:
        """experiments/set-experiment-tag"""
        sent: SetTag = call.body
        tag = Tag(wire.required(sent.key, "key"), sent.value or "")
        await self._experiments.set_tag(call.principal, wire.experiment_id(sent.experiment_id), tag)
        return EMPTY

    async def delete_tag(self, call: Call) -> Empty:
        """experiments/delete-experiment-tag"""
        sent: SetTag = call.body
        experiment = wire.experiment_id(sent.experiment_id)
        await self._experiments.delete_tag(call.principal, experiment, wire.required(sent.key, "key"))
        return EMPTY

    async def search(self, call: Call) -> FoundExperiments:
        """experiments/search, experiments/list"""
        sent: SearchExperiments | ListExperiments = call.body
        size = DEFAULT_PAGE if sent.max_results is None else sent.max_results
        if not 0 < size <= MAX_RESULTS_EXPERIMENTS:
            raise InvalidArgument(
                f"Invalid value {size} for parameter 'max_results' supplied: It must be a positive integer "
                f"of at most {MAX_RESULTS_EXPERIMENTS}.",
                field="max_results",
            )
        page = await self._experiments.search(
            call.principal,
            filter_text=sent.filter or "",
            order_by=sent.order_by or [],
            view=wire.view_from(sent.view_type, "view_type"),
            limit=size,
            token=sent.page_token or None,
        )
        return FoundExperiments([wire.experiment_to(x) for x in page.items], page.next_token)
