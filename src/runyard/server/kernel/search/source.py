"""The text being parsed, and errors that point at a place in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runyard.server.kernel.errors import InvalidArgument

MAX_LENGTH = 100_000
"""Characters in one filter or order_by clause."""

_BEFORE, _AFTER = 48, 32  # characters shown on either side of the place that an error points at
_LONGEST_QUOTE = 40
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Source:
    """A text from a request.

    Attributes:
        text: what the caller wrote.
        field: path of the field in the request that holds it, such as `order_by[1]`.
    """

    text: str
    field: str

    def check(self) -> None:
        """Refuse what is too long to parse or holds characters that no database stores."""
        if len(self.text) > MAX_LENGTH:
            raise InvalidArgument(
                f"{self.field} is {len(self.text):,} characters long; the limit is {MAX_LENGTH:,}.",
                field=self.field,
            )
        if bad := _UNSTORABLE.search(self.text):
            code = ord(bad.group())
            raise self.error(f"the character U+{code:04X} is not allowed; remove it.", bad.start(), bad.end())

    def error(self, what: str, start: int, end: int) -> InvalidArgument:
        """An error about the characters from `start` to `end`, whose message shows them.

        The first line stands by itself; the other two are the source and a caret line under it.
        """
        first = max(0, start - _BEFORE)
        last = min(len(self.text), start + _AFTER)
        head = "…" if first else ""
        tail = "…" if last < len(self.text) else ""
        line = f"{head}{_printable(self.text[first:last])}{tail}"
        caret = " " * (len(head) + start - first) + "^" * max(1, min(end, last) - start)
        return InvalidArgument(
            f"Invalid {self.field}, column {start + 1}: {_printable(what)}\n    {line}\n    {caret}",
            field=self.field,
        )

    def quote(self, start: int, end: int) -> str:
        """The characters from `start` to `end` as a message shows them, or `the end` behind the last."""
        return quoted(self.text[start:end]) if start < len(self.text) else "the end"


def quoted(text: str) -> str:
    """A piece of a source as a message shows it: cut when long, in backticks unless it has quotes."""
    if len(text) > _LONGEST_QUOTE:
        text = f"{text[:_LONGEST_QUOTE]}…"
    text = _printable(text)
    return text if text[:1] in ("'", '"', "`") else f"`{text}`"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
