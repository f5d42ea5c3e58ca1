"""Ids of runs, logged models and deleted files, of which the beginning is enough."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from runyard.client.errors import ConfigurationError

LENGTH = 32
# Shorter ones would soon mean several things.
LEAST = 6

_ID = re.compile(f"(m-)?(?P<digits>[0-9a-f]{{1,{LENGTH}}})")


def whole(kind: str, text: str, begin_with: Callable[[str], Iterable[str]]) -> str:
    """The whole id of a run, a model or deleted files; what is none of theirs, or begins none, as it is.

    Args:
        kind: what it is an id of.
        text: the id or the beginning of it; a model's may lack its `m-`.
        begin_with: looks for the ids that begin with a text.

    Raises:
        ConfigurationError: several ids begin like this, or it is too short.
        ClientError: see `errors`.
    """
    match = _ID.fullmatch(text)
    if kind not in ("run", "model", "artifact") or match is None:
        return text
    length = len(match["digits"])
    if length < LEAST:
        raise ConfigurationError(f"{text} is too little of a {kind}'s id: give {LEAST} characters or more.")
    begin = f"m-{match['digits']}" if kind == "model" else text
    if length == LENGTH:
        return begin
    found = {one for one in begin_with(begin) if one.startswith(begin)}
    if len(found) > 1:
        raise ConfigurationError(f"The ids of several {kind}s begin with {text}; give more of it.")
    return found.pop() if found else begin
