"""MLflow's logged-models endpoints."""

from __future__ import annotations

from dataclasses import replace

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import EMPTY, Answer, Empty, Int64, KeyValue, Request
from runyard.server.tracking.rules import MAX_RESULTS_MODELS
from runyard.server.tracking.service import LoggedModels
from runyard.server.tracking.types import (
    DatasetKey,
    LoggedModel,
    ModelOrder,
    ModelPoint,
    ModelStatus,
    Tag,
)
from runyard.server.web import Call, Handler, Route, get, post

DEFAULT_PAGE = 50


class CreateModel(Request):
    """logged-models"""

    experiment_id: str | None = None
    name: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    params: list[KeyValue] | None = None
    tags: list[KeyValue] | None = None


class GetModel(Request):
    """logged-models/{model_id}"""

    allow_deleted: bool | None = None


class FinalizeModel(Request):
    """logged-models/{model_id}"""

    model_id: str | None = None
    status: str | Int64 | None = None


class LogParams(Request):
    """logged-models/{model_id}/params"""

    model_id: str | None = None
    params: list[KeyValue] | None = None


class SetTags(Request):
    """logged-models/{model_id}/tags"""

    model_id: str | None = None
    tags: list[KeyValue] | None = None


class SearchedDataset(Request):
    """A dataset in logged-models/search"""

    dataset_name: str | None = None
    dataset_digest: str | None = None


class SentOrder(Request):
    """A term of the order in logged-models/search"""

    field_name: str | None = None
    ascending: bool | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchModels(Request):
    """logged-models/search"""

    experiment_ids: list[str] | None = None
    filter: str | None = None
    datasets: list[SearchedDataset] | None = None
    max_results: Int64 | None = None
    order_by: list[SentOrder] | None = None
    page_token: str | None = None


class WireModelMetric(Answer):
    """A point that measures a logged model."""

    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str
    run_id: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


class WireModelInfo(Answer):
    """A logged model's own facts as MLflow shows them."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    model_type: str
    source_run_id: str
    tags: list[Tag] = []


class WireModelData(Answer):
    """What is logged to a model."""

    params: list[Tag] = []
    metrics: list[WireModelMetric] = []


class WireModel(Answer):
    """A logged model."""

    info: WireModelInfo
    data: WireModelData


class FoundModel(Answer):
    """logged-models, logged-models/{model_id}"""

    model: WireModel


class FoundModels(Answer):
    """logged-models/search"""

    models: list[WireModel] = []
    next_page_token: str | None = None


class LoggedModelEndpoints:
    """Handlers of `/mlflow/logged-models...`."""

    def __init__(self, models: LoggedModels) -> None:
        self._models = models

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        read, write = Permission.MODEL_READ, Permission.MODEL_WRITE
        every, one = "/mlflow/logged-models", "/mlflow/logged-models/{model_id}"
        return [
            post(every, self.create, CreateModel, FoundModel, write, "Create a logged model"),
            post(f"{every}/search", self.search, SearchModels, FoundModels, read, "Search logged models"),
            get(one, self.get, GetModel, FoundModel, read, "Get a logged model"),
            _patch(one, self.finalize, FinalizeModel, FoundModel, "Set a logged model's status"),
            _delete(one, self.delete, Permission.MODEL_DELETE, "Move a logged model to the trash"),
            post(f"{one}/params", self.log_params, LogParams, Empty, write, "Log params of a logged model"),
            _patch(f"{one}/tags", self.set_tags, SetTags, Empty, "Set tags of a logged model"),
            _delete(f"{one}/tags/{{tag_key:path}}", self.delete_tag, write, "Delete a tag of a logged model"),
        ]

    async def create(self, call: Call) -> FoundModel:
        """logged-models"""
        sent: CreateModel = call.body
        created = await self._models.create(
            call.principal,
            experiment_id=wire.experiment_id(sent.experiment_id),
            name=sent.name or None,
            model_type=sent.model_type or "",
            source_run=sent.source_run_id or "",
            params=wire.tags_from(sent.params, "params"),
            tags=wire.tags_from(sent.tags),
        )
        return FoundModel(_model_to(created))

    async def get(self, call: Call) -> FoundModel:
        """logged-models/{model_id}"""
        found = await self._models.get(
            call.principal, call.path["model_id"], allow_deleted=bool(call.body.allow_deleted)
        )
        return FoundModel(_model_to(found))

    async def finalize(self, call: Call) -> FoundModel:
        """logged-models/{model_id}"""
        sent: FinalizeModel = call.body
        model_id = _model_id(call, sent.model_id)
        if sent.status is None:
            raise wire.missing("status")
        changed = await self._models.finalize(call.principal, model_id, _status_from(sent.status))
        return FoundModel(_model_to(changed))

    async def delete(self, call: Call) -> Empty:
        """logged-models/{model_id}"""
        await self._models.delete(call.principal, call.path["model_id"])
        return EMPTY

    async def log_params(self, call: Call) -> Empty:
        """logged-models/{model_id}/params"""
        sent: LogParams = call.body
        params = wire.tags_from(sent.params, "params")
        await self._models.log_params(call.principal, _model_id(call, sent.model_id), params)
        return EMPTY

    async def set_tags(self, call: Call) -> Empty:
        """logged-models/{model_id}/tags"""
        sent: SetTags = call.body
        await self._models.set_tags(call.principal, _model_id(call, sent.model_id), wire.tags_from(sent.tags))
        return EMPTY

    async def delete_tag(self, call: Call) -> Empty:
        """logged-models/{model_id}/tags/{tag_key}"""
        await self._models.delete_tag(call.principal, call.path["model_id"], call.path["tag_key"])
        return EMPTY

    async def search(self, call: Call) -> FoundModels:
        """logged-models/search"""
        sent: SearchModels = call.body
        if sent.experiment_ids is None:
            raise wire.missing("experiment_ids")
        size = sent.max_results or DEFAULT_PAGE
        if size < 0:
            raise InvalidArgument(
                f"Invalid value {size} for parameter 'max_results' supplied: It must be a positive integer.",
                field="max_results",
            )
        page = await self._models.search(
            call.principal,
            experiment_ids=[
                wire.experiment_id(x, f"experiment_ids[{i}]") for i, x in enumerate(sent.experiment_ids)
            ],
            filter_text=sent.filter or "",
            datasets=[
                DatasetKey(
                    wire.required(x.dataset_name, f"datasets[{i}].dataset_name"), x.dataset_digest or ""
                )
                for i, x in enumerate(sent.datasets or ())
            ],
            order_by=[_order_from(x, f"order_by[{i}]") for i, x in enumerate(sent.order_by or ())],
            limit=min(size, MAX_RESULTS_MODELS),
            token=sent.page_token or None,
        )
        return FoundModels([_model_to(x) for x in page.items], page.next_token)


def _patch(path: str, handler: Handler, request: type[Request], response: type, summary: str) -> Route:
    shape = post(path, handler, request, response, Permission.MODEL_WRITE, summary)
    return replace(shape, method="PATCH")


def _delete(path: str, handler: Handler, permission: Permission, summary: str) -> Route:
    return Route(
        method="DELETE",
        path=path,
        handler=handler,
        permission=permission,
        summary=summary,
        response=Empty,
        tag="logged-models",
    )


_STATUS_NAMES = {
    int(ModelStatus.PENDING): "LOGGED_MODEL_PENDING",
    int(ModelStatus.READY): "LOGGED_MODEL_READY",
    int(ModelStatus.FAILED): "LOGGED_MODEL_UPLOAD_FAILED",
}
_STATUSES = {name: ModelStatus(number) for number, name in _STATUS_NAMES.items()} | {
    str(number): ModelStatus(number) for number in _STATUS_NAMES
}


def _status_from(value: str | int) -> ModelStatus:
    found = _STATUSES.get(str(value))
    if found is None:
        raise InvalidArgument(
            f"Invalid value '{str(value)[:100]}' for parameter 'status' supplied; it must be one of "
            f"{', '.join(_STATUS_NAMES.values())}.",
            field="status",
        )
    return found


def _model_id(call: Call, sent: str | None) -> str:
    """The model that the address names; what the body repeats must agree."""
    named: str = call.path["model_id"]
    if sent and sent != named:
        raise InvalidArgument(
            f"The address names the model '{named[:100]}', the body '{sent[:100]}'; name one.",
            field="model_id",
        )
    return named


def _order_from(sent: SentOrder, field: str) -> ModelOrder:
    return ModelOrder(
        wire.required(sent.field_name, f"{field}.field_name"),
        sent.ascending is not False,
        sent.dataset_name or "",
        sent.dataset_digest or "",
    )


def _model_to(found: LoggedModel) -> WireModel:
    return WireModel(
        WireModelInfo(
            found.uuid,
            str(found.experiment_id),
            found.name,
            found.creation_time,
            found.last_update_time,
            found.artifact_location,
            _STATUS_NAMES[found.status],
            found.model_type,
            found.source_run,
            found.tags,
        ),
        WireModelData(found.params, [_point_to(point, found.uuid) for point in found.points]),
    )


def _point_to(point: ModelPoint, model_id: str) -> WireModelMetric:
    return WireModelMetric(
        point.key,
        wire.number(point.value),
        point.timestamp,
        point.step,
        model_id,
        point.run,
        point.dataset_name or None,
        point.dataset_digest or None,
    )
