"""The page about compatibility names every endpoint that is answered and every one that is refused."""

from __future__ import annotations

import re
from pathlib import Path

from runyard.server.app import build
from runyard.server.mlflow_api.refused import REFUSED
from runyard.server.settings import load

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "mlflow-compatibility.md").read_text()


def _told() -> set[tuple[str, str]]:
    """Method and path of every endpoint in the page's tables."""
    rows = re.findall(r"^\| (`[^|]*/[^|]*`) \|", PAGE, re.MULTILINE)
    return {
        (method, row.rsplit(" ", 1)[1].rstrip("`"))
        for row in rows
        for method in re.findall(r"GET|POST|PUT|PATCH|DELETE", row)
    }


def test_every_endpoint_is_on_the_page_and_nothing_else(tmp_path: Path) -> None:
    # Given
    routes = build(load({"data": str(tmp_path)}, {})).routes
    answered = {
        (route.method, route.path.replace(":path}", "}"))
        for route in routes
        if not route.alias and ("/mlflow" in route.path or route.path == "/get-artifact")
    }
    # Then
    assert _told() == answered


def test_every_refusal_is_on_the_page() -> None:
    assert [refusal.start for refusal in REFUSED if f"`{refusal.start}`" not in PAGE] == []
