"""`runyard server`."""

from __future__ import annotations

import click
import uvicorn

from runyard.server import settings as settings_module
from runyard.server.app import build


@click.command()
@click.option("--host")
@click.option("--port", type=int)
@click.option("--data")
@click.option("--database")
@click.option("--artifacts")
@click.option("--workers", type=int)
def server(**given: object) -> None:
    """Start the server."""
    settings = settings_module.load(given)
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
