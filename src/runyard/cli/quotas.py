"""Quotas as people read them: how much is used, of how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runyard.cli import texts
from runyard.cli.output import Column, Output

_TABLE = (
    Column("name", head="quota", whole=True),
    Column("scope", head="of each"),
    Column("used_in_words", "number", "used"),
    Column("limit_in_words", "number", "limit"),
    Column("share", "number", "full"),
)


def table(out: Output, found: Iterable[Mapping[str, Any]]) -> None:
    """Write quotas for people, as a table."""
    out.table([{**one, **_in_words(one)} for one in found], _TABLE)


def section(out: Output, found: Iterable[Mapping[str, Any]]) -> None:
    """The same with a heading, below what they are the quotas of."""
    out.title("quotas")
    table(out, found)


def _in_words(quota: Mapping[str, Any]) -> dict[str, str]:
    used, limit, unit = quota["used"], quota["limit"], quota["unit"]
    return {
        "used_in_words": "" if used is None else _amount(used, unit),
        "limit_in_words": "none" if limit is None else _amount(limit, unit),
        "share": f"{100 * used // limit} %" if used is not None and limit else "",
    }


def _amount(number: int, unit: str) -> str:
    return texts.size(number) if unit == "bytes" else f"{number:,}"
