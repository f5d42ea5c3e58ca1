"""A start stays light."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.server.conftest import Start

IDLE_BYTES = 100_000_000

# What a start doesn't need, and what it would cost: 10 to 40 % of its time, 2 to 25 MB.
LATE = (
    "numpy",
    "alembic",
    "psycopg",
    "sqlalchemy.dialects.postgresql",
    "prometheus_client",
    "mlflow",
    "jinja2",
    "argon2",
    "authlib",
    "cryptography",
    "httpx",
)

SCRIPT = """
import sys
from runyard.cli.server import server
from runyard.server import app, settings
app.build(settings.load({"data": sys.argv[1]}, {}))
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_a_start_imports_only_what_it_needs(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *LATE], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_an_idle_server_is_small(start: Start) -> None:
    server = start()
    assert server.get("/health") == "OK"
    assert psutil.Process(server.pid).memory_info().rss < IDLE_BYTES
