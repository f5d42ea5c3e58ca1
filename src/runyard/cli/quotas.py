"""Quotas as people read and write them: how much is used, of how much."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import click

from runyard.cli import texts
from runyard.cli.output import Column, Output

_TABLE = (
    Column("name", head="quota", whole=True),
    Column("scope"),
    Column("used_in_words", "number", "used"),
    Column("limit_in_words", "number", "limit"),
    Column("share", "number", "full"),
)

# As sizes are shown: K, KB and KiB are 1024 bytes.
_UNITS = "BKMGTP"
_AMOUNT = re.compile(r"(?P<number>[0-9]+(\.[0-9]+(?= ?[kmgtp]))?) ?(?P<unit>b|[kmgtp](i?b)?)?")


def table(out: Output, found: Iterable[Mapping[str, Any]]) -> None:
    """Write quotas for people, as a table."""
    out.table([{**one, **_in_words(one)} for one in found], _TABLE)


def section(out: Output, found: Iterable[Mapping[str, Any]]) -> None:
    """The same with a heading, below what they are the quotas of."""
    out.title("quotas")
    table(out, found)


def parse(name: str, text: str) -> int | str | None:
    """A limit as it is typed: `100000`, of bytes also `500GB` or `1.5T`, `none`, `default`.

    Raises:
        click.UsageError: it is none of these.
    """
    if text == "none":
        return None
    if text == "default":
        return text
    of_bytes = "bytes" in name
    found = _AMOUNT.fullmatch(text.lower())
    if found is None or (not of_bytes and not text.isdigit()):
        number = "a number of bytes (also as 500GB)" if of_bytes else "a number"
        raise click.UsageError(f"--set {name} takes {number}, none or default, not {text!r}.")
    unit = (found["unit"] or "B")[0].upper()
    return int(Decimal(found["number"]) * 1024 ** _UNITS.index(unit))


def _in_words(quota: Mapping[str, Any]) -> dict[str, str]:
    used, limit, unit = quota["used"], quota["limit"], quota["unit"]
    return {
        "used_in_words": "" if used is None else _amount(used, unit),
        "limit_in_words": "none" if limit is None else _amount(limit, unit),
        "share": f"{100 * used // limit} %" if used is not None and limit else "-",
    }


def _amount(number: int, unit: str) -> str:
    return texts.size(number) if unit == "bytes" else f"{number:,}"
