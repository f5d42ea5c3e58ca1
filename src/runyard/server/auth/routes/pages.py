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
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def render(
    template: str, status: int, headers: dict[str, str], *, leads_to: str = "", **values: Any
) -> HTMLResponse:
    """A page made of a template.

    Args:
        template: its file.
        status: of HTTP.
        headers: further ones.
        leads_to: an origin beside the server's own that the page's forms may lead to: browsers hold a
            form's policy against the redirects that follow it, too.
        values: what stands in it.
    """
    text = _templates.get_template(template).render(**values)
    answer = HTMLResponse(text, status, {**HEADERS, **headers})
    if leads_to:
        answer.headers["Content-Security-Policy"] = _POLICY.replace(
            "form-action 'self'", f"form-action 'self' {leads_to}"
        )
    return answer
