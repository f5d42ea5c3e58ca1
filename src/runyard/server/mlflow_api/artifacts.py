"""MLflow's artifact endpoints: listings, downloads, uploads, and uploads in parts."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.requests import Request as StarletteRequest
from starlette.responses import Response, StreamingResponse

from runyard.server.artifacts import BlobReader, Entry, UploadId, UploadPart, resolve_range
from runyard.server.auth import DEFAULT_WORKSPACE, Permission
from runyard.server.auth.service.tickets import Tickets
from runyard.server.kernel.errors import InvalidArgument, RunyardError
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.wire import EMPTY, Answer, Empty, Int64, Request
from runyard.server.tracking.service import Artifacts
from runyard.server.web import Call, Handler, Route, get, post

MAX_PARTS = 10_000
# Characters of the paths in all addresses of one upload's parts.
MAX_ADDRESSES = 16 * 2**20


class ListArtifacts(Request):
    """artifacts/list"""

    run_id: str | None = None
    run_uuid: str | None = None
    path: str | None = None


class ListAt(Request):
    """mlflow-artifacts/artifacts"""

    path: str | None = None


class ListModelArtifacts(Request):
    """logged-models/{model_id}/artifacts/directories"""

    artifact_directory_path: str | None = None


class GetModelArtifact(Request):
    """logged-models/{model_id}/artifacts/files"""

    artifact_file_path: str | None = None


class RunFile(Request):
    """Names a file of a run."""

    run_id: str | None = None
    run_uuid: str | None = None
    path: str | None = None


class WireFile(Answer):
    """A file or a folder."""

    path: str
    is_dir: bool
    file_size: int | None = None


class FoundFiles(Answer):
    """A folder's content; `root_uri` where the request named a run or model."""

    root_uri: str | None = None
    files: list[WireFile] = []


class CreateUpload(Request):
    """mlflow-artifacts/mpu/create"""

    path: str | None = None
    num_parts: Int64 | None = None


class PartCredential(Answer):
    """Where a part goes, and the headers to send with it."""

    url: str
    part_number: int
    headers: dict[str, str] = {}


class CreatedUpload(Answer):
    """mlflow-artifacts/mpu/create"""

    upload_id: str
    credentials: list[PartCredential]


class SentPart(Request):
    """A part that was uploaded."""

    part_number: Int64 | None = None
    etag: str | None = None


class CompleteUpload(Request):
    """mlflow-artifacts/mpu/complete"""

    path: str | None = None
    upload_id: str | None = None
    parts: list[SentPart] | None = None


class AbortUpload(Request):
    """mlflow-artifacts/mpu/abort"""

    path: str | None = None
    upload_id: str | None = None


def _route(
    method: str,
    path: str,
    handler: Handler,
    response: type | None,
    permission: Permission,
    summary: str,
    request: type[Request] | None = None,
) -> Route:
    """A route without a JSON body: an upload's body is a file."""
    return Route(
        method=method,
        path=path,
        handler=handler,
        permission=permission,
        summary=summary,
        request=request,
        source="stream" if method in ("PUT", "POST") else "none",
        response=response,
        tag="artifacts",
    )


class ArtifactEndpoints:
    """Handlers of `/mlflow/artifacts/...`, `/mlflow-artifacts/...` and their like.

    Args:
        artifacts: lists, reads and writes.
        tickets: what goes with the parts of uploads.
    """

    def __init__(self, artifacts: Artifacts, tickets: Tickets) -> None:
        self._artifacts = artifacts
        self._tickets = tickets

    def routes(self) -> list[Route]:
        """The table of these endpoints, without the version's prefix."""
        read, write, delete = Permission.ARTIFACT_READ, Permission.ARTIFACT_WRITE, Permission.ARTIFACT_DELETE
        of_run, upload = "/mlflow/artifacts/list", "/mlflow/upload-artifact"
        of_model = "/mlflow/logged-models/{model_id}/artifacts"
        folders, files = f"{of_model}/directories", f"{of_model}/files"
        at, file = "/mlflow-artifacts/artifacts", "/mlflow-artifacts/artifacts/{path:path}"
        mpu = "/mlflow-artifacts/mpu"
        part = f"{mpu}/part/{{upload_id}}/{{number}}/{{path:path}}"
        begin, end, drop = (f"{mpu}/{verb}/{{path:path}}" for verb in ("create", "complete", "abort"))
        return [
            get(of_run, self.list_of_run, ListArtifacts, FoundFiles, read, "List a run's artifacts"),
            _route("POST", upload, self.upload_to_run, Empty, write, "Upload a file of a run", RunFile),
            get(folders, self.list_of_model, ListModelArtifacts, FoundFiles, read, "List a model's files"),
            get(files, self.download_of_model, GetModelArtifact, bytes, read, "Download a file of a model"),
            get(at, self.list_at, ListAt, FoundFiles, read, "List a folder of artifacts"),
            _route("GET", file, self.download_at, bytes, read, "Download a file"),
            _route("PUT", file, self.upload_at, Empty, write, "Upload a file"),
            _route("DELETE", file, self.delete_at, Empty, delete, "Move a file or folder to the trash"),
            post(begin, self.create_upload, CreateUpload, CreatedUpload, write, "Begin an upload"),
            post(end, self.complete_upload, CompleteUpload, Empty, write, "End an upload"),
            post(drop, self.abort_upload, AbortUpload, Empty, write, "Drop an upload"),
            _route("PUT", part, self.upload_part, None, Permission.ARTIFACT_PART, "Upload a part"),
        ]

    def plain_routes(self) -> list[Route]:
        """Those that MLflow serves without a version's prefix."""
        return [
            Route(
                method="GET",
                path="/get-artifact",
                handler=self.download_of_run,
                permission=Permission.ARTIFACT_READ,
                summary="Download a file of a run",
                request=RunFile,
                source="query",
                response=bytes,
                tag="artifacts",
            )
        ]

    async def list_of_run(self, call: Call) -> FoundFiles:
        """artifacts/list: paths are relative to the run's root."""
        sent: ListArtifacts = call.body
        run = wire.run_id(sent.run_id, sent.run_uuid)
        found = await self._artifacts.list_of_run(call.principal, run, sent.path or "")
        return FoundFiles(found.root_uri, _files(found.entries, found.folder))

    async def list_of_model(self, call: Call) -> FoundFiles:
        """logged-models/{model_id}/artifacts/directories: paths are relative to the model's root."""
        folder = call.body.artifact_directory_path or ""
        found = await self._artifacts.list_of_model(call.principal, call.path["model_id"], folder)
        return FoundFiles(found.root_uri, _files(found.entries, found.folder))

    async def list_at(self, call: Call) -> FoundFiles:
        """mlflow-artifacts/artifacts: only the names."""
        path = wire.required(call.body.path, "path")
        return FoundFiles(None, _files(await self._artifacts.list_at(call.principal, path), ""))

    async def download_of_run(self, call: Call) -> Response:
        """get-artifact"""
        sent: RunFile = call.body
        run = wire.run_id(sent.run_id, sent.run_uuid)
        path = wire.required(sent.path, "path")
        return await _download(call, path, await self._artifacts.open_of_run(call.principal, run, path))

    async def download_of_model(self, call: Call) -> Response:
        """logged-models/{model_id}/artifacts/files"""
        path = wire.required(call.body.artifact_file_path, "artifact_file_path")
        reader = await self._artifacts.open_of_model(call.principal, call.path["model_id"], path)
        return await _download(call, path, reader)

    async def download_at(self, call: Call) -> Response:
        """mlflow-artifacts/artifacts/{path}"""
        path = call.path["path"]
        return await _download(call, path, await self._artifacts.open_at(call.principal, path))

    async def upload_to_run(self, call: Call) -> Empty:
        """upload-artifact"""
        query = call.query
        run = wire.run_id(*(query.get(name, [""])[-1] for name in ("run_id", "run_uuid")))
        path = wire.required(query.get("path", [""])[-1], "path")
        await self._artifacts.write_to_run(call.principal, run, path, _body(call))
        return EMPTY

    async def upload_at(self, call: Call) -> Empty:
        """mlflow-artifacts/artifacts/{path}"""
        if call.scope["path"].endswith("/"):
            raise InvalidArgument("The artifact path ends with '/'; name a file.", field="path")
        length = call.headers.get("content-length")
        size = int(length) if length is not None and length.isascii() and length.isdigit() else None
        await self._artifacts.write_at(call.principal, call.path["path"], _body(call), size)
        return EMPTY

    async def delete_at(self, call: Call) -> Empty:
        """mlflow-artifacts/artifacts/{path}"""
        await self._artifacts.delete_at(call.principal, call.path["path"])
        return EMPTY

    async def create_upload(self, call: Call) -> CreatedUpload:
        """mlflow-artifacts/mpu/create/{path}: the parts come back to this server."""
        sent: CreateUpload = call.body
        count = sent.num_parts or 1
        if not 1 <= count <= MAX_PARTS:
            raise InvalidArgument(
                f"Invalid value {count} for parameter 'num_parts' supplied; it must be 1 to {MAX_PARTS}.",
                field="num_parts",
            )
        path = _upload_path(call, sent.path)
        # Once: a name of many characters in as many parts would keep everybody else waiting.
        name = quote(path)
        if count * len(name) > MAX_ADDRESSES:
            raise InvalidArgument(
                f"The addresses of {count:,} parts with this path would be longer than {MAX_ADDRESSES:,} "
                "characters; send fewer parts, or use a shorter path.",
                field="num_parts",
            )
        upload = await self._artifacts.start_upload(call.principal, path)
        try:
            ticket = await self._tickets.create(call.principal, upload)
        except RunyardError:
            await self._artifacts.abort_upload(call.principal, path, upload)
            raise
        headers = {} if ticket is None else {"Authorization": f"Bearer {ticket}"}
        base = f"{_address(call)}/api/2.0/mlflow-artifacts/mpu/part/{upload}"
        return CreatedUpload(
            upload,
            [PartCredential(f"{base}/{number}/{name}", number, headers) for number in range(1, count + 1)],
        )

    async def upload_part(self, call: Call) -> Response:
        """mlflow-artifacts/mpu/part/{upload_id}/{number}/{path}"""
        number = call.path["number"]
        if not number.isascii() or not number.isdigit() or len(number) > 6:
            raise InvalidArgument(f"Invalid part number '{number[:20]}'.", field="number")
        upload = UploadId(call.path["upload_id"])
        tag = await self._artifacts.write_part(
            call.principal, call.path["path"], upload, int(number), _body(call)
        )
        return Response(status_code=200, headers={"ETag": f'"{tag}"'})

    async def complete_upload(self, call: Call) -> Empty:
        """mlflow-artifacts/mpu/complete/{path}"""
        sent: CompleteUpload = call.body
        upload = UploadId(wire.required(sent.upload_id, "upload_id"))
        parts = []
        for i, part in enumerate(sent.parts or ()):
            if part.part_number is None:
                raise wire.missing(f"parts[{i}].part_number")
            parts.append(
                UploadPart(part.part_number, wire.required(part.etag, f"parts[{i}].etag").strip('"'))
            )
        parts.sort(key=lambda part: part.number)
        await self._artifacts.complete_upload(call.principal, _upload_path(call, sent.path), upload, parts)
        self._tickets.drop(call.principal, upload)
        return EMPTY

    async def abort_upload(self, call: Call) -> Empty:
        """mlflow-artifacts/mpu/abort/{path}"""
        sent: AbortUpload = call.body
        upload = UploadId(wire.required(sent.upload_id, "upload_id"))
        await self._artifacts.abort_upload(call.principal, _upload_path(call, sent.path), upload)
        self._tickets.drop(call.principal, upload)
        return EMPTY


def _files(entries: object, folder: str) -> list[WireFile]:
    prefix = f"{folder}/" if folder else ""
    assert isinstance(entries, list | tuple)  # noqa: S101
    return [_file(entry, prefix) for entry in entries]


def _file(entry: Entry, prefix: str) -> WireFile:
    return WireFile(prefix + entry.name, entry.is_dir, entry.size)


async def _download(call: Call, path: str, reader: BlobReader) -> Response:
    """The file, or the range of it that was asked for, or that it hasn't changed."""
    info = reader.info
    name = path.rsplit("/", 1)[-1]
    headers = {
        "ETag": f'"{info.etag}"',
        "Accept-Ranges": "bytes",
        # What a run stored must not act in the name of this server's pages.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    asked = call.headers
    try:
        known = asked.get("if-none-match", "")
        if headers["ETag"] in known or known.strip() == "*":
            await reader.close()
            return Response(status_code=304, headers=headers)
        fresh = asked.get("if-range") in (None, headers["ETag"])
        span = resolve_range(asked.get("range") if fresh else None, info.size)
    except BaseException:
        await reader.close()
        raise
    if span is not None:
        headers["Content-Range"] = span.content_range(info.size)
    headers["Content-Length"] = str(info.size if span is None else span.length)
    head = call.scope["method"] == "HEAD"

    async def chunks() -> AsyncIterator[bytes]:
        async with reader:
            if not head:
                async for chunk in reader.chunks(span):
                    yield chunk

    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return StreamingResponse(chunks(), 200 if span is None else 206, headers, media_type=kind)


def _body(call: Call) -> AsyncIterator[bytes]:
    """The request's body as it comes in; raises when the client goes away."""
    return StarletteRequest(call.scope, call.receive).stream()


def _upload_path(call: Call, file: str | None) -> str:
    """The upload's folder is in the address, the file's name in the body."""
    name = wire.required(file, "path").replace("\\", "/").rsplit("/", 1)[-1]
    return f"{call.path['path'].rstrip('/')}/{name}"


def _address(call: Call) -> str:
    """This server's address as the client wrote it, with the workspace: parts come without headers."""
    scope, name = call.scope, call.principal.workspace.name
    root: str = scope.get("root_path", "")
    if name != DEFAULT_WORKSPACE.name and not root.endswith(f"/w/{name}"):
        root += f"/w/{name}"
    return f"{scope['scheme']}://{call.headers.get('host', '')}{root}"
