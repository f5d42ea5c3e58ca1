"""Imports point down, and imports inside functions are few and have a reason."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "runyard"

# (module that imports, what it imports) -> why a start must not pay for it, or may not have it.
LATE = {
    ("cli/main.py", "importlib"): "a command's module is loaded when the command is called",
    ("server/db/migrate.py", "alembic"): "half a second, and only when the schema isn't current",
    ("server/db/migrate.py", "sqlalchemy"): "the engine is needed only by Alembic",
    ("server/db/database.py", "runyard.server.db.postgresql"): "an optional driver, and a tenth of a start",
    ("server/auth/service/passwords.py", "argon2"): "only for passwords, not for tokens",
    ("server/auth/routes/sign_in.py", "runyard.server.auth.routes"): "Jinja, at the first page",
    ("server/auth/service/oidc/login.py", "runyard.server.auth.service.oidc"): "authlib, httpx: OIDC only",
    ("server/operations/endpoints.py", "runyard.server.web"): "prometheus_client, at the first scrape",
    ("server/metrics/engine.py", "runyard.server.metrics"): "modules that import numpy: 25 MB",
    ("server/metrics/summary.py", "runyard.server.metrics"): "modules that import numpy: 25 MB",
    ("server/metrics/batchlog.py", "runyard.server.metrics"): "modules that import numpy: 25 MB",
    ("server/metrics/compaction.py", "runyard.server.metrics"): "modules that import numpy: 25 MB",
    ("server/tracking/store/search/stream.py", "runyard.server.tracking"): "a module that imports numpy",
    ("client/credentials.py", "keyring"): "an optional package, and an eighth of a second",
    (
        "cli/",
        "runyard.client",
    ): "httpx and msgspec: a fifth of a second that help and completions needn't pay",
    ("cli/output.py", "rich"): "only for tables",
    ("cli/run_download.py", "rich"): "only on a terminal",
    ("cli/run_watch.py", "rich"): "only on a terminal",
    ("cli/metrics_export.py", "pyarrow"): "an optional package",
    ("cli/metrics_plot.py", "plotille"): "an optional package",
    (
        "cli/user.py",
        "runyard.cli.offline",
    ): "the server's half a second, only for the first administrator",
    ("cli/login.py", "runyard.cli.browser"): "a web server of its own, only to sign in in the browser",
    ("cli/demo.py", "rich"): "an optional package",
    ("cli/demo.py", "runyard.demo"): "modules that import optional packages",
}


def test_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_imports_inside_functions_are_listed() -> None:
    found = {
        (str(path.relative_to(SOURCE)), module)
        for path in SOURCE.rglob("*.py")
        for module in _late_imports(ast.parse(path.read_text()))
    }
    unlisted = sorted(
        f"{path}: {module}"
        for path, module in found
        if not any(path.startswith(p) and (module + ".").startswith(m + ".") for p, m in LATE)
    )
    assert unlisted == []


def test_every_listed_late_import_exists() -> None:
    found = [
        (str(path.relative_to(SOURCE)), module)
        for path in SOURCE.rglob("*.py")
        for module in _late_imports(ast.parse(path.read_text()))
    ]
    idle = [
        (p, m)
        for p, m in LATE
        if not any(path.startswith(p) and (module + ".").startswith(m + ".") for path, module in found)
    ]
    assert idle == []


def _late_imports(tree: ast.Module) -> list[str]:
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found.append(node.module)
    return found
