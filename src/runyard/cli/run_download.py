"""`runyard run download`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runyard.cli import commands, texts
from runyard.cli.commands import Command
from runyard.cli.output import Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.artifacts import File
    from runyard.client.http import Http

# Files at a time: small ones wait for the network, not for the disk.
AT_ONCE = 4


class _Stopped(Exception):
    """Another file failed, or somebody pressed Ctrl+C."""


@click.command(
    cls=Command,
    examples=(
        "runyard run download 3f2a9c1e",
        "runyard run download 3f2a9c1e model plots/roc.png --to ./best",
    ),
)
@click.argument("name", metavar="RUN")
@click.argument("paths", metavar="[PATH...]", nargs=-1)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where to; a folder named like the run's id by default.",
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@commands.server
@commands.output
def download(
    session: Session, name: str, paths: tuple[str, ...], folder: Path | None, force: bool, out: Output
) -> None:
    """Download a run's files, or those below some paths.

    A file appears when it is whole. Files that are there already are left alone, so that a download that
    was interrupted goes on where it was.
    """
    from runyard.client import artifacts, runs

    run_id = runs.find(session.http, name).info.run_id
    folder = Path(run_id) if folder is None else folder
    asked = [path.strip("/") for path in paths] or [""]
    found = {file.path: file for path in asked for file in artifacts.walk(session.http, run_id, path)}
    targets = {path: artifacts.target_of(folder, path) for path in sorted(found)}
    wanted = [file for path, file in found.items() if force or not targets[path].exists()]
    with _progress(sum(file.file_size or 0 for file in wanted)) as advance:
        _download_all(session.http, run_id, wanted, targets, advance)
    skipped = len(found) - len(wanted)
    size = texts.size(sum(file.file_size or 0 for file in wanted))
    message = f"Downloaded {texts.count(len(wanted), 'file')}, {size}, to {folder}."
    if skipped:
        message += f" {skipped} were there already (--force replaces them)."
    taken = {file.path for file in wanted}
    files = [
        {"path": path, "file": str(targets[path]), "size": found[path].file_size, "downloaded": path in taken}
        for path in targets
    ]
    out.done(message, {"run_id": run_id, "folder": str(folder), "files": files})


def _download_all(
    http: Http,
    run_id: str,
    files: Sequence[File],
    targets: dict[str, Path],
    advance: Callable[[int], None],
) -> None:
    """Download files, several at a time; when one fails, none of the others goes on."""
    from runyard.client import artifacts

    stopped = threading.Event()

    def on_bytes(count: int) -> None:
        if stopped.is_set():
            raise _Stopped
        advance(count)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            futures = [
                pool.submit(artifacts.download, http, run_id, file.path, targets[file.path], on_bytes)
                for file in files
            ]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            stopped.set()
            http.abort()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; yields what to tell the bytes to."""
    if not sys.stderr.isatty() or not total:
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)
