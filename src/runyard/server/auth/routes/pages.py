"""Pages for people, made on the server; they hold no script. Imported when the first one is asked for."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
# The one style that pages hold, and so the one that browsers apply.
_STYLE = _templates.get_template("style.css").render()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# A page runs nothing, loads nothing, is framed by nothing, and tells other sites nothing of its address.
# (Under `no-referrer` a browser would not say where a form comes from, not even to its own server.)
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def render(template: str, status: int, headers: dict[str, str], **values: Any) -> HTMLResponse:
    """A page made of a template."""
    text = _templates.get_template(template).render(**values)
    return HTMLResponse(text, status, {**HEADERS, **headers})
