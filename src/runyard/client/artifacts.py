"""Files of runs: listings, downloads and deleting.

A file is written under another name and renamed when it is whole. A connection that breaks is taken up where
it broke. What a server names can't lead out of the folder that was asked for.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from runyard.client.errors import NotFound, NotRunyard, NotWritten, Unreachable
from runyard.client.http import MLFLOW, NATIVE, Http

# Of a file: how often a broken connection is taken up again without any byte coming.
TRIES = 3


class File(msgspec.Struct):
    """A file or a folder; the path is relative to the run's root."""

    path: str
    is_dir: bool = False
    file_size: int | None = None


class _Files(msgspec.Struct):
    files: list[File] = []


class Deleted(msgspec.Struct):
    """What was moved to the trash.

    Attributes:
        id: its id there, as an `artifact`.
        path: relative to the run's root.
        artifact_files, artifact_bytes: what it takes.
        purge_time: when it goes by itself, in milliseconds since the epoch; None for never.
    """

    id: str
    path: str
    artifact_files: int
    artifact_bytes: int
    purge_time: int | None = None


def listing(http: Http, run_id: str, path: str = "") -> list[File]:
    """What is in a folder of a run.

    Raises:
        ClientError: see `errors`.
    """
    query = {"run_id": run_id, "path": path or None}
    found: _Files = http.get(f"{MLFLOW}/artifacts/list", query, kind=_Files)
    return found.files


def walk(http: Http, run_id: str, path: str = "") -> Iterator[File]:
    """Every file in a folder of a run and in those below it; the file itself where the path is one.

    Raises:
        NotFound: there is nothing at the path.
        ClientError: see `errors`.
    """
    files = listing(http, run_id, path)
    if not files and path:
        # A file has no content to list; its folder has it.
        folder, _, _ = path.rpartition("/")
        files = [file for file in listing(http, run_id, folder) if file.path == path]
        if not files:
            raise NotFound(
                f"The run {run_id} has nothing at '{path}'.", status=404, error_code="RESOURCE_DOES_NOT_EXIST"
            )
        yield from (file for file in files if not file.is_dir)
        return
    for file in files:
        if file.is_dir:
            yield from walk(http, run_id, file.path)
        else:
            yield file


def delete(http: Http, run_id: str, path: str) -> Deleted:
    """Move a file, or a folder with all that is in it, to the trash.

    Raises:
        NotFound: there is nothing at the path.
        ClientError: see `errors`.
    """
    found: Deleted = http.post(f"{NATIVE}/artifacts/delete", {"run_id": run_id, "path": path}, kind=Deleted)
    return found


def target_of(folder: Path, path: str) -> Path:
    """Where a file of a run goes below a folder.

    Raises:
        NotRunyard: the path leads out of the folder.
    """
    parts = PurePosixPath(path).parts
    odd = any(
        part in ("..", "") or "\0" in part or (os.name == "nt" and set(part) & set("\\:")) for part in parts
    )
    if not parts or path.startswith("/") or odd:
        raise NotRunyard(
            f"The server names a file {path!r}, which isn't below its run; nothing of it is written."
        )
    return folder.joinpath(*parts)


def download(http: Http, run_id: str, path: str, target: Path, on_bytes: Callable[[int], None]) -> None:
    """Write a file of a run to a file, whole or not at all.

    Args:
        http: the server.
        run_id: the run.
        path: of the file, relative to the run's root.
        target: the file to write; one that is there is replaced.
        on_bytes: told how many bytes more are written: none before a connection, fewer than none when the
            file begins anew. What it raises ends the download.

    Raises:
        NotWritten: it can't be written.
        ClientError: see `errors`.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                _fill(http, run_id, path, file, on_bytes)
            part.replace(target)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NotWritten(f"{target} can't be written: {reason}.") from error


def _fill(http: Http, run_id: str, path: str, file: BinaryIO, on_bytes: Callable[[int], None]) -> None:
    """Write all bytes, over as many connections as it takes."""
    tag, silent = "", 0
    while True:
        on_bytes(0)
        start = file.tell()
        # If-Range: a file that was replaced meanwhile comes whole.
        headers = {"Range": f"bytes={start}-", "If-Range": tag} if start and tag else {}
        # Compression would make a range of something else.
        headers["Accept-Encoding"] = "identity"
        try:
            with http.stream("/get-artifact", {"run_id": run_id, "path": path}, headers) as response:
                if start and response.status_code != 206:
                    on_bytes(-start)
                    file.seek(0)
                    file.truncate()
                tag = response.headers.get("etag", "")
                # As they come: what is gathered first is lost when the connection breaks.
                for chunk in response.iter_raw():
                    file.write(chunk)
                    on_bytes(len(chunk))
        except Unreachable:
            silent = 0 if file.tell() > start else silent + 1
            if silent >= TRIES:
                raise
        else:
            return
