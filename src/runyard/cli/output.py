"""The one renderer: a table for people, JSON for programs, CSV for spreadsheets.

Standard output holds what was asked for and nothing else; what is said about it goes to standard error. A
table on a terminal is as wide as the terminal: where that is narrow, ids and times get shorter, then columns
that can be spared go, then texts are cut. Elsewhere nothing is. JSON holds everything the server
told, CSV the table's columns.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import click

from runyard.cli import texts

Form = Literal["table", "json", "csv"]
Kind = Literal["text", "number", "time", "duration", "bytes", "flag", "kind"]
Item = Mapping[str, Any]

GAP = "  "
# A column that is cut keeps so much.
LEAST = 8
# Columns that can be spared go before a text is cut to less than this.
READABLE = 20
# So much of an id is shown where there is no room for all of it; the beginning names it as well.
ID_BEGINNING = 12

_C1 = re.compile("[\x7f-\x9f]")
# A run's, a logged model's or deleted files' id, as it is or behind the kind.
_ID = re.compile(r"(?P<before>(?:[a-z-]+:)?(?:m-)?)(?P<id>[0-9a-f]{32})")
# What a spreadsheet takes for the beginning of a formula; some take the wide forms for the same.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, or a line of a single thing.

    Attributes:
        key: the field that it shows; the head of CSV's column.
        kind: what its values are; times and durations are in milliseconds; a `kind` is what something is.
        head: the head on a terminal; the key in words by default.
        whole: never cut, so that it can be copied; where a terminal is narrow, long ids are shown by their
            beginnings.
        spare: left out where a terminal is narrow, the highest first; 0 for never.
    """

    key: str
    kind: Kind = "text"
    head: str = ""
    whole: bool = False
    spare: int = 0

    @property
    def title(self) -> str:
        """The head on a terminal."""
        return self.head or self.key.replace("_", " ")


class Output:
    """Shows what a command found.

    Args:
        form: of standard output.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        if not _speaks_unicode() and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")

    @property
    def for_people(self) -> bool:
        """Whether a person reads it."""
        return self.form == "table"

    def rows(
        self, items: Iterable[Item], columns: Sequence[Column], *, more: bool = False, empty: str = ""
    ) -> None:
        """Show things of one kind.

        Args:
            items: the things.
            columns: what the table and CSV show of them.
            more: whether there are others; a person is told how to see them.
            empty: what a person is told where there are none.
        """
        found = list(items)
        if self.form == "json":
            self.json(found)
        elif self.form == "csv":
            self.csv(found, columns)
        elif found:
            self.table(found, columns)
        elif empty:
            self.note(empty)
        if more:
            self.note(f"There are more than these {len(found):,}: see them with --limit (0 shows all).")

    def item(self, item: Item, columns: Sequence[Column]) -> None:
        """Show one thing."""
        if self.form == "json":
            self.json(item)
        elif self.form == "csv":
            self.csv([item], columns)
        else:
            self.fields(item, columns)

    def done(self, message: str, item: Item) -> None:
        """Show that something was changed: a sentence for people, the thing for programs."""
        if self.form == "json":
            self.json(item)
        elif self.form == "csv":
            self.csv([item], [Column(key, "time" if key.endswith("_time") else "text") for key in item])
        else:
            click.echo(texts.safe(message))

    def note(self, message: str) -> None:
        """Say something to whoever watches; it isn't part of the result."""
        click.echo(texts.safe(message), err=True)

    def json(self, value: object, *, indent: int | None = 2) -> None:
        """Write a value as JSON; without an indent in one line."""
        text = json.dumps(_finite(value), indent=indent, ensure_ascii=not _speaks_unicode(), allow_nan=False)
        click.echo(_C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text))

    def csv(self, items: Iterable[Item], columns: Sequence[Column], *, head: bool = True) -> None:
        """Write things as CSV."""
        content = io.StringIO()
        writer = csv.writer(content, lineterminator="\n")
        if head:
            writer.writerow([column.key for column in columns])
        writer.writerows([_csv_cell(item.get(column.key), column) for column in columns] for item in items)
        click.echo(content.getvalue(), nl=False)

    def table(self, items: Sequence[Item], columns: Sequence[Column]) -> None:
        """Write a table for people."""
        for line in lay_out(items, columns, width=terminal_width()):
            click.echo(line)

    def fields(self, item: Item, columns: Sequence[Column]) -> None:
        """Write one thing for people, a line for each field that has a value."""
        shown = [(column.title, _cell(item.get(column.key), column)) for column in columns]
        width = max((len(title) for title, text in shown if text), default=0)
        terminal = terminal_width()
        room = None if terminal is None else max(terminal - width - len(GAP), LEAST)
        for title, text in shown:
            for i, line in enumerate(_wrapped(text, room)):
                begin = " " * width if i else click.style(title.ljust(width), bold=True)
                click.echo(f"{begin}{GAP}{line}")

    def title(self, text: str) -> None:
        """Write a heading for people."""
        click.echo(f"\n{click.style(texts.safe(text), bold=True)}")


def lay_out(items: Sequence[Item], columns: Sequence[Column], *, width: int | None) -> list[str]:
    """The lines of a table, the head first; `width` is that of the terminal, None for no limit."""
    from rich.cells import cell_len, set_cell_size

    shown = list(columns)
    cells = [[_cell(item.get(column.key), column) for item in items] for column in shown]

    def measured() -> list[int]:
        return [max(map(cell_len, (c.title, *texts_))) for c, texts_ in zip(shown, cells, strict=True)]

    widths = measured()
    if width is not None:
        for shorter in (_begun, _short_times):
            if _excess(widths, width) > 0:
                cells = [shorter(column, items, texts_) for column, texts_ in zip(shown, cells, strict=True)]
                widths = measured()
        for column in sorted((c for c in columns if c.spare), key=lambda c: -c.spare):
            if _excess([_readable(w, c) for w, c in zip(widths, shown, strict=True)], width) > 0:
                at = shown.index(column)
                del shown[at], cells[at], widths[at]
        _narrow(widths, shown, width)

    def line(texts_: Sequence[str]) -> str:
        laid = []
        for text, room, column in zip(texts_, widths, shown, strict=True):
            length = cell_len(text)
            if length > room:
                laid.append(set_cell_size(text, room - 1) + "…")
            else:
                pad = " " * (room - length)
                laid.append(pad + text if column.kind in ("number", "bytes", "duration") else text + pad)
        return GAP.join(laid).rstrip()

    heads = [column.title for column in shown]
    return [click.style(line(heads), bold=True), *map(line, zip(*cells, strict=True))]


def terminal_width() -> int | None:
    """The width of the terminal that standard output is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _excess(widths: Sequence[int], width: int) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1) - width


def _begun(column: Column, items: Sequence[Item], shown: Sequence[str]) -> list[str]:
    """Texts with the ids that are never cut shown by beginnings, as long as they have to be to differ."""
    del items
    if not column.whole:
        return list(shown)
    found = [_ID.fullmatch(text) for text in shown]
    ids = {match["id"] for match in found if match}
    length = next(n for n in range(ID_BEGINNING, 33) if len({one[:n] for one in ids}) == len(ids))
    return [
        f"{match['before']}{match['id'][:length]}" if match else text
        for match, text in zip(found, shown, strict=True)
    ]


def _short_times(column: Column, items: Sequence[Item], shown: Sequence[str]) -> list[str]:
    if column.kind != "time":
        return list(shown)
    now_ms = time.time() * 1000
    values = [item.get(column.key) for item in items]
    return [
        texts.short_time(value, now_ms) if isinstance(value, int | float) else text
        for value, text in zip(values, shown, strict=True)
    ]


def _flexible(column: Column) -> bool:
    return column.kind == "text" and not column.whole


def _readable(width: int, column: Column) -> int:
    """How wide a column is at least to be of use."""
    return min(width, READABLE) if _flexible(column) else width


def _narrow(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Cut the widest columns that may be cut until the table fits, or none is left."""
    excess = _excess(widths, width)
    flexible = [i for i, column in enumerate(columns) if _flexible(column)]
    while excess > 0 and flexible:
        widest = max(flexible, key=lambda i: widths[i])
        if widths[widest] <= LEAST:
            return
        widths[widest] -= 1
        excess -= 1


def _wrapped(text: str, room: int | None) -> list[str]:
    """The lines of a text, broken at blanks only, so that an address can be copied."""
    if room is None or not text:
        return [text] if text else []
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [text]


def _cell(value: object, column: Column) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        match column.kind:
            case "time":
                return texts.time(value)
            case "duration":
                return texts.duration(value)
            case "bytes":
                return texts.size(value)
    if column.kind == "kind" and isinstance(value, str):
        return texts.safe(texts.spelled(value))
    return texts.plain(value)


def _csv_cell(value: object, column: Column) -> str:
    """A value as a spreadsheet reads it: exact, and never a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if not isfinite(value):
            return texts.special(value)
        return texts.iso_time(value) if column.kind == "time" else repr(value)
    if isinstance(value, str):
        text = value
    elif isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        text = ",".join(value)
    else:
        text = json.dumps(_finite(value), ensure_ascii=False)
    begins = text.lstrip().startswith(_FORMULA) or text[:1] in ("\t", "\r", "\n")
    return f"'{text}" if begins and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _finite(value: object) -> object:
    """A value that JSON can hold: NaN and infinities are texts, as in the server's answers."""
    if isinstance(value, float) and not isfinite(value):
        return texts.special(value)
    if isinstance(value, Mapping):
        return {key: _finite(found) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(found) for found in value]
    return value


def _speaks_unicode() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") in (
        "utf8",
        "utf16",
        "utf32",
    )
