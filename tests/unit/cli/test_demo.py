"""What `runyard demo` refuses before it imports anything heavy."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from runyard.cli.main import main
from runyard.demo import address


def _call(*options: str) -> Result:
    return CliRunner().invoke(main, ["demo", *options])


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What is installed instead; None for what is not."""
    changed: dict[str, str | None] = {}
    original = importlib.metadata.version

    def version(package: str) -> str:
        found = changed.get(package, "")
        if found is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return found or original(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    return changed


def test_a_missing_extra_is_told_with_the_line_that_installs_it(versions: dict[str, str | None]) -> None:
    versions |= {"scikit-learn": None, "rich": None}
    result = _call()
    assert result.exit_code == 1
    assert "scikit-learn, rich" in result.stderr
    assert "pip install 'runyard[demo]'" in result.stderr


def test_an_mlflow_without_logged_models_is_refused(versions: dict[str, str | None]) -> None:
    versions["mlflow"] = "2.22.5"
    result = _call()
    assert result.exit_code == 1
    assert "2.22.5" in result.stderr


def test_a_wrong_address_ends_with_an_error() -> None:
    result = _call("--url", "127.0.0.1:5000")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


def test_force_off_a_terminal_needs_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "check", lambda http: None)
    result = _call("--force")
    assert result.exit_code == 2
    assert "--yes" in result.stderr


def test_the_command_imports_no_optional_package() -> None:
    script = (
        "import runyard.cli.demo, sys; "
        "print([m for m in ('mlflow', 'sklearn', 'pandas', 'matplotlib', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
