"""Values as people read them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

# What a terminal would obey instead of showing it: control characters, and those that turn the writing's
# direction around.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def safe(text: str) -> str:
    """A text that a terminal shows as it is: no run's name may move its cursor or colour its lines."""
    return _UNSAFE.sub(lambda found: _SHORT.get(found[0]) or _escaped(found[0]), text)


def time(ms: float) -> str:
    """A time in milliseconds since the epoch, on this machine's clock."""
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, OSError, ValueError):  # far outside of the calendar
        return str(ms)


def short_time(ms: float, now_ms: float) -> str:
    """The same in few characters: of this year without the year and the seconds, of others the day only."""
    told = time(ms)
    if told == str(ms):
        return told
    return told[5:16] if told[:5] == time(now_ms)[:5] else told[:10]


def iso_time(ms: float) -> str:
    """A time in milliseconds since the epoch, in UTC, as machines read it."""
    try:
        found = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return str(ms)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(ms: float) -> str:
    """A length of time in milliseconds."""
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02}m"
    return f"{hours // 24}d {hours % 24:02}h"


def size(count: float) -> str:
    """A number of bytes."""
    unit = 0
    while abs(count) >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def count(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def in_trash(kind: str, name: str, moved: Mapping[str, Any]) -> str:
    """What went to the trash, until when, and how it comes back; `moved` is what the server told of it."""
    return all_in_trash(kind, {moved["id"]: name}, moved.get("purge_time"))


def all_in_trash(kind: str, names: Mapping[str, str], purge_time: int | None) -> str:
    """The same of several things of a kind, by their ids."""
    noun = kind.replace("_", " ") + ("s" if len(names) > 1 else "")
    things = " ".join(f"{spelled(kind)}:{one}" for one in names)
    told = ", ".join(f"'{name}'" for name in names.values())
    return gone(f"{noun} {told}", purge_time, f"trash restore {things}")


def gone(what: str, purge_time: int | None, undo: str) -> str:
    """The sentence for whatever went to the trash; `undo` is a command without the program's name."""
    until = "" if purge_time is None else f", until {time(purge_time)}"
    return f"In the trash: {what}{until}. To undo: runyard {undo}"


def spelled(kind: str) -> str:
    """A kind of thing as the commands spell it; the API has two spellings of a service principal."""
    return "service-principal" if kind in ("service", "service_principal") else kind


def held(roles: Sequence[Mapping[str, Any]]) -> list[str]:
    """Roles that somebody has: `Reader in vision`."""
    return [
        f"{role['role']} in {role['workspace']}" + (f" (group {role['group']})" if role["group"] else "")
        for role in roles
    ]


def number(value: float) -> str:
    """A number, short; a whole one in full."""
    if type(value) is int:
        return str(value)
    return f"{value:.6g}" if isfinite(value) else special(value)


def special(value: float) -> str:
    """NaN and infinities, as the server spells them."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN's test


def plain(value: object) -> str:
    """Any value in one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return safe(", ".join(f"{key}={plain(found)}" for key, found in value.items()))
    if isinstance(value, list | tuple):
        return safe(", ".join(plain(found) for found in value))
    return safe(str(value))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
