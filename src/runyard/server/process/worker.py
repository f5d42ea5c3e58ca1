"""What a worker process is: the application, and an end when its supervisor ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from multiprocessing import connection, parent_process

from uvicorn.config import STARTUP_FAILURE

from runyard.server import app
from runyard.server import settings as settings_module
from runyard.server.kernel.errors import RunyardError
from runyard.server.process import database
from runyard.server.process.listen import allow_many_files
from runyard.server.web import Application

log = logging.getLogger("runyard.server")


def create() -> Application:
    """The application for the settings in the environment."""
    allow_many_files()
    threading.Thread(target=_end_with_the_supervisor, name="runyard-orphan", daemon=True).start()
    try:
        settings = settings_module.load()
        absence = database.absence(settings)
        if absence is None:
            return app.build(settings)
    except RunyardError as error:
        # This exit code tells the supervisor that another try would fail the same way.
        log.error("a worker can't start: %s", error)  # noqa: TRY400
        sys.exit(STARTUP_FAILURE)
    # Any other one has it try again. The workers that run needn't end because the database is away.
    log.warning("a worker can't start yet: %s", absence)
    sys.exit(1)


def _end_with_the_supervisor() -> None:
    """A supervisor that is killed can't stop its workers, which would keep the port for ever."""
    supervisor = parent_process()
    if supervisor is not None:
        connection.wait([supervisor.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
